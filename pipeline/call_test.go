package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A caller makes one call after another through a throttle, as it likes.
type caller struct {
	first, calls int // numbers of its jobs
	way          way
	arrives      time.Duration
	cancelAt     time.Duration // or never
	patience     time.Duration // for each call; 0: any
	cost         costing
	weight       float64 // 0: none is said
	elsewhere    bool    // slots are released by another goroutine, twice
}

// way is how a call goes through the throttle.
type way int

const (
	execute way = iota
	wrap
	acquire
)

func drawCaller(t *rapid.T, first int) caller {
	return caller{
		first:    first,
		calls:    rapid.IntRange(1, 4).Draw(t, "calls"),
		way:      way(rapid.IntRange(0, int(acquire)).Draw(t, "way")),
		arrives:  max(drawMoment(t, "arrives"), 0),
		cancelAt: drawMoment(t, "cancelAt"),
		patience: rapid.SampledFrom([]time.Duration{0, 0, 15 * time.Millisecond, 300 * time.Millisecond}).Draw(t, "patience"),
		cost:     costing(rapid.IntRange(0, int(negative)).Draw(t, "cost")),
		weight: rapid.SampledFrom([]float64{
			0, 0, 0, 0.5, 2, 1000, math.NaN(), -1, math.Inf(1),
		}).Draw(t, "weight"),
		elsewhere: rapid.Bool().Draw(t, "elsewhere"),
	}
}

// asking returns a context that says what the caller knows of a job.
func (c caller) asking(ctx context.Context, job int) context.Context {
	if c.cost != noCost {
		ctx = pipeline.WithCost(ctx, visit{cost: c.cost}.estimate(job))
	}
	if c.weight != 0 {
		ctx = pipeline.WithWeight(ctx, c.weight)
	}
	return ctx
}

// pay makes the calls and checks that each returned once, with what the service
// knows of it.
func (c caller) pay(f *faults, t *pipeline.Throttle, s *service, cfg pipeline.Config) {
	time.Sleep(c.arrives)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	at(c.cancelAt, ended, func() { cancel(errLeft) })
	at(24*time.Hour, ended, func() {
		f.add("nothing has happened for a day: %+v", t.Snapshot())
		cancel(errStalled)
	})
	for job := c.first; job < c.first+c.calls; job++ {
		var out int
		var err error
		returned := 0
		var own sync.WaitGroup // a goroutine that the call may end
		own.Go(func() {
			ctx := c.asking(ctx, job)
			if c.patience > 0 {
				var cancel func()
				ctx, cancel = context.WithTimeout(ctx, c.patience)
				defer cancel()
			}
			out, err = c.call(ctx, t, s, job)
			returned++
		})
		own.Wait()
		c.judge(f, s.of(job), cfg, job, out, err, returned)
	}
}

// call makes one call.
func (c caller) call(ctx context.Context, t *pipeline.Throttle, s *service, job int) (int, error) {
	switch c.way {
	case execute:
		return callService(ctx, t, s, job)
	case wrap:
		return pipeline.Wrap(t, s.work)(ctx, job)
	}
	slot, err := t.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	a := s.begin(job)
	released := pipeline.ErrClosed // unless it is known better
	defer func() {
		s.finish(a)
		recover()
		c.release(slot, released)
	}()
	if a.answer.ending == hangs {
		a.answer.ending = timesOut
	}
	pass(ctx, a.answer)
	slot.RecordTokens(a.answer.tokens)
	a.err = a.answer.err(ctx)
	released = a.err
	return job * job, a.err
}

func (c caller) release(slot *pipeline.Slot, err error) {
	if !c.elsewhere {
		slot.Release(err)
		return
	}
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() { slot.Release(err) })
	}
	others.Wait()
}

