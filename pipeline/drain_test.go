package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

func TestDrainWaitsUntilNothingIsInFlight(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		v := drawVisit(rt, 0)
		v.breaks, v.seqPanic, v.slow, v.sleepy = 0, 0, 0, 0
		answers := drawAnswers(rt, cfg, v.jobs)
		drainAt := time.Duration(rapid.Int64Range(0, int64(300*time.Millisecond)).Draw(rt, "drainAt"))
		patience := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(rt, "patience"))
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				v.pay(f, v.pipeline(throttle, s), s, cfg)
			}()
			time.Sleep(drainAt)
			ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errLeft)
			defer cancel()
			begin := time.Now()
			switch err := throttle.Drain(ctx); {
			case err == errLeft:
				f.check(time.Since(begin) == patience, "left after %v, not %v", time.Since(begin), patience)
				f.check(throttle.Snapshot().State >= pipeline.Draining, "%v", throttle.Snapshot().State)
				if err := throttle.Drain(context.Background()); err != nil {
					f.add("Drain: %v", err)
				}
			case err != nil:
				f.add("Drain: %v", err)
			}
			started := s.count()
			snap := throttle.Snapshot()
			f.check(snap.State == pipeline.Closed && snap.InFlight == 0, "drained: %+v", snap)
			<-over
			f.check(s.count() == started, "%d attempts after the drain", s.count()-started)
		}
	})
}

func TestDrainOfAnIdleThrottleReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{})
		for range 3 { // also again
			if err := throttle.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			throttle.Close()
		}
		if s := throttle.Snapshot().State; s != pipeline.Closed {
			t.Errorf("state %v", s)
		}
	})
}

func TestDrainDoesNotWaitForAnAbsentReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{takes: time.Second}), pipeline.Config{MaxConcurrency: 2})
		jobs := feed(100)
		results := p.Run(t.Context(), jobs)
		time.Sleep(time.Minute)
		if err := p.Throttle().Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(collect(results)); n+len(jobs) != 100 {
			t.Errorf("%d results, %d jobs left in the channel, of 100", n, len(jobs))
		}
	})
}

func TestClosedThrottleTakesNoNewWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{})
		p := newLine(t, s, pipeline.Config{})
		p.Throttle().Close()
		jobs := feed(10)
		if n := len(collect(p.Run(t.Context(), jobs))); n != 0 || len(jobs) != 10 {
			t.Errorf("%d results, %d jobs left in the channel", n, len(jobs))
		}
		yielded, refused := 0, 0
		for r := range p.Each(t.Context(), func(yield func(int) bool) {
			for yielded = 1; yield(yielded); yielded++ {
			}
		}) {
			refused++
			if r.Err != pipeline.ErrClosed || r.Attempts != 0 {
				t.Errorf("job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
			}
		}
		if yielded != refused || s.count() != 0 {
			t.Errorf("%d jobs yielded, %d refused, %d attempts", yielded, refused, s.count())
		}
	})
}

func TestCloseFinishesWhatWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(_, number int) answer {
			return answer{ending: ending(1 - min(number, 1)), takes: time.Second}
		}}
		p := newLine(t, s, pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}, Retry: &pipeline.Retry{}})
		jobs := feed(100)
		results := p.Run(t.Context(), jobs)
		time.Sleep(500 * time.Millisecond)
		p.Throttle().Close()
		all := collect(results)
		if len(all) < 3 || len(all)+len(jobs) != 100 {
			t.Errorf("%d results, %d jobs left in the channel, of 100", len(all), len(jobs))
		}
		for _, r := range all {
			if r.Err != nil || r.Attempts != 2 {
				t.Errorf("job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
			}
		}
	})
}

func TestCancelEndsARunPromptly(t *testing.T) {
	for name, cfg := range map[string]pipeline.Config{
		"in flight":   {},
		"backing off": {Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Hour}},
		"parked":      {Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Hour, Park: true}},
		"paced":       {MinDispatchInterval: time.Hour},
		"rated":       {Rate: &pipeline.Rate{PerSecond: 1e-4}},
		"open":        {Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}},
		"no budget":   {Budgets: []pipeline.Budget{{Tokens: 1, Window: time.Hour}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{ending: fails, takes: time.Second, tokens: 1})
				p := newLine(t, s, cfg)
				ctx, cancel := context.WithCancelCause(t.Context())
				results := p.Run(ctx, feed(20))
				begin := time.Now()
				time.AfterFunc(1500*time.Millisecond, func() { cancel(errLeft) })
				for r := range results {
					never := r.Attempts == 0 && r.Err == errLeft
					tried := r.Attempts > 0 && errors.Is(r.Err, errService)
					if !never && !tried {
						t.Errorf("job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
					}
				}
				if took := time.Since(begin); took != 1500*time.Millisecond {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestPanicInTheJobsComesOutOfTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{takes: time.Second}), pipeline.Config{})
		n := 0
		defer func() {
			if r := recover(); r == nil || n != 3 {
				t.Errorf("%d results, then a panic with %v", n, r)
			}
		}()
		for range p.Each(t.Context(), func(yield func(int) bool) {
			for i := 0; i < 3 && yield(i); i++ {
			}
			panic("jobs")
		}) {
			n++
		}
	})
}

func TestPanicLeavesNoOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pipeline.New(func(ctx context.Context, _ int) (int, error) {
			if pipeline.SlotFrom(ctx).Attempt() == 0 {
				return 42, errService
			}
			panic("work")
		}, pipeline.Config{Retry: &pipeline.Retry{}})
		if err != nil {
			t.Fatal(err)
		}
		if r := collect(p.Run(t.Context(), feed(1)))[0]; r.Out != 0 || r.Attempts != 2 {
			t.Errorf("%d attempts, output %d of the one before the panic", r.Attempts, r.Out)
		}
	})
}

func TestPanicInTheWorkIsTheJobsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pipeline.New(func(context.Context, int) (int, error) { panic(errService) }, pipeline.Config{})
		if err != nil {
			t.Fatal(err)
		}
		r := collect(p.Run(t.Context(), feed(1)))[0]
		var panicked *pipeline.PanicError
		if !errors.As(r.Err, &panicked) || panicked.Value != errService || !errors.Is(r.Err, errService) {
			t.Fatalf("got %v", r.Err)
		}
		if !containsAll(string(panicked.Stack), "TestPanicInTheWorkIsTheJobsError", "drain_test.go") {
			t.Errorf("the stack does not show the work:\n%s", panicked.Stack)
		}
	})
}

// Jobs that were not taken stay in the channel, for another run. So nobody
// receives any more, and Done is what a sender hears of that.
func TestASenderIsToldByDoneThatNobodyTakesItsJobs(t *testing.T) {
	for _, before := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newLine(t, always(answer{takes: time.Second}), pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
			if before {
				p.Throttle().Close()
			}
			jobs := make(chan int, 1)
			sent := make(chan int)
			go func() {
				defer close(sent)
				for n := 0; ; n++ {
					select {
					case jobs <- n:
					case <-p.Throttle().Done():
						sent <- n
						return
					}
				}
			}()
			results := p.Run(t.Context(), jobs)
			time.Sleep(1500 * time.Millisecond)
			p.Throttle().Close()
			n := <-sent
			if got := len(collect(results)) + len(jobs); got != n {
				t.Errorf("%d of %d jobs came back or stayed in the channel, want each", got, n)
			}
		})
	}
}
