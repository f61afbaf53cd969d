package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// callService does a job of the service's by Execute.
func callService(ctx context.Context, t *pipeline.Throttle, s *service, job int) (int, error) {
	return pipeline.Execute(ctx, t, func(ctx context.Context) (int, error) { return s.work(ctx, job) })
}

// within returns a context that ends after a while.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestNoBackoffSleepsPastTheDeadline(t *testing.T) {
	for name, retry := range map[string]pipeline.Retry{
		"holding its slot": {Backoff: pipeline.Fixed, BaseDelay: time.Minute},
		"parked":           {Backoff: pipeline.Fixed, BaseDelay: time.Minute, Park: true},
		"refused":          {Backoff: pipeline.Fixed, BaseDelay: time.Millisecond},
	} {
		a := answer{ending: fails, takes: time.Second}
		if name == "refused" {
			a.ending, a.after = refuses, time.Minute
		}
		cfg := pipeline.Config{Policy: pipeline.Static{}, Retry: &retry}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check := func(err error, took time.Duration) {
					t.Helper()
					if !errors.Is(err, errService) || !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
						t.Errorf("%v after %v", err, took)
					}
				}
				begin := time.Now()
				_, err := callService(within(t, 30*time.Second), newThrottle(t, cfg), always(a), 0)
				check(err, time.Since(begin))

				begin = time.Now()
				for r := range newLine(t, always(a), cfg).Run(within(t, 30*time.Second), feed(5)) {
					check(r.Err, time.Since(begin))
					if r.Attempts != 1 {
						t.Errorf("%d attempts", r.Attempts)
					}
				}
			})
		})
	}
}

func TestBackoffThatEndsBeforeTheDeadlineIsSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(_, number int) answer { return answer{ending: ending(1 - min(number, 1))} }}
		throttle := newThrottle(t, pipeline.Config{Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Minute}})
		begin := time.Now()
		if _, err := callService(within(t, time.Minute+time.Second), throttle, s, 0); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestNoCallStartsWhoseLikeHasMetItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: 10 * time.Second, ending: succeeds})
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		if _, err := callService(t.Context(), throttle, s, 0); err != nil {
			t.Fatal(err)
		}
		call := func(time time.Duration) error {
			ctx := within(t, time)
			_, err := pipeline.Execute(ctx, throttle, func(ctx context.Context) (int, error) {
				s.work(ctx, 1)
				return 0, ctx.Err()
			})
			return err
		}
		begin := time.Now()
		if err := call(9 * time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 9*time.Second {
			t.Errorf("the first with so little time: %v after %v; nothing is known of it yet", err, time.Since(begin))
		}
		begin = time.Now()
		for range 3 {
			if err := call(9 * time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 0 || s.count() != 2 {
				t.Errorf("%v after %v, %d attempts", err, time.Since(begin), s.count())
			}
		}
		time.Sleep(10 * time.Second) // the service may have recovered
		call(9 * time.Second)
		if s.count() != 3 {
			t.Errorf("%d attempts: none is let through to see", s.count())
		}
		if err := call(9 * time.Second); err == nil || s.count() != 3 {
			t.Errorf("%v, %d attempts: another one is let through at once", err, s.count())
		}
		if err := call(11 * time.Second); err != nil {
			t.Errorf("there was time: %v", err)
		}
	})
}

// One that takes long says nothing of another kind that has less time.
func TestLongCallsDoNotLockShortOnesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 20, InitialConcurrency: 20, Policy: pipeline.Static{}})
		long, short := always(answer{takes: 20 * time.Second}), always(answer{takes: 50 * time.Millisecond})
		if _, err := callService(t.Context(), throttle, long, 0); err != nil {
			t.Fatal(err)
		}
		for range 10 { // minutes, with a long one in each
			go callService(t.Context(), throttle, long, 0)
			time.Sleep(30 * time.Second)
			for range 10 {
				if _, err := callService(within(t, 5*time.Second), throttle, short, 1); err != nil {
					t.Fatalf("50 ms of work with a deadline of 5s: %v", err)
				}
			}
			time.Sleep(30 * time.Second)
		}
	})
	synctest.Test(t, func(t *testing.T) { // nor of a pipeline's jobs
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		if _, err := callService(t.Context(), throttle, always(answer{takes: 20 * time.Second}), 0); err != nil {
			t.Fatal(err)
		}
		p := pipeline.Attach(throttle, always(answer{takes: 50 * time.Millisecond}).work)
		for _, r := range collect(p.Run(within(t, 5*time.Second), feed(10))) {
			if r.Err != nil {
				t.Errorf("50 ms of work with a deadline of 5s: %v", r.Err)
			}
		}
	})
}

