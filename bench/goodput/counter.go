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

	mu       sync.Mutex  // attempts are made on goroutines of the contestants
	taken    [2]int      // jobs: of the pipeline, and of the way beside it
	failures map[int]int // of each job that has failed and is not back yet
	tally
}

// A tally is what the callers of one service got. An attempt counts only if its end is heard of within the run; in the
// beats each counts.
type tally struct {
	succeeded int
	refused   int
	failed    int   // given up ones included
	excused   int   // of the refused and the failed, those that the client cannot do anything about
	lost      int   // good jobs that came back with an error
	tooOften  int   // jobs that failed more often than they may be tried
	each      []int // successes of each client
	beats     []counts
	took      histogram // of successes and of attempts that were given up
	back      finish
}

// A finish is how far jobs that have an end have come back.
type finish struct {
	good, all         int           // that are back
	lastGood, lastAll time.Duration // when the last one came
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
	return &counter{scenario: s, begin: time.Now(), failures: make(map[int]int), tally: tally{
		each:  make([]int, s.clients),
		beats: make([]counts, (s.length+beat-1)/beat),
	}}
}

// arrive brings an attempt to the service. If gaveUp, nobody waits for the answer: the caller gives up after the
// scenario's timeout.
func (c *counter) arrive(client int, j job) (a answer, gaveUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.begin)
	a = c.scenario.service.Arrive(now, j)
	if t := c.scenario.timeout; t > 0 && a.After > t {
		a, gaveUp = answer{After: t, Status: failed}, true
	}
	if now < c.scenario.length {
		c.beats[now/beat].add(a.Status)
	}
	if now+a.After <= c.scenario.length {
		c.count(client, a, gaveUp)
	}
	if a.Status == failed && !gaveUp {
		c.failures[j.row]++
		if c.failures[j.row] == c.scenario.attempts+1 {
			c.tooOften++
		}
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
	if a.Status != ok && a.Fault != byService {
		c.excused++
	}
	if a.Status == ok || gaveUp {
		c.took.add(a.After)
	}
}

// job draws a job that comes by the pipeline or beside it, false if there are no more.
func (c *counter) job(beside bool) (job, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draw(beside)
}

func (c *counter) draw(beside bool) (job, bool) {
	r, which := c.scenario.rows, 0
	if beside {
		which = 1
	}
	j := job{row: c.taken[0] + c.taken[1]}
	if r != nil {
		if c.taken[which] == [2]int{len(r.bad), r.beside}[which] {
			return job{}, false
		}
		j.bad = !beside && r.bad[c.taken[0]]
	} else if c.scenario.bad != nil {
		j.bad = c.scenario.bad()
	}
	c.taken[which]++
	j.tokens = c.scenario.tokens()
	return j, true
}

// anyJob draws a job for those to whom it is all the same how jobs come: evenly of both ways.
func (c *counter) anyJob() (job, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.scenario.rows
	if r == nil || r.beside == 0 {
		return c.draw(false)
	}
	first := c.taken[1]*len(r.bad) < c.taken[0]*r.beside
	if j, more := c.draw(first); more {
		return j, true
	}
	return c.draw(!first)
}

// giveBack counts a job that came back, unless that is because the run is over.
func (c *counter) giveBack(j job, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failures, j.row)
	now := time.Since(c.begin)
	if now >= c.scenario.length {
		return
	}
	c.back.all++
	c.back.lastAll = now
	if j.bad {
		return
	}
	c.back.good++
	c.back.lastGood = now
	if err != nil {
		c.lost++
	}
}

// truth returns the service's true limits now, for those who have to be told.
func (c *counter) truth() truth {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scenario.service.Truth(time.Since(c.begin))
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
