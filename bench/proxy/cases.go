package main

import (
	"fmt"
	"time"
)

// A scenario is one case: a proxy with a limit, and what happens to it during the run.
type scenario struct {
	name  string
	about string // what the proxy does, for the reader of the table
	proxy proxy

	window time.Duration // the limit is of requests in so long; 0: it is of requests at once
	burst  float64       // requests that the proxy lets through beyond it, once
	phases []phase
}

// A phase is a part of the run.
type phase struct {
	share float64 // of the run
	limit float64
	away  bool // nothing listens behind the proxy
}

func (s scenario) ID() string { return s.name }

func constant(limit float64) []phase { return []phase{{share: 1, limit: limit}} }

// cases keep the load at a few hundred requests a second, so that it is the proxy that limits and not the machine.
var cases = []scenario{
	{
		name:   "rate",
		about:  "HAProxy, stick-table with `http_req_rate(1s)`: 200 requests a second, else 429. Refused requests are not counted.",
		proxy:  haproxy{front: rateRules("1s", "")},
		window: time.Second,
		phases: constant(200),
	},
	{
		name: "rate-strict",
		about: "HAProxy, stick-table with `http_req_rate(10s)` as its handbook shows it: 1,500 requests in 10 s, else 429. " +
			"Refused requests count too: who asks on is let through no more.",
		proxy:  haproxy{front: strictRules},
		window: 10 * time.Second,
		phases: constant(1500),
	},
	{
		name:   "rate-hint",
		about:  "HAProxy, `http_req_rate(10s)`: 1,500 requests in 10 s, else 429 with `Retry-After: 1`. Refused requests are not counted.",
		proxy:  haproxy{front: rateRules("10s", " hdr Retry-After 1")},
		window: 10 * time.Second,
		phases: constant(1500),
	},
	{
		name:   "rate-steps",
		about:  "HAProxy, `http_req_rate(1s)`: 200 requests a second, then 80, then 240, through its runtime API.",
		proxy:  haproxy{front: rateRules("1s", "")},
		window: time.Second,
		phases: []phase{{share: 0.3, limit: 200}, {share: 0.3, limit: 80}, {share: 0.4, limit: 240}},
	},
	{
		name:   "concurrency",
		about:  "HAProxy, `be_conn`: 16 requests at once, else 503.",
		proxy:  haproxy{front: crowdRules},
		phases: constant(16),
	},
	{
		name:   "concurrency-steps",
		about:  "HAProxy, `be_conn`: 16 requests at once, then 6, then 20, through its runtime API.",
		proxy:  haproxy{front: crowdRules},
		phases: []phase{{share: 0.3, limit: 16}, {share: 0.3, limit: 6}, {share: 0.4, limit: 20}},
	},
	{
		name:   "short-queue",
		about:  "HAProxy, `maxconn 16` at the server and `timeout queue 100ms`: who waits longer gets a 503, which is no quick refusal.",
		proxy:  haproxy{server: "maxconn 16", queue: 100 * time.Millisecond},
		phases: constant(16),
	},
	{
		name:   "long-queue",
		about:  "HAProxy, `maxconn 16` at the server and `timeout queue 1m`: nothing is refused, all wait.",
		proxy:  haproxy{server: "maxconn 16", queue: time.Minute},
		phases: constant(16),
	},
	{
		name: "outage",
		about: "HAProxy, `be_conn`: 16 requests at once, else 503; for a quarter of the run nothing listens behind it: what " +
			"is under way gets a 503 after its own 3 s of retries, and what comes then gets one at once.",
		proxy:  haproxy{front: crowdRules, server: "check inter 500ms fall 2 rise 1"},
		phases: []phase{{share: 0.3, limit: 16}, {share: 0.25, limit: 16, away: true}, {share: 0.45, limit: 16}},
	},
	{
		name:   "nginx-rate",
		about:  "nginx, `limit_req` with `rate=200r/s burst=20 nodelay`, else 429.",
		proxy:  nginx{limits: "limit_req zone=rate burst=20 nodelay;"},
		window: time.Second,
		burst:  20,
		phases: constant(200),
	},
	{
		name:   "nginx-concurrency",
		about:  "nginx, `limit_conn`: 16 requests at once, else 503.",
		proxy:  nginx{limits: "limit_conn together 16;"},
		phases: constant(16),
	},
}

// isRate reports whether what is limited is a rate; else it is concurrency.
func (s scenario) isRate() bool { return s.window > 0 }

// perSecond is what a client that knows the limit gets through in a second of a phase.
func (s scenario) perSecond(f phase) float64 {
	switch {
	case f.away:
		return 0
	case s.isRate():
		return f.limit / s.window.Seconds()
	}
	return f.limit / meanWork.Seconds()
}

// allows is how many requests the proxy lets through in a run at most.
func (s scenario) allows(length time.Duration) float64 {
	if length < s.window {
		length = s.window // the first window is full at once
	}
	total := s.burst
	for _, f := range s.phases {
		total += f.share * length.Seconds() * s.perSecond(f)
	}
	return total
}

// limits says what is limited, for the table.
func (s scenario) limits(length time.Duration) string {
	mean := s.allows(length) / length.Seconds()
	if s.isRate() {
		return fmt.Sprintf("%.0f requests a second", mean)
	}
	return fmt.Sprintf("%.0f requests a second with work of %v in the mean", mean, meanWork)
}

// phaseAt returns the phase that the run is in.
func (s scenario) phaseAt(at, length time.Duration) phase {
	for _, f := range s.phases[:len(s.phases)-1] {
		ends := time.Duration(f.share * float64(length))
		if at < ends {
			return f
		}
		at -= ends
	}
	return s.phases[len(s.phases)-1]
}
