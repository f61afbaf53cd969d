package service

import (
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// gate decides what each call meets. It is given the time and reads no clock,
// and it is for one caller at a time.
type gate struct {
	cfg      Config
	random   *rand.Rand
	started  bool
	start    time.Time // of the schedule: the first call
	limits   Limits    // in force
	requests *rate.Limiter
	window   int64 // number of the quota's window, from 0
	used     int64 // tokens, in that window
	inFlight int
	stats    Stats
}

// verdict is the gate's answer to one call.
type verdict struct {
	status     int
	cause      string        // of a refusal or failure, in words
	retryAfter time.Duration // 0: not known
	latency    time.Duration // to take before answering
	quotas     []quota       // what is left of each limit that is in force
}

// quota is one limit as the RateLimit fields show it.
type quota struct {
	name      string
	allowed   int64 // in each window
	window    time.Duration
	remaining int64
	reset     time.Duration // until all of it is there again
}

// accepted says whether the call occupies a place in the service until it is
// released.
func (v verdict) accepted() bool {
	return v.status == http.StatusOK || v.status == http.StatusInternalServerError
}

func newGate(cfg Config) *gate {
	return &gate{
		cfg:      cfg,
		random:   rand.New(rand.NewPCG(cfg.Seed, 0)),
		limits:   cfg.Limits,
		requests: rate.NewLimiter(perSecond(cfg.Limits), int(cfg.Limits.burst())),
	}
}

// admit decides about a call that costs tokens. Only an answered call is
// charged; a call that is refused uses up nothing at all.
func (g *gate) admit(now time.Time, tokens int64) verdict {
	if !g.started {
		g.started, g.start = true, now
	}
	offset := max(0, now.Sub(g.start))
	phase := g.cfg.phaseAt(offset)
	g.enter(now, offset, phase.Limits)
	g.stats.Requests++

	v := g.decide(now, offset, phase, tokens)
	v.quotas = g.quotas(now, offset)
	return v
}

func (g *gate) decide(now time.Time, offset time.Duration, phase Phase, tokens int64) verdict {
	limits := phase.Limits
	switch {
	case phase.Down:
		g.stats.Unavailable++
		return verdict{status: http.StatusServiceUnavailable, cause: "out of service"}
	case limits.Concurrency > 0 && g.inFlight >= limits.Concurrency:
		g.stats.RefusedConcurrency++
		return verdict{status: http.StatusTooManyRequests, cause: "too many requests at once", retryAfter: g.cfg.Latency}
	case limits.Tokens > 0 && g.used+tokens > limits.Tokens:
		g.stats.RefusedTokens++
		return verdict{status: http.StatusTooManyRequests, cause: "quota of tokens used up", retryAfter: g.untilWindowEnds(offset)}
	case !g.requests.AllowN(now, 1):
		g.stats.RefusedRequests++
		return verdict{status: http.StatusTooManyRequests, cause: "too many requests per second", retryAfter: g.untilNextRequest(now)}
	}
	g.inFlight++
	if g.random.Float64() < g.cfg.FailShare {
		return verdict{status: http.StatusInternalServerError, cause: "failed by chance", latency: g.latency()}
	}
	g.used += tokens
	g.stats.Tokens += tokens
	return verdict{status: http.StatusOK, latency: g.latency()}
}

// release gives the place of an accepted call back. A caller who left before
// the answer was answered false.
func (g *gate) release(v verdict, answered bool) {
	g.inFlight--
	switch {
	case !answered:
		g.stats.Abandoned++
	case v.status == http.StatusOK:
		g.stats.Served++
	default:
		g.stats.Failed++
	}
}

// enter brings the gate to the limits and the quota window of an offset.
func (g *gate) enter(now time.Time, offset time.Duration, limits Limits) {
	if limits != g.limits {
		g.limits = limits
		g.requests.SetLimitAt(now, perSecond(limits))
		g.requests.SetBurstAt(now, int(limits.burst()))
	}
	if window := int64(offset / limits.window()); window != g.window {
		g.window, g.used = window, 0
	}
}

func (g *gate) quotas(now time.Time, offset time.Duration) []quota {
	var quotas []quota
	if l := g.limits; l.PerSecond > 0 {
		level := max(0, g.requests.TokensAt(now))
		quotas = append(quotas, quota{
			name: "requests", allowed: int64(l.PerSecond), window: time.Second,
			remaining: int64(level), reset: seconds((l.burst() - level) / l.PerSecond),
		})
	}
	if l := g.limits; l.Tokens > 0 {
		quotas = append(quotas, quota{
			name: "tokens", allowed: l.Tokens, window: l.window(),
			remaining: max(0, l.Tokens-g.used), reset: g.untilWindowEnds(offset),
		})
	}
	return quotas
}

func (g *gate) untilWindowEnds(offset time.Duration) time.Duration {
	return g.limits.window() - offset%g.limits.window()
}

func (g *gate) untilNextRequest(now time.Time) time.Duration {
	return seconds((1 - g.requests.TokensAt(now)) / g.limits.PerSecond)
}

// latency draws from a log-normal distribution: most answers take about the
// median, a few much longer, and none more than ten times as long.
func (g *gate) latency() time.Duration {
	factor := math.Exp(g.cfg.Spread * g.random.NormFloat64())
	return time.Duration(float64(g.cfg.Latency) * min(10, factor))
}

func perSecond(l Limits) rate.Limit {
	if l.PerSecond == 0 {
		return rate.Inf
	}
	return rate.Limit(l.PerSecond)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
