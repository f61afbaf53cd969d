package controller

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketStartsFull(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 2, Burst: 3})
	for i, want := range []time.Duration{0, 0, 0, 500 * ms} {
		if wait := b.Wait(t0, 1); wait != want {
			t.Errorf("attempt %d waits %v, want %v", i, wait, want)
		}
		if want == 0 {
			b.Take(t0, 1)
		}
	}
}

func TestBucketHoldsOneAttemptByDefault(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 10})
	b.Take(t0, 1)
	if wait := b.Wait(t0, 1); wait != 100*ms {
		t.Errorf("the second attempt waits %v, want 100ms", wait)
	}
}

func TestBucketTakesFractionalWeights(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 1, Burst: 1})
	b.Take(t0, 0.25)
	b.Take(t0, 0.5)
	for weight, want := range map[float64]time.Duration{0.25: 0, 0.5: 250 * ms, 1: 750 * ms} {
		if wait := b.Wait(t0, weight); wait != want {
			t.Errorf("weight %v waits %v, want %v", weight, wait, want)
		}
	}
}

func TestBucketWaitSuffices(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 3})
	b.Take(t0, 1)
	wait := b.Wait(t0, 1)
	if wait != time.Second/3+1 || b.Wait(t0.Add(wait), 1) != 0 {
		t.Errorf("told to wait %v, and then another %v", wait, b.Wait(t0.Add(wait), 1))
	}
}

func TestBucketNeverHoldsMoreThanTheBurst(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 1000, Burst: 2})
	b.Take(t0, 2)
	now := t0.Add(24 * time.Hour)
	b.Take(now, 2)
	if wait := b.Wait(now, 1); wait != ms {
		t.Errorf("wait %v, want 1ms", wait)
	}
}

func TestBucketKeepsTheMeanRate(t *testing.T) {
	for _, rate := range []float64{0.1, 3, 999, 1e6} {
		b, now := NewBucket(Rate{PerSecond: rate}), t0
		for range 1001 {
			now = now.Add(b.Wait(now, 1))
			b.Take(now, 1)
		}
		want := 1000 / rate
		if took := now.Sub(t0).Seconds(); math.Abs(took-want) > want/1e4 {
			t.Errorf("1000 attempts at %v/s took %vs, want %vs", rate, took, want)
		}
	}
}

func TestBucketOfNextToNoRateWaitsForEver(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 1e-12})
	b.Take(t0, 1)
	if wait := b.Wait(t0, 1); wait != math.MaxInt64 {
		t.Errorf("wait %v, want for ever", wait)
	}
}

// In any span no more is taken than the burst and what flows in meanwhile; and
// a wait is as long as it must be, to the nanosecond, but for rounding.
func TestBucketHoldsInAnySpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.Float64Range(0.01, 1e5).Draw(t, "rate"), Burst: rapid.Float64Range(1, 100).Draw(t, "burst")}
		type taking struct {
			at     time.Time
			weight float64
		}
		var (
			b      = NewBucket(r)
			now    = t0
			takens []taking
		)
		for range rapid.SampledFrom([]int{3, 30, 100}).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.Float64Range(0, 2/r.PerSecond).Draw(t, "pause") * float64(time.Second)))
			weight := rapid.Float64Range(0, 1).Draw(t, "share") * r.Burst
			if wait := b.Wait(now, weight); wait > 0 {
				at := *b
				if at.Wait(now.Add(wait-wait/1000-2), weight) == 0 {
					t.Fatalf("told to wait %v, which is too long", wait)
				}
				now = now.Add(wait)
				if late := b.Wait(now, weight); late > 1 {
					t.Fatalf("told to wait %v, and then to wait another %v", wait, late)
				}
			}
			b.Take(now, weight)
			takens = append(takens, taking{now, weight})
			taken := 0.0
			for i := len(takens) - 1; i >= 0; i-- {
				taken += takens[i].weight
				if room := r.Burst + now.Sub(takens[i].at).Seconds()*r.PerSecond; taken > room*(1+1e-9)+r.PerSecond*1e-9 {
					t.Fatalf("%v taken within %v, want at most %v", taken, now.Sub(takens[i].at), room)
				}
			}
		}
	})
}

func BenchmarkBucket(b *testing.B) {
	bucket, now := NewBucket(Rate{PerSecond: 1000, Burst: 10}), t0
	for b.Loop() {
		now = now.Add(bucket.Wait(now, 1))
		bucket.Take(now, 1)
	}
	b.ReportAllocs()
}
