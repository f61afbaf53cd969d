package stage

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// BenchmarkCancel cancels many calls with one context that wait for a slot, or to be tried
// again. What it takes for one of them must not depend on how many there are.
func BenchmarkCancel(b *testing.B) {
	for _, waits := range []string{"for a slot", "for a retry"} {
		for _, n := range []int{1_000, 4_000, 16_000} {
			b.Run(fmt.Sprintf("%s/%d", waits, n), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					calls, cancel, end := waitingCalls(b, n, waits == "for a retry")
					b.StartTimer()
					cancel()
					for _, c := range calls {
						c.own.Cancel()
					}
					for _, c := range calls {
						if c.admitted() {
							b.Fatal("a cancelled call may start")
						}
					}
					b.StopTimer()
					end()
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/call")
			})
		}
	}
}

// waitingCalls returns calls with one context that wait.
func waitingCalls(b *testing.B, n int, retry bool) (calls []*call, cancel, end func()) {
	b.Helper()
	d := NewDispatcher(Config{
		Clock: clock.Real(), Classify: Classify,
		Retry: &controller.Retry{MaxAttempts: 2, Backoff: controller.Fixed, BaseDelay: time.Hour, MaxDelay: time.Hour, Park: true},
		Controller: controller.Config{
			Policy: controller.Static{},
			Bounds: controller.Bounds{InitialLimit: 1, MaxLimit: 1},
		},
	})
	ctx, cancel := context.WithCancel(b.Context())
	end = func() {}
	if !retry {
		held, err := d.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		end = func() { held.Release(nil) }
	}
	for range n {
		c := d.newCall(ctx, WorkFunc(func(context.Context) error { return io.EOF }))
		if retry {
			if !c.admitted() {
				b.Fatal(c.Err)
			}
			c.attempt()
		}
		calls = append(calls, c)
	}
	if waiting := d.Snapshot().Waiting; waiting != n {
		b.Fatalf("%d calls wait, want %d", waiting, n)
	}
	return calls, cancel, end
}
