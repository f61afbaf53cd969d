package stage

import (
	"context"
	"testing"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// TestLeaveWaitsForTheWorkersOfAnOldPool, which the dispatcher has given up for a
// larger one.
func TestLeaveWaitsForTheWorkersOfAnOldPool(t *testing.T) {
	const jobs = 16
	cfg := func(limit int) Config {
		return Config{
			Clock:      clock.Real(),
			Classify:   Classify,
			Controller: controller.Config{Policy: controller.Static{}, Bounds: controller.Bounds{InitialLimit: limit, MaxLimit: limit}},
		}
	}
	for range 50 {
		d := NewDispatcher(cfg(jobs))
		started, goOn := make(chan struct{}), make(chan struct{})
		door := d.Open(t.Context())
		var b Batch
		for range jobs {
			b.Add(&Job{Ask: Ordinary, Work: WorkFunc(func(context.Context) error {
				started <- struct{}{}
				<-goOn
				return nil
			})})
		}
		door.Submit(b, jobs)
		for range jobs {
			<-started
		}
		old := d.pool
		d.Update(cfg(2*jobs), func() {})
		close(goOn)
		for n := jobs; n > 0; {
			if !door.Sleep(false) {
				for done := door.Finished(); done.Pop() != nil; n-- {
				}
				continue
			}
			<-door.Wake()
			door.Awake()
		}
		door.Stop()
		door.Leave()
		if n := old.alive.Load(); n > 0 {
			t.Fatalf("%d workers of the old pool are still there", n)
		}
		if d.pool == old {
			t.Fatal("the pool is not another one")
		}
	}
}
