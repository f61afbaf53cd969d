package stage

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// timedAttempts allows a minute for an attempt.
func timedAttempts() *attempts {
	a := &attempts{clock: clock.Real(), epoch: time.Now()}
	a.rules.Store(&rules{classify: Classify, timeout: time.Minute})
	return a
}

func (a *attempts) once(ctx context.Context, work WorkFunc) *Job {
	j := &Job{door: &Door{ctx: ctx}, Work: work}
	a.run(j, a.now())
	return j
}

// TestContextOfAnAttemptEndsAsOthersDo, also one that was derived from it, and one that nobody has looked at before.
func TestContextOfAnAttemptEndsAsOthersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := timedAttempts()
		var kept, unseen context.Context
		began := time.Now()
		a.once(t.Context(), func(ctx context.Context) error {
			deadline, ok := ctx.Deadline()
			if !ok || deadline.Sub(began) != time.Minute {
				t.Errorf("got the deadline %v, %v, want in a minute", deadline.Sub(began), ok)
			}
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			<-derived.Done()
			if passed := time.Since(began); passed != time.Minute || derived.Err() != context.DeadlineExceeded || ctx.Err() != context.DeadlineExceeded {
				t.Errorf("ended after %v: %v, %v", passed, derived.Err(), ctx.Err())
			}
			return nil
		})
		a.once(t.Context(), func(ctx context.Context) error { kept = ctx; return ctx.Err() })
		a.once(t.Context(), func(ctx context.Context) error { unseen = ctx; SlotFrom(ctx); return nil })
		for _, ctx := range []context.Context{kept, unseen} {
			<-ctx.Done()
			if time.Since(began) != time.Minute || ctx.Err() != context.Canceled {
				t.Errorf("after the attempt: %v", ctx.Err())
			}
		}
	})
}

// TestContextOfAnAttemptEndsWithTheCaller does not wait for the timeout.
func TestContextOfAnAttemptEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errService)
		defer cancel()
		timedAttempts().once(ctx, func(ctx context.Context) error {
			if deadline, _ := ctx.Deadline(); deadline.Sub(began) != time.Second {
				t.Errorf("got a deadline in %v, want that of the caller", deadline.Sub(began))
			}
			<-ctx.Done()
			if time.Since(began) != time.Second || context.Cause(ctx) != errService {
				t.Errorf("after %v: %v", time.Since(began), context.Cause(ctx))
			}
			return nil
		})
	})
}

// A told counts how often, and notes when, it was told that the time is over.
type told struct {
	times atomic.Int64
	at    time.Time
}

func (o *told) Overdue() { o.at = time.Now(); o.times.Add(1) }

// TestOneTimerTellsEachAttemptOfItsOwnEnd: it is used again, and never tells another one.
func TestOneTimerTellsEachAttemptOfItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := timedAttempts()
		var timer *deadline
		for i := range 3 {
			a.once(t.Context(), func(ctx context.Context) error {
				var early told
				s := ctx.(*scope)
				s.OnOverdue(&early)
				if timer != nil && s.deadline != timer {
					t.Error("got another timer, though one is spare")
				}
				timer = s.deadline
				time.Sleep(time.Minute - 1)
				if !s.StopOverdue() || s.StopOverdue() || early.times.Load() != 0 {
					t.Errorf("attempt %d was told %d times before its end, or was stopped twice", i, early.times.Load())
				}
				return nil
			})
		}
		began := time.Now()
		var late told
		j := a.once(t.Context(), func(ctx context.Context) error {
			s := ctx.(*scope)
			s.OnOverdue(&late)
			time.Sleep(time.Hour)
			if s.StopOverdue() {
				t.Error("stopped, though it is told")
			}
			return context.DeadlineExceeded
		})
		if late.times.Load() != 1 || late.at.Sub(began) != time.Minute || a.spare.Load() != nil {
			t.Errorf("told %d times, after %v", late.times.Load(), late.at.Sub(began))
		}
		if j.verdict != overload {
			t.Errorf("got %v, want a sign of overload", j.verdict)
		}
	})
}

// TestAttemptWithoutATimeoutIsNeverOverdue has nothing to stop.
func TestAttemptWithoutATimeoutIsNeverOverdue(t *testing.T) {
	a := &attempts{clock: clock.Real(), epoch: time.Now()}
	a.rules.Store(&rules{classify: Classify})
	j := a.once(t.Context(), func(ctx context.Context) error {
		var never told
		s := ctx.(*scope)
		s.OnOverdue(&never)
		if !s.StopOverdue() || never.times.Load() != 0 {
			return errors.New("told")
		}
		return nil
	})
	if j.Err != nil || a.spare.Load() != nil {
		t.Errorf("got %v, and a timer: %v", j.Err, a.spare.Load() != nil)
	}
}
