package controller

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wantPause checks how long a holds up attempts at a time after t0.
func wantPause(t *testing.T, a *Advice, after, wait time.Duration) {
	t.Helper()
	if got := a.Wait(t0.Add(after)); got != wait {
		t.Errorf("after %v: wait %v, want %v", after, got, wait)
	}
}

func TestNoAdviceHoldsNothingUp(t *testing.T) {
	var a Advice
	wantPause(t, &a, 0, 0)
	a.Take(t0, Hint{})
	a.Take(t0, Hint{Limit: 100, Remaining: 1, Reset: time.Hour}) // which is for a ledger
	wantPause(t, &a, 0, 0)
	wantPause(t, &a, time.Hour, 0)
}

func TestAdvicePauseEndsExactlyThen(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{RetryAfter: time.Minute})
	wantPause(t, &a, 0, time.Minute)
	wantPause(t, &a, time.Minute-1, 1)
	wantPause(t, &a, time.Minute, 0)
	wantPause(t, &a, time.Hour, 0)
}

func TestAdvicePauseOnlyGetsLonger(t *testing.T) {
	var a Advice
	a.Take(t0, Hint{RetryAfter: time.Minute})
	a.Take(t0.Add(30*time.Second), Hint{RetryAfter: time.Second})
	wantPause(t, &a, 30*time.Second, 30*time.Second)
	a.Take(t0.Add(30*time.Second), Hint{RetryAfter: time.Minute})
	wantPause(t, &a, 30*time.Second, time.Minute)
}

func TestHintWithinReasonKeepsWhatMakesSense(t *testing.T) {
	const most = 10_000 * time.Hour
	for _, c := range []struct{ given, want Hint }{
		{Hint{}, Hint{}},
		{Hint{1, 2, 3, 4, "b", true, "", 5}, Hint{1, 2, 3, 4, "b", true, "", 5}},
		{Hint{most, 0, 0, most, "", false, "", most}, Hint{most, 0, 0, most, "", false, "", most}},
		{Hint{-1, -1, -1, -1, "b", false, "", -1}, Hint{Budget: "b"}},
		{Hint{math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64, "", false, "", math.MinInt64}, Hint{}},
		{Hint{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, "", false, "", math.MaxInt64}, Hint{most, math.MaxInt64, math.MaxInt64, most, "", false, "", most}},
	} {
		if got := c.given.WithinReason(); got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.given, got, c.want)
		}
	}
}

func TestAdviceIsTheLongestPauseOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			a   Advice
			end time.Time
			now = t0
		)
		for range rapid.SampledFrom([]int{3, 30, 100}).Draw(t, "events") {
			now = now.Add(drawPause(t))
			if rapid.Bool().Draw(t, "hint") {
				h := drawHint(t)
				a.Take(now, h)
				if until := now.Add(h.RetryAfter); until.After(end) {
					end = until
				}
			}
			if got, want := a.Wait(now), max(end.Sub(now), 0); got != want {
				t.Fatalf("wait %v, want %v", got, want)
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
