package pacehttp_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// quick is a configuration under which next to no time is spent on waiting.
func quick() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: 8,
		Policy:         pipeline.Static{},
		Retry:          &pipeline.Retry{BaseDelay: time.Millisecond, MaxDelay: time.Millisecond},
	}
}

func newThrottle(t *testing.T, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	if cfg.Spread == 0 {
		cfg.Spread = -1 // so that pauses end when they are to
	}
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// A stand is a real server, and a client whose requests pass a throttle.
type stand struct {
	*http.Client
	transport *pacehttp.Transport
	throttle  *pipeline.Throttle
	url       string
	requests  atomic.Int64 // that came
	conns     atomic.Int64 // that were opened
}

// A reply answers the nth request, from 1.
type reply func(w http.ResponseWriter, r *http.Request, n int)

// newStand starts a server on loopback.
func newStand(t *testing.T, cfg pipeline.Config, answer reply) *stand {
	t.Helper()
	s := &stand{}
	server := httptest.NewUnstartedServer(s.handler(answer))
	server.Config.ConnState = s.count
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	s.connect(t, cfg, server.URL, server.Client().Transport)
	return s
}

// newStandInMemory starts a server that is reached without a network, for bubbles.
func newStandInMemory(t *testing.T, cfg pipeline.Config, answer reply) *stand {
	t.Helper()
	s := &stand{}
	l := newPipes()
	server := &http.Server{Handler: s.handler(answer), ConnState: s.count, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	base := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		server.Close()
	})
	s.connect(t, cfg, "http://server.test", base)
	return s
}

func (s *stand) handler(answer reply) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, int(s.requests.Add(1)))
	})
}

func (s *stand) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.conns.Add(1)
	}
}

func (s *stand) connect(t *testing.T, cfg pipeline.Config, url string, base http.RoundTripper) {
	s.url = url
	s.throttle = newThrottle(t, cfg)
	s.transport = &pacehttp.Transport{Throttle: s.throttle, Base: base}
	s.Client = &http.Client{Transport: s.transport}
}

// wantRequests says how many there should have been.
func (s *stand) wantRequests(t *testing.T, want int64) {
	t.Helper()
	if got := s.requests.Load(); got != want {
		t.Errorf("%d requests came, want %d", got, want)
	}
}

// pipes are connections in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, errors.New("nobody listens")
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

// request returns one with a body, "" for none.
func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// wantAnswer reads a response to its end.
func wantAnswer(t *testing.T, res *http.Response, err error, status int, body string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	if res.StatusCode != status {
		t.Errorf("got status %d, want %d", res.StatusCode, status)
	}
	if string(got) != body {
		t.Errorf("got a body of %d bytes, %.40q, want %d, %.40q", len(got), got, len(body), body)
	}
}

// status answers with one, and its text.
func status(code int) reply {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { http.Error(w, http.StatusText(code), code) }
}

// after answers so first, and then as it should be.
func after(times int, answer reply) reply {
	return func(w http.ResponseWriter, r *http.Request, n int) {
		if n <= times {
			answer(w, r, n)
			return
		}
		io.WriteString(w, "done")
	}
}

// reset breaks the connection.
func reset(w http.ResponseWriter, _ *http.Request, _ int) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	if c, ok := conn.(*net.TCPConn); ok {
		c.SetLinger(0) // RST instead of FIN
	}
	conn.Close()
}

// say writes to the connection, past net/http, and closes it.
func say(text string) reply {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, text)
		conn.Close()
	}
}

// A roundTripper is a function as one.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
