package pipeline_test

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestSharesHoldInAPool: two runs of weights 1 and 3 press on one pool, whose members have slots, a
// pace or a rate.
func TestSharesHoldInAPool(t *testing.T) {
	for name, cfg := range map[string]pipeline.Config{
		"slots": {MaxConcurrency: 4, Policy: pipeline.Static{}},
		"one":   {MaxConcurrency: 1, Policy: pipeline.Static{}},
		"rate":  {MaxConcurrency: 20, Policy: pipeline.Static{}, Rate: &pipeline.Rate{PerSecond: 10, Burst: 5}},
		"pace":  {MaxConcurrency: 20, Policy: pipeline.Static{}, MinDispatchInterval: 30 * time.Millisecond},
		"fast":  {MaxConcurrency: 20, Policy: pipeline.Static{}, MinDispatchInterval: 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				pool := newPool(t, memberOf(cfg), memberOf(cfg), memberOf(cfg))
				r := &rank{most: 2000, cancel: cancel}
				var all sync.WaitGroup
				for line, weight := range []float64{1, 3} {
					p := pipeline.ByChoice(pool, func(ctx context.Context, _, job int) (int, error) {
						return 0, r.work(ctx, line, 1, 100*time.Millisecond)
					})
					all.Go(func() {
						collect(p.Run(pipeline.WithShare(ctx, pipeline.Share{Weight: weight}), endlessJobs(ctx.Done())))
					})
				}
				all.Wait()
				if got := r.between(500, 1500, 2); got[0] < 0.2375 || got[0] > 0.2625 {
					t.Errorf("got %.3f of what started, want a quarter within 5%%", got[0])
				}
			})
		})
	}
}

// drawPool draws the members of a pool, and returns how many attempts it lets be in flight.
func drawPool(rt *rapid.T) (members []pipeline.Member[int], limit int) {
	for range rapid.IntRange(1, 3).Draw(rt, "members") {
		cfg := pipeline.Config{
			MaxConcurrency:      rapid.IntRange(1, 4).Draw(rt, "limit"),
			MinDispatchInterval: rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 7 * time.Millisecond, 30 * time.Millisecond}).Draw(rt, "interval"),
			Policy:              pipeline.Static{},
		}
		limit += cfg.MaxConcurrency
		members = append(members, memberOf(cfg))
	}
	return members, limit
}

// TestSharesHoldInAPoolWhateverItsMembers: as TestSharesHold, in front of a pool.
func TestSharesHoldInAPoolWhateverItsMembers(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		members, limit := drawPool(rt)
		c := drawCrowd(rt, limit)
		after := append([]pipeline.Share(nil), c.shares...)
		for i := range c.shares {
			if c.runs[i] && rapid.Bool().Draw(rt, "changes") {
				after[i].Weight = float64(rapid.IntRange(1, 8).Draw(rt, "later"))
				c.change[i] = after[i]
			}
		}
		return func(f *faults) {
			c.pool = newPool(t, members...)
			c.run(4000)
			c.checkShares(f, 100, 1900, c.shares)
			c.checkShares(f, 2200, 4000, after)
		}
	})
}

