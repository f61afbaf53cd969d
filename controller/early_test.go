package controller

import (
	"testing"
	"time"
)

// firstRequest is a window that begins with the first request after the last one. It says its
// end in whole seconds, against a clock that shows whole seconds.
type firstRequest struct {
	limit, left int64
	length      time.Duration
	ends        time.Time
	up          bool // the end is rounded up, not down
}

func (w *firstRequest) arrive(now time.Time, n int64) (bool, Hint) {
	if !now.Before(w.ends) {
		w.left, w.ends = w.limit, now.Add(w.length)
	}
	accepted := n <= w.left
	if accepted {
		w.left -= n
	}
	at := w.ends.Truncate(time.Second)
	if w.up && !at.Equal(w.ends) {
		at = at.Add(time.Second)
	}
	return accepted, Hint{Limit: w.limit, Remaining: w.left, Reset: at.Sub(now.Truncate(time.Second)), Rounding: 2 * time.Second}
}

func (w *firstRequest) granted(now time.Time) float64 {
	return float64(w.limit) * now.Sub(t0).Seconds() / w.length.Seconds()
}

// TestAShortWindowIsUsedUpThoughItsResetIsRounded: a second of five would be lost in each.
func TestAShortWindowIsUsedUpThoughItsResetIsRounded(t *testing.T) {
	for _, up := range []bool{true, false} {
		r := ride{
			server:  &firstRequest{limit: 50, length: 5 * time.Second, up: up},
			latency: func() time.Duration { return 3 * ms }, cost: func() int64 { return 1 }, lasts: 5 * time.Minute, inFlight: 16,
		}
		out := r.run()
		if share := float64(out.used) / r.server.granted(t0.Add(r.lasts)); share < 0.96 {
			t.Errorf("rounded up %v: %.1f%% used", up, 100*share)
		}
		if out.refused > out.started/100 {
			t.Errorf("rounded up %v: %d of %d refused", up, out.refused, out.started)
		}
	}
}

// earlyOf is a ledger that was told of a window at t0.
func earlyOf(h Hint) *early {
	e, l := &early{}, &ledger{}
	e.hear(l, h, Mark{number: 1}, t0, t0)
	return e
}

func TestOnlyAShortRoundedResetIsAskedAboutSooner(t *testing.T) {
	for _, c := range []struct {
		reset, rounding time.Duration
		want            time.Duration // 0: not sooner
	}{
		{6 * time.Second, 2 * time.Second, 5 * time.Second},
		{5700 * ms, time.Second, 5 * time.Second},
		{6 * time.Second, 0, 0},
		{time.Second, 2 * time.Second, 0},
		{longestEarly, time.Second, longestEarly - time.Second},
		{longestEarly + 1, time.Second, 0},
	} {
		e := earlyOf(Hint{Limit: 50, Remaining: 49, Reset: c.reset, Rounding: c.rounding})
		got := time.Duration(0)
		if !e.at.IsZero() {
			got = e.at.Sub(t0)
		}
		if got != c.want {
			t.Errorf("reset %v, rounding %v: asks after %v, want %v", c.reset, c.rounding, got, c.want)
		}
	}
}

func TestOneAsksWhetherAWindowIsWholeSooner(t *testing.T) {
	s := play(t)
	hint := func(left int64) Hint {
		return Hint{Limit: 100, Remaining: left, Reset: 6 * time.Second, Rounding: 2 * time.Second}
	}
	s.told.Hint(s.now, hint(0), s.start(1)) // nothing is left of the first window, which is not asked about
	s.pass(6 * time.Second)
	s.told.Hint(s.now, hint(1), s.start(1))
	s.start(1)
	if wait := s.told.Wait(s.now, Use{Requests: 1}); wait > 5*time.Second {
		t.Errorf("waits %v, want to ask within 5 s", wait)
	}
	s.pass(5 * time.Second)
	if wait := s.told.Wait(s.now, Use{Requests: 1}); wait > 0 {
		t.Errorf("one that asks waits %v", wait)
	}
	m := s.start(1)
	if s.told.Wait(s.now, Use{Requests: 1}) == 0 {
		t.Error("two ask")
	}
	s.told.Hint(s.now, hint(99), m)
	if got := s.told.ledgers[0].early.worked; got != 1 {
		t.Errorf("it was whole %d times, want 1", got)
	}
	s.pass(5 * time.Second)
	if got := s.told.Wait(s.now, Use{Requests: 100}); got != 0 {
		t.Errorf("once it was whole sooner, all waits for %v", got)
	}
}
