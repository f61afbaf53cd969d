package pipeline_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A witness is a policy that remembers what it was told.
type witness struct{ verdicts []pipeline.Verdict }

func (w *witness) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	return w, pipeline.Setting{Limit: b.MaxLimit}
}

func (w *witness) Next(_ time.Time, o pipeline.Outcome) pipeline.Setting {
	w.verdicts = append(w.verdicts, o.Verdict)
	limit := 8
	if o.Overloads() {
		limit = 4
	}
	return pipeline.Setting{Limit: limit}
}

// mustAcquire returns a slot.
func mustAcquire(t testing.TB, throttle *pipeline.Throttle) *pipeline.Slot {
	t.Helper()
	slot, err := throttle.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

func TestSlotIsHeldUntilItsRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
		first, second := mustAcquire(t, throttle), mustAcquire(t, throttle)
		if n := first.Attempt(); n != 0 {
			t.Errorf("attempt %d", n)
		}
		begin := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			callService(t.Context(), throttle, always(answer{}), 0)
			if took := time.Since(begin); took != time.Hour {
				t.Errorf("a call waited %v", took)
			}
		})
		all.Go(func() {
			p := pipeline.Attach(throttle, always(answer{}).work)
			collect(p.Run(t.Context(), feed(3)))
			if took := time.Since(begin); took != time.Hour {
				t.Errorf("a pipeline waited %v", took)
			}
		})
		time.Sleep(time.Hour)
		if snap := throttle.Snapshot(); snap.InFlight != 2 || snap.Waiting < 2 {
			t.Errorf("%+v", snap)
		}
		first.Release(nil)
		all.Wait()
		second.Release(nil)
		if snap := throttle.Snapshot(); snap.InFlight != 0 || snap.Completed != 6 {
			t.Errorf("afterwards: %+v", snap)
		}
	})
}

func TestSecondReleaseDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}})
		slot := mustAcquire(t, throttle)
		other := mustAcquire(t, throttle)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { slot.Release(nil) })
		}
		all.Wait()
		slot.Release(errService)
		if snap := throttle.Snapshot(); snap.Completed != 1 || snap.Failed != 0 || snap.InFlight != 1 {
			t.Errorf("%+v", snap)
		}
		other.Release(errService)
		other.Release(nil)
		if snap := throttle.Snapshot(); snap.Completed != 1 || snap.Failed != 1 || snap.InFlight != 0 {
			t.Errorf("%+v", snap)
		}
	})
}

// TestReleaseOfAnotherSlotDoesNothing: of a call's or a job's, or of nobody's.
func TestReleaseOfAnotherSlotDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1})
		release := func(ctx context.Context, n int) (int, error) {
			pipeline.SlotFrom(ctx).Release(errService)
			return n, nil
		}
		if n, err := pipeline.Wrap(throttle, release)(t.Context(), 3); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		collect(pipeline.Attach(throttle, release).Run(t.Context(), feed(3)))
		release(t.Context(), 0)
		if snap := throttle.Snapshot(); snap.Completed != 4 || snap.Failed != 0 || snap.InFlight != 0 {
			t.Errorf("%+v", snap)
		}
	})
}

func TestReleaseIsJudgedAsAnAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		takes   time.Duration
		verdict pipeline.Verdict
		pause   time.Duration
	}{
		"success":    {verdict: pipeline.Succeeded},
		"failure":    {err: errService, verdict: pipeline.Failed},
		"fatal":      {err: pipeline.Fatal(errService), verdict: pipeline.Ignored},
		"cancelled":  {err: context.Canceled, verdict: pipeline.Ignored},
		"overloaded": {err: pipeline.Overloaded(errService, time.Hour), verdict: pipeline.Overload, pause: time.Hour},
		"hint":       {err: hintError{time.Minute}, verdict: pipeline.Overload, pause: time.Minute},
		"in time":    {err: context.DeadlineExceeded, takes: time.Minute - 1, verdict: pipeline.Failed},
		"timed out":  {err: context.DeadlineExceeded, takes: time.Minute, verdict: pipeline.Overload},
		"late":       {err: errService, takes: 2 * time.Minute, verdict: pipeline.Failed},
		"panic":      {err: &pipeline.PanicError{Value: "of the caller's"}, verdict: pipeline.Ignored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w witness
				throttle := newThrottle(t, pipeline.Config{
					MaxConcurrency: 8, Policy: &w, AttemptTimeout: time.Minute,
					Breaker: &pipeline.Breaker{Failures: 1},
					Retry:   &pipeline.Retry{}, // which is not for slots
				})
				slot := mustAcquire(t, throttle)
				time.Sleep(test.takes)
				slot.Release(test.err)
				snap := throttle.Snapshot()
				limit, circuit := 8, pipeline.BreakerClosed
				if test.verdict == pipeline.Failed || test.verdict == pipeline.Overload {
					limit, circuit = 4, pipeline.BreakerOpen
				}
				if snap.Concurrency != limit || snap.Circuit != circuit || snap.PausedFor != test.pause {
					t.Errorf("got %+v", snap)
				}
				if !slices.Equal(w.verdicts, []pipeline.Verdict{test.verdict}) {
					t.Errorf("the policy was told %v, want %v", w.verdicts, test.verdict)
				}
				failed := int64(0)
				if test.err != nil {
					failed = 1
				}
				if snap.InFlight != 0 || snap.Waiting != 0 || snap.Retries != 0 || snap.Failed != failed || snap.Completed != 1-failed {
					t.Errorf("got %+v", snap)
				}
			})
		})
	}
}

// TestReleaseIsJudgedWhateverBecameOfTheWait: its context is for the waiting
// only, and has mostly ended when the slot is given back.
func TestReleaseIsJudgedWhateverBecameOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.AIMD{FailureThreshold: 1}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		slot, err := throttle.Acquire(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		slot.Release(context.DeadlineExceeded) // of what was done in the slot
		if snap := throttle.Snapshot(); snap.Concurrency != 4 {
			t.Errorf("a timeout is no failure any more: %+v", snap)
		}
	})
}

func TestSlotsAreProbesOfAHalfOpenCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := opened(t, pipeline.Config{Policy: pipeline.Static{}})
		time.Sleep(50 * time.Second)
		for _, err := range []error{pipeline.Fatal(errService), context.Canceled} { // tell nothing: the next one may probe
			mustAcquire(t, throttle).Release(err)
			if c := throttle.Snapshot().Circuit; c != pipeline.BreakerHalfOpen {
				t.Fatalf("after %v: %v", err, c)
			}
		}
		probe := mustAcquire(t, throttle)
		var open *pipeline.CircuitOpenError
		if _, err := throttle.Acquire(t.Context()); !errors.As(err, &open) {
			t.Errorf("beside the probe: %v", err)
		}
		probe.Release(nil)
		if c := throttle.Snapshot().Circuit; c != pipeline.BreakerClosed {
			t.Errorf("circuit %v", c)
		}
		mustAcquire(t, throttle).Release(nil)
	})
}

// TestCallbackThatFailsDuringReleaseLeaksNoSlot: it panics, or ends the goroutine
// that releases.
func TestCallbackThatFailsDuringReleaseLeaksNoSlot(t *testing.T) {
	for how, do := range map[string]func(){"panics": func() { panic("callback") }, "exits": runtime.Goexit} {
		for who, cfg := range map[string]pipeline.Config{
			"Classify": {Classify: func(error) pipeline.Verdict { do(); return pipeline.Failed }},
			"Counts":   {Breaker: &pipeline.Breaker{Failures: 1, Counts: func(error) bool { do(); return true }}},
		} {
			t.Run(who+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg.MaxConcurrency, cfg.Policy = 1, pipeline.AIMD{FailureThreshold: 1}
					cfg.Budgets = []pipeline.Budget{{Tokens: 1000, Window: time.Hour}}
					throttle := newThrottle(t, cfg)
					for range 3 {
						slot := mustAcquire(t, throttle)
						slot.RecordTokens(7)
						var own sync.WaitGroup
						own.Go(func() {
							defer func() {
								if v := recover(); v != nil {
									t.Errorf("Release panicked with %v", v)
								}
							}()
							slot.Release(errService)
						})
						own.Wait()
						slot.Release(nil)
					}
					snap := throttle.Snapshot()
					if snap.InFlight != 0 || snap.Waiting != 0 || snap.Failed != 3 || snap.FailureCount != 0 || snap.Circuit != pipeline.BreakerClosed {
						t.Errorf("afterwards: %+v", snap)
					}
					if snap.TokensUsed != 21 {
						t.Errorf("%d tokens used", snap.TokensUsed)
					}
				})
			})
		}
	}
}

