package controller

import (
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryDelays(t *testing.T) {
	r := Retry{BaseDelay: time.Second, MaxDelay: 10 * time.Second, Multiplier: 3}
	for _, c := range []struct {
		backoff Backoff
		random  float64
		want    [4]time.Duration // after 1, 2, 3 and 4 attempts
	}{
		{Fixed, 0.5, [4]time.Duration{1, 1, 1, 1}},
		{Exponential, 0.5, [4]time.Duration{1, 3, 9, 10}},
		{ExponentialJitter, 0, [4]time.Duration{}},
	} {
		r.Backoff = c.backoff
		for i, want := range c.want {
			if got := r.Delay(i+1, c.random); got != want*time.Second {
				t.Errorf("%v after %d attempts: got %v, want %ds", c.backoff, i+1, got, want)
			}
		}
	}
}

func TestRetryFullJitterTakesAShareOfTheWholeDelay(t *testing.T) {
	r := Retry{}.WithDefaults()
	exponential := r
	exponential.Backoff = Exponential
	for attempts := 1; attempts <= 10; attempts++ {
		for _, random := range []float64{0, 0.25, 0.5, 0.75} {
			want := time.Duration(random * float64(exponential.Delay(attempts, 0)))
			if got := r.Delay(attempts, random); got != want {
				t.Errorf("after %d attempts, random %v: got %v, want %v", attempts, random, got, want)
			}
		}
	}
}

func TestRetryDelayStaysWithinItsMaximum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Backoff:    rapid.SampledFrom([]Backoff{Fixed, Exponential, ExponentialJitter}).Draw(t, "backoff"),
			BaseDelay:  time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "base")),
			Multiplier: rapid.Float64Range(1, 1e6).Draw(t, "multiplier"),
		}
		r.MaxDelay = r.BaseDelay + time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "more"))
		attempts := rapid.IntRange(1, math.MaxInt).Draw(t, "attempts")
		random := rapid.Float64Range(0, 1-1e-9).Draw(t, "random")
		got := r.Delay(attempts, random)
		if got < 0 || got > r.MaxDelay {
			t.Fatalf("got %v, want 0 to %v", got, r.MaxDelay)
		}
		if before := r.Delay(max(attempts-1, 1), random); before > got {
			t.Fatalf("after one more attempt %v, shorter than %v", got, before)
		}
	})
}

func TestRetryDelayWithoutAMaximumNeverTurnsNegative(t *testing.T) {
	for _, backoff := range []Backoff{Fixed, Exponential} {
		r := Retry{Backoff: backoff, BaseDelay: math.MaxInt64, MaxDelay: math.MaxInt64, Multiplier: 1e6}
		if got := r.Delay(100, 0); got != math.MaxInt64 {
			t.Errorf("%v: got %v, want for ever", backoff, got)
		}
	}
}

func TestRetryDefaultsAllowABaseAboveTheUsualMaximum(t *testing.T) {
	r := Retry{BaseDelay: time.Hour, Backoff: Fixed}.WithDefaults()
	if got := r.Delay(1, 0); got != time.Hour {
		t.Errorf("got %v, want 1h", got)
	}
}

func BenchmarkRetryDelay(b *testing.B) {
	r := Retry{}.WithDefaults()
	for b.Loop() {
		r.Delay(5, 0.5)
	}
	b.ReportAllocs()
}

func TestRetryDefaultsFillInOnlyWhatIsMissing(t *testing.T) {
	want := Retry{
		MaxAttempts: 3, Backoff: ExponentialJitter, BaseDelay: time.Second, MaxDelay: time.Minute,
		Multiplier: 2, GiveUpAfter: 15 * time.Minute,
	}
	if got := (Retry{}).WithDefaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("of nothing: %+v, want %+v", got, want)
	}
	set := Retry{MaxAttempts: 1, Backoff: Fixed, BaseDelay: 1, MaxDelay: 1, Multiplier: 1, GiveUpAfter: 1, Budget: 0.1, Park: true}
	if got := set.WithDefaults(); !reflect.DeepEqual(got, set) {
		t.Errorf("of all: %+v, want %+v", got, set)
	}
	set.GiveUpAfter = -1 // never
	if got := set.WithDefaults(); got.GiveUpAfter != -1 {
		t.Errorf("gives up after %v, want never", got.GiveUpAfter)
	}
}