// Long ones that have too little time do not lock short ones out either.
func TestCallsThatMeetTheirDeadlinesDoNotLockQuickOnesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 5, InitialConcurrency: 5, Policy: pipeline.Static{}})
		long, short := always(answer{ending: hangs}), always(answer{takes: 50 * time.Millisecond})
		lost := 0
		for range 60 {
			go callService(within(t, 5*time.Second), throttle, long, 0)
			time.Sleep(6 * time.Second)
			if _, err := callService(within(t, 5*time.Second), throttle, short, 1); err != nil {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of 60 quick calls were lost", lost)
		}
	})
}

func TestCallThatHasWaitedTooLongFailsWhenItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1})
		s := always(answer{takes: 4 * time.Second})
		callService(t.Context(), throttle, s, 0)
		callService(within(t, 3*time.Second), throttle, s, 0) // meets its deadline
		begin := time.Now()
		var first sync.WaitGroup
		first.Go(func() { callService(t.Context(), throttle, s, 0) })
		synctest.Wait()
		_, err := callService(within(t, 6*time.Second), throttle, s, 1) // has two when it is its turn
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 4*time.Second || s.count() != 3 {
			t.Errorf("%v after %v, %d attempts", err, time.Since(begin), s.count())
		}
		first.Wait()
	})
}

func TestQuickestIsNotTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		for _, takes := range seconds(10, 2, 10) {
			if _, err := callService(t.Context(), throttle, always(answer{takes: takes}), 0); err != nil {
				t.Fatal(err)
			}
		}
		hanging := always(answer{ending: hangs})
		callService(within(t, 5*time.Second), throttle, hanging, 0) // meets its deadline
		if callService(within(t, time.Second), throttle, hanging, 0); hanging.count() != 1 {
			t.Error("an attempt has started with less time than the quickest took")
		}
		if _, err := callService(within(t, 4*time.Second), throttle, always(answer{}), 1); err != nil {
			t.Errorf("it may be as quick again: %v", err)
		}
		if _, err := callService(within(t, time.Second), throttle, always(answer{}), 1); err != nil {
			t.Errorf("it was as quick again: %v", err)
		}
	})
}

func TestPipelineHoldsWhatCannotEndBeforeItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: 10 * time.Second})
		p := newLine(t, s, pipeline.Config{MaxConcurrency: 2, InitialConcurrency: 2, Policy: pipeline.Static{}})
		jobs := feed(100)
		all := collect(p.Run(within(t, 25*time.Second), jobs))
		if s.count() != 4 {
			t.Errorf("%d attempts, want two at once in 25s that take 10s", s.count())
		}
		if len(all)+len(jobs) != 100 || len(all) > 14 {
			t.Errorf("%d jobs burned, %d left, of 100", len(all), len(jobs))
		}
		for _, r := range all {
			if r.Err != nil && (r.Attempts != 0 || r.Err != context.DeadlineExceeded) {
				t.Errorf("%d attempts, %v", r.Attempts, r.Err)
			}
		}
	})
}

// TestPipelineTriesAgainWhenTheQuickestIsForgotten: nobody has to come by for
// that.
func TestPipelineTriesAgainWhenTheQuickestIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer {
			if job == 0 {
				return answer{takes: 10 * time.Minute}
			}
			return answer{takes: time.Second}
		}}
		begin := time.Now()
		all := collect(newLine(t, s, pipeline.Config{MaxConcurrency: 1}).Run(within(t, 15*time.Minute), feed(2)))
		if took := time.Since(begin); len(all) != 2 || all[1].Err != nil || took > 12*time.Minute {
			t.Errorf("after %v: %+v", took, all)
		}
	})
}

// obstacles are what holds a call up for a minute.
var obstacles = map[string]struct {
	cfg pipeline.Config
	put func(*pipeline.Throttle)
}{
	"rate": {
		cfg: pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1. / 60, Burst: 1}},
		put: func(t *pipeline.Throttle) { callService(context.Background(), t, always(answer{}), 0) },
	},
	"pace": {
		cfg: pipeline.Config{MinDispatchInterval: time.Minute},
		put: func(t *pipeline.Throttle) { callService(context.Background(), t, always(answer{}), 0) },
	},
	"pause": {
		put: func(t *pipeline.Throttle) { t.RecordFailure(hintError{time.Minute}) },
	},
	"circuit": {
		cfg: pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute, Wait: true}},
		put: func(t *pipeline.Throttle) { t.RecordFailure(errService) },
	},
}

