package stage

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// The circuit's changes are told when they happen, as long as somebody may want
// something of it.
func TestCircuitTellsWhatBecomesOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, breakingBy(controller.Breaker{Failures: 2, OpenFor: 10 * second}))
		v := s.open(t.Context())
		fail := func() { _ = s.Do(t.Context(), s.work("call", 0, io.EOF)) }
		fail()
		fail()
		s.heard("0s circuit_opened wait=10s error=EOF")
		if snap := s.Snapshot(); snap.Circuit != controller.BreakerOpen || snap.State != controller.CircuitOpen {
			t.Errorf("%+v", snap)
		}
		var open *CircuitOpenError
		if err := s.Do(t.Context(), s.work("call", 0)); !errors.As(err, &open) || open.RetryAfter != 10*second {
			t.Errorf("got %v", err)
		}
		time.Sleep(10 * second)
		s.heard("10s circuit_half_open")
		time.Sleep(5 * second)
		fail()
		s.heard("15s circuit_opened wait=20s error=EOF")
		time.Sleep(20 * second)
		if err := s.Do(t.Context(), s.work("call", 0)); err != nil {
			t.Error(err)
		}
		s.heard("35s circuit_half_open", "35s circuit_closed")
		s.Record(nil, 0, 0)
		s.Record(io.EOF, 0, 0)
		s.Record(io.EOF, 0, 0)
		s.heard("35s circuit_opened wait=10s error=EOF")
		v.leave(0)
		time.Sleep(10 * second)
		s.heard() // it is at rest, and has no alarm
		if snap := s.Snapshot(); snap.Circuit != controller.BreakerHalfOpen {
			t.Errorf("%+v", snap)
		}
	})
}

// What waits in a pipeline while the circuit is open is neither started nor
// failed, and goes on with the probe.
func TestOpenCircuitHoldsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4, breakingBy(controller.Breaker{Failures: 1, OpenFor: 10 * second}))
		v := s.open(t.Context())
		s.Record(io.EOF, 0, 0)
		v.send(s.work("job", second), s.work("job", 0), s.work("job", 0))
		v.leave(3)
		s.started("job 10s", "job 11s", "job 11s")
		for _, j := range v.jobs {
			if j.Err != nil {
				t.Error(j.Err)
			}
		}
	})
}

// Calls that back off when the circuit opens are told at once, if it will be
// open when they are due.
func TestCallThatBacksOffIsTurnedAway(t *testing.T) {
	for wait, want := range map[bool][]string{true: {"call 0s", "call 20s"}, false: {"call 0s"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1,
				breakingBy(controller.Breaker{Failures: 1, OpenFor: 20 * second, Wait: wait}),
				retryingBy(controller.Retry{BaseDelay: 10 * second}))
			err := s.Do(t.Context(), s.work("call", 0, io.EOF))
			var open *CircuitOpenError
			if turned := errors.As(err, &open) && errors.Is(err, io.EOF); turned == wait || wait && err != nil {
				t.Errorf("wait %v: %v", wait, err)
			}
			time.Sleep(minute)
			s.started(want...)
		})
	}
}

func TestCallWhoseRetryIsDueWhenTheCircuitLetsItPassWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1,
			breakingBy(controller.Breaker{Failures: 1, OpenFor: 10 * second}),
			retryingBy(controller.Retry{BaseDelay: 20 * second}))
		if err := s.Do(t.Context(), s.work("call", 0, io.EOF)); err != nil {
			t.Error(err)
		}
		s.started("call 0s", "call 20s")
	})
}

// Exhausted is told when a budget holds an attempt up, restored when a tenth of
// it is free again and nothing waits for it; the name says which.
func TestBudgetsTellWhenTheyHoldAttemptsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(
			controller.Budget{Name: "short", Tokens: 10, Window: 10 * second},
			controller.Budget{Name: "long", Tokens: 30, Window: minute},
		))
		call := func(cost int64) {
			if err := s.Do(asking(t.Context(), Ask{Cost: cost, Weight: 1}), s.work("call", 0)); err != nil {
				t.Error(err)
			}
		}
		call(5)
		call(5)
		s.heard() // empty, but nobody was held up
		call(5)
		s.heard("0s budget_exhausted wait=10s budget=short", "10s budget_restored budget=short")
		call(5)
		call(10)
		s.heard("10s budget_exhausted wait=10s budget=short", "20s budget_restored budget=short")
		call(1)
		s.heard("20s budget_exhausted wait=40s budget=long", "1m0s budget_restored budget=long")
		s.started("call 0s", "call 0s", "call 10s", "call 10s", "call 20s", "call 1m0s")
	})
}

// Four stalls are four events, each with its end.
func TestEachLongStallOfABudgetIsToldWithItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(controller.Budget{Name: "b", Tokens: 100, Window: 100 * second}))
		v := s.open(t.Context())
		for range 250 {
			v.sendJobs(&Job{Work: s.work("job", second), Ask: Ask{Cost: 2, Weight: 1}})
		}
		v.leave(250)
		s.heard("50s budget_exhausted wait=50s budget=b", "1m40s budget_restored budget=b",
			"2m30s budget_exhausted wait=50s budget=b", "3m20s budget_restored budget=b",
			"4m10s budget_exhausted wait=50s budget=b", "5m0s budget_restored budget=b",
			"5m50s budget_exhausted wait=50s budget=b", "6m40s budget_restored budget=b")
	})
}

