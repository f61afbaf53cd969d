package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// Path is where the service answers.
const Path = "/v1/sun"

// Answer is the body of a 200.
type Answer struct {
	Geohash    string    `json:"geohash"`          // nine digits
	Sunrise    time.Time `json:"sunrise,omitzero"` // left out where the sun does not rise or does not set
	Noon       time.Time `json:"noon"`
	Sunset     time.Time `json:"sunset,omitzero"`
	DayMinutes float64   `json:"day_minutes"`
	Tokens     int64     `json:"tokens"` // charged for this call
}

// Query returns the query string that asks for a place, in degrees, on a date.
func Query(lat, lon float64, date time.Time) string {
	return url.Values{
		"lat":  {strconv.FormatFloat(lat, 'f', -1, 64)},
		"lon":  {strconv.FormatFloat(lon, 'f', -1, 64)},
		"date": {date.Format(time.DateOnly)},
	}.Encode()
}

// Server is a running service, and an http.Handler.
type Server struct {
	clock   clock.Clock
	routes  *http.ServeMux
	mu      sync.Mutex // every request runs in a goroutine of its own, and all pass one gate
	gate    *gate
	url     string
	http    http.Server
	stopped chan error
}

// New returns a service that does not listen yet, for a server of the caller's
// own. Close is not needed.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	s := &Server{clock: cfg.Clock, gate: newGate(cfg), routes: http.NewServeMux()}
	if s.clock == nil {
		s.clock = clock.Real()
	}
	s.routes.HandleFunc("GET "+Path, s.sun)
	return s, nil
}

// Start listens on cfg.Addr and serves until Close.
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	addr := cfg.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.http.Handler = s
	s.stopped = make(chan error, 1)
	go func() { s.stopped <- s.http.Serve(listener) }()
	return s, nil
}

// URL is the address of a started service, without a path.
func (s *Server) URL() string { return s.url }

// Close ends a started service and the calls in it.
func (s *Server) Close() error {
	err := s.http.Close()
	if stop := <-s.stopped; !errors.Is(stop, http.ErrServerClosed) {
		return stop
	}
	return err
}

// Stats returns what the service saw so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gate.stats
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

func (s *Server) sun(w http.ResponseWriter, r *http.Request) {
	lat, lon, date, err := parse(r.URL.Query())
	if err != nil {
		s.countInvalid()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	tokens := cost(r.URL.RawQuery)
	v := s.admit(tokens)
	describe(w.Header(), v)
	if !v.accepted() {
		http.Error(w, v.cause, v.status)
		return
	}
	answered := s.pause(r.Context(), v.latency)
	s.release(v, answered) // before the answer, so that a caller who has it is counted
	if !answered {
		return
	}
	if v.status != http.StatusOK {
		http.Error(w, v.cause, v.status)
		return
	}
	d := sun(lat, lon, date)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Answer{ // a caller who is gone by now learns nothing
		Geohash: geohash(lat, lon, 9),
		Sunrise: d.Sunrise.Truncate(time.Second), Noon: d.Noon.Truncate(time.Second), Sunset: d.Sunset.Truncate(time.Second),
		DayMinutes: math.Round(d.Length.Minutes()*100) / 100,
		Tokens:     tokens,
	})
}

func (s *Server) admit(tokens int64) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gate.admit(s.clock.Now(), tokens)
}

func (s *Server) release(v verdict, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.release(v, answered)
}

func (s *Server) countInvalid() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.stats.Requests++
	s.gate.stats.Invalid++
}

// pause waits for d; false if the caller left meanwhile.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := s.clock.Timer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func parse(q url.Values) (lat, lon float64, date time.Time, err error) {
	if lat, err = degrees(q, "lat", 90); err != nil {
		return 0, 0, time.Time{}, err
	}
	if lon, err = degrees(q, "lon", 180); err != nil {
		return 0, 0, time.Time{}, err
	}
	if date, err = time.Parse(time.DateOnly, q.Get("date")); err != nil {
		return 0, 0, time.Time{}, fmt.Errorf("date: got %q, want one such as 2026-06-21", q.Get("date"))
	}
	return lat, lon, date, nil
}

func degrees(q url.Values, name string, most float64) (float64, error) {
	d, err := strconv.ParseFloat(q.Get(name), 64)
	if err != nil || !(math.Abs(d) <= most) { // the negation catches NaN too
		return 0, fmt.Errorf("%s: got %q, want degrees from %v to %v", name, q.Get(name), -most, most)
	}
	return d, nil
}

// cost in tokens, by the length of the question as language models charge.
func cost(query string) int64 { return 4 + int64(len(query)+3)/4 }

// describe tells the caller about the limits: RFC 9110 section 10.2.3 for
// Retry-After, draft-ietf-httpapi-ratelimit-headers for the others.
func describe(h http.Header, v verdict) {
	if v.retryAfter > 0 {
		h.Set("Retry-After", wholeSeconds(v.retryAfter))
	}
	var state, policy []string
	for _, q := range v.quotas {
		state = append(state, fmt.Sprintf("%q;r=%d;t=%s", q.name, q.remaining, wholeSeconds(q.reset)))
		policy = append(policy, fmt.Sprintf("%q;q=%d;w=%s", q.name, q.allowed, wholeSeconds(q.window)))
	}
	if len(v.quotas) > 0 {
		h.Set("RateLimit", strings.Join(state, ", "))
		h.Set("RateLimit-Policy", strings.Join(policy, ", "))
	}
}

// wholeSeconds rounds up: a caller who waits so long finds what he waited for.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
