package controller

import (
	"math"
	"math/big"
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

func TestBucketUpdateKeepsWhatWasTaken(t *testing.T) {
	for _, c := range []struct {
		to   Rate
		want time.Duration // that an attempt waits, 3 of 4 having been taken
	}{
		{Rate{PerSecond: 1, Burst: 4}, 0},
		{Rate{PerSecond: 10, Burst: 4}, 0},
		{Rate{PerSecond: 1, Burst: 3.5}, 500 * ms},
		{Rate{PerSecond: 10, Burst: 2}, 100 * ms},
		{Rate{PerSecond: 2}, 500 * ms},
	} {
		b := NewBucket(Rate{PerSecond: 1, Burst: 4})
		b.Take(t0, 3)
		b.Update(t0, c.to)
		if wait := b.Wait(t0, 1); wait != c.want {
			t.Errorf("%+v: wait %v, want %v", c.to, wait, c.want)
		}
	}
}

func TestBucketUpdateGrowsByTheNewBurst(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 1, Burst: 2})
	b.Take(t0, 2)
	b.Update(t0, Rate{PerSecond: 1, Burst: 5})
	if now, then := b.Wait(t0, 3), b.Wait(t0, 5); now != 0 || then != 2*time.Second {
		t.Errorf("3 after %v and 5 after %v, want 0s and 2s", now, then)
	}
}

func TestBucketUpdateCountsTheTimeBeforeAtTheOldRate(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 1, Burst: 10})
	b.Take(t0, 10)
	b.Update(t0.Add(2*time.Second), Rate{PerSecond: 100, Burst: 10})
	if wait := b.Wait(t0.Add(2*time.Second), 3); wait != 10*ms {
		t.Errorf("wait %v, want 10ms", wait)
	}
}

func TestBucketGiveUndoesATake(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 1, Burst: 2})
	b.Take(t0, 2)
	b.Give(0.75)
	if wait := b.Wait(t0, 1); wait != 250*ms {
		t.Errorf("wait %v, want 250ms", wait)
	}
	b.Give(100) // never more than the burst
	b.Take(t0, 2)
	if wait := b.Wait(t0, 2); wait != 2*time.Second {
		t.Errorf("wait %v, want 2s", wait)
	}
}

// bucketModel is a bucket in exact numbers.
type bucketModel struct {
	rate, burst, tokens *big.Rat
	at                  time.Time
}

func exactly(x float64) *big.Rat { return new(big.Rat).SetFloat64(x) }

func newBucketModel(r Rate, now time.Time) *bucketModel {
	return &bucketModel{rate: exactly(r.PerSecond), burst: exactly(r.Burst), tokens: exactly(r.Burst), at: now}
}

func (m *bucketModel) fill(now time.Time) {
	in := big.NewRat(int64(now.Sub(m.at)), int64(time.Second))
	m.tokens = smaller(m.tokens.Add(m.tokens, in.Mul(in, m.rate)), m.burst)
	m.at = now
}

func (m *bucketModel) update(r Rate) {
	taken := new(big.Rat).Sub(m.burst, m.tokens)
	m.rate, m.burst = exactly(r.PerSecond), exactly(r.Burst)
	if m.tokens.Sub(m.burst, taken); m.tokens.Sign() < 0 {
		m.tokens.SetInt64(0)
	}
}

// wait returns the exact wait in nanoseconds.
func (m *bucketModel) wait(weight float64) float64 {
	missing := exactly(weight)
	missing.Sub(missing, m.tokens)
	if missing.Sign() <= 0 {
		return 0
	}
	ns, _ := missing.Quo(missing, m.rate).Float64()
	return ns * 1e9
}

func TestBucketAgreesWithExactNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() Rate {
			return Rate{PerSecond: rapid.Float64Range(0.01, 1e4).Draw(t, "rate"), Burst: rapid.Float64Range(1, 100).Draw(t, "burst")}
		}
		r, now := draw(), t0
		b, m := NewBucket(r), newBucketModel(r, now)
		for range rapid.SampledFrom([]int{3, 30, 100}).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Float64Range(0, 2/r.PerSecond).Draw(t, "pause") * float64(time.Second)))
			m.fill(now)
			weight := rapid.SampledFrom([]float64{0, 0.001, 0.1, 1. / 3, 0.5, 1}).Draw(t, "share") * r.Burst
			switch rapid.SampledFrom([]string{"take", "take", "take", "give", "update"}).Draw(t, "event") {
			case "take": // more than there is at times, as after an update
				b.Take(now, weight)
				m.tokens.Sub(m.tokens, exactly(weight))
			case "give":
				b.Wait(now, 0)
				b.Give(weight)
				m.tokens = smaller(m.tokens.Add(m.tokens, exactly(weight)), m.burst)
			case "update":
				r = draw()
				b.Update(now, r)
				m.update(r)
			}
			weight = rapid.Float64Range(0, 1).Draw(t, "weight") * r.Burst
			wait, want := float64(b.Wait(now, weight)), m.wait(weight)
			if slip := 1 + want*1e-9 + 1e9*1e-11/r.PerSecond; wait < want-slip || wait > want+slip {
				t.Fatalf("wait %vns for %v, want %vns", wait, weight, want)
			}
		}
	})
}

func FuzzBucket(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{10, 0, 255, 1, 255, 0, 128, 40, 64, 200})
	f.Add([]byte{0, 0, 255, 0, 253, 3, 200, 0, 254, 100, 128, 0})
	f.Fuzz(func(t *testing.T, events []byte) {
		if len(events) < 2 {
			return
		}
		r := Rate{PerSecond: 0.25 * float64(1+int(events[0])), Burst: 1 + float64(events[1])/10}
		b, now := NewBucket(r), t0
		taken, room := 0.0, r.Burst // room is for all that may have been taken so far
		for events = events[2:]; len(events) >= 2; events = events[2:] {
			what, pause := events[0], time.Duration(events[1])*time.Duration(events[1])*100*us // up to 6.5 s
			now = now.Add(pause)
			room += pause.Seconds() * r.PerSecond
			switch {
			case what == 255:
				next := Rate{PerSecond: 0.25 * float64(1+int(events[1])), Burst: 1 + float64(events[1]>>4)}
				b.Update(now, next)
				room += max(next.Burst-r.Burst, 0)
				r = next
			case what == 254:
				b.Take(now, 1)
				b.Give(1)
			default:
				weight := r.Burst * float64(what) / 253
				wait := b.Wait(now, weight)
				if wait < 0 {
					t.Fatalf("wait %v", wait)
				}
				now = now.Add(wait)
				room += wait.Seconds() * r.PerSecond
				if late := b.Wait(now, weight); late > 1 {
					t.Fatalf("told to wait %v, and then to wait another %v", wait, late)
				}
				b.Take(now, weight)
				if taken += weight; taken > room*(1+1e-9)+1e-6 {
					t.Fatalf("%v taken, want at most %v", taken, room)
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
