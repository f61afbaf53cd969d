package controller

import (
	"math"
	"testing"
	"time"
)

// slidingCounter counts what it accepts in a window, and a part of what it accepted in the one before.
type slidingCounter struct {
	limit           int64
	length          time.Duration
	began           time.Time
	before, current int64
}

func (c *slidingCounter) arrive(now time.Time, n int64) (bool, Hint) {
	if c.began.IsZero() {
		c.began = now.Truncate(c.length)
	}
	for now.Sub(c.began) >= c.length {
		c.before, c.current, c.began = c.current, 0, c.began.Add(c.length)
	}
	left := c.began.Add(c.length).Sub(now)
	rate := int64(math.Round(float64(c.before)*left.Seconds()/c.length.Seconds())) + c.current
	accepted := rate+n <= c.limit
	if accepted {
		c.current += n
		rate += n
	}
	return accepted, Hint{Limit: c.limit, Remaining: max(c.limit-rate, 0), Reset: left}
}

func (c *slidingCounter) granted(now time.Time) float64 {
	return float64(c.limit) * now.Sub(t0).Seconds() / c.length.Seconds()
}

// TestASlidingCounterIsUsedEvenly: one that is taken for a window gives half, and refuses at each turn.
func TestASlidingCounterIsUsedEvenly(t *testing.T) {
	for _, latency := range []time.Duration{ms, 30 * ms, 300 * ms} {
		r := ride{
			server:  &slidingCounter{limit: 50, length: 5 * time.Second},
			latency: func() time.Duration { return latency }, cost: func() int64 { return 1 }, lasts: 5 * time.Minute, inFlight: 16,
		}
		out := r.run()
		if share := float64(out.used) / r.server.granted(t0.Add(r.lasts)); share < 0.86 {
			t.Errorf("latency %v: %.1f%% used", latency, 100*share)
		}
		if out.refused > out.started/50 {
			t.Errorf("latency %v: %d of %d refused", latency, out.refused, out.started)
		}
	}
}

func TestAnEvenPaceKeepsSomeInReserve(t *testing.T) {
	even := func(limit int64) *ledger {
		return &ledger{limit: limit, sliding: sliding{on: true, grew: slidingGrew}, renewal: renewal{longest: 10 * time.Second}}
	}
	for limit, want := range map[int64]float64{100: 6, 50: 3, 5: 1, 1: 1} {
		if got := even(limit).reserve(); got != want {
			t.Errorf("of %d: %v are kept, want %v", limit, got, want)
		}
	}
	if got := even(50).rate(); got != 5 {
		t.Errorf("50 in 10 s: %v a second, want 5", got)
	}
	if got := (&ledger{limit: 50}).reserve(); got != 0 {
		t.Errorf("of a window, %v are kept, want none", got)
	}
}

// Where nobody has seen anything come back, others may have taken it: then few ask before the reset.
func TestFewAskBeforeTheResetIfNothingComesBack(t *testing.T) {
	l := &ledger{
		limit: 100, at: t0, whole: t0.Add(time.Minute),
		sliding: sliding{on: true}, renewal: renewal{longest: 8 * time.Second},
	}
	for quiet, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 9: time.Minute} {
		l.sliding.quiet = quiet
		if got := l.wait(t0, 1); got != want {
			t.Errorf("after %d hints that nothing is left: waits %v, want %v", quiet, got, want)
		}
	}
	l.sliding.grew, l.sliding.quiet = slidingGrew, 0
	if got := l.wait(t0, 1); got >= time.Second {
		t.Errorf("where it comes back: waits %v, want a few attempts' time", got)
	}
}

func TestARefusalAtTheBeginningOfAWindowIsASign(t *testing.T) {
	s := play(t)
	s.told.Hint(s.now, Hint{Limit: 100, Remaining: 0, Reset: 10 * time.Second}, s.start(1))
	s.told.Refuse(s.now, s.start(1))
	if !s.told.ledgers[0].sliding.since.IsZero() {
		t.Error("a refusal before the reset says something of what comes after it")
	}
	s.pass(10 * time.Second)
	s.told.Refuse(s.now, s.start(1))
	if s.told.ledgers[0].sliding.since.IsZero() {
		t.Error("a refusal of the first attempt after the reset says nothing")
	}
}

// A server forgets what was used a window ago, however much it was.
func TestASlidingCounterHoldsNothingUpForLongerThanTwoWindows(t *testing.T) {
	now := t0
	l := ledger{limit: 100, level: -1e9, at: now, sliding: sliding{on: true}, renewal: renewal{longest: time.Minute}}
	if wait := l.wait(now, 1); wait > 2*time.Minute {
		t.Errorf("waits %v for one of 100 a minute", wait)
	}
	l.take(now, 1e9, 1, 0)
	if wait := l.wait(now, 1); wait > 2*time.Minute {
		t.Errorf("after a use of a billion: waits %v", wait)
	}
}
