package controller

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wantAdvice compares what a holds up at a time after t0.
func wantAdvice(t *testing.T, a *Advice, after, wait, interval time.Duration) {
	t.Helper()
	now := t0.Add(after)
	if got := a.Wait(now); got != wait {
		t.Errorf("after %v: wait %v, want %v", after, got, wait)
	}
	if got := a.Interval(now); got != interval {
		t.Errorf("after %v: interval %v, want %v", after, got, interval)
	}
}

func TestNoAdviceHoldsNothingUp(t *testing.T) {
	var a Advice
	wantAdvice(t, &a, 0, 0, 0)
	a.Take(t0, Hint{})
	a.Take(t0, Hint{Limit: 100})
	a.Take(t0, Hint{Remaining: 1})           // of a quota that nobody knows the end of
	a.Take(t0, Hint{Limit: 9, Remaining: 0}) // likewise
	wantAdvice(t, &a, 0, 0, 0)
	wantAdvice(t, &a, time.Hour, 0, 0)
}

func TestAdvicePauseEndsExactlyThen(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{RetryAfter: time.Minute})
	wantAdvice(t, &a, 0, time.Minute, 0)
	wantAdvice(t, &a, time.Minute-1, 1, 0)
	wantAdvice(t, &a, time.Minute, 0, 0)
	wantAdvice(t, &a, time.Hour, 0, 0)
}

func TestAdvicePauseOnlyGetsLonger(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{RetryAfter: time.Minute})
	a.Take(t0.Add(30*time.Second), Hint{RetryAfter: time.Second})
	a.Take(t0.Add(30*time.Second), Hint{Limit: 10, Remaining: 10, Reset: time.Hour})
	a.Take(t0.Add(30*time.Second), Hint{Reset: time.Second})
	wantAdvice(t, &a, 30*time.Second, 30*time.Second, 0)
	a.Take(t0.Add(30*time.Second), Hint{RetryAfter: time.Minute})
	wantAdvice(t, &a, 30*time.Second, time.Minute, 0)
}

func TestAdviceOfAnEmptyQuotaPausesUntilItIsWhole(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{Limit: 10, Reset: time.Minute})
	wantAdvice(t, &a, 0, time.Minute, 0)
	a.Take(t0, Hint{RetryAfter: 2 * time.Minute, Reset: time.Minute}) // the longer one counts
	wantAdvice(t, &a, 0, 2*time.Minute, 0)
}

func TestAdviceSpreadsWhatIsLeftUntilTheReset(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{Remaining: 20, Reset: time.Minute})
	wantAdvice(t, &a, 0, 0, 3*time.Second)
	wantAdvice(t, &a, time.Minute-1, 0, 3*time.Second)
	for after, want := range map[time.Duration]time.Duration{0: time.Minute, 59 * time.Second: time.Second, time.Minute: 0, time.Hour: 0} {
		if got := a.Left(t0.Add(after)); got != want {
			t.Errorf("after %v: %v left, want %v", after, got, want)
		}
	}
	wantAdvice(t, &a, time.Minute, 0, 0)
}

func TestAdviceLeavesMoreThanHalfAQuotaAlone(t *testing.T) {
	for _, c := range []struct {
		limit, remaining int64
		interval         time.Duration
	}{
		{100, 51, 0}, {100, 50, 2 * time.Second}, {99, 50, 0}, {99, 49, 100 * time.Second / 49},
		{1, 1, 0}, {2, 1, 100 * time.Second}, {2, 2, 0}, {3, 2, 0}, {10, 1000, 0},
		{0, 10, 10 * time.Second}, // of what, it did not say
		{math.MaxInt64, math.MaxInt64/2 + 1, 0},
	} {
		var a Advice
		a.Take(t0, Hint{Limit: c.limit, Remaining: c.remaining, Reset: 100 * time.Second})
		if got := a.Interval(t0); got-c.interval > 1 || got < c.interval {
			t.Errorf("%d of %d left: interval %v, want %v", c.remaining, c.limit, got, c.interval)
		}
	}
}

