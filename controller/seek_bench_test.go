package controller

import (
	"math"
	"testing"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// A belt brings a law one outcome after another, of attempts of which so many are in flight.
type belt struct {
	law      Law
	took     time.Duration
	refused  int64 // one of so many; 0: none
	inFlight [50]time.Time
	now      time.Time
	seq      int64
}

func newBelt(p Policy, took time.Duration, refused int64) *belt {
	law, _ := p.Start(Bounds{InitialLimit: 64, MaxLimit: 64, MaxInterval: time.Minute})
	b := &belt{law: law, took: took, refused: refused, now: clock.Real().Now()}
	for i := range b.inFlight {
		b.inFlight[i] = b.now.Add(time.Duration(i-len(b.inFlight)) * took / time.Duration(len(b.inFlight)))
	}
	return b
}

func (b *belt) step() {
	oldest := &b.inFlight[b.seq%int64(len(b.inFlight))]
	b.seq++
	o := Outcome{Verdict: Succeeded, Start: *oldest, Seq: b.seq, Took: b.took, InFlight: len(b.inFlight)}
	if b.refused > 0 && b.seq%b.refused == 0 {
		o.Verdict = Overload
	}
	b.law.Next(b.now, o)
	*oldest, b.now = b.now, b.now.Add(b.took/time.Duration(len(b.inFlight)))
}

// BenchmarkSeek is what a law costs with each outcome. Static does nothing, so its figure is
// what the belt costs.
func BenchmarkSeek(b *testing.B) {
	for _, bench := range []struct {
		name    string
		policy  Policy
		took    time.Duration
		refused int64
	}{
		{"nothing done", Static{}, 50 * ms, 0},
		{"successes", Seek{}, 50 * ms, 0},
		{"quick successes", Seek{}, us, 0},
		{"one of a hundred refused", Seek{}, 50 * ms, 100},
		{"one of ten refused", Seek{}, 50 * ms, 10},
	} {
		b.Run(bench.name, func(b *testing.B) {
			belt := newBelt(bench.policy, bench.took, bench.refused)
			b.ReportAllocs()
			for b.Loop() {
				belt.step()
			}
		})
	}
}

// TestSeekIsCheap: as a ratio to the belt with Static, the best of many rounds side by side.
func TestSeekIsCheap(t *testing.T) {
	for name, c := range map[string]struct {
		refused int64
		most    float64
	}{
		"successes":          {0, 4},  // 2.2 was measured
		"one of ten refused": {10, 9}, // 4.6
	} {
		base, seek := newBelt(Static{}, 50*ms, c.refused), newBelt(Seek{}, 50*ms, c.refused)
		if n := testing.AllocsPerRun(10_000, seek.step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		best := func(b *belt, sofar time.Duration) time.Duration {
			begun := clock.Real().Now()
			for range 2000 {
				b.step()
			}
			return min(sofar, clock.Real().Since(begun))
		}
		static, law := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
		for range 50 {
			static, law = best(base, static), best(seek, law)
		}
		ratio := float64(law) / float64(static)
		t.Logf("%s: %.1f times the belt", name, ratio)
		if ratio > c.most*watched {
			t.Errorf("%s: %.1f times what the belt costs, want at most %v", name, ratio, c.most*watched)
		}
	}
}