// TestErrorThatPanicsDuringReleaseLeaksNoSlot: it is asked whether it is a
// timeout, too.
func TestErrorThatPanicsDuringReleaseLeaksNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1, AttemptTimeout: time.Second})
		for _, takes := range seconds(0, 2) {
			slot := mustAcquire(t, throttle)
			time.Sleep(takes)
			func() {
				defer func() {
					if v := recover(); v != nil {
						t.Errorf("after %v, Release panicked with %v", takes, v)
					}
				}()
				slot.Release(evilError{})
			}()
		}
		if snap := throttle.Snapshot(); snap.InFlight != 0 || snap.Failed != 2 {
			t.Errorf("afterwards: %+v", snap)
		}
	})
}

func TestTokensOfASlotSettleTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Hour}}})
		used := func(want int64) {
			t.Helper()
			if got := throttle.Snapshot().TokensUsed; got != want {
				t.Errorf("%d tokens used, want %d", got, want)
			}
		}
		acquire := func(cost int64) *pipeline.Slot {
			slot, err := throttle.Acquire(pipeline.WithCost(t.Context(), cost))
			if err != nil {
				t.Fatal(err)
			}
			return slot
		}
		slot := acquire(60)
		used(60)
		slot.RecordTokens(3)
		slot.RecordTokens(4)
		used(60) // until it ends
		slot.Release(errService)
		used(7)
		slot.RecordTokens(50) // too late
		used(7)
		acquire(20).Release(nil) // nothing is known but the estimate
		used(27)
		acquire(20).Release(pipeline.Overloaded(errService, 0)) // the service did no work
		acquire(20).Release(pipeline.Fatal(errService))
		used(27)
		acquire(20).Release(errService) // it may have
		used(47)
		slot = acquire(20)
		slot.RecordTokens(0)
		slot.Release(errService) // it says that it has not
		used(47)
		slot = acquire(1)
		slot.RecordTokens(500)
		slot.Release(nil)
		used(547)
	})
}

func TestReleaseFromAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
		slots := make(chan *pipeline.Slot, 2)
		var all sync.WaitGroup
		all.Go(func() {
			for slot := range slots {
				time.Sleep(time.Second)
				slot.Release(nil)
			}
		})
		begin := time.Now()
		var got []time.Duration
		for range 5 {
			slots <- mustAcquire(t, throttle)
			got = append(got, time.Since(begin))
		}
		close(slots)
		all.Wait()
		if want := seconds(0, 0, 1, 2, 3); !slices.Equal(got, want) {
			t.Errorf("slots at %v, want %v", got, want)
		}
	})
}

func TestDrainWaitsForHeldSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 2})
		slot := mustAcquire(t, throttle)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errLeft)
		defer cancel()
		begin := time.Now()
		if err := throttle.Drain(ctx); err != errLeft || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		time.AfterFunc(time.Hour, func() { slot.Release(nil) })
		if err := throttle.Drain(t.Context()); err != nil || time.Since(begin) != time.Hour+time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if state := throttle.Snapshot().State; state != pipeline.Closed {
			t.Errorf("state %v", state)
		}
	})
}

// TestAcquireThatLosesItsContextHoldsNothing: the slot and the cancel come at the
// same time.
func TestAcquireThatLosesItsContextHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1})
		for range 300 {
			held := mustAcquire(t, throttle)
			ctx, cancel := context.WithCancelCause(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				slot, err := throttle.Acquire(ctx)
				if err != nil && (err != errLeft || slot != nil) {
					t.Errorf("%v, %v", slot, err)
				}
				if slot != nil {
					slot.Release(nil)
				}
			})
			synctest.Wait()
			all.Go(func() { held.Release(nil) })
			all.Go(func() { cancel(errLeft) })
			all.Wait()
			if snap := throttle.Snapshot(); snap.InFlight != 0 || snap.Waiting != 0 {
				t.Fatalf("afterwards: %+v", snap)
			}
		}
	})
}
