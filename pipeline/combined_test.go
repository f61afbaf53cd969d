package pipeline_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// TestUnreadResultsByKeyAreTold: of a run by key, too, it is said that nobody reads, also when all that was
// taken is done.
func TestUnreadResultsByKeyAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		_, p := newKeyedLine(t, pipeline.KeyedConfig[int]{Buffer: 10, Each: pipeline.Config{OnEvent: func(e pipeline.Event) {
			if e.Kind == pipeline.EventNotRead {
				told.Add(1)
			}
		}}}, 5, func(_ context.Context, job int) (int, error) { return job, nil })
		results := p.Run(ctx, endless(ctx, new(atomic.Int64)))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := told.Load(); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
		cancel()
		collect(results)
	})
}

// TestNoJobIsLostWhenAKeyEndsTheGoroutine: those that were taken just before are done, though the line that
// they are for has become empty in the meantime.
func TestNoJobIsLostWhenAKeyEndsTheGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, pipeline.KeyedConfig[int]{Buffer: 40}) // two are taken at a time
		p := pipeline.ByKey(k, func(job int) int {
			if job == 3 {
				time.Sleep(time.Second)
				runtime.Goexit()
			}
			return 0
		}, func(_ context.Context, job int) (int, error) {
			time.Sleep(10 * time.Millisecond)
			return job, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		jobs := feed(4)
		results := p.Run(ctx, jobs)
		begin := time.Now()
		n := 0
		for r := range results {
			if n++; (r.Err != nil) != (r.In == 3) {
				t.Errorf("got %+v", r)
			}
		}
		if took := time.Since(begin); n != 4 || took > 2*time.Second {
			t.Errorf("%d results in %v", n, took)
		}
	})
}

// TestAShareHoldsInAChain: a pipeline has the share that it was given wherever it stands.
func TestAShareHoldsInAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
		ctx, cancel := context.WithCancel(t.Context())
		var done [2]atomic.Int64
		line := func(i int) *pipeline.Pipeline[int, int] {
			return pipeline.Attach(throttle, func(_ context.Context, job int) (int, error) {
				time.Sleep(time.Millisecond)
				done[i].Add(1)
				return job, nil
			})
		}
		plain, _ := pipeline.New(func(_ context.Context, n int) (int, error) { return n, nil }, pipeline.Config{})
		heavy := line(1).Share(pipeline.Share{Weight: 3})
		one := line(0).Run(ctx, endless(ctx, new(atomic.Int64)))
		two := pipeline.Then(plain, heavy).Run(ctx, endless(ctx, new(atomic.Int64)))
		var readers sync.WaitGroup
		readers.Go(func() { collect(one) })
		readers.Go(func() { collect(two) })
		time.Sleep(time.Second)
		got := [2]int64{done[0].Load(), done[1].Load()}
		if got[1] < 713 || got[1] > 788 {
			t.Errorf("got %v, want a quarter and three", got)
		}
		heavy.Share(pipeline.Share{Weight: 1})
		time.Sleep(time.Second)
		if n := done[1].Load() - got[1]; n < 475 || n > 525 {
			t.Errorf("with equal weights: got %d of 1000", n)
		}
		cancel()
		readers.Wait()
	})
}

// TestAJobLeavesTheMemberOfItsAffinityWhenThatGoesAway, though nothing of its own run was there.
func TestAJobLeavesTheMemberOfItsAffinityWhenThatGoesAway(t *testing.T) {
	for _, how := range []string{"paused", "closed"} {
		synctest.Test(t, func(t *testing.T) {
			cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{}, MaxPause: -1}
			pool := newPool(t, memberOf(cfg), memberOf(cfg))
			slot, err := pool.Throttle("0").Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			time.AfterFunc(time.Second, func() {
				if how == "closed" {
					pool.Throttle("0").Close()
					time.Sleep(time.Hour)
				}
				slot.Release(pipeline.Overloaded(errService, time.Hour))
			})
			p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) { return member, nil }).
				Affinity(func(int) string { return "0" })
			for r := range p.Run(t.Context(), feed(1)) {
				if took := time.Since(begin); r.Err != nil || r.Out != 1 || took > 2*time.Second {
					t.Errorf("%s: got %+v after %v", how, r, took)
				}
			}
			time.Sleep(2 * time.Hour) // until the slot is given back
		})
	}
}

// TestJobsComeBackWhenTheLastMemberIsClosed, at once, also if nothing ends there for long.
func TestJobsComeBackWhenTheLastMemberIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, memberOf(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}))
		slot, err := pool.Throttle("0").Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer slot.Release(nil)
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) { return member, nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		time.AfterFunc(time.Second, pool.Throttle("0").Close)
		n := 0
		for r := range p.Each(ctx, counted(3, new(atomic.Int64))) {
			if n++; !errors.Is(r.Err, pipeline.ErrClosed) {
				t.Errorf("got %+v", r)
			}
		}
		if n != 3 {
			t.Errorf("%d results", n)
		}
	})
}