func TestCallHeldBeyondItsDeadlineFailsAtOnce(t *testing.T) {
	for name, o := range obstacles {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.cfg.Policy = pipeline.Static{}
				throttle := newThrottle(t, o.cfg)
				o.put(throttle)
				s := always(answer{})
				begin := time.Now()
				check := func(who string, err error) {
					t.Helper()
					if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 0 {
						t.Errorf("%s: %v after %v", who, err, time.Since(begin))
					}
				}
				_, err := callService(within(t, 59*time.Second), throttle, s, 1)
				check("Execute", err)
				_, err = throttle.Acquire(within(t, 59*time.Second))
				check("Acquire", err)
				if _, err = callService(within(t, 61*time.Second), throttle, s, 2); err != nil || time.Since(begin) != time.Minute {
					t.Errorf("in time: %v after %v", err, time.Since(begin))
				}
			})
		})
	}
}

// TestCallBehindAnotherFailsAtOnceToo: those that may wait do not keep the
// others from being told.
func TestCallBehindAnotherFailsAtOnceToo(t *testing.T) {
	for name, o := range obstacles {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.cfg.Policy = pipeline.Static{}
				throttle := newThrottle(t, o.cfg)
				o.put(throttle)
				s := always(answer{})
				var patient sync.WaitGroup
				patient.Go(func() { callService(context.Background(), throttle, s, 1) })
				synctest.Wait()
				begin := time.Now()
				_, err := callService(within(t, 30*time.Second), throttle, s, 2)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 0 {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				patient.Wait()
			})
		})
	}
}

func TestRetryHeldBeyondItsDeadlineComesBackAtOnce(t *testing.T) {
	for name, cfg := range map[string]pipeline.Config{
		"pace":                      {MinDispatchInterval: time.Minute},
		"rate":                      {Rate: &pipeline.Rate{PerSecond: 1e-2, Burst: 1}},
		"circuit":                   {Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute}},
		"circuit for which one may": {Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute, Wait: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{ending: fails, takes: time.Second})
				cfg.MaxConcurrency, cfg.Policy = 1, pipeline.Static{}
				cfg.Retry = &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second}
				p := newLine(t, s, cfg)
				begin := time.Now()
				for r := range p.Run(within(t, 30*time.Second), feed(1)) {
					if took := time.Since(begin); r.Attempts != 1 || !errors.Is(r.Err, errService) ||
						!errors.Is(r.Err, context.DeadlineExceeded) || took > 2*time.Second {
						t.Errorf("%d attempts, %v after %v", r.Attempts, r.Err, took)
					}
				}
				time.Sleep(time.Hour)
				if _, err := callService(within(t, time.Second), p.Throttle(), always(answer{}), 1); err != nil {
					t.Errorf("its slot is not free: %v", err)
				}
			})
		})
	}
}

// TestDeadlineOfTheWaitIsNotThatOfTheSlot: the context of Acquire is for the
// waiting only, so that an attempt may take longer.
func TestDeadlineOfTheWaitIsNotThatOfTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{})
		for range 2 {
			slot, err := throttle.Acquire(within(t, time.Second))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			slot.Release(nil)
		}
	})
}

// TestOpenCircuitIsToldBeforeTheDeadlineIs: a caller who does not wait for the
// circuit does not care whether it would have closed in time.
func TestOpenCircuitIsToldBeforeTheDeadlineIs(t *testing.T) {
	for _, takes := range seconds(0, 20) { // also if there is no time in any case
		synctest.Test(t, func(t *testing.T) {
			throttle := newThrottle(t, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute}})
			callService(t.Context(), throttle, always(answer{takes: takes}), 0)
			throttle.RecordFailure(errService)
			time.Sleep(10 * time.Second)
			var open *pipeline.CircuitOpenError
			_, err := callService(within(t, 5*time.Second), throttle, always(answer{}), 0)
			if !errors.As(err, &open) || open.RetryAfter != 50*time.Second {
				t.Errorf("Execute: %v", err)
			}
			_, err = throttle.Acquire(within(t, 5*time.Second))
			if !errors.As(err, &open) || open.RetryAfter != 50*time.Second {
				t.Errorf("Acquire: %v", err)
			}
		})
	}
}

