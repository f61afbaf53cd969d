package pipeline_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

func TestRecordedOutcomesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			Policy: pipeline.Static{}, TotalJobs: 10,
			Budgets: []pipeline.Budget{{Tokens: 1000, Window: time.Minute}, {Name: "hourly", Tokens: 5000, Window: time.Hour}},
		})
		throttle.RecordSuccess(time.Second, 30)
		throttle.RecordSuccess(0, 0)
		throttle.RecordFailure(errService)
		throttle.RecordFailure(nil)
		throttle.RecordFailure(pipeline.Fatal(errService))
		throttle.RecordTokens(70)
		snap := throttle.Snapshot()
		if snap.Completed != 2 || snap.Failed != 3 || snap.FailureCount != 2 || snap.Percentage != 50 {
			t.Errorf("%+v", snap)
		}
		for _, b := range snap.Budgets {
			if b.Used != 100 {
				t.Errorf("budget %+v", b)
			}
		}
		for _, stack := range ours() {
			t.Errorf("still there:\n%s", stack)
		}
		time.Sleep(2 * time.Minute)
		if snap := throttle.Snapshot(); snap.Budgets[0].Used != 0 || snap.Budgets[1].Used != 100 {
			t.Errorf("two minutes later: %+v", snap.Budgets)
		}
	})
}

func TestRecordedFailuresCutTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		record func(*pipeline.Throttle)
		cfg    pipeline.Config
		limit  int
	}{
		"failures":   {record: func(t *pipeline.Throttle) { t.RecordFailure(errService) }, limit: 4},
		"unknown":    {record: func(t *pipeline.Throttle) { t.RecordFailure(nil) }, limit: 4},
		"overloaded": {record: func(t *pipeline.Throttle) { t.RecordFailure(pipeline.Overloaded(errService, 0)) }, limit: 4},
		"fatal":      {record: func(t *pipeline.Throttle) { t.RecordFailure(pipeline.Fatal(errService)) }, limit: 8},
		"cancelled":  {record: func(t *pipeline.Throttle) { t.RecordFailure(context.Canceled) }, limit: 8},
		"ignored": {record: func(t *pipeline.Throttle) { t.RecordFailure(errService) }, limit: 8, cfg: pipeline.Config{
			Classify: func(error) pipeline.Verdict { return pipeline.Ignored },
		}},
		"panic": {record: func(t *pipeline.Throttle) { t.RecordFailure(errService) }, limit: 8, cfg: pipeline.Config{
			Classify: func(error) pipeline.Verdict { panic("Classify") },
		}},
		"evil": {record: func(t *pipeline.Throttle) { t.RecordFailure(evilError{}) }, limit: 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.cfg.MaxConcurrency, test.cfg.Policy = 8, pipeline.AIMD{}
				throttle := newThrottle(t, test.cfg)
				for i := range 3 {
					if limit := throttle.Snapshot().Concurrency; limit != 8 {
						t.Errorf("limit %d after %d", limit, i)
					}
					test.record(throttle)
				}
				if snap := throttle.Snapshot(); snap.Concurrency != test.limit || snap.Failed != 3 || snap.InFlight != 0 {
					t.Errorf("want a limit of %d: %+v", test.limit, snap)
				}
			})
		})
	}
}

func TestRecordedSuccessesLetTheLimitGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 8, InitialConcurrency: 2, Policy: pipeline.AIMD{}})
		for want := 3; want <= 8; want++ {
			time.Sleep(2 * time.Second)
			throttle.RecordSuccess(time.Second, 0)
			if limit := throttle.Snapshot().Concurrency; limit != want {
				t.Errorf("limit %d, want %d", limit, want)
			}
		}
	})
}

func TestRecordedOutcomesMoveTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			Policy: pipeline.Static{}, Breaker: &pipeline.Breaker{Failures: 2, OpenFor: time.Minute},
		})
		is := func(want pipeline.CircuitState) {
			t.Helper()
			if c := throttle.Snapshot().Circuit; c != want {
				t.Fatalf("circuit %v, want %v", c, want)
			}
		}
		for range 5 {
			throttle.RecordFailure(pipeline.Fatal(errService))
			throttle.RecordFailure(context.Canceled)
		}
		throttle.RecordFailure(errService)
		throttle.RecordSuccess(0, 0) // not two in a row
		throttle.RecordFailure(errService)
		is(pipeline.BreakerClosed)
		throttle.RecordFailure(errService)
		is(pipeline.BreakerOpen)
		throttle.RecordSuccess(0, 0) // of what began before
		time.Sleep(59 * time.Second)
		is(pipeline.BreakerOpen)
		time.Sleep(time.Second)
		throttle.RecordFailure(pipeline.Fatal(errService))
		is(pipeline.BreakerHalfOpen)
		throttle.RecordFailure(errService) // open for twice as long
		time.Sleep(2*time.Minute - time.Nanosecond)
		is(pipeline.BreakerOpen)
		time.Sleep(time.Nanosecond)
		throttle.RecordSuccess(0, 0)
		is(pipeline.BreakerClosed)
	})
}