// TestAHigherPriorityGoesFirstInAPool: a call comes to a pool where others wait. It starts as soon as one that is in
// flight has ended.
func TestAHigherPriorityGoesFirstInAPool(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		members, limit := drawPool(rt)
		for i := range members {
			members[i].Config.MinDispatchInterval = 0
			members[i].Config.Retry = &pipeline.Retry{BaseDelay: 5 * time.Millisecond, Backoff: pipeline.Fixed}
		}
		c := drawCrowd(rt, limit)
		for i := range c.shares {
			c.shares[i].Priority = rapid.IntRange(-9, 0).Draw(rt, "priority")
		}
		calls := rapid.SliceOfN(rapid.IntRange(20, 300), 1, 20).Draw(rt, "calls") // milliseconds between them
		urgent := pipeline.Share{Priority: rapid.IntRange(1, 9).Draw(rt, "urgent")}
		failing := rapid.IntRange(0, 3).Draw(rt, "failing") // of ten
		return func(f *faults) {
			c.pool = newPool(t, members...)
			stop, ended := make(chan struct{}), make(chan struct{})
			flaky := pipeline.ByChoice(c.pool, func(ctx context.Context, _, job int) (int, error) {
				err := c.work(ctx, 0, 1, 3*time.Millisecond)
				if err == nil && job%10 < failing {
					err = errService
				}
				return 0, err
			})
			go func() {
				collect(flaky.Run(context.Background(), endlessJobs(stop)))
				close(ended)
			}()
			var all sync.WaitGroup
			all.Go(func() { c.run(1_000_000) })
			c.callUrgently(f, calls, limit, func(work func()) error {
				_, err := pipeline.ExecuteAny(pipeline.WithShare(context.Background(), urgent), c.pool, func(context.Context, int) (int, error) {
					work()
					return 0, nil
				})
				return err
			})
			c.mu.Lock()
			c.cancel()
			c.mu.Unlock()
			close(stop)
			c.pool.Close()
			all.Wait()
			<-ended
		}
	})
}

// TestNothingStarvesInAPool: what has the lower priority gets a twentieth of what a pool lets start.
func TestNothingStarvesInAPool(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		members, limit := drawPool(rt)
		c := drawCrowd(rt, limit)
		for i := range c.shares {
			c.shares[i].Weight, c.shares[i].Priority = 0, i%2
			c.costs[i] = []int64{1}
		}
		return func(f *faults) {
			c.pool = newPool(t, members...)
			c.run(2000)
			had := 0.0
			for i, got := range c.between(100, 2000, len(c.shares)) {
				had += got * float64(c.shares[i].Priority)
			}
			f.check(math.Abs(had-0.95) < 0.01, "the urgent have had %.3f, want 0.95: %+v", had, c.shares)
		}
	})
}

// TestSingleCallsAreSharedByWeightOfTheMembers: one call after another, each of which finds all members free.
func TestSingleCallsAreSharedByWeightOfTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := memberOf(pipeline.Config{Policy: pipeline.Static{}})
		heavy.Weight = 3
		pool := newPool(t, memberOf(pipeline.Config{Policy: pipeline.Static{}}), heavy)
		by := [2]int{}
		for range 400 {
			member, err := pipeline.ExecuteAny(t.Context(), pool, func(_ context.Context, member int) (int, error) { return member, nil })
			if err != nil {
				t.Fatal(err)
			}
			by[member]++
			synctest.Wait()
		}
		if by != [2]int{100, 300} {
			t.Errorf("got %v, want a quarter and three", by)
		}
	})
}

// TestACostThatBlocksHoldsUpNoOtherRunOfAPool: the Cost of one run blocks while it takes a job. What becomes free
// meanwhile goes to the jobs of the others.
func TestACostThatBlocksHoldsUpNoOtherRunOfAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}
		pool := newPool(t, memberOf(cfg))
		begin := time.Now()
		var mu sync.Mutex
		var done []time.Duration
		work := func(context.Context, int, int) (int, error) {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			done = append(done, time.Since(begin))
			return 0, nil
		}
		slow := pipeline.ByChoice(pool, work).Cost(func(job int) int64 {
			if job == 2 {
				time.Sleep(time.Hour)
			}
			return 1
		})
		var all sync.WaitGroup
		jobs := make(chan int)
		all.Go(func() { collect(slow.Run(t.Context(), jobs)) })
		jobs <- 0
		jobs <- 1
		synctest.Wait()
		others := make(chan int)
		all.Go(func() { collect(pipeline.ByChoice(pool, work).Run(t.Context(), others)) })
		for job := range 5 {
			others <- job
		}
		synctest.Wait()
		jobs <- 2
		time.Sleep(30 * time.Minute)
		mu.Lock()
		n := len(done)
		mu.Unlock()
		close(jobs)
		close(others)
		all.Wait()
		if n != 7 {
			t.Errorf("%d jobs done while a Cost blocks, want 7", n)
		}
	})
}
