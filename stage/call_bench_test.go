package stage

import (
	"context"
	"testing"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// BenchmarkCall is a single call with everything on, one after another and from many goroutines.
func BenchmarkCall(b *testing.B) {
	work := WorkFunc(func(context.Context) error { return nil })
	newDispatcher := func() *Dispatcher {
		return NewDispatcher(Config{
			Clock: clock.Real(), Classify: Classify,
			Budgets: []controller.Budget{{Name: "tokens", Tokens: 1 << 50, Window: time.Minute}},
			Breaker: &controller.Breaker{Failures: 10, OpenFor: time.Minute, Probes: 1},
			Retry:   &controller.Retry{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: time.Minute},
			Controller: controller.Config{
				Policy: controller.Seek{},
				Bounds: controller.Bounds{InitialLimit: 1000, MaxLimit: 1000, MaxInterval: time.Minute},
			},
		})
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		d := newDispatcher()
		for b.Loop() {
			if err := d.Do(context.Background(), work); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(500)
		d := newDispatcher()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := d.Do(context.Background(), work); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