// judge checks that a call returned what the service knows of its job.
func (c caller) judge(f *faults, log []*attempt, cfg pipeline.Config, job, out int, err error, returned int) {
	if len(log) == 0 {
		f.check(returned == 1 && c.mayNotStart(err, cfg), "call %d returned %d times and never started: %v", job, returned, err)
		return
	}
	f.check(c.way != acquire || len(log) == 1, "call %d: a slot with %d attempts", job, len(log))
	last := log[len(log)-1].answer.ending
	f.check((last == exits) == (returned == 0), "call %d: %d times back from ending %d", job, returned, last)
	if last == exits || c.way == acquire {
		return
	}
	lastErr := log[len(log)-1].err
	var panicked *pipeline.PanicError
	var exhausted *pipeline.RetriesExhaustedError
	switch {
	case last == succeeds:
		f.check(err == nil && out == job*job, "call %d succeeded: %d, %v", job, out, err)
	case last == panics:
		f.check(errors.As(err, &panicked) && out == 0, "call %d: panic became %d, %v", job, out, err)
	case cfg.Retry == nil:
		f.check((err == lastErr || cfg.Classify != nil && errors.Is(err, lastErr)) && out == job*job, "call %d: %v became %d, %v", job, lastErr, out, err)
	default:
		f.check(errors.Is(err, lastErr), "call %d: cannot see %v through %v", job, lastErr, err)
	}
	if errors.As(err, &exhausted) {
		f.check(exhausted.Attempts == len(log), "call %d: exhausted after %d of %d", job, exhausted.Attempts, len(log))
	}
}

// mayNotStart reports whether err tells why a call was never started.
func (c caller) mayNotStart(err error, cfg pipeline.Config) bool {
	var cost *pipeline.CostError
	var weight *pipeline.WeightError
	var open *pipeline.CircuitOpenError
	switch {
	case errors.As(err, &cost):
		return c.cost == negative || c.cost == tooDear && len(cfg.Budgets) > 0
	case errors.As(err, &weight):
		return !(c.weight >= 0) || cfg.Rate != nil && c.weight > cfg.Rate.Burst
	case errors.As(err, &open):
		return cfg.Breaker != nil && !cfg.Breaker.Wait
	case errors.Is(err, context.DeadlineExceeded):
		return c.patience > 0
	case err == errLeft:
		return c.cancelAt != never
	}
	return err == pipeline.ErrClosed
}

// TestOneCallOneReturn plays random schedules of calls, slots held by hand and
// pipelines on one throttle. Whatever happens, every call returns once with the
// right error, the limit holds, and nothing is left inside.
func TestOneCallOneReturn(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		if cfg.Breaker != nil {
			cfg.Breaker.Wait = rapid.Bool().Draw(rt, "wait")
		}
		jobs := 0
		var visits []visit
		for range rapid.IntRange(0, 2).Draw(rt, "visits") {
			v := drawVisit(rt, jobs)
			jobs += v.jobs
			visits = append(visits, v)
		}
		var callers []caller
		for range rapid.IntRange(1, 8).Draw(rt, "callers") {
			c := drawCaller(rt, jobs)
			jobs += c.calls
			callers = append(callers, c)
		}
		closeAt, drainAt := drawMoment(rt, "closeAt"), drawMoment(rt, "drainAt")
		recordAt := drawMoment(rt, "recordAt")
		recorded := rapid.SampledFrom([]error{nil, errService, pipeline.Fatal(errService), hintError{time.Second}}).Draw(rt, "recorded")
		answers := drawAnswers(rt, cfg, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			for _, v := range visits {
				all.Go(func() { v.pay(f, v.pipeline(throttle, s), s, cfg) })
			}
			for _, c := range callers {
				all.Go(func() { c.pay(f, throttle, s, cfg) })
			}
			ended := make(chan struct{})
			at(closeAt, ended, throttle.Close)
			at(recordAt, ended, func() { throttle.RecordFailure(recorded); throttle.RecordTokens(5) })
			at(drainAt, ended, func() {
				if err := throttle.Drain(context.Background()); err != nil {
					f.add("Drain: %v", err)
				}
				s.mu.Lock()
				inFlight, count := s.inFlight, len(s.log)
				s.mu.Unlock()
				f.check(inFlight == 0, "drained with %d in flight", inFlight)
				<-ended
				f.check(s.count() == count, "%d attempts after the drain", s.count()-count)
			})
			all.Wait()
			close(ended)
			time.Sleep(time.Minute)
			successes := int64(0)
			for _, a := range s.log {
				if a.answer.ending == succeeds {
					successes++
				}
			}
			snap := throttle.Snapshot()
			f.check(snap.InFlight == 0 && snap.Waiting == 0 && snap.Completed == successes, "%d successes, afterwards: %+v", successes, snap)
			f.check(s.most <= cfg.MaxConcurrency, "%d in flight", s.most)
		}
	})
}

