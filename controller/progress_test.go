package controller

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// steady has one job done every gap, n times, and returns when.
func steady(p *Progress, now time.Time, n int, gap time.Duration) time.Time {
	for range n {
		now = now.Add(gap)
		p.Add(now, 1)
	}
	return now
}

// wantETA allows for a share of error.
func wantETA(t *testing.T, p *Progress, now time.Time, want time.Duration, share float64) {
	t.Helper()
	if got := p.ETA(now); math.Abs(float64(got-want)) > share*float64(want) {
		t.Errorf("ETA %v, want %v", got, want)
	}
}

func TestProgressETAAtASteadyRate(t *testing.T) {
	for _, gap := range []time.Duration{10 * us, 20 * ms, time.Second, time.Hour} {
		p := Progress{Total: 1000}
		p.Begin(t0)
		now := steady(&p, t0, 1, gap)
		wantETA(t, &p, now, 999*gap, 0.001)
		now = steady(&p, now, 399, gap)
		wantETA(t, &p, now, 600*gap, 0.001)
	}
}

func TestProgressETAForgetsAnOldRate(t *testing.T) {
	p := Progress{Total: 10_000}
	p.Begin(t0)
	now := steady(&p, t0, 1000, time.Second)
	now = steady(&p, now, 4000, 50*ms) // for 200 s
	wantETA(t, &p, now, 5000*50*ms, 0.05)
}

func TestProgressETAGrowsWhileNothingIsDone(t *testing.T) {
	p := Progress{Total: 1000}
	p.Begin(t0)
	now := steady(&p, t0, 100, time.Second)
	last := p.ETA(now)
	for range 10 {
		now = now.Add(time.Minute)
		eta := p.ETA(now)
		if eta <= last {
			t.Fatalf("ETA went from %v to %v while nothing was done", last, eta)
		}
		last = eta
	}
}

func TestProgressETAIsNegativeAsLongAsItIsUnknown(t *testing.T) {
	var total, done, span Progress
	total.Begin(t0)
	now := steady(&total, t0, 10, time.Second)
	done = Progress{Total: 10}
	done.Begin(t0)
	span = Progress{Total: 10}
	span.Begin(now)
	span.Add(now, 5) // in no time at all
	for what, p := range map[string]*Progress{"a total": &total, "a job done": &done, "time passed": &span} {
		if eta := p.ETA(now); eta >= 0 {
			t.Errorf("without %s: ETA %v, want a negative one", what, eta)
		}
	}
	wantETA(t, &span, now.Add(time.Second), time.Second, 0.001)
}

func TestProgressETAIsZeroWhenAllIsDone(t *testing.T) {
	p := Progress{Total: 10}
	p.Begin(t0)
	for _, n := range []int64{10, 1} { // also when more is done than was expected
		p.Add(t0, n)
		if eta, percent := p.ETA(t0.Add(time.Hour)), p.Percentage(); eta != 0 || percent != 100 {
			t.Errorf("ETA %v at %v%%, want 0 at 100%%", eta, percent)
		}
	}
}

func TestProgressPercentage(t *testing.T) {
	p := Progress{Total: 8}
	p.Begin(t0)
	for _, want := range []float64{0, 12.5, 25} {
		if got := p.Percentage(); got != want {
			t.Errorf("got %v%%, want %v%%", got, want)
		}
		p.Add(t0, 1)
	}
	if got := (&Progress{}).Percentage(); got != 0 {
		t.Errorf("without a total: got %v%%, want 0", got)
	}
}

func TestProgressETAIsAtMostForEver(t *testing.T) {
	p := Progress{Total: 2}
	p.Add(t0, 1) // without Begin: since the year 1
	if eta := p.ETA(t0); eta != math.MaxInt64 {
		t.Errorf("ETA %v, want for ever", eta)
	}
}

func TestProgressIsNeverNonsense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, now := Progress{Total: rapid.Int64Range(0, math.MaxInt64).Draw(t, "total")}, t0
		p.Begin(now)
		for range rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "pause")))
			p.Add(now, rapid.Int64Range(0, 1000).Draw(t, "done"))
			at := now.Add(time.Duration(rapid.Int64Range(-1000, int64(time.Hour)).Draw(t, "later")))
			if eta := p.ETA(at); eta < 0 && eta != -1 {
				t.Fatalf("ETA %v", eta)
			}
			if percent := p.Percentage(); !(percent >= 0 && percent <= 100) {
				t.Fatalf("%v%%", percent)
			}
		}
	})
}

func BenchmarkProgress(b *testing.B) {
	p, now := Progress{Total: 1 << 40}, t0
	for b.Loop() {
		now = now.Add(ms)
		p.Add(now, 1)
		p.ETA(now)
	}
	b.ReportAllocs()
}
