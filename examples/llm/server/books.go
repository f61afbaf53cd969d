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

	Input, Output int64 // tokens that are charged for; of those in flight, what they may use
}

// Requests is the sum of all.
func (s Stats) Requests() int64 {
	return s.Answered + s.Rejected + s.RefusedRequests + s.RefusedTokens + s.Unavailable + s.Failed + s.Abandoned
}

func (s Stats) plus(t Stats) Stats {
	return Stats{
		Answered: s.Answered + t.Answered, Rejected: s.Rejected + t.Rejected,
		RefusedRequests: s.RefusedRequests + t.RefusedRequests, RefusedTokens: s.RefusedTokens + t.RefusedTokens,
		Unavailable: s.Unavailable + t.Unavailable, Failed: s.Failed + t.Failed, Abandoned: s.Abandoned + t.Abandoned,
		Input: s.Input + t.Input, Output: s.Output + t.Output,
	}
}

// books are what the server knows of all requests, or of those with one key. They are given the time, and belong to the server's one goroutine.
type books struct {
	cfg      Config
	random   *rand.Rand
	requests bucket
	meters   []*meter // of tokens
	ledger   Ledger
	stats    Stats
}

// usage is what a request uses of tokens, or may use.
type usage struct{ input, output int64 }

func (u usage) total() int64       { return u.input + u.output }
func (u usage) inputAlone() int64  { return u.input }
func (u usage) outputAlone() int64 { return u.output }

// meter is a quota of tokens: of all, as OpenAI has it, or of those of a kind, as Anthropic does.
type meter struct {
	name   string // as the headers tell it
	of     func(usage) int64
	bucket bucket
	ledger Ledger
}

func (cfg Config) meters(now time.Time) []*meter {
	counting := func(name string, limit int64, of func(usage) int64) *meter {
		return &meter{name, of, bucket{limit: limit, minute: cfg.Minute, at: now}, Ledger{minute: cfg.Minute}}
	}
	if cfg.InputTokens == 0 {
		return []*meter{counting("tokens", cfg.Tokens, usage.total)}
	}
	return []*meter{
		counting("input-tokens", cfg.InputTokens, usage.inputAlone),
		counting("output-tokens", cfg.OutputTokens, usage.outputAlone),
	}
}

// books returns those of each key with quotas of its own, and, under "", those of all others.
func (cfg Config) books(now time.Time) map[string]*books {
	all := map[string]*books{"": newBooks(cfg, now)}
	for i, k := range cfg.Keys {
		own := cfg
		own.Requests, own.Tokens, own.InputTokens, own.OutputTokens = k.Requests, k.Tokens, 0, 0
		own.Seed += uint64(i) // or all would fail at once
		all[k.Key] = newBooks(own, now)
	}
	return all
}

func newBooks(cfg Config, now time.Time) *books {
	return &books{
		cfg:      cfg,
		random:   rand.New(rand.NewPCG(cfg.Seed, 0)),
		requests: bucket{limit: cfg.Requests, minute: cfg.Minute, at: now},
		meters:   cfg.meters(now),
		ledger:   Ledger{minute: cfg.Minute},
	}
}

// verdict is what becomes of a request on arrival.
type verdict struct {
	status     int
	quota      string        // that is used up: "requests", "tokens", "input-tokens" or "output-tokens"
	limit      int64         // of that
	used       int64         // of that
	requested  int64         // of that
	retryAfter time.Duration // 0: the request is larger than the quota

	books    *books  // that it is in
	quotas   []quota // as they stand now
	reserved usage
	entry    *entry
	entries  []*entry // of each meter
	id       string
}

// quota is one as the headers tell it.
type quota struct {
	name             string
	limit, remaining int64
	reset            time.Duration
}

// admit decides about a request that may use so many tokens. What is refused is not charged.
func (b *books) admit(now time.Time, most usage) (v verdict) {
	v.books = b
	v.id = fmt.Sprintf("%016x%016x", b.random.Uint64(), b.random.Uint64())
	defer func() {
		v.quotas = append(v.quotas, quotaOf("requests", &b.requests))
		for _, m := range b.meters {
			v.quotas = append(v.quotas, quotaOf(m.name, &m.bucket))
		}
	}()
	b.requests.flow(now)
	for _, m := range b.meters {
		m.bucket.flow(now)
	}
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
	for _, m := range b.meters {
		tokens, wait := m.of(most), time.Duration(0)
		if tokens <= m.bucket.limit {
			wait = m.bucket.wait(now, tokens)
		}
		if tokens > m.bucket.limit || wait > 0 {
			b.stats.RefusedTokens++
			return v.refuse(m.name, &m.bucket, tokens, wait)
		}
	}
	b.requests.take(1)
	b.stats.Input += most.input
	b.stats.Output += most.output
	v.reserved, v.entry = most, b.ledger.enter(now, most.total())
	for _, m := range b.meters {
		m.bucket.take(m.of(most))
		v.entries = append(v.entries, m.ledger.enter(now, m.of(most)))
	}
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

func quotaOf(name string, b *bucket) quota {
	return quota{name: name, limit: b.limit, remaining: b.remaining(), reset: b.reset()}
}

// end notes how a request that was let in has ended, and gives back what it might have used and did not.
func (b *books) end(now time.Time, v verdict, e ending, used usage) {
	switch e {
	case answered:
		b.stats.Answered++
	case failed:
		b.stats.Failed++
	case abandoned:
		b.stats.Abandoned++
		return // how much of it was used, the caller will never know
	}
	b.stats.Input += used.input - v.reserved.input
	b.stats.Output += used.output - v.reserved.output
	if b.cfg.KeepsReserve {
		return
	}
	b.ledger.settle(v.entry, used.total())
	for i, m := range b.meters {
		m.bucket.flow(now)
		m.bucket.give(m.of(v.reserved) - m.of(used))
		m.ledger.settle(v.entries[i], m.of(used))
	}
}

// ending is how a request that was let in has ended.
type ending int

const (
	answered ending = iota
	failed
	abandoned
)