// TestCallsAndJobsTogetherKeepTheLimit: also right after a cut.
func TestCallsAndJobsTogetherKeepTheLimit(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(0, 40).Draw(rt, "jobs")
		callers := rapid.IntRange(1, 12).Draw(rt, "callers")
		calls := rapid.IntRange(1, 6).Draw(rt, "calls")
		way := way(rapid.IntRange(0, int(acquire)).Draw(rt, "way"))
		cfg := drawConfig(rt)
		cfg.Budgets, cfg.Rate, cfg.Breaker, cfg.AttemptTimeout = nil, nil, nil, 0
		w := &whim{
			limits:    rapid.SliceOfN(rapid.IntRange(-1, 8), 1, 20).Draw(rt, "limits"),
			intervals: rapid.SliceOfN(rapid.SampledFrom([]time.Duration{0, 0, 0, time.Millisecond}), 1, 5).Draw(rt, "intervals"),
		}
		cfg.Policy = w
		all := jobs + callers*calls
		answers := drawAnswers(rt, cfg, all)
		odd := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Millisecond)), 16, 16).Draw(rt, "odd")
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer {
				a := answers(job, number)
				a.takes += time.Duration(odd[(job+number)%len(odd)])
				return a
			}}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var work sync.WaitGroup
			for i := range callers {
				c := caller{first: jobs + i*calls, calls: calls, way: way, cancelAt: never}
				work.Go(func() { c.pay(f, throttle, s, cfg) })
			}
			n := len(collect(pipeline.Attach(throttle, s.work).Run(context.Background(), feed(jobs))))
			f.check(n == jobs, "%d results of %d", n, jobs)
			work.Wait()
			for _, a := range s.log {
				limit, _ := w.inForce(a.start)
				f.check(a.inFlight <= limit, "job %d started with %d in flight, limit %d", a.job, a.inFlight, limit)
			}
		}
	})
}

// TestCallsKeepTheLimitAmongAttemptsThatTakeNoTime: those are handed over ahead
// of free slots, which the calls must not take for more slots than there are.
func TestCallsKeepTheLimitAmongAttemptsThatTakeNoTime(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		calls := rapid.IntRange(1, 8).Draw(rt, "calls")
		after := rapid.IntRange(200, 500).Draw(rt, "after")
		fails := rapid.Bool().Draw(rt, "fails")
		takes := rapid.SampledFrom([]time.Duration{0, time.Millisecond}).Draw(rt, "takes")
		return func(f *faults) {
			c := &stepClock{Clock: clock.Real()}
			throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}, Clock: c})
			if err != nil {
				f.add("%v", err)
				return
			}
			s := always(answer{})
			begin := make(chan struct{})
			var once sync.Once
			work := func(ctx context.Context, job int) (int, error) {
				c.steps.Add(1)
				if s.count() >= after {
					once.Do(func() { close(begin) })
				}
				return s.work(ctx, job)
			}
			var all sync.WaitGroup
			for i := range calls {
				all.Go(func() {
					<-begin
					for range 5 {
						ran := false
						_, err := pipeline.Execute(context.Background(), throttle, func(ctx context.Context) (int, error) {
							ran = true
							a := s.begin(-1)
							defer s.finish(a)
							time.Sleep(takes)
							if fails && i == 0 {
								return 0, errService
							}
							return 0, nil
						})
						f.check(ran && (err != nil) == (fails && i == 0), "a call came back with %v, called %v", err, ran)
					}
				})
			}
			n := 0
			for r := range pipeline.Attach(throttle, work).Run(context.Background(), feed(2*script)) {
				n++
				f.check(r.Err == nil && r.Attempts == 1, "job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
			}
			all.Wait()
			f.check(n == 2*script && s.count() == n+5*calls, "%d results, %d attempts", n, s.count())
			f.check(s.most <= limit, "%d in flight, limit %d", s.most, limit)
		}
	})
}