// TestACallOfAPoolWaitsForNoLongerThanItWants: WithMaxWait holds for ExecuteAny, too.
func TestACallOfAPoolWaitsForNoLongerThanItWants(t *testing.T) {
	for _, most := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}
			pool := newPool(t, memberOf(cfg), memberOf(cfg))
			for _, name := range []string{"0", "1"} {
				slot, err := pool.Throttle(name).Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(time.Hour, func() { slot.Release(nil) })
			}
			begin := time.Now()
			_, err := pipeline.ExecuteAny(pipeline.WithMaxWait(t.Context(), most), pool, func(context.Context, int) (int, error) { return 0, nil })
			var wait *pipeline.WaitError
			if took := time.Since(begin); took > most || !errors.As(err, &wait) {
				t.Errorf("got %v after %v, want a WaitError after %v", err, took, most)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}

// TestSharesHoldWhateverIsShort: lines that all have work get what their weights say, whatever holds them up.
func TestSharesHoldWhateverIsShort(t *testing.T) {
	for name, cfg := range map[string]pipeline.Config{
		"slots":  {MaxConcurrency: 5},
		"pace":   {MaxConcurrency: 50, MinDispatchInterval: 5 * time.Millisecond},
		"quick":  {MaxConcurrency: 50, MinDispatchInterval: 100 * time.Microsecond},
		"rate":   {MaxConcurrency: 50, Rate: &pipeline.Rate{PerSecond: 500, Burst: 20}},
		"budget": {MaxConcurrency: 50, Budgets: []pipeline.Budget{{Tokens: 40, Window: time.Second, Requests: true}}},
	} {
		for _, kind := range []string{"throttle", "keyed"} {
			synctest.Test(t, func(t *testing.T) {
				cfg.Policy = pipeline.Static{}
				cfg.Spread = -1
				ctx, cancel := context.WithCancel(t.Context())
				var starts [2]atomic.Int64
				work := func(line int) pipeline.Work[int, int] {
					return func(_ context.Context, job int) (int, error) {
						if starts[0].Load()+starts[1].Load() < 2000 {
							starts[line].Add(1)
						} else {
							cancel()
						}
						time.Sleep(10 * time.Millisecond)
						return job, nil
					}
				}
				var stage func(line int) pipeline.Stage[int, int]
				switch kind {
				case "throttle":
					th := newThrottle(t, cfg)
					stage = func(line int) pipeline.Stage[int, int] { return pipeline.Attach(th, work(line)) }
				case "keyed":
					k := newKeyed(t, pipeline.KeyedConfig[int]{Each: cfg, Buffer: 200})
					stage = func(line int) pipeline.Stage[int, int] { return pipeline.ByKey(k, modulo(1), work(line)) }
				}
				done := make(chan bool, 2)
				for line, weight := range []float64{1, 3} {
					go func() {
						collect(stage(line).Run(pipeline.WithShare(ctx, pipeline.Share{Weight: weight}), endless(ctx, new(atomic.Int64))))
						done <- true
					}()
				}
				<-done
				<-done
				a, b := starts[0].Load(), starts[1].Load()
				if part := float64(b) / float64(a+b); part < 0.7125 || part > 0.7875 {
					t.Errorf("%s, %s: got %d and %d: %.3f", name, kind, a, b, part)
				}
			})
		}
	}
}

// TestABackoffIsNotForgottenForAnother: a job that waits for its member keeps no other from being tried
// again when that is due.
func TestABackoffIsNotForgottenForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{},
			Retry: &pipeline.Retry{MaxAttempts: 5, BaseDelay: 100 * time.Millisecond, Backoff: pipeline.Fixed, Park: true},
		}
		pool := newPool(t, memberOf(cfg), memberOf(cfg))
		p := pipeline.ByChoice(pool, func(ctx context.Context, member, job int) (int, error) {
			n := pipeline.SlotFrom(ctx).Attempt()
			switch {
			case job == 0 && n < 2:
				time.Sleep(20 * time.Millisecond)
				return 0, errService
			case job == 1:
				time.Sleep(time.Hour)
			case job == 2 && n == 0:
				time.Sleep(time.Second)
				return 0, errService
			}
			return member, nil
		}).Affinity(func(job int) string { return []string{"1", "1", "0"}[job] })
		begin := time.Now()
		jobs := make(chan int)
		go func() {
			defer close(jobs)
			for job := range 3 {
				jobs <- job
				time.Sleep(10 * time.Millisecond)
			}
		}()
		for r := range p.Run(t.Context(), jobs) {
			if took := time.Since(begin); r.In == 2 && took > 2*time.Second {
				t.Errorf("got %+v after %v", r, took)
			}
		}
	})
}
