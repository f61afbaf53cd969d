package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// path is where chat completions are asked for.
const path = "/v1/chat/completions"

// embeddedKey is what the embedded service wants to be shown.
const embeddedKey = "embedded"

// A schedule is what the embedded service does to its callers, who do not know it.
type schedule struct {
	perSecond float64       // calls, on average
	burst     int           // calls at once after a pause
	latency   time.Duration // of an answer
	refusal   time.Duration // of a refusal; 0: at once
	downAfter int           // answers; then it is out of service
	downFor   time.Duration
}

// seen is what the service saw.
type seen struct {
	calls    int
	prompts  int // different ones
	answered int // 200
	invalid  int // 400, 401
	refused  int // 429
	down     int // 503
}

// service is an embedded server of chat completions that goes down and comes
// back.
type service struct {
	schedule
	model  model
	server http.Server
	url    string

	mu      sync.Mutex // every call runs in a goroutine of its own
	limit   *rate.Limiter
	upAgain time.Time // zero: it was not down yet
	prompts map[string]bool
	seen    seen
}

func startService(s schedule, m model) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &service{
		schedule: s, model: m, url: "http://" + listener.Addr().String(),
		limit: rate.NewLimiter(rate.Limit(s.perSecond), s.burst), prompts: make(map[string]bool),
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST "+path, v.complete)
	v.server.Handler = routes
	go v.server.Serve(listener) // until close
	return v, nil
}

func (v *service) close() { v.server.Close() }

// stats returns what the service saw so far.
func (v *service) stats() seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen
}

// complete answers one call.
func (v *service) complete(w http.ResponseWriter, r *http.Request) {
	var req request
	malformed := json.NewDecoder(r.Body).Decode(&req)
	prompt := req.prompt()
	if refusal := v.admit(time.Now(), r.Header.Get("Authorization"), prompt, malformed); refusal != nil {
		time.Sleep(v.schedule.refusal)
		refusal.write(w)
		return
	}
	time.Sleep(v.latency)
	writeJSON(w, http.StatusOK, completion(req.Model, prompt, v.model.complete(prompt)))
}

// admit decides what a call meets, and counts it. A service that is down looks
// at nothing; one that is up looks at its limit first.
func (v *service) admit(now time.Time, authorization, prompt string, malformed error) *refusal {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen.calls++
	if !v.prompts[prompt] {
		v.prompts[prompt] = true
		v.seen.prompts++
	}
	switch {
	case v.isDown(now):
		v.seen.down++
		return &refusal{status: http.StatusServiceUnavailable, text: "the model is down"}
	case !v.limit.AllowN(now, 1):
		v.seen.refused++
		missing := (1 - v.limit.TokensAt(now)) / v.perSecond
		return &refusal{status: http.StatusTooManyRequests, text: "too many calls", retryAfter: int(math.Ceil(missing))}
	case authorization != "Bearer "+embeddedKey:
		v.seen.invalid++
		return &refusal{status: http.StatusUnauthorized, text: "wrong key"}
	}
	if err := errors.Join(malformed, checkLength(prompt)); err != nil {
		v.seen.invalid++
		return &refusal{status: http.StatusBadRequest, text: err.Error()}
	}
	v.seen.answered++
	return nil
}

// isDown says whether the service is out of service, which happens once.
func (v *service) isDown(now time.Time) bool {
	if v.upAgain.IsZero() && v.seen.answered >= v.downAfter {
		v.upAgain = now.Add(v.downFor)
	}
	return now.Before(v.upAgain)
}

// shortest is the length of the shortest prompt that is answered.
const shortest = 5

func checkLength(prompt string) error {
	if len(prompt) < shortest {
		return fmt.Errorf("prompt: got %q, want at least %d characters", prompt, shortest)
	}
	return nil
}

// A refusal is any answer but a completion.
type refusal struct {
	status     int
	text       string
	retryAfter int // seconds; 0: not known
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	writeJSON(w, r.status, failure{Error: fault{Message: r.text}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller who is gone by now learns nothing
}