// TestCallsAndDoorsTakeTurns: as long as both have work, neither is served much
// more often than the other.
func TestCallsAndDoorsTakeTurns(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		limit := rapid.IntRange(1, 6).Draw(rt, "limit")
		callers := rapid.IntRange(2*limit, 20).Draw(rt, "callers")
		interval := rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Millisecond}).Draw(rt, "interval")
		way := way(rapid.IntRange(0, int(acquire)).Draw(rt, "way"))
		const each = 40
		return func(f *faults) {
			s := always(answer{takes: time.Millisecond})
			cfg := pipeline.Config{MaxConcurrency: limit, MinDispatchInterval: interval, Policy: pipeline.Static{}}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			begin := make(chan struct{})
			var all sync.WaitGroup
			all.Go(func() {
				<-begin
				collect(pipeline.Attach(throttle, s.work).Run(context.Background(), feed(each)))
			})
			for i := range callers {
				c := caller{first: each + each*i, calls: each, way: way, cancelAt: never}
				all.Go(func() { <-begin; c.pay(f, throttle, s, cfg) })
			}
			synctest.Wait()
			close(begin)
			all.Wait()
			jobs, calls := 0, 0
			for _, a := range s.log {
				if a.job < each {
					jobs++
				} else {
					calls++
				}
				if jobs == each-limit {
					break // soon the pipeline has no more work
				}
				f.check(max(jobs-calls, calls-jobs) <= limit+3, "%d jobs and %d calls started, limit %d", jobs, calls, limit)
			}
		}
	})
}

// TestCallDoesNotWaitForWhatWasHandedOverAhead: the pipeline's attempts, which
// took no time, have begun to take some.
func TestCallDoesNotWaitForWhatWasHandedOverAhead(t *testing.T) {
	for _, limit := range sizes {
		synctest.Test(t, func(t *testing.T) {
			r := rehearse(t, pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}}, func(*line) {})
			called := false
			go pipeline.Execute(t.Context(), r.throttle, func(context.Context) (int, error) {
				called = true
				return 0, nil
			})
			n := 0
			for synctest.Wait(); !called; synctest.Wait() {
				r.cue <- answer{}
				n++
			}
			if n > 2 {
				t.Errorf("limit %d: a call had to wait for %d attempts of a pipeline", limit, n)
			}
			r.end(t)
		})
	}
}

// goroutine returns the number of the calling goroutine.
func goroutine() string {
	stack := make([]byte, 64)
	stack = stack[:runtime.Stack(stack, false)]
	return string(bytes.Fields(stack)[1])
}

func TestCallRunsInItsCallersGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{AttemptTimeout: time.Second, Retry: &pipeline.Retry{}})
		var in []string
		work := func(_ context.Context, _ int) (int, error) {
			in = append(in, goroutine())
			return 0, errService
		}
		pipeline.Wrap(throttle, work)(t.Context(), 0)
		if me := goroutine(); !slices.Equal(in, []string{me, me, me}) {
			t.Errorf("the attempts of goroutine %v ran in %v", me, in)
		}
	})
}

// TestGoexitInACallEndsItsCallerAlone: and its slot is free again, whatever
// called Goexit, at whichever attempt.
func TestGoexitInACallEndsItsCallerAlone(t *testing.T) {
	exit := func() { runtime.Goexit() }
	for who, cfg := range map[string]pipeline.Config{
		"work":     {},
		"in time":  {AttemptTimeout: time.Second},
		"Classify": {Classify: func(error) pipeline.Verdict { exit(); return pipeline.Failed }},
		"Counts":   {Breaker: &pipeline.Breaker{Failures: 1, Counts: func(error) bool { exit(); return true }}},
		"Retryable": {Retry: &pipeline.Retry{
			Retryable: func(error) bool { exit(); return true },
		}},
	} {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.MaxConcurrency, cfg.Policy = 1, pipeline.AIMD{FailureThreshold: 1}
				throttle := newThrottle(t, cfg)
				for range 3 {
					returned := false
					var own sync.WaitGroup
					own.Go(func() {
						pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) {
							if who == "work" || who == "in time" {
								runtime.Goexit()
							}
							return 0, errService
						})
						returned = true
					})
					own.Wait()
					if returned {
						t.Error("the caller went on")
					}
				}
				snap := throttle.Snapshot()
				if snap.InFlight != 0 || snap.Waiting != 0 || snap.Failed != 3 || snap.FailureCount != 0 || snap.Circuit != pipeline.BreakerClosed {
					t.Errorf("afterwards: %+v", snap)
				}
				if n, err := pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
					t.Errorf("afterwards: %d, %v", n, err)
				}
				for _, stack := range ours() {
					t.Errorf("still there:\n%s", stack)
				}
			})
		})
	}
}

func TestPanicInACallIsItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Retry: &pipeline.Retry{}})
		n, err := pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (int, error) {
			if pipeline.SlotFrom(ctx).Attempt() == 0 {
				return 42, errService
			}
			panic(errService)
		})
		var panicked *pipeline.PanicError
		if n != 0 || !errors.As(err, &panicked) || !errors.Is(err, errService) ||
			!containsAll(string(panicked.Stack), "TestPanicInACallIsItsError", "call_test.go") {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

// opened returns a throttle whose circuit has been open for 10 of 60 seconds.
func opened(t testing.TB, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	if cfg.Breaker == nil {
		cfg.Breaker = &pipeline.Breaker{}
	}
	cfg.Breaker.Failures, cfg.Breaker.OpenFor = 2, time.Minute
	throttle := newThrottle(t, cfg)
	for range 2 {
		throttle.RecordFailure(errService)
	}
	time.Sleep(10 * time.Second)
	return throttle
}

func TestOpenCircuitTurnsCallsAwayAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := opened(t, pipeline.Config{})
		s := always(answer{})
		begin := time.Now()
		for left := 50 * time.Second; left > 0; left -= 7 * time.Second {
			var open *pipeline.CircuitOpenError
			if _, err := callService(t.Context(), throttle, s, 0); !errors.As(err, &open) || open.RetryAfter != left {
				t.Errorf("Execute: %v, want %v", err, left)
			}
			if _, err := throttle.Acquire(t.Context()); !errors.As(err, &open) || open.RetryAfter != left {
				t.Errorf("Acquire: %v, want %v", err, left)
			}
			time.Sleep(7 * time.Second)
		}
		if took := time.Since(begin); took != 56*time.Second || s.count() != 0 {
			t.Errorf("%d attempts, all after %v", s.count(), took)
		}
		if _, err := callService(t.Context(), throttle, s, 1); err != nil || throttle.Snapshot().Circuit != pipeline.BreakerClosed {
			t.Errorf("probe: %v, circuit %v", err, throttle.Snapshot().Circuit)
		}
		for range 10 {
			if _, err := callService(t.Context(), throttle, s, 2); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		}
	})
}

// TestRefusedCallsLeaveNoMark: they neither count nor wait.
func TestRefusedCallsLeaveNoMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := opened(t, pipeline.Config{})
		before := throttle.Snapshot()
		for range 10 {
			callService(t.Context(), throttle, always(answer{}), 0)
		}
		if after := throttle.Snapshot(); after.Failed != before.Failed || after.Waiting != 0 || after.InFlight != 0 {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
}

func TestHalfOpenCircuitLetsProbesPass(t *testing.T) {
	for _, way := range []way{execute, wrap, acquire} {
		for _, ends := range []ending{succeeds, fails} {
			t.Run(fmt.Sprint(way, ends), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := pipeline.Config{MaxConcurrency: 10, Policy: pipeline.Static{}, Breaker: &pipeline.Breaker{Probes: 3}}
					throttle := opened(t, cfg)
					time.Sleep(50 * time.Second)
					s := always(answer{ending: ends, takes: time.Second})
					var all sync.WaitGroup
					var mu sync.Mutex
					refused := 0
					for job := range 8 {
						all.Go(func() {
							begin := time.Now()
							_, err := caller{way: way}.call(t.Context(), throttle, s, job)
							var open *pipeline.CircuitOpenError
							if errors.As(err, &open) {
								mu.Lock()
								refused++
								mu.Unlock()
								if took := time.Since(begin); took != 0 || open.RetryAfter != time.Second {
									t.Errorf("refused after %v: %v", took, err)
								}
							}
						})
					}
					all.Wait()
					if refused != 5 || s.count() != 3 {
						t.Errorf("%d refused, %d probes, want 5 and 3", refused, s.count())
					}
					want := pipeline.BreakerClosed
					if ends == fails {
						want = pipeline.BreakerOpen
					}
					if c := throttle.Snapshot().Circuit; c != want {
						t.Errorf("circuit %v, want %v", c, want)
					}
				})
			})
		}
	}
}

