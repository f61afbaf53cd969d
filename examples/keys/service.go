package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Each key may make so many calls a second, the first one 80, and each further one less.
const (
	firstRate = 80
	leastRate = 10
	burst     = 5
	latency   = 50 * time.Millisecond
	awayFrom  = 3 * time.Second
)

// rateOf is how many calls a second the embedded service allows the key with that number.
func rateOf(key int) float64 { return max(firstRate/float64(int(1)<<key), leastRate) }

// service is an embedded server with a limit for each key.
type service struct {
	server   http.Server
	url      string
	limits   map[string]*rate.Limiter
	awayKey  string
	away     time.Duration
	began    time.Time
	answered atomic.Int64
	refused  atomic.Int64
}

func startService(keys []string, away time.Duration) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + listener.Addr().String() + "/", limits: make(map[string]*rate.Limiter), away: away, began: time.Now()}
	for i, key := range keys {
		s.limits[key] = rate.NewLimiter(rate.Limit(rateOf(i)), burst)
		if i == 1 {
			s.awayKey = key
		}
	}
	s.server.Handler = http.HandlerFunc(s.answer)
	go s.server.Serve(listener) // until close
	return s, nil
}

func (s *service) close() { s.server.Close() }

func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	limit := s.limits[key]
	since := time.Since(s.began) - awayFrom
	switch {
	case limit == nil:
		http.Error(w, "no such key", http.StatusUnauthorized)
	case key == s.awayKey && since >= 0 && since < s.away:
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
	case !limit.Allow():
		s.refused.Add(1)
		http.Error(w, "too many calls", http.StatusTooManyRequests)
	default:
		s.answered.Add(1)
		time.Sleep(latency)
		fmt.Fprintln(w, "answer", r.FormValue("n"))
	}
}
