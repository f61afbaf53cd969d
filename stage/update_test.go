package stage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(cfg(jobs))
		old := d.pool
		old.done = func(j *Job) {
			d.ended(j)
			time.Sleep(time.Second) // a worker is slow to go
		}
		door := d.Open(t.Context(), nil)
		var b Batch
		for range jobs {
			b.Add(&Job{Ask: Ordinary, Work: WorkFunc(func(context.Context) error {
				time.Sleep(time.Second)
				return nil
			})})
		}
		door.Submit(b, jobs)
		synctest.Wait()
		d.Update(cfg(2*jobs), func() {})
		time.Sleep(time.Second)
		synctest.Wait()
		n := 0
		for done := door.Finished(); done.Pop() != nil; {
			n++
		}
		if n != jobs || d.pool == old {
			t.Fatalf("%d jobs of %d are back, in another pool: %v", n, jobs, d.pool != old)
		}
		door.Stop()
		begin := time.Now()
		door.Leave()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("left after %v, the workers after 1s", took)
		}
	})
}