// TestCallThatBacksOffWhileTheCircuitOpensIsTurnedAway: with both errors, and at
// once, unless its turn comes after the circuit's.
func TestCallThatBacksOffWhileTheCircuitOpensIsTurnedAway(t *testing.T) {
	for _, openFor := range seconds(20, 60) {
		for _, park := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, pipeline.Config{
					MaxConcurrency: 3, Policy: pipeline.Static{},
					Breaker: &pipeline.Breaker{Failures: 3, OpenFor: openFor, Probes: 3},
					Retry:   &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: 30 * time.Second, Park: park},
				})
				s := &service{answer: func(job, number int) answer {
					return answer{ending: ending(1 - min(number, 1)), takes: time.Second} // fails first
				}}
				begin := time.Now()
				var all sync.WaitGroup
				for job := range 3 {
					all.Go(func() {
						_, err := callService(t.Context(), throttle, s, job)
						took := time.Since(begin)
						var open *pipeline.CircuitOpenError
						switch {
						case openFor < 30*time.Second:
							if err != nil || took != 32*time.Second {
								t.Errorf("open for %v: %v after %v", openFor, err, took)
							}
						case !errors.As(err, &open) || !errors.Is(err, errService) || took != time.Second:
							t.Errorf("open for %v: %v after %v", openFor, err, took)
						case open.RetryAfter != openFor:
							t.Errorf("told to wait for %v", open.RetryAfter)
						}
					})
				}
				all.Wait()
				time.Sleep(openFor)
				if _, err := callService(within(t, time.Second), throttle, always(answer{}), 0); err != nil {
					t.Errorf("their slots are not free: %v", err)
				}
			})
		}
	}
}

func TestCallsThatWaitForTheCircuitPassWhenItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := opened(t, pipeline.Config{
			MaxConcurrency: 10, Policy: pipeline.Static{}, Breaker: &pipeline.Breaker{Wait: true, Probes: 2},
		})
		s := always(answer{takes: time.Second})
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if _, err := (caller{way: way(i % 3)}).call(t.Context(), throttle, s, i); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, want := s.starts(begin), seconds(50, 50, 51, 51, 51, 51); !slices.Equal(got, want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
	})
}

func TestClosedThrottleRefusesCallsAndFinishesThoseInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Minute},
		})
		s := &service{answer: func(job, number int) answer {
			return answer{takes: time.Second, ending: ending(1 - min(number, 1))} // fails first
		}}
		var inside sync.WaitGroup
		for job := range 2 { // one in flight, one waiting
			inside.Go(func() {
				if n, err := callService(t.Context(), throttle, s, job); err != nil || n != job*job {
					t.Errorf("inside: %d, %v", n, err)
				}
			})
		}
		synctest.Wait()
		throttle.Close()
		if _, err := callService(t.Context(), throttle, s, 2); err != pipeline.ErrClosed {
			t.Errorf("Execute: %v", err)
		}
		if _, err := throttle.Acquire(t.Context()); err != pipeline.ErrClosed {
			t.Errorf("Acquire: %v", err)
		}
		begin := time.Now()
		if err := throttle.Drain(t.Context()); err != nil || time.Since(begin) != 124*time.Second {
			t.Errorf("drained after %v: %v", time.Since(begin), err)
		}
		inside.Wait()
	})
}

func TestAskIsForOneCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			Policy:  pipeline.Static{},
			Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Hour}},
			Rate:    &pipeline.Rate{PerSecond: 1e-3, Burst: 10},
		}
		outer, inner, innermost := newThrottle(t, cfg), newThrottle(t, cfg), newThrottle(t, cfg)
		for _, timeout := range []time.Duration{0, time.Hour} {
			cfg.AttemptTimeout = timeout
			ctx := pipeline.WithWeight(pipeline.WithCost(t.Context(), 40), 4)
			begin := time.Now()
			_, err := pipeline.Execute(ctx, outer, func(ctx context.Context) (int, error) {
				return pipeline.Execute(context.WithoutCancel(ctx), inner, func(ctx context.Context) (int, error) {
					slot, err := innermost.Acquire(ctx)
					if err == nil {
						slot.Release(nil)
					}
					return 0, err
				})
			})
			if err != nil || time.Since(begin) != 0 {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		}
		if o, i := outer.Snapshot().TokensUsed, inner.Snapshot().TokensUsed; o != 80 || i != 0 {
			t.Errorf("used %d outside and %d inside, want 80 and 0", o, i)
		}
		// Two calls of weight 4 have gone through the outer one, two of an ordinary
		// weight through the others.
		var all sync.WaitGroup
		for throttle, want := range map[*pipeline.Throttle]time.Duration{outer: 8000 * time.Second, inner: 2000 * time.Second, innermost: 2000 * time.Second} {
			all.Go(func() {
				begin := time.Now()
				slot, err := throttle.Acquire(pipeline.WithWeight(t.Context(), 10))
				if took := time.Since(begin).Round(time.Second); err != nil || took != want {
					t.Errorf("waited %v for the rate, want %v; %v", took, want, err)
				}
				slot.Release(nil)
			})
		}
		all.Wait()
	})
}

