package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// The backoff is the retry's delay or what the error asks for, if that is longer.
func TestJobIsTriedAgainNotBeforeTheServiceWants(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"by itself", io.EOF, "job 5s"},
		{"longer", Overloaded(io.EOF, 8*second), "job 8s"},
		{"shorter", Overloaded(io.EOF, 2*second), "job 5s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: 5 * second}))
				v := s.open(t.Context())
				v.send(s.work("job", 0, test.err))
				v.leave(1)
				s.started("job 0s", test.want)
			})
		})
	}
}

// Only a job's last failure is one for the policy; the first counts for the breaker.
func TestControllerIsToldWhichAttemptWasTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		s := newStand(t, 1, retryingBy(controller.Retry{MaxAttempts: 3, Park: true}), breakingBy(controller.Breaker{Failures: 2}),
			func(cfg *Config) { cfg.Controller.Policy = l })
		v := s.open(t.Context())
		work := s.work("job", second, io.EOF, io.EOF, io.EOF)
		v.send(func(ctx context.Context) error {
			SlotFrom(ctx).RecordTokens(7)
			return work(ctx)
		})
		v.leave(1)
		for i, o := range l.told {
			want := controller.Outcome{
				Verdict: failed, Final: i == 2, Attempt: i + 1, Start: s.begin.Add(time.Duration(2*i) * second), Seq: int64(i + 1), Took: second,
				InFlight: 1, Gap: o.Gap, Tokens: 7,
			}
			if o != want {
				t.Errorf("outcome %d: got %+v, want %+v", i, o, want)
			}
		}
		if snap := s.Snapshot(); len(l.told) != 3 || snap.Retries != 2 || snap.Failed != 1 || snap.Circuit != controller.BreakerClosed {
			t.Errorf("%d outcomes, %+v", len(l.told), snap)
		}
	})
}

// A listener is a policy that changes nothing.
type listener struct {
	told  []controller.Outcome
	limit int // 0: 1
}

func (l *listener) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	return l, controller.Setting{Limit: b.InitialLimit}
}

func (l *listener) Next(_ time.Time, o controller.Outcome) controller.Setting {
	l.told = append(l.told, o)
	return controller.Setting{Limit: max(l.limit, 1)}
}

// A job that is to be tried again when the rules change under it ends by the new
// ones, with what it failed with.
func TestJobUnderWayEndsByTheNewRules(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   any // to find in its error
	}{
		{"no retries any more", func(cfg *Config) { cfg.Retry = nil }, new(*RetriesExhaustedError)},
		{"a budget that it exceeds", budgeted(controller.Budget{Tokens: 4, Window: minute}), new(*CostError)},
		{"a burst that it exceeds", rated(1, 0.5), new(*WeightError)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listener{}
				s := newStand(t, 1, retryingBy(controller.Retry{}), func(cfg *Config) { cfg.Controller.Policy = l })
				v := s.open(t.Context())
				// The update comes between the attempt's judgement and its end.
				judged := make(chan struct{})
				cfg := s.cfg
				slow := *cfg.Retry
				slow.Retryable = func(error) bool { close(judged); time.Sleep(second); return true }
				cfg.Retry = &slow
				s.Update(cfg, func() {})
				v.sendJobs(&Job{Work: s.work("job", 0, io.EOF), Ask: Ask{Cost: 5, Weight: 1}})
				<-judged
				cfg = s.cfg
				test.change(&cfg)
				s.Update(cfg, func() {})
				v.leave(1)
				if err := v.jobs[0].Err; !errors.As(err, test.want) || !errors.Is(err, io.EOF) {
					t.Errorf("got %v", err)
				}
				if len(l.told) != 1 || !l.told[0].Final {
					t.Errorf("its end is told as %+v", l.told)
				}
				s.started("job 0s")
			})
		})
	}
}

// Jobs that wait, or back off, and that the new budgets have no room for come
// back at once; the others stay.
func TestUpdateRefusesWhatHasNoRoomAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: minute}))
		v := s.open(t.Context())
		cheap, dear := Ask{Cost: 1, Weight: 1}, Ask{Cost: 5, Weight: 1}
		v.sendJobs(&Job{Work: s.work("backs off", 0, io.EOF), Ask: dear})
		synctest.Wait()
		v.sendJobs(&Job{Work: s.work("runs", minute), Ask: dear})
		synctest.Wait()
		v.sendJobs(
			&Job{Work: s.work("dear", 0), Ask: dear},
			&Job{Work: s.work("cheap", 0), Ask: cheap})
		called := make(chan error, 1)
		go func() { called <- s.Do(asking(t.Context(), dear), s.work("call", 0)) }()
		synctest.Wait()
		s.started("backs off 0s", "runs 0s")
		cfg := s.cfg
		cfg.Budgets = []controller.Budget{{Tokens: 4, Window: minute}}
		s.Update(cfg, func() { s.started() }) // nothing starts before it is through
		v.await(3)
		if e := new(CostError); s.since() > 0 || !errors.As(<-called, &e) {
			t.Error("the call does not come back at once")
		}
		for _, j := range v.jobs {
			if e := new(CostError); errors.As(j.Err, &e) != (j.Ask == dear) || (j.Ask == dear && j.Attempts == 1) != errors.Is(j.Err, io.EOF) {
				t.Errorf("%d attempts, %v", j.Attempts, j.Err)
			}
		}
		if room := v.Room(); room != 2 {
			t.Errorf("room for %d, want 2: nothing waits any more", room)
		}
		v.leave(4)
		s.started("cheap 0s")
		if snap := s.Snapshot(); snap.Failed != 3 || snap.Completed != 2 || snap.Waiting != 0 {
			t.Errorf("%+v", snap)
		}
	})
}

