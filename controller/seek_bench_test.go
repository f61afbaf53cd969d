package controller

import (
	"testing"
	"time"
)

// Attempts start a millisecond apart, 50 in flight, each of 50 ms.
func BenchmarkSeek(b *testing.B) {
	for _, bench := range []struct {
		name    string
		took    time.Duration
		refused int64 // one of so many; 0: none
	}{
		{"successes", 50 * ms, 0},
		{"quick successes", us, 0},
		{"one of a hundred refused", 50 * ms, 100},
	} {
		b.Run(bench.name, func(b *testing.B) {
			law, _ := Seek{}.Start(Bounds{InitialLimit: 64, MaxLimit: 64, MaxInterval: time.Minute})
			now, seq := t0, int64(0)
			for b.Loop() {
				now = now.Add(bench.took / 50)
				seq++
				o := Outcome{Verdict: Succeeded, Start: now.Add(-bench.took), Seq: seq, Took: bench.took, InFlight: 50}
				if bench.refused > 0 && seq%bench.refused == 0 {
					o.Verdict = Overload
				}
				law.Next(now, o)
			}
			b.ReportAllocs()
		})
	}
}
