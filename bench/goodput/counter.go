package main

import (
	"sync"
	"time"
)

// beat is the resolution of what is remembered over time.
const beat = 100 * time.Millisecond

// A counter stands before the service and counts what comes of attempts. Since an answer tells when it will be heard,
// everything about an attempt is known when it arrives, and counted then.
type counter struct {
	scenario scenario
	begin    time.Time

	mu sync.Mutex // attempts are made on goroutines of the contestants
	tally
}

// A tally is what the callers of one service got. An attempt counts only if its end is heard of within the run; in the
// beats each counts.
type tally struct {
	succeeded int
	refused   int
	failed    int   // given up ones included
	lost      int   // jobs that came back with an error
	each      []int // successes of each client
	beats     []counts
	took      histogram // of successes and of attempts that were given up
}

// counts are the attempts that arrived within some time.
type counts struct{ succeeded, wasted int32 }

func (c *counts) add(s status) {
	if s == ok {
		c.succeeded++
	} else {
		c.wasted++
	}
}

func newCounter(s scenario) *counter {
	return &counter{scenario: s, begin: time.Now(), tally: tally{
		each:  make([]int, s.clients),
		beats: make([]counts, (s.length+beat-1)/beat),
	}}
}

// arrive brings an attempt to the service. If gaveUp, nobody waits for the answer: the caller gives up after the
// scenario's timeout.
func (c *counter) arrive(client int, tokens int64) (a answer, gaveUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.begin)
	a = c.scenario.service.Arrive(now, tokens)
	if t := c.scenario.timeout; t > 0 && a.After > t {
		a, gaveUp = answer{After: t, Status: failed}, true
	}
	if now < c.scenario.length {
		c.beats[now/beat].add(a.Status)
	}
	if now+a.After <= c.scenario.length {
		c.count(client, a, gaveUp)
	}
	return a, gaveUp
}

func (c *counter) count(client int, a answer, gaveUp bool) {
	switch a.Status {
	case ok:
		c.succeeded++
		c.each[client]++
	case refused:
		c.refused++
	case failed:
		c.failed++
	}
	if a.Status == ok || gaveUp {
		c.took.add(a.After)
	}
}

// job draws a job: the tokens that it uses.
func (c *counter) job() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scenario.tokens()
}

// lose counts a job that came back with an error, unless that is because the run is over.
func (c *counter) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.begin) < c.scenario.length {
		c.lost++
	}
}

// rate is how many attempts a second all clients together can have done, were they told.
func (c *counter) rate() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scenario.rate(time.Since(c.begin))
}

// rate is how many attempts a second succeed at best, as long as the service is not down.
func (s scenario) rate(now time.Duration) float64 {
	t := s.service.Truth(now)
	workers := float64(s.workers*s.clients) / s.latency.mean.Seconds()
	switch {
	case t.Rate > 0:
		return min(t.Rate, workers)
	case t.Concurrency > 0:
		return min(t.Concurrency/s.latency.mean.Seconds(), workers)
	}
	return workers
}
