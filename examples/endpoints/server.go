package main

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// weights are how many calls a call of each endpoint counts for.
const (
	lookupWeight = 1
	searchWeight = 2.5
)

// A status is an HTTP status code and what it means. The service knows them
// all.
type status struct {
	Code int    `json:"code"`
	Text string `json:"text"`
}

// seen is what the service saw.
type seen struct {
	lookups, searches int // answered
	refused           int // 429
}

// service is an embedded server with two endpoints that share one limit.
type service struct {
	server http.Server
	url    string

	mu    sync.Mutex // every call runs in a goroutine of its own
	limit *rate.Limiter
	seen  seen
}

// tenths is what the limiter counts in: it knows whole numbers only.
const tenths = 10

func startService(perSecond, burst float64) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{
		url:   "http://" + listener.Addr().String(),
		limit: rate.NewLimiter(rate.Limit(tenths*perSecond), int(tenths*burst)),
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /v1/status/{code}", s.lookup)
	routes.HandleFunc("GET /v1/search", s.search)
	s.server.Handler = routes
	go s.server.Serve(listener) // until close
	return s, nil
}

func (s *service) close() { s.server.Close() }

// stats returns what the service saw so far.
func (s *service) stats() seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// lookup answers what one code means.
func (s *service) lookup(w http.ResponseWriter, r *http.Request) {
	if !s.admit(w, lookupWeight, &s.seen.lookups) {
		return
	}
	code, _ := strconv.Atoi(r.PathValue("code"))
	text := http.StatusText(code)
	if text == "" {
		http.Error(w, "no such status", http.StatusNotFound)
		return
	}
	writeJSON(w, status{code, text})
}

// search answers which codes mean something with a word in it, which takes
// longer and counts for more.
func (s *service) search(w http.ResponseWriter, r *http.Request) {
	if !s.admit(w, searchWeight, &s.seen.searches) {
		return
	}
	found := []status{}
	word := strings.ToLower(r.FormValue("q"))
	for code := 100; code < 600; code++ {
		if text := http.StatusText(code); text != "" && strings.Contains(strings.ToLower(text), word) {
			found = append(found, status{code, text})
		}
	}
	writeJSON(w, found)
}

// admit counts a call of so much weight, or refuses it.
func (s *service) admit(w http.ResponseWriter, weight float64, answered *int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.limit.AllowN(now, int(tenths*weight)) {
		*answered++
		return true
	}
	s.seen.refused++
	missing := tenths*weight - s.limit.TokensAt(now)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(missing/float64(s.limit.Limit())))))
	http.Error(w, "too many calls", http.StatusTooManyRequests)
	return false
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a caller who is gone by now learns nothing
}
