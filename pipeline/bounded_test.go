package pipeline_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// endless feeds jobs until ctx is done and counts those that were taken.
func endless(ctx context.Context, taken *atomic.Int64) <-chan int {
	jobs := make(chan int)
	go func() {
		for job := 0; ; job++ {
			select {
			case jobs <- job:
				taken.Add(1)
			case <-ctx.Done():
				return
			}
		}
	}()
	return jobs
}

// TestBounded: a reader who does not read stops the intake, whatever the schedule.
func TestBounded(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.MaxConcurrency = rapid.IntRange(cfg.InitialConcurrency, 40).Draw(rt, "max")
		cfg.Budgets = nil
		ordered := rapid.Bool().Draw(rt, "ordered")
		takes := rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second}).Draw(rt, "takes")
		return func(f *faults) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s := always(answer{takes: takes, deaf: true})
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			if ordered {
				p.Ordered()
			}
			var taken atomic.Int64
			results := p.Run(ctx, endless(ctx, &taken))
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			before := int(taken.Load())
			f.check(before <= 8*cfg.MaxConcurrency+64, "%d jobs taken, nobody reads, max %d", before, cfg.MaxConcurrency)
			time.Sleep(time.Minute) // the reader is looked at once a second
			synctest.Wait()
			after := int(taken.Load())
			f.check(after == before, "%d more jobs taken, nobody reads", after-before)
			cancel()
			n := len(collect(results))
			f.check(n == after, "%d jobs taken, %d came back", after, n)
		}
	})
}

func TestSlowJobHoldsUpAnOrderedIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer { return answer{takes: time.Hour >> (6 * min(job, 5))} }}
		p := newLine(t, s, pipeline.Config{MaxConcurrency: 4, Policy: pipeline.Static{}}).Ordered()
		var taken atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		results := p.Run(ctx, endless(ctx, &taken))
		time.Sleep(59 * time.Minute)
		if n := taken.Load(); n < 8 || n > 8*4+16 {
			t.Errorf("%d jobs taken behind a slow one", n)
		}
		cancel()
		if n := int64(len(collect(results))); n != taken.Load() {
			t.Errorf("%d jobs taken, %d came back", taken.Load(), n)
		}
	})
}

func TestOpenCircuitStopsTheIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails, takes: time.Millisecond})
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 4,
			Breaker:        &pipeline.Breaker{Failures: 3, OpenFor: time.Hour},
		})
		var taken atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		results := p.Run(ctx, endless(ctx, &taken))
		go func() {
			time.Sleep(59 * time.Minute)
			cancel()
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		before := taken.Load()
		if started := s.count(); started > 3+3 || before > 4*4 {
			t.Errorf("%d attempts, %d jobs taken until the circuit was open", started, before)
		}
		burned := 0
		for r := range results {
			if r.Attempts > 0 {
				burned++
			}
			taken.Add(-1)
			before--
		}
		if burned != s.count() || burned > 3+3 {
			t.Errorf("%d jobs burned", burned)
		}
		synctest.Wait() // until the last job that was taken is counted, too
		if before != 0 || taken.Load() != 0 {
			t.Errorf("%d jobs taken while the circuit was open, %d lost", -before, taken.Load())
		}
	})
}

func TestEmptyBudgetStopsTheIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{tokens: 10})
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 4,
			Budgets:        []pipeline.Budget{{Tokens: 20, Window: time.Hour}},
		}).Cost(func(int) int64 { return 10 })
		var taken atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		results := p.Run(ctx, endless(ctx, &taken))
		ahead := make([]int64, 3) // jobs taken and not started, as long as the budget is empty
		for i := range ahead {
			time.Sleep(time.Minute)
			synctest.Wait()
			if want := 2 * (i + 1); s.count() != want {
				t.Errorf("%d attempts after %d hours, want %d", s.count(), i, want)
			}
			ahead[i] = taken.Load() - int64(s.count())
			time.Sleep(58 * time.Minute)
			synctest.Wait()
			if n := taken.Load() - int64(s.count()); n != ahead[i] {
				t.Errorf("%d jobs taken while the budget was empty", n-ahead[i])
			}
			time.Sleep(time.Minute)
		}
		if ahead[0] > 4*4 || ahead[2] > 4*4 {
			t.Errorf("%d jobs wait inside", ahead)
		}
		cancel()
		for r := range results {
			taken.Add(-1)
			if r.Err != nil && r.Attempts > 0 {
				t.Errorf("job %d burned: %v", r.In, r.Err)
			}
		}
		synctest.Wait() // until the last job that was taken is counted, too
		if taken.Load() != 0 {
			t.Errorf("%d jobs lost", taken.Load())
		}
	})
}

// everything is a config with all parts switched on, and none in the way.
func everything() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: 8,
		Budgets:        []pipeline.Budget{{Tokens: 1 << 40, Window: time.Minute}},
		Rate:           &pipeline.Rate{PerSecond: 1e9, Burst: 1e6},
		Breaker:        &pipeline.Breaker{},
		Retry:          &pipeline.Retry{BaseDelay: time.Nanosecond, Park: true},
		OnEvent:        func(pipeline.Event) {},
		OnProgress:     func(pipeline.Snapshot) {},
	}
}

func TestAMillionJobsTakeNoMoreMemoryThanAThousand(t *testing.T) {
	plain := pipeline.Config{MaxConcurrency: 8}
	for name, cfg := range map[string]pipeline.Config{"everything on": everything(), "everything off": plain} {
		t.Run(name, func(t *testing.T) {
			square := func(_ context.Context, job int) (int, error) { return job * job, nil }
			p, err := pipeline.New(square, cfg)
			if err != nil {
				t.Fatal(err)
			}
			jobs := make(chan int, 64)
			go func() {
				defer close(jobs)
				for job := range aMillion {
					jobs <- job
				}
			}()
			var early uint64
			seen := make([]bool, aMillion)
			n := 0
			for r := range p.Run(t.Context(), jobs) {
				if r.Err != nil || r.Out != r.In*r.In || seen[r.In] {
					t.Fatalf("job %d: %d, %v, seen before: %v", r.In, r.Out, r.Err, seen[r.In])
				}
				seen[r.In] = true
				if n++; n == 1000 {
					early = heap()
				}
			}
			if n != aMillion {
				t.Errorf("%d results of %d", n, aMillion)
			}
			if late := heap(); late > early+1<<19 {
				t.Errorf("heap: %d bytes after 1000 jobs, %d after %d", early, late, n)
			}
			runtime.KeepAlive(p)
			runtime.KeepAlive(seen)
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one left in pools
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