func TestAdviceIntervalIsThatOfTheLatestHint(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{Remaining: 10, Reset: time.Minute})
	a.Take(t0, Hint{Remaining: 20, Reset: time.Minute})
	wantAdvice(t, &a, 0, 0, 3*time.Second)
	a.Take(t0, Hint{Limit: 10}) // tells of no quota
	wantAdvice(t, &a, 0, 0, 3*time.Second)
	a.Take(t0, Hint{Remaining: 1, Reset: 10 * time.Second})
	wantAdvice(t, &a, 0, 0, 10*time.Second)
	wantAdvice(t, &a, 10*time.Second, 0, 0)
	a.Take(t0.Add(10*time.Second), Hint{Limit: 20, Remaining: 20, Reset: time.Minute})
	wantAdvice(t, &a, 10*time.Second, 0, 0)
}

// Answers that tell of an empty quota and of its whole future: the latest one
// knows how far that is.
func TestAdviceIntervalDoesNotOutliveAnEmptyQuota(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{Remaining: 10, Reset: 100 * time.Second})
	a.Take(t0.Add(time.Second), Hint{Reset: 5 * time.Second})
	wantAdvice(t, &a, 6*time.Second, 0, 0)
}

// A quota must last: whoever starts as soon as the interval allows does not get
// to its end before it is whole.
func TestAdviceMakesWhatIsLeftLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hint{
			Remaining: rapid.Int64Range(1, 50).Draw(t, "remaining"),
			Reset:     time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "reset")),
		}
		var a Advice
		a.Take(t0, h)
		starts := int64(0)
		for now := t0; now.Before(t0.Add(h.Reset)); now = now.Add(a.Interval(now)) {
			if starts++; starts > h.Remaining {
				t.Fatalf("%d starts within %v, %d were left", starts, h.Reset, h.Remaining)
			}
		}
	})
}

func TestHintWithinReasonKeepsWhatMakesSense(t *testing.T) {
	const most = 10_000 * time.Hour
	for _, c := range []struct{ given, want Hint }{
		{Hint{}, Hint{}},
		{Hint{1, 2, 3, 4, "b", true}, Hint{1, 2, 3, 4, "b", true}},
		{Hint{most, 0, 0, most, "", false}, Hint{most, 0, 0, most, "", false}},
		{Hint{-1, -1, -1, -1, "b", false}, Hint{Budget: "b"}},
		{Hint{math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64, "", false}, Hint{}},
		{Hint{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, "", false}, Hint{most, math.MaxInt64, math.MaxInt64, most, "", false}},
	} {
		if got := c.given.WithinReason(); got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.given, got, c.want)
		}
	}
}

// adviceModel remembers every hint there ever was.
type adviceModel []struct {
	at time.Time
	Hint
}

func (m *adviceModel) take(now time.Time, h Hint) {
	*m = append(*m, struct {
		at time.Time
		Hint
	}{now, h})
}

// wait is what is left of the longest pause of all.
func (m adviceModel) wait(now time.Time) (wait time.Duration) {
	for _, h := range m {
		pause := h.RetryAfter
		if h.Reset > 0 && h.Remaining == 0 {
			pause = max(pause, h.Reset)
		}
		wait = max(wait, h.at.Add(pause).Sub(now))
	}
	return wait
}

// interval is that of the last hint of a quota that is not empty, rounded down.
func (m adviceModel) interval(now time.Time) time.Duration {
	for i := len(m) - 1; i >= 0; i-- {
		switch h := m[i]; {
		case h.Reset == 0 || h.Remaining == 0:
		case h.Limit > 0 && h.Remaining > h.Limit-h.Remaining: // more than half
			return 0
		case now.Sub(h.at) < h.Reset:
			return h.Reset / time.Duration(h.Remaining)
		default:
			return 0
		}
	}
	return 0
}

