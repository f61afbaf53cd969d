package controller

import (
	"math/rand/v2"
	"testing"
	"time"
)

// timerLog is a log whose Reset is that of a timer, as @nestjs/throttler has it. After a refusal
// everything is refused for a window.
type timerLog struct {
	slidingLog
	timer, banned time.Time
}

func (l *timerLog) arrive(now time.Time, n int64) (bool, Hint) {
	if !now.Before(l.timer) {
		l.timer = now.Add(l.length)
	}
	if now.Before(l.banned) {
		return false, Hint{}
	}
	accepted, h := l.slidingLog.arrive(now, n)
	if !accepted {
		l.banned, l.taken = now.Add(l.length), nil
		return false, Hint{}
	}
	h.Reset = l.timer.Sub(now)
	return true, h
}

// TestALogIsFoundOutByOurOwnCount: bursts of a third of the quota, a window apart each.
func TestALogIsFoundOutByOurOwnCount(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, latency := range []time.Duration{5 * ms, 100 * ms} {
		r := ride{
			server:  &timerLog{slidingLog: slidingLog{limit: 50, length: 5 * time.Second}},
			latency: spreads(random, latency, 0.1), cost: func() int64 { return 1 }, lasts: 5 * time.Minute, inFlight: 16,
		}
		out := r.run()
		if share := float64(out.used) / r.server.granted(t0.Add(r.lasts)); share < 0.85 {
			t.Errorf("latency %v: %.1f%% used", latency, 100*share)
		}
		if out.refused > out.started/50 {
			t.Errorf("latency %v: %d of %d refused", latency, out.refused, out.started)
		}
	}
}

// counted is a log of ten in ten seconds, by our own count: four started at t0, the others five
// seconds later.
func counted() *rolling {
	r := &rolling{window: 10 * time.Second, starts: NewWindow(Budget{Tokens: 10, Window: 11 * time.Second})}
	r.take(t0, 4)
	r.take(t0.Add(5*time.Second), 6)
	return r
}

func TestOwnStartsComeBackAfterAWindow(t *testing.T) {
	r := counted()
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{10*time.Second - 1, 0}, {10 * time.Second, 4}, {15 * time.Second, 10}} {
		if got := r.free(t0.Add(c.after)); got != c.want {
			t.Errorf("after %v: %v are free, want %v", c.after, got, c.want)
		}
	}
	if got := r.wait(t0.Add(10*time.Second), 1); got != time.Second {
		t.Errorf("waits %v, want the margin of a second", got)
	}
}

func TestWhatIsLeftTellsALogFromAWindow(t *testing.T) {
	for _, c := range []struct {
		name string
		left int64
		but  func(*ledger, *bool)
		want bool
	}{
		{"as much as has not started", 4, nil, true},
		{"less", 1, nil, false},
		{"more", 8, nil, false},
		{"not the first of a window", 4, func(_ *ledger, part *bool) { *part = false }, false},
		{"a counter", 4, func(l *ledger, _ *bool) { l.sliding.on = true }, false},
	} {
		l := &ledger{limit: 10, level: float64(c.left), renewal: renewal{longest: 10 * time.Second}, rolling: *counted()}
		part := true
		if c.but != nil {
			c.but(l, &part)
		}
		l.rolling.hear(l, t0.Add(10*time.Second), Hint{Remaining: c.left}, part, 0, 0)
		if l.rolling.on != c.want {
			t.Errorf("%s: it is a log: %v, want %v", c.name, l.rolling.on, c.want)
		}
	}
}

func TestALogThatIsNoneIsForgotten(t *testing.T) {
	l := &ledger{limit: 10, level: -20, renewal: renewal{longest: 10 * time.Second}, rolling: *counted()}
	l.rolling.on = true
	for n := range mostWrong {
		if !l.rolling.on {
			t.Errorf("it is forgotten after %d hints, want %d", n, mostWrong)
		}
		l.rolling.hear(l, t0.Add(10*time.Second), Hint{Remaining: 1}, false, 0, 0)
	}
	if l.rolling.on {
		t.Error("it is kept")
	}
	l.rolling.on = true
	l.rolling.hear(l, t0.Add(10*time.Second), Hint{Remaining: 1}, false, 3, 3)
	if !l.rolling.on {
		t.Error("a level that is too low, as not all have told, is a sign")
	}
	l.rolling.hear(l, t0.Add(10*time.Second), Hint{}, false, 3, 3)
	if l.rolling.on {
		t.Error("it is kept, though nothing is left where by our count four are free")
	}
}
