package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/llm/server"
)

// pipes is a network within a bubble: connections are pipes, and take no time.
type pipes struct {
	offered chan net.Conn
	closed  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.offered <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.offered:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// defaults are the options without flags, but for the file and the minute, which is a real one.
func defaults(t *testing.T) options {
	t.Helper()
	o, err := parse([]string{"-out", filepath.Join(t.TempDir(), "answers.jsonl"), "-minute", "1m"}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// piped starts a server in the bubble that the test is in.
func piped(t *testing.T, o options, cfg server.Config) *backend {
	t.Helper()
	network := newPipes()
	s, err := server.Start(cfg, network)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{url: o.path(s.URL()), server: s, base: &http.Transport{
		DialContext: network.dial, MaxIdleConnsPerHost: o.concurrency, IdleConnTimeout: time.Minute,
	}}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
