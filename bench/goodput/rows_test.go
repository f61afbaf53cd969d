package main

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// finite is a service without a limit and some jobs, of which the first is bad, in a run of a minute; good ones come
// another way too. One that knows everything needs two seconds.
func finite(jobs int) scenario {
	s := unlimited(time.Minute)
	s.family, s.attempts = "bad rows", 3
	s.service = &poison{service: s.service, manners: manners{latency: s.latency}, status: failed}
	s.rows = &rows{bad: make([]bool, jobs), beside: 5, way: calls}
	s.rows.bad[0] = true
	s.reference = finish{lastGood: 2 * time.Second, lastAll: 2 * time.Second}
	return s
}

func TestEveryContestantDoesEachJobOfARunThatEnds(t *testing.T) {
	for _, c := range contestants() {
		for _, w := range []way{calls, pipelike} {
			s := finite(100)
			s.rows.way = w
			tally := play(t, c, s, nil)
			if tally.back.all != 105 || tally.back.good != 104 || tally.succeeded != 104 || tally.lost != 0 || tally.failed != 3 {
				t.Errorf("%s: got %d jobs back, %d good ones, %d done, %d lost, %d failures; want 105, 104, 104, 0, 3",
					c.name, tally.back.all, tally.back.good, tally.succeeded, tally.lost, tally.failed)
			}
		}
	}
}

func TestABreakerIsForOursOnly(t *testing.T) {
	for _, breaker := range []bool{true, false} {
		s := unlimited(30 * time.Second)
		s.service, s.breaker = &poison{service: s.service, status: failed}, breaker
		s.bad = func() bool { return true }
		if failures := play(t, contestant{call: paceline(pipeline.Static{})}, s, nil).failed; failures > 30 != !breaker {
			t.Errorf("breaker %v: got %d failures, want that it stops after the first", breaker, failures)
		}
		if failures := play(t, contestant{call: toldStatic}, s, nil).failed; failures < 100 {
			t.Errorf("got %d failures of who is told, want that nothing stops it", failures)
		}
	}
}

// impatient tries each job so many times, one after another.
func impatient(attempts int) contestant {
	return contestant{call: func(_ context.Context, c *client) {
		for j, more := c.job(); more; j, more = c.job() {
			var err error = errFailed
			for i := 0; i < attempts && err != nil; i++ {
				err = c.attempt(j)
			}
			c.giveBack(j, err)
		}
	}}
}

func TestARunThatEndsIsMeasuredByItsTime(t *testing.T) {
	// 20 good ones take 2 s, the attempts of the bad one 0.3 s, and it comes first.
	o := race(t, impatient(3), finite(16))
	if math.Abs(o.Good-1.15) > 0.001 || math.Abs(o.Goodput-1/1.15) > 0.001 || o.TooOften != 0 {
		t.Errorf("got × %v of the time, goodput %v, %d tried too often; want × 1.15, 0.87, none", o.Good, o.Goodput, o.TooOften)
	}
	if o = race(t, impatient(4), finite(16)); o.TooOften != 1 {
		t.Errorf("got %d jobs tried too often, want the one that failed four times instead of three", o.TooOften)
	}
	s := finite(16)
	s.length = 1150 * time.Millisecond // 8 good ones are back
	if o = race(t, impatient(3), s); math.Abs(o.Good-20./8*1.15/2) > 0.001 {
		t.Errorf("got × %v, want that it goes on as it did, × 1.44", o.Good)
	}
}

func TestLostJobsAreNoGoodput(t *testing.T) {
	loser := contestant{call: func(_ context.Context, c *client) {
		for j, more := c.job(); more; j, more = c.job() {
			c.giveBack(j, errFailed)
		}
	}}
	if o := race(t, loser, finite(16)); o.Goodput != 0 || o.Lost != 20 {
		t.Errorf("got goodput %v, %d lost; want none, 20", o.Goodput, o.Lost)
	}
}

func TestOnlyWhatTheClientCanHelpIsWastedBeyondChance(t *testing.T) {
	limited := func() scenario {
		s := unlimited(time.Minute)
		bucket := newBucket(manners{latency: s.latency}, constant(20), 1)
		s.service = &chance{service: &poison{service: bucket, status: failed}, manners: manners{latency: s.latency},
			share: func(time.Duration) float64 { return 0.1 }, status: refused}
		n := 0
		s.bad = func() bool { n++; return n%10 == 0 }
		return s
	}
	if o := race(t, contestant{call: fixedPool}, limited()); o.Wasted-o.Beyond < 0.1 || o.Beyond < 0.05 {
		t.Errorf("got %v wasted, %v beyond chance; want more than a tenth between them, and some beyond", o.Wasted, o.Beyond)
	}
	if o := race(t, contestant{call: toldStatic}, limited()); o.Beyond != 0 || o.Wasted < 0.15 {
		t.Errorf("who is told: got %v wasted, %v beyond chance; want chance and bad jobs only", o.Wasted, o.Beyond)
	}
}