// TestCallIsNotSentHomeForWhatHoldsUpAnother: the one in front is so heavy that
// it has to wait for long, but it may leave before.
func TestCallIsNotSentHomeForWhatHoldsUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}, Rate: &pipeline.Rate{PerSecond: 1, Burst: 100}})
		s := always(answer{})
		callService(pipeline.WithWeight(t.Context(), 100), throttle, s, 0)
		ctx, cancel := context.WithCancel(t.Context())
		var heavy sync.WaitGroup
		heavy.Go(func() { callService(pipeline.WithWeight(ctx, 100), throttle, s, 1) })
		synctest.Wait()
		time.AfterFunc(5*time.Second, cancel)
		if _, err := callService(within(t, 20*time.Second), throttle, s, 2); err != nil {
			t.Error(err)
		}
		heavy.Wait()
	})
}

// TestNoAttemptStartsTooLate attacks with calls and pipelines of all deadlines:
// none of a run starts when its quickest recent success would not end in time, none
// comes back later than its deadline, and none that has time is refused.
func TestNoAttemptStartsTooLate(t *testing.T) {
	type visitor struct {
		arrives, patience time.Duration
		jobs              int // 0: a call
	}
	ms := func(rt *rapid.T, most int, label string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(rt, label)) * time.Millisecond
	}
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.AttemptTimeout, cfg.Budgets, cfg.Policy = 0, nil, pipeline.Static{}
		visitors := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) visitor {
			return visitor{
				arrives:  ms(rt, 500, "arrives"),
				patience: 1 + ms(rt, 300, "patience"), // off the beat, or the order of timers decides
				jobs:     rapid.SampledFrom([]int{0, 0, 0, 1, 5}).Draw(rt, "jobs"),
			}
		}), 1, 12).Draw(rt, "visitors")
		takes := rapid.SliceOfN(rapid.IntRange(1, 80), 1, 20).Draw(rt, "takes")
		bad := rapid.SliceOfN(rapid.Bool(), 1, 20).Draw(rt, "bad")
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer {
				a := answer{takes: time.Duration(takes[(job+number)%len(takes)]) * time.Millisecond, deaf: true}
				if bad[(job+3*number)%len(bad)] {
					a.ending = fails
				}
				return a
			}}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			deadlines := make(map[int]time.Time)
			var mu sync.Mutex
			var all sync.WaitGroup
			for i, v := range visitors {
				all.Go(func() {
					time.Sleep(v.arrives)
					ctx, cancel := context.WithTimeout(context.Background(), v.patience)
					defer cancel()
					deadline, _ := ctx.Deadline()
					mu.Lock()
					for n := range max(v.jobs, 1) {
						deadlines[100*i+n] = deadline
					}
					mu.Unlock()
					late := func(job int) {
						log := s.of(job)
						f.check(!time.Now().After(deadline) || len(log) > 0 && !time.Now().After(log[len(log)-1].end),
							"job %d: back %v after its deadline", job, time.Since(deadline))
					}
					if v.jobs == 0 {
						callService(ctx, throttle, s, 100*i)
						late(100 * i)
						return
					}
					jobs := make(chan int, v.jobs)
					for n := range v.jobs {
						jobs <- 100*i + n
					}
					close(jobs)
					for r := range pipeline.Attach(throttle, s.work).Run(ctx, jobs) {
						late(r.In)
					}
				})
			}
			all.Wait()
			f.quickest(s, deadlines, func(job int) bool { return visitors[job/100].jobs > 0 })
			snap := throttle.Snapshot()
			f.check(snap.InFlight == 0 && snap.Waiting == 0, "afterwards: %+v", snap)
		}
	})
}

// quickest checks that no attempt of a run has started that even the quickest success of
// that run before it could not have ended in time. Those that ended at the very moment do
// not count, nor does an attempt that starts at its very deadline: who of two was first is
// not known.
func (f *faults) quickest(s *service, deadlines map[int]time.Time, ofRun func(job int) bool) {
	for _, a := range s.log {
		if !ofRun(a.job) {
			continue
		}
		least := time.Duration(0)
		for _, b := range s.log { // fewer than a span
			if b.job/100 == a.job/100 && b.err == nil && b.end.Before(a.start) && (least == 0 || b.end.Sub(b.start) < least) {
				least = b.end.Sub(b.start)
			}
		}
		for _, b := range s.log {
			if b.job/100 == a.job/100 && b.err == nil && b.end.Equal(a.start) {
				least = min(least, b.end.Sub(b.start))
			}
		}
		left := deadlines[a.job].Sub(a.start)
		f.check(left >= least || left == 0, "job %d started with %v left, the quickest took %v", a.job, left, least)
	}
}