// TestJobsOfAPipelineDoNotTakeTheAskOfItsContext: it is for calls.
func TestJobsOfAPipelineDoNotTakeTheAskOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{}), pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}}})
		for r := range p.Run(pipeline.WithCost(t.Context(), 1000), feed(1)) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
	})
}

func TestCallThatNoBudgetHasRoomForFailsAtOnce(t *testing.T) {
	for name, ask := range map[string]func(context.Context) context.Context{
		"too dear":        func(ctx context.Context) context.Context { return pipeline.WithCost(ctx, 101) },
		"far too dear":    func(ctx context.Context) context.Context { return pipeline.WithCost(ctx, math.MaxInt64) },
		"negative cost":   func(ctx context.Context) context.Context { return pipeline.WithCost(ctx, -5) },
		"least cost":      func(ctx context.Context) context.Context { return pipeline.WithCost(ctx, math.MinInt64) },
		"too heavy":       func(ctx context.Context) context.Context { return pipeline.WithWeight(ctx, 10.1) },
		"infinite":        func(ctx context.Context) context.Context { return pipeline.WithWeight(ctx, math.Inf(1)) },
		"negative weight": func(ctx context.Context) context.Context { return pipeline.WithWeight(ctx, -0.1) },
		"no number":       func(ctx context.Context) context.Context { return pipeline.WithWeight(ctx, math.NaN()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, pipeline.Config{
					MaxConcurrency: 1,
					Budgets:        []pipeline.Budget{{Tokens: 100, Window: time.Hour}},
					Rate:           &pipeline.Rate{PerSecond: 1, Burst: 10},
				})
				slot, err := throttle.Acquire(pipeline.WithWeight(t.Context(), 10)) // so that all others have to wait
				if err != nil {
					t.Fatal(err)
				}
				defer slot.Release(nil)
				begin := time.Now()
				s := always(answer{})
				_, executed := callService(ask(t.Context()), throttle, s, 0)
				_, acquired := throttle.Acquire(ask(t.Context()))
				for _, err := range []error{executed, acquired} {
					var cost *pipeline.CostError
					var weight *pipeline.WeightError
					if !errors.As(err, &cost) && !errors.As(err, &weight) {
						t.Errorf("got %v", err)
					}
					if cost != nil && (cost.Cost > 0) != (cost.Limit == 100) {
						t.Errorf("got %+v", cost)
					}
				}
				if took := time.Since(begin); took != 0 || s.count() != 0 {
					t.Errorf("%d attempts, after %v", s.count(), took)
				}
			})
		})
	}
}

func TestCancelledCallReturnsItsCauseAtOnce(t *testing.T) {
	for name, o := range map[string]pipeline.Config{
		"busy":      {},
		"rated":     {Rate: &pipeline.Rate{PerSecond: 1e-3, Burst: 1}},
		"paced":     {MinDispatchInterval: time.Hour, MaxDispatchInterval: time.Hour},
		"no budget": {Budgets: []pipeline.Budget{{Tokens: 1, Window: time.Hour}}},
		"retrying":  {Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Hour, MaxDelay: time.Hour}},
		"parked":    {Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Hour, MaxDelay: time.Hour, Park: true}},
		"open":      {Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour, Wait: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.MaxConcurrency, o.Policy = 1, pipeline.Static{}
				throttle := newThrottle(t, o)
				s := always(answer{ending: fails, tokens: 1})
				if name == "busy" {
					slot, err := throttle.Acquire(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer slot.Release(nil)
				} else if o.Retry == nil {
					callService(t.Context(), throttle, s, 0)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				begin := time.Now()
				time.AfterFunc(time.Second, func() { cancel(errLeft) })
				_, err := callService(ctx, throttle, s, 1)
				if took := time.Since(begin); took != time.Second || !errors.Is(err, errLeft) || errors.Is(err, errService) != (o.Retry != nil) {
					t.Errorf("%v after %v", err, took)
				}
				if snap := throttle.Snapshot(); snap.Waiting != 0 {
					t.Errorf("afterwards: %+v", snap)
				}
				if o.Retry != nil {
					if _, err := callService(within(t, time.Second), throttle, always(answer{}), 0); err != nil {
						t.Errorf("its slot is not free: %v", err)
					}
				}
				count := s.count()
				if _, err := callService(ctx, throttle, s, 2); err != errLeft || s.count() != count {
					t.Errorf("cancelled before: %v", err)
				}
			})
		})
	}
}