// A budget that trickles in and is used up as it does stays exhausted, until there is nothing
// to hold up any more.
func TestBudgetThatTricklesInStaysExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(controller.Budget{Name: "b", Tokens: 100, Window: 100 * second}))
		v := s.open(t.Context())
		for i := range 300 {
			takes := second
			if i >= 100 {
				takes = 900 * time.Millisecond // so that each is held up for a while
			}
			v.sendJobs(&Job{Work: s.work("job", takes), Ask: Ask{Cost: 1, Weight: 1}})
		}
		v.leave(300)
		s.heard("1m40.9s budget_exhausted wait=100ms budget=b", "4m59.9s budget_restored budget=b")
	})
}

// A hold whose jobs are cancelled is over, too.
func TestStallOfABudgetEndsWithItsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(controller.Budget{Name: "b", Tokens: 1, Window: minute}))
		ctx, cancel := context.WithTimeout(t.Context(), 10*second)
		defer cancel()
		for range 2 {
			go s.Do(asking(ctx, Ask{Cost: 1, Weight: 1}), s.work("call", 0))
			time.Sleep(second)
		}
		time.Sleep(minute)
		s.heard("1s budget_exhausted wait=59s budget=b", "10s budget_restored budget=b")
	})
}

func TestUpdateForgetsTheBudgetThatHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(controller.Budget{Name: "b", Tokens: 10, Window: minute}))
		v := s.open(t.Context())
		full := Ask{Cost: 10, Weight: 1}
		v.sendJobs(&Job{Work: s.work("job", 0), Ask: full}, &Job{Work: s.work("job", 0), Ask: full})
		time.Sleep(10 * second)
		cfg := s.cfg
		cfg.Budgets = nil
		s.Update(cfg, func() {})
		v.leave(2)
		s.started("job 0s", "job 10s")
		s.heard("0s budget_exhausted wait=1m0s budget=b", "10s budget_restored budget=b")
	})
}

func TestPauseIsToldOnceAndItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		v := s.open(t.Context())
		s.Hint(controller.Hint{RetryAfter: 10 * second}, marks{})
		v.send(s.work("job", 0))
		time.Sleep(5 * second)
		s.Hint(controller.Hint{RetryAfter: 10 * second}, marks{}) // until 15s
		s.Hint(controller.Hint{RetryAfter: second}, marks{})      // no longer than before
		if snap := s.Snapshot(); snap.PausedFor != 10*second {
			t.Errorf("paused for %v", snap.PausedFor)
		}
		v.leave(1)
		s.started("job 15s")
		s.heard("0s paused wait=10s", "15s resumed")
	})
}

// An error that says when to come again holds for all, unless it says nothing of
// the service.
func TestErrorThatSaysWhenToComeAgainIsHeeded(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"refusal", Overloaded(io.EOF, 10*second), "next 10s"},
		{"refusal without a time", Overloaded(io.EOF, 0), "next 0s"},
		{"failure", Transient(hinted{10 * second}), "next 10s"},
		{"fatal", Fatal(hinted{10 * second}), "next 0s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 1)
				_ = s.Do(t.Context(), WorkFunc(func(context.Context) error { return test.err }))
				if err := s.Do(t.Context(), s.work("next", 0)); err != nil {
					t.Error(err)
				}
				s.started(test.want)
				s = newStand(t, 1)
				s.Record(test.err, 0, 0)
				if err := s.Do(t.Context(), s.work("next", 0)); err != nil {
					t.Error(err)
				}
				s.started(test.want)
			})
		})
	}
}

// A budget tells the same whether it is ours alone or not: an attempt that is
// let through is held up no more, also if it takes all that has come back.
func TestBudgetsOfTheCommonsTellWhatOurOwnDo(t *testing.T) {
	b := controller.Budget{Name: "b", Tokens: 10, Window: 10 * second}
	for name, change := range map[string]func(*Config){
		"own":    budgeted(b),
		"shared": sharing(NewCommons([]controller.Budget{b})),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 8, change)
				v := s.open(t.Context())
				all := Ask{Cost: 10, Weight: 1}
				v.sendJobs(&Job{Work: s.work("job", 0), Ask: all}, &Job{Work: s.work("job", 0), Ask: all})
				v.await(2)
				s.started("job 0s", "job 10s")
				s.heard("0s budget_exhausted wait=10s budget=b", "10s budget_restored budget=b")
				if got := v.Room(); got != 8 {
					t.Errorf("room for %d, though nothing is held up", got)
				}
				v.leave(2)
			})
		})
	}
}

// To wait for one's turn at a shared budget that has enough again is not to wait
// for the budget.
func TestTurnAtTheCommonsIsNotToldAsExhausted(t *testing.T) {
	for name, restore := range map[string]func(*Slot){
		"the window is over":  func(*Slot) { time.Sleep(time.Hour) },
		"less has been used":  func(slot *Slot) { slot.RecordTokens(0); slot.Release(nil) },
		"some has been freed": func(slot *Slot) { slot.RecordTokens(4); slot.Release(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				commons := NewCommons([]controller.Budget{{Name: "shared", Tokens: 10, Window: time.Hour}})
				holds, first, next := newStand(t, 1, sharing(commons)), newStand(t, 1, sharing(commons)), newStand(t, 1, sharing(commons))
				slot, err := holds.Acquire(asking(t.Context(), Ask{Cost: 10, Weight: 1}))
				if err != nil {
					t.Fatal(err)
				}
				call := func(s *stand) {
					go func() {
						if err := s.Do(asking(t.Context(), Ask{Cost: 5, Weight: 1}), idle{}); err != nil {
							t.Error(err)
						}
					}()
					synctest.Wait()
				}
				call(first)
				busy := make(chan struct{})
				first.request(func() { <-busy }) // it does not come for its turn
				restore(slot)
				synctest.Wait()
				call(next)
				next.heard()
				close(busy)
				synctest.Wait()
				slot.Release(nil)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}