// A higher maximum needs more workers than there were made for; those of before
// finish what they have begun, and are not left over.
func TestHigherMaximumHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		v := s.open(t.Context())
		v.send(s.work("job", minute), s.work("job", minute), s.work("job", minute), s.work("job", minute))
		time.Sleep(second)
		cfg := s.cfg
		cfg.Controller.Bounds.InitialLimit, cfg.Controller.Bounds.MaxLimit = 3, 3
		if !v.Sleep(true) {
			t.Fatal("there is room before")
		}
		s.Update(cfg, func() {})
		<-v.Wake()
		synctest.Wait()
		s.started("job 0s", "job 1s", "job 1s")
		v.leave(4)
		s.started("job 1m0s")
		if len(s.retired) > 0 {
			t.Error("the pool of before is left over")
		}
	})
}

func TestUpdateKeepsTheCommons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, sharing(NewCommons([]controller.Budget{{Name: "shared", Tokens: 10, Window: minute}})))
		cfg := s.cfg
		cfg.Commons = nil
		s.Update(cfg, func() {})
		if b := s.Snapshot().Budgets; len(b) != 1 || b[0].Name != "shared" {
			t.Errorf("%v", b)
		}
		if err := s.Do(asking(t.Context(), Ask{Cost: 11, Weight: 1}), idle{}); err == nil {
			t.Error("they bound nobody any more")
		}
	})
}

// Work or callbacks that end their goroutine end one attempt, and nothing else.
func TestGoexitEndsOneAttempt(t *testing.T) {
	exit := func(context.Context) error { runtime.Goexit(); return nil }
	exits := func(cfg *Config) { cfg.Classify = func(error) controller.Verdict { runtime.Goexit(); return failed } }
	do := func(s *stand, f func()) {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
		if snap := s.Snapshot(); snap.Failed != 1 || snap.InFlight != 0 || snap.FailureCount != 0 {
			s.t.Errorf("%+v", snap)
		}
	}
	t.Run("job", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1)
			v := s.open(t.Context())
			v.send(exit, s.work("next", 0))
			v.leave(2)
			if err := v.jobs[0].Err; !errors.Is(err, ErrGoexit) {
				t.Errorf("got %v", err)
			}
			s.started("next 0s")
		})
	})
	t.Run("call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1)
			do(s, func() { _ = s.Do(t.Context(), WorkFunc(exit)) })
		})
	})
	t.Run("release", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1, exits)
			do(s, func() {
				slot, err := s.Acquire(t.Context())
				if err != nil {
					t.Error(err)
				}
				slot.Release(io.EOF)
			})
		})
	})
}

// An attempt that ends its goroutine is the job's last, whatever became of those
// before.
func TestGoexitIsFinal(t *testing.T) {
	work := func(ctx context.Context) error {
		if SlotFrom(ctx).Attempt() == 1 {
			time.Sleep(second)
			runtime.Goexit()
		}
		return io.EOF
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{}))
		v := s.open(t.Context())
		v.send(work)
		v.leave(1)
		if j := v.jobs[0]; !errors.Is(j.Err, ErrGoexit) || j.Attempts != 2 || j.Took != 2*second {
			t.Errorf("job: %d attempts, took %v, %v", j.Attempts, j.Took, j.Err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Do(t.Context(), WorkFunc(work))
		}()
		<-done
		time.Sleep(minute)
		if snap := s.Snapshot(); snap.Failed != 2 || snap.Waiting != 0 || snap.InFlight != 0 || snap.Retries != 2 {
			t.Errorf("call: %+v", snap)
		}
	})
}

// Release says how the work in a slot ended: in its time, or later.
func TestReleaseIsJudgedAsTheEndOfAnAttempt(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		after time.Duration
		want  controller.Verdict
	}{
		{"success", nil, 2 * minute, succeeded},
		{"failure", io.EOF, 2 * minute, failed},
		{"out of time", context.DeadlineExceeded, minute, overload},
		{"a deadline of its own", context.DeadlineExceeded, minute - 1, failed},
		{"refusal", Overloaded(io.EOF, 0), 0, overload},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listener{}
				s := newStand(t, 1, retryingBy(controller.Retry{}), func(cfg *Config) {
					cfg.Controller.Policy, cfg.AttemptTimeout = l, minute
				})
				slot, err := s.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(test.after)
				slot.Release(test.err)
				s.Snapshot()
				if len(l.told) != 1 || l.told[0].Verdict != test.want || !l.told[0].Final || l.told[0].Took != test.after {
					t.Errorf("got %+v", l.told)
				}
			})
		})
	}
}

// A failure uses up one of the job's attempts, also of an attempt that asks for the
// policy whether the service is back.
func TestFailedProbeOfThePolicyUsesUpAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{MaxAttempts: 3}), func(cfg *Config) { cfg.Controller.Policy = pessimist{} })
		v := s.open(t.Context())
		down := slices.Repeat([]error{io.EOF}, 100)
		for i := range 4 {
			v.send(s.work(fmt.Sprint("job ", i), 0, down...))
		}
		v.leave(4)
		for _, j := range v.jobs {
			if j.Attempts != 3 || !exhausted(j.Err) {
				t.Errorf("%d attempts, %v; want 3", j.Attempts, j.Err)
			}
		}
	})
}

// A pessimist takes the service for down after each failure.
type pessimist struct{}

func (pessimist) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	return pessimist{}, controller.Setting{Limit: b.InitialLimit}
}

func (pessimist) Next(_ time.Time, o controller.Outcome) controller.Setting {
	return controller.Setting{Limit: 2, Probing: o.Verdict == controller.Failed}
}
