package main

import (
	"fmt"
	"math"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// hosted is a language model behind an API: quotas of requests and of tokens, each a bucket that a minute fills.
type hosted struct {
	manners
	requests, tokens quota
	at               time.Duration
}

// The names of the quotas.
const (
	requests = "requests"
	tokens   = "tokens"
)

// A quota fills continuously.
type quota struct {
	name      string
	perMinute float64
	left      float64
}

func (q *quota) fill(passed time.Duration) {
	q.left = min(q.left+q.perMinute*passed.Minutes(), q.perMinute)
}

// until is how long it takes until so much is left.
func (q *quota) until(much float64) time.Duration {
	return time.Duration(math.Ceil(max(much-q.left, 0) / q.perMinute * float64(time.Minute)))
}

// hint is what pacehttp reads in the headers of such a model.
func (q *quota) hint() *pipeline.Hint {
	return &pipeline.Hint{
		Limit: int64(q.perMinute), Remaining: int64(q.left), Reset: q.until(q.perMinute),
		Budget: q.name, Requests: q.name == requests,
	}
}

func (h *hosted) Arrive(now time.Duration, j job) answer {
	h.requests.fill(now - h.at)
	h.tokens.fill(now - h.at)
	h.at = now
	cost := float64(j.tokens)
	var a answer
	if wait := max(h.requests.until(1), h.tokens.until(cost)); wait > 0 {
		a = h.refuse(wait)
	} else {
		h.requests.left--
		h.tokens.left -= cost
		a = h.accept()
	}
	if h.hints == detailed {
		retryAfter := time.Duration(0)
		if a.Hint != nil {
			retryAfter = a.Hint.RetryAfter
		}
		a.Hint, a.Other = h.requests.hint(), h.tokens.hint()
		a.Hint.RetryAfter = retryAfter
	}
	return a
}

func (h *hosted) Truth(time.Duration) truth {
	return truth{Rate: min(h.requests.perMinute, h.tokens.perMinute/meanTokens) / 60}
}

// What hosted models are like.
const (
	fastestHosted, slowestHosted = 300, 0.5 // requests a second
	costSpread                   = 0.7      // sigma: 5% of the jobs cost more than ten times what 5% cost at most
)

func (d dice) hosted(s *scenario) {
	s.latency.mean = time.Duration(logUniform(d.Rand, 1, 20) * float64(time.Second))
	s.latency.sigma = uniform(d.Rand, 0.3, 1)
	s.workers = int(logUniform(d.Rand, 16, 1001))
	could := float64(s.workers) / s.latency.mean.Seconds()
	rate := min(max(could*logUniform(d.Rand, 0.05, 1.5), slowestHosted), fastestHosted)
	h := new(hosted)
	h.latency, h.hints = s.latency, hints(d.IntN(4))
	h.refusal = time.Duration(uniform(d.Rand, 5, 50) * float64(time.Millisecond))
	h.requests = quota{name: requests, perMinute: math.Floor(60 * rate)}
	h.tokens = quota{name: tokens, perMinute: math.Floor(60 * rate * meanTokens)}
	if wider := uniform(d.Rand, 1.1, 3); d.IntN(2) == 0 {
		h.requests.perMinute = math.Floor(wider * h.requests.perMinute)
	} else {
		h.tokens.perMinute *= wider
	}
	h.requests.left, h.tokens.left = h.requests.perMinute, h.tokens.perMinute
	cost := latency{d.Rand, meanTokens, costSpread} // the same distribution, in tokens
	s.tokens = func() int64 { return int64(min(max(float64(cost.draw()), 1), h.tokens.perMinute/2)) }
	span := (d.length - s.latency.mean).Seconds()
	s.oracle = min(rate*60+rate*span, slotted(float64(s.workers), s.latency, d.length))
	s.service = h
	s.about = fmt.Sprintf("%.0f requests and %.3g tokens a minute, %d workers, %s",
		h.requests.perMinute, h.tokens.perMinute, s.workers, h.manners)
	d.overloads(s, h.manners)
}

// overloads puts a service's own overload before it (an HTTP 529): a small share of refusals, and perhaps a large one for
// seconds now and then.
func (d dice) overloads(s *scenario, m manners) {
	share := uniform(d.Rand, 0, 0.02)
	s.about += fmt.Sprintf("; %.2g%% refused by chance", 100*share)
	m.hints = silent
	c := &chance{service: s.service, manners: m, status: refused}
	s.service = c
	if d.IntN(2) == 0 {
		c.share = func(time.Duration) float64 { return share }
		return
	}
	high := uniform(d.Rand, 0.1, 0.5)
	bursts := d.spells(30, 180, 5, 30)
	c.share = func(now time.Duration) float64 {
		if bursts.during(now) {
			return high
		}
		return share
	}
	s.about += fmt.Sprintf(", %.0f%% for seconds now and then", 100*high)
}
