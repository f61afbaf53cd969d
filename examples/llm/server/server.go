// Package server is a language model to try things with. It speaks the protocols of OpenAI (POST /v1/chat/completions) and
// of Anthropic (POST /v1/messages), streaming and not, as their official SDKs use them for plain text. There are
// usage, error bodies, rate-limit headers and quotas of requests and of tokens a minute. What it says is taken from the prompt.
//
// How tokens are counted: on arrival, a request is charged with its prompt and the longest answer that it allows
// (max_completion_tokens, max_tokens); when it has been answered, with what it used instead. Anthropic has documented both
// ("Rate limits": estimated based on max_tokens at the beginning of each request, adjusted at the end). OpenAI has documented the
// first ("Rate limits": the maximum of max_tokens and the estimated number of tokens based on the character count), and says
// nothing of the second; see Config.KeepsReserve. Here the prompt is not estimated but counted, so that the books are exact.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/llm/tokens"
)

// Server is a running server, and an http.Handler for what is to be put in front of it.
type Server struct {
	cfg    Config
	clock  clock.Clock
	count  *tokens.Counter
	routes http.ServeMux
	http   http.Server

	url     string
	stopped chan error
	desk    chan func() // what is to be done with the books, by the goroutine that owns them
	closed  chan struct{}

	books map[string]*books // by key, if keys have quotas of their own; under "" those of all others
}

// Start serves on the listener, which it owns, until Close. A nil listener is one on a free port of this machine.
func Start(cfg Config, on net.Listener) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	count, err := tokens.NewCounter()
	if err != nil {
		return nil, err
	}
	if on == nil {
		if on, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
	}
	s := &Server{
		cfg: cfg, clock: cfg.Clock, count: count,
		url:     "http://" + on.Addr().String(),
		stopped: make(chan error, 1), desk: make(chan func()), closed: make(chan struct{}),
		books: cfg.books(cfg.Clock.Now()),
	}
	s.routes.HandleFunc("POST /v1/chat/completions", s.chatCompletions)
	s.routes.HandleFunc("POST /v1/messages", s.messages)
	s.http.Handler = s
	go s.keep()
	go func() { s.stopped <- s.http.Serve(on) }()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// keep owns the books.
func (s *Server) keep() {
	for {
		select {
		case do := <-s.desk:
			do()
		case <-s.closed:
			return
		}
	}
}

// with has f done by the owner of the books, and returns when it has; not at all once the server is closed.
func (s *Server) with(f func()) {
	done := make(chan struct{})
	select {
	case s.desk <- func() { f(); close(done) }:
		<-done
	case <-s.closed:
	}
}

// URL is where the server is, without a path.
func (s *Server) URL() string { return s.url }

// Close ends the server and the requests in it. It must be called once.
func (s *Server) Close() error {
	err := s.http.Close()
	close(s.closed)
	if stop := <-s.stopped; !errors.Is(stop, http.ErrServerClosed) {
		return stop
	}
	return err
}

// Stats returns what became of requests so far, of all keys.
func (s *Server) Stats() (stats Stats) {
	s.with(func() {
		for _, b := range s.books {
			stats = stats.plus(b.stats)
		}
	})
	return stats
}

// Ledger returns what was let in so far; with Config.Keys, nothing: see OfKey.
func (s *Server) Ledger() (l Ledger) {
	s.with(func() { l = s.books[""].ledger.copy() })
	return l
}

// OfKey returns what became of the requests with one of Config.Keys, and what was let in. Of another key that is nothing.
func (s *Server) OfKey(key string) (stats Stats, l Ledger) {
	s.with(func() {
		if b := s.books[key]; b != nil {
			stats, l = b.stats, b.ledger.copy()
		}
	})
	return stats, l
}

// LedgerOf returns what was let in of one quota of tokens, as the headers name it: tokens, or input-tokens and output-tokens.
func (s *Server) LedgerOf(name string) (l Ledger) {
	s.with(func() {
		for _, m := range s.books[""].meters {
			if m.name == name {
				l = m.ledger.copy()
			}
		}
	})
	return l
}

// knowsKey reports whether callers may have the key.
func (s *Server) knowsKey(key string) bool {
	if len(s.cfg.Keys) > 0 {
		return key != "" && s.books[key] != nil
	}
	return s.cfg.Key == "" || key == s.cfg.Key
}

func (s *Server) admit(key string, most usage) (v verdict) {
	v.status = http.StatusServiceUnavailable // if the server is closed meanwhile
	s.with(func() {
		b := s.books[""]
		if len(s.cfg.Keys) > 0 {
			b = s.books[key]
		}
		v = b.admit(s.clock.Now(), most)
	})
	return v
}

func (s *Server) end(v verdict, e ending, used usage) {
	s.with(func() { v.books.end(s.clock.Now(), v, e, used) })
}

func (s *Server) reject() { s.with(func() { s.books[""].stats.Rejected++ }) }

// write has an answer written in its time, and calls part for each token, unless the caller leaves.
func (s *Server) write(ctx context.Context, a answer, part func(piece string)) (all bool) {
	begin := s.clock.Now().Add(s.cfg.scale(s.cfg.FirstToken))
	if part == nil {
		return s.sleep(ctx, begin.Add(s.cfg.writing(int(a.tokens))))
	}
	for i, piece := range a.pieces {
		if !s.sleep(ctx, begin.Add(s.cfg.writing(i+1))) {
			return false
		}
		part(piece)
	}
	return true
}

func (s *Server) sleep(ctx context.Context, until time.Time) bool {
	left := until.Sub(s.clock.Now())
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := s.clock.Timer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// knows reports whether there is such a model.
func knows(model string) bool {
	for _, m := range Models {
		if model == m || strings.HasPrefix(model, m+"-20") { // with a date
			return true
		}
	}
	return false
}

// milliseconds rounds up: who waits so long finds what he waited for.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// duration is written as OpenAI does: 12ms, 1.574s, 6m0s.
func duration(d time.Duration) string {
	return (time.Duration(milliseconds(d)) * time.Millisecond).String()
}

func retryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
	h.Set("Retry-After-Ms", strconv.FormatInt(milliseconds(d), 10))
}