// TestCancelledCallTakesNothing: nothing of the rate, nor a probe's place.
func TestCancelledCallTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			Rate: &pipeline.Rate{PerSecond: 1e-3, Burst: 1}, MinDispatchInterval: time.Minute,
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errLeft)
		begin := time.Now()
		for range 5 {
			if _, err := callService(ctx, throttle, always(answer{}), 0); err != errLeft {
				t.Error(err)
			}
			if _, err := throttle.Acquire(pipeline.WithCost(ctx, -1)); err != errLeft {
				t.Error(err)
			}
		}
		if _, err := callService(t.Context(), throttle, always(answer{}), 0); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func BenchmarkExecute(b *testing.B) {
	work := func(context.Context) (int, error) { return 1, nil }
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := work(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, cfg := range map[string]pipeline.Config{
		"default": {},
		"full":    everything(),
	} {
		b.Run(name, func(b *testing.B) {
			cfg.MinDispatchInterval, cfg.Rate, cfg.Budgets = 0, nil, nil
			throttle := newThrottle(b, cfg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pipeline.Execute(b.Context(), throttle, work); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestRetryWithoutASlotDoesNotHoldUpOneWithASlot: or both would wait for ever,
// one for a slot, the other for its turn.
func TestRetryWithoutASlotDoesNotHoldUpOneWithASlot(t *testing.T) {
	t.Run("parked before an update", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}
			cfg.Retry = &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: 10 * time.Second, Park: true}
			throttle := newThrottle(t, cfg)
			s := &service{answer: func(job, number int) answer { return answer{ending: ending(1 - min(number, 1))} }}
			begin := time.Now()
			var all sync.WaitGroup
			call := func(job int) {
				all.Go(func() {
					if _, err := callService(within(t, time.Minute), throttle, s, job); err != nil {
						t.Errorf("call %d: %v after %v", job, err, time.Since(begin))
					}
				})
				synctest.Wait()
			}
			call(0)
			held := *cfg.Retry
			held.Park = false
			cfg.Retry = &held
			if err := throttle.Update(cfg); err != nil {
				t.Fatal(err)
			}
			call(1)
			all.Wait()
		})
	})
	for name, cfg := range map[string]pipeline.Config{
		"recalled":              {MaxConcurrency: 2, Policy: pipeline.Static{}},
		"recalled before a cut": {MaxConcurrency: 2, Policy: pipeline.AIMD{FailureThreshold: 1}, MaxDispatchInterval: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Retry = &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Minute}
				cfg.Clock = &stepClock{Clock: clock.Real()}
				r := &rehearsal{throttle: newThrottle(t, cfg), clock: cfg.Clock.(*stepClock), cue: make(chan answer)}
				s := &service{answer: func(_, number int) answer { return answer{ending: ending(1 - min(number, 1))} }}
				first := pipeline.Attach(r.throttle, s.work).Run(t.Context(), feed(1))
				synctest.Wait() // it holds a slot for a minute
				all := pipeline.Attach(r.throttle, r.work).Run(t.Context(), feed(script))
				go func() {
					for result := range all {
						r.mu.Lock()
						r.results = append(r.results, result)
						r.mu.Unlock()
					}
				}()
				if got := r.started(); got != warm+2 {
					t.Fatalf("%d attempts started, want %d", got, warm+2)
				}
				time.Sleep(2 * time.Minute)
				r.cue <- answer{} // makes room for the first job, behind what was handed over
				synctest.Wait()
				for range 2 {
					r.cue <- answer{ending: refuses}
					synctest.Wait()
				}
				r.end(t)
				if n := len(collect(first)); n != 1 {
					t.Errorf("%d results of the first job", n)
				}
			})
		})
	}
}
