package server

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Stats counts requests by what became of them, which each is once it is answered.
type Stats struct {
	Answered        int64
	Rejected        int64 // 400, 401, 404: the caller's mistake
	RefusedRequests int64 // 429: too many requests
	RefusedTokens   int64 // 429: too many tokens
	Unavailable     int64 // 503, by chance
	Failed          int64 // 500, by chance
	Abandoned       int64 // the caller left before the end
}

// Requests is the sum of all.
func (s Stats) Requests() int64 {
	return s.Answered + s.Rejected + s.RefusedRequests + s.RefusedTokens + s.Unavailable + s.Failed + s.Abandoned
}

// books are what the server knows of all requests. They are given the time, and belong to the server's one goroutine.
type books struct {
	cfg      Config
	random   *rand.Rand
	requests bucket
	tokens   bucket
	ledger   Ledger
	stats    Stats
}

func newBooks(cfg Config, now time.Time) *books {
	return &books{
		cfg:      cfg,
		random:   rand.New(rand.NewPCG(cfg.Seed, 0)),
		requests: bucket{limit: cfg.Requests, minute: cfg.Minute, at: now},
		tokens:   bucket{limit: cfg.Tokens, minute: cfg.Minute, at: now},
		ledger:   Ledger{minute: cfg.Minute},
	}
}

// verdict is what becomes of a request on arrival.
type verdict struct {
	status     int
	quota      string        // that is used up: "requests" or "tokens"
	limit      int64         // of that
	used       int64         // of that
	requested  int64         // of that
	retryAfter time.Duration // 0: the request is larger than the quota

	requests, tokens quota // as they stand now
	entry            *entry
	id               string
}

// quota is one as the headers tell it.
type quota struct {
	limit, remaining int64
	reset            time.Duration
}

// admit decides about a request that may use so many tokens. What is refused is not charged.
func (b *books) admit(now time.Time, tokens int64) (v verdict) {
	v.id = fmt.Sprintf("%016x%016x", b.random.Uint64(), b.random.Uint64())
	defer func() {
		v.requests = quotaOf(&b.requests)
		v.tokens = quotaOf(&b.tokens)
	}()
	b.requests.flow(now)
	b.tokens.flow(now)
	fails := b.random.Float64() < b.cfg.FailShare
	overloaded := fails && b.random.IntN(2) == 0
	if b.cfg.OverloadShare > 0 {
		overloaded = b.random.Float64() < b.cfg.OverloadShare || overloaded
	}
	if overloaded {
		b.stats.Unavailable++
		v.status = http.StatusServiceUnavailable
		return v
	}
	if wait := b.requests.wait(now, 1); wait > 0 {
		b.stats.RefusedRequests++
		return v.refuse("requests", &b.requests, 1, wait)
	}
	if tokens > b.cfg.Tokens {
		b.stats.RefusedTokens++
		return v.refuse("tokens", &b.tokens, tokens, 0)
	}
	if wait := b.tokens.wait(now, tokens); wait > 0 {
		b.stats.RefusedTokens++
		return v.refuse("tokens", &b.tokens, tokens, wait)
	}
	b.requests.take(1)
	b.tokens.take(tokens)
	v.entry = b.ledger.enter(now, tokens)
	v.status = http.StatusOK
	if fails {
		v.status = http.StatusInternalServerError
	}
	return v
}

func (v verdict) refuse(name string, b *bucket, requested int64, wait time.Duration) verdict {
	v.status = http.StatusTooManyRequests
	v.quota, v.limit, v.used, v.requested, v.retryAfter = name, b.limit, b.used(), requested, wait
	return v
}

func quotaOf(b *bucket) quota {
	return quota{limit: b.limit, remaining: b.remaining(), reset: b.reset()}
}

// end notes how a request that was let in has ended, and gives back what it might have used and did not.
func (b *books) end(now time.Time, v verdict, e ending, used int64) {
	switch e {
	case answered:
		b.stats.Answered++
	case failed:
		b.stats.Failed++
	case abandoned:
		b.stats.Abandoned++
		return // how much of it was used, the caller will never know
	}
	if b.cfg.KeepsReserve {
		return
	}
	b.tokens.flow(now)
	b.tokens.give(v.entry.tokens - used)
	b.ledger.settle(v.entry, used)
}

// ending is how a request that was let in has ended.
type ending int

const (
	answered ending = iota
	failed
	abandoned
)
