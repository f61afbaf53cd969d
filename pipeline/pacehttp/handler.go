package pacehttp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// Handler is an [http.Handler] in front of another: it lets through what that can take. What has
// to wait too long is refused before any work is done for it, so that the rest is answered as fast
// as without load. Its fields must not be changed once it is in use.
//
//	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 200, Policy: pipeline.Vegas{}})
//	…
//	http.ListenAndServe(addr, &pacehttp.Handler{Throttle: throttle, Next: mux})
//
// With the policy [pipeline.Vegas] nobody needs to know how many requests Next can work on at once:
// it is found by how long they take. Statuses of Next count too: a 503 says that it has too much to
// do, another 5xx that it failed, a 4xx nothing.
//
// A request that would wait for too long gets 429, with Retry-After, in milliseconds too as
// Retry-After-Ms, and with the RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11. They
// say that the places of those in flight are used up, or requests if a budget or a rate holds it up. Clients
// of this package take that for a sign to slow down. While the circuit is open, or when the throttle
// is closed, it is 503. A request whose client has gone is not worked for, and what Next still did
// tells nothing. A handler that holds a connection for long, as of a WebSocket or of
// server-sent events, holds its place for as long: let it be Exempt.
type Handler struct {
	// Throttle is what requests pass.
	Throttle *pipeline.Throttle

	// Next does the work.
	Next http.Handler

	// MaxWait is how long a request waits for its turn at most, unless Context says it; 0: 100ms;
	// negative: it starts at once or not at all. Half as long as a request takes is a good value.
	MaxWait time.Duration

	// Context returns the context in which a request waits for its turn; nil: its own. It is its
	// own with what [pipeline.WithShare], [pipeline.WithMaxWait] or [pipeline.WithCost] say of it,
	// such as a line for each tenant, or a higher priority for people than for programs.
	Context func(*http.Request) context.Context

	// Exempt says which requests go to Next past the throttle; nil: GET and HEAD of /healthz,
	// /livez, /readyz and /health.
	Exempt func(*http.Request) bool
}

// defaultMaxWait is that of a Handler. Chosen: nobody minds.
const defaultMaxWait = 100 * time.Millisecond

// ServeHTTP lets a request through, or refuses it. It panics if there is no Throttle or no Next.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mustHave("Handler", h.Throttle != nil, "Throttle")
	mustHave("Handler", h.Next != nil, "Next")
	if h.exempt(r) {
		h.Next.ServeHTTP(w, r)
		return
	}
	slot, err := h.Throttle.Acquire(h.waiting(r))
	if err != nil {
		refuse(w, err)
		return
	}
	answer := &answer{ResponseWriter: w}
	returned := false
	defer func() {
		err := answer.err(r.Context())
		if !returned && err == nil {
			err = errPanicked
		}
		slot.Release(err)
	}()
	h.Next.ServeHTTP(answer, r)
	returned = true
}

// waiting returns the context in which a request waits.
func (h *Handler) waiting(r *http.Request) context.Context {
	ctx := r.Context()
	if h.Context != nil {
		ctx = h.Context(r)
	}
	if stage.AskedOf(ctx).Bounded {
		return ctx
	}
	return pipeline.WithMaxWait(ctx, cmp.Or(h.MaxWait, defaultMaxWait))
}

func (h *Handler) exempt(r *http.Request) bool {
	if h.Exempt != nil {
		return h.Exempt(r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.Path {
	case "/healthz", "/livez", "/readyz", "/health":
		return true
	}
	return false
}

var (
	errPanicked = errors.New("pacehttp: the handler panicked")
	errAnswered = errors.New("pacehttp: the handler answered")
)