func TestAdviceAgreesWithAListOfAllHints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			a   Advice
			m   adviceModel
			now = t0
		)
		for range rapid.SampledFrom([]int{3, 30, 100}).Draw(t, "events") {
			now = now.Add(drawPause(t))
			if rapid.Bool().Draw(t, "hint") {
				h := drawHint(t)
				if h.Reset > 0 && h.Remaining == 0 && a.Interval(now) > 0 {
					continue // see TestAdviceIntervalDoesNotOutliveAnEmptyQuota
				}
				a.Take(now, h)
				m.take(now, h)
			}
			if got, want := a.Wait(now), m.wait(now); got != want {
				t.Fatalf("wait %v, want %v", got, want)
			}
			if got, want := a.Interval(now), m.interval(now); got < want || got > want+1 {
				t.Fatalf("interval %v, want %v", got, want)
			}
		}
	})
}

// drawHint draws a hint that is within reason.
func drawHint(t *rapid.T) Hint {
	spans := []time.Duration{0, 0, 1, ms, time.Second, 90 * time.Second, time.Hour}
	return Hint{
		RetryAfter: rapid.SampledFrom(spans).Draw(t, "retry after"),
		Limit:      rapid.SampledFrom([]int64{0, 1, 2, 99, 100, math.MaxInt64}).Draw(t, "limit"),
		Remaining:  rapid.SampledFrom([]int64{0, 1, 2, 49, 50, 51, 100, math.MaxInt64 / 2, math.MaxInt64}).Draw(t, "remaining"),
		Reset:      rapid.SampledFrom(spans).Draw(t, "reset"),
	}
}

func FuzzAdvice(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{10, 60, 0, 0, 0, 30, 0, 20, 10, 60, 255, 0, 0, 0, 0})  // a pause, then a quota
	f.Add([]byte{0, 128, 128, 128, 128, 1, 127, 127, 127, 127, 200, 0}) // nonsense
	f.Fuzz(func(t *testing.T, events []byte) {
		var a Advice
		now := t0
		for ; len(events) >= 5; events = events[5:] {
			pause := time.Duration(events[0])
			now = now.Add(pause * pause * pause * ms) // up to 4.6 h
			before := a.Wait(now)
			h := Hint{
				RetryAfter: time.Duration(wide(events[1])), Limit: wide(events[2]),
				Remaining: wide(events[3]), Reset: time.Duration(wide(events[4])),
			}.WithinReason()
			a.Take(now, h)
			wait, interval := a.Wait(now), a.Interval(now)
			switch {
			case wait < max(before, h.RetryAfter) || wait > max(before, h.RetryAfter, h.Reset):
				t.Fatalf("%+v: wait %v, before it %v", h, wait, before)
			case a.Wait(now.Add(wait)) != 0:
				t.Fatalf("told to wait %v, and then to wait another %v", wait, a.Wait(now.Add(wait)))
			case interval < 0 || interval > longestHint:
				t.Fatalf("%+v: interval %v", h, interval)
			case a.Interval(now.Add(a.Left(now))) != 0 || interval > 0 && a.Interval(now.Add(a.Left(now)-1)) != interval:
				t.Fatalf("%+v: interval %v for %v", h, interval, a.Left(now))
			case h.Reset > 0 && h.Remaining > 0 && a.Interval(now.Add(h.Reset)) != 0:
				t.Fatalf("%+v: interval %v after the reset", h, a.Interval(now.Add(h.Reset)))
			}
		}
		if end := now.Add(longestHint); a.Wait(end) != 0 || a.Interval(end) != 0 {
			t.Fatalf("wait %v, interval %v for ever", a.Wait(end), a.Interval(end))
		}
	})
}

// wide makes numbers of all sizes and both signs of bytes: 0 to 7, and then eight
// to each power of two.
func wide(b byte) int64 {
	n := int64(b & 7)
	if size := b >> 3 & 15; size > 0 {
		n = (8 + n) << (4*size - 4)
	}
	if b >= 128 {
		return -n - 1
	}
	return n
}