// TestRecordedMistakeFreesNoProbesPlace: it took none.
func TestRecordedMistakeFreesNoProbesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := opened(t, pipeline.Config{Policy: pipeline.Static{}})
		time.Sleep(50 * time.Second)
		probe := mustAcquire(t, throttle)
		throttle.RecordFailure(pipeline.Fatal(errService))
		if slot, err := throttle.Acquire(t.Context()); err == nil {
			t.Error("there is a second probe")
			slot.Release(nil)
		}
		probe.Release(nil)
	})
}

func TestCountsChoosesAmongRecordedFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			Policy: pipeline.Static{},
			Breaker: &pipeline.Breaker{Failures: 2, Counts: func(err error) bool {
				return errors.Is(err, errService) // marked as fatal or not
			}},
		})
		for range 5 {
			throttle.RecordFailure(context.DeadlineExceeded)
			throttle.RecordFailure(nil)
		}
		throttle.RecordFailure(errService)
		if c := throttle.Snapshot().Circuit; c != pipeline.BreakerClosed {
			t.Errorf("circuit %v", c)
		}
		throttle.RecordFailure(pipeline.Fatal(errService))
		if c := throttle.Snapshot().Circuit; c != pipeline.BreakerOpen {
			t.Errorf("circuit %v", c)
		}
	})
}

// TestRecordedSuccessLetsThoseThatWaitPass: who waits for a half-open circuit
// is told.
func TestRecordedSuccessLetsThoseThatWaitPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := opened(t, pipeline.Config{Policy: pipeline.Static{}, Breaker: &pipeline.Breaker{Wait: true}})
		s := always(answer{takes: time.Hour})
		begin := time.Now()
		var all sync.WaitGroup
		for job := range 2 {
			all.Go(func() { callService(t.Context(), throttle, s, job) })
		}
		time.Sleep(55 * time.Second) // one is the probe since 5 s
		throttle.RecordSuccess(0, 0)
		all.Wait()
		if got := s.starts(begin); len(got) != 2 || got[1] != 55*time.Second {
			t.Errorf("attempts at %v", got)
		}
	})
}

func TestRecordedTokensHoldAttemptsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, record := range map[string]func(*pipeline.Throttle){
			"tokens":    func(t *pipeline.Throttle) { t.RecordTokens(100) },
			"success":   func(t *pipeline.Throttle) { t.RecordSuccess(0, 100) },
			"far more":  func(t *pipeline.Throttle) { t.RecordTokens(math.MaxInt64); t.RecordTokens(math.MaxInt64) },
			"successes": func(t *pipeline.Throttle) { t.RecordSuccess(0, math.MaxInt64); t.RecordSuccess(0, math.MaxInt64) },
		} {
			throttle := newThrottle(t, pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Minute}}})
			record(throttle)
			if left := throttle.Snapshot().TokensRemaining; left > 0 {
				t.Errorf("%s: %d tokens remain", name, left)
			}
			begin := time.Now()
			callService(pipeline.WithCost(t.Context(), 1), throttle, always(answer{}), 0)
			if took := time.Since(begin); took < 59*time.Second || took > 61*time.Second {
				t.Errorf("%s: an attempt waited %v", name, took)
			}
		}
	})
}

// TestRecordedUseIsLearned: what an attempt without an estimate reserves is what
// others have used, wherever they have.
func TestRecordedUseIsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for used, want := range map[int64]int64{30: 90, math.MaxInt64: 100} { // the third waits for room
			throttle := newThrottle(t, pipeline.Config{
				Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Minute}},
			})
			throttle.RecordSuccess(time.Second, used)
			time.Sleep(2 * time.Minute)
			var slots []*pipeline.Slot
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				slot, err := throttle.Acquire(ctx)
				cancel()
				if err != nil {
					break
				}
				slots = append(slots, slot)
			}
			if got := throttle.Snapshot().TokensUsed; got != want {
				t.Errorf("after one that used %d: %d attempts have reserved %d, want %d", used, len(slots), got, want)
			}
			for _, slot := range slots {
				slot.Release(nil)
			}
		}
	})
}

func TestRecordedRetryAfterPausesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		throttle.RecordFailure(pipeline.Fatal(hintError{time.Hour})) // the caller's mistake, whatever it says
		throttle.RecordFailure(hintError{time.Minute})
		begin := time.Now()
		if _, err := callService(t.Context(), throttle, always(answer{}), 0); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestRecordedFailureStopsWhatWasHandedOverAhead: attempts that were let through
// when all was well do not start when the circuit is open.
func TestRecordedFailureStopsWhatWasHandedOverAhead(t *testing.T) {
	for _, limit := range sizes {
		synctest.Test(t, func(t *testing.T) {
			r := rehearse(t, pipeline.Config{
				MaxConcurrency: limit, Policy: pipeline.Static{}, Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute},
			}, func(*line) {})
			r.throttle.RecordFailure(errService)
			for range limit { // those that were running end
				r.cue <- answer{}
			}
			if got, want := r.started(), warm+limit; got != want {
				t.Errorf("limit %d: %d attempts started with an open circuit", limit, got-want)
			}
			r.end(t)
		})
	}
}

func TestRecordersDoNotGetInEachOthersWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			Budgets:  []pipeline.Budget{{Tokens: 1 << 40, Window: time.Hour}},
			Breaker:  &pipeline.Breaker{Failures: 1 << 20},
			Classify: func(error) pipeline.Verdict { return pipeline.Failed },
		})
		const each = 50
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range each {
					throttle.RecordSuccess(time.Millisecond, 3)
					throttle.RecordFailure(errService)
					throttle.RecordTokens(2)
				}
			})
		}
		all.Go(func() {
			for range each {
				callService(t.Context(), throttle, always(answer{tokens: 1}), 0)
			}
		})
		all.Wait()
		snap := throttle.Snapshot()
		if snap.Completed != 9*each || snap.Failed != 8*each || snap.TokensUsed != 8*each*5+each || snap.InFlight != 0 {
			t.Errorf("%+v", snap)
		}
		for _, stack := range ours() {
			t.Errorf("still there:\n%s", stack)
		}
	})
}

// TestExitWhileRecordingLeavesNothingBehind: Classify ends the goroutine of the
// recorder; the failure counts all the same, as one of which nothing is known.
func TestExitWhileRecordingLeavesNothingBehind(t *testing.T) {
	for _, question := range []string{"As", "RetryAfter"} {
		synctest.Test(t, func(t *testing.T) {
			throttle := newThrottle(t, pipeline.Config{Policy: pipeline.AIMD{FailureThreshold: 1}, Breaker: &pipeline.Breaker{Failures: 1}})
			var own sync.WaitGroup
			own.Go(func() { throttle.RecordFailure(exitingError{question}) })
			own.Wait()
			if snap := throttle.Snapshot(); snap.Failed != 1 || snap.FailureCount != 0 || snap.Circuit != pipeline.BreakerClosed {
				t.Errorf("%s: %+v", question, snap)
			}
			if _, err := callService(t.Context(), throttle, always(answer{}), 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRecordingOnARestingThrottleNeedsNoTime: a clock that stands still will do.
func TestRecordingOnARestingThrottleNeedsNoTime(t *testing.T) {
	throttle := newThrottle(t, pipeline.Config{Clock: clock.NewMock(), Breaker: &pipeline.Breaker{Failures: 1}})
	throttle.RecordFailure(errService)
	throttle.RecordSuccess(time.Hour, 0) // before there was a throttle
	if snap := throttle.Snapshot(); snap.Circuit != pipeline.BreakerOpen || snap.Completed != 1 {
		t.Errorf("%+v", snap)
	}
}

func TestRecordedNumbersMustNotBeNegative(t *testing.T) {
	throttle := newThrottle(t, pipeline.Config{})
	for name, record := range map[string]func(){
		"RecordSuccess: got -1": func() { throttle.RecordSuccess(-1, 0) },
		"RecordSuccess: got -2": func() { throttle.RecordSuccess(0, -2) },
		"RecordTokens: got -3":  func() { throttle.RecordTokens(-3) },
	} {
		func() {
			defer func() {
				if v, _ := recover().(string); !containsAll(v, name, "at least 0") {
					t.Errorf("%s: panicked with %q", name, v)
				}
			}()
			record()
		}()
	}
	if snap := throttle.Snapshot(); snap.Completed != 0 {
		t.Errorf("%+v", snap)
	}
}
