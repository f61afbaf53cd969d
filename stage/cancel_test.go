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

var errCancel = errors.New("cancelled")

// What a door has that is not in flight comes back with the cancel, each with
// the cause; what is in flight is left to end by itself.
func TestCancelGivesBackWhatIsNotInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: minute}))
		ctx, cancel := context.WithCancelCause(t.Context())
		gone, stays := s.open(ctx), s.open(t.Context())
		deaf := func(context.Context) error { s.note("deaf"); time.Sleep(10 * second); return nil }
		jobs := gone.send(s.work("backs off", 0, io.EOF))
		synctest.Wait()
		jobs = append(jobs, gone.send(deaf, s.work("waits", 0), s.work("waits", 0))...)
		synctest.Wait()
		others := stays.send(s.work("other", 0))
		time.Sleep(second)
		cancel(errCancel)
		gone.Cancel()
		gone.collect()
		if len(gone.jobs) != 3 {
			t.Errorf("%d came back at once", len(gone.jobs))
		}
		s.started("backs off 0s", "deaf 0s", "other 1s") // the slot that was held is free
		gone.leave(4)
		if s.since() != 10*second {
			t.Errorf("all are back at %v", s.since())
		}
		if err := jobs[0].Err; !errors.Is(err, errCancel) || !errors.Is(err, io.EOF) || jobs[0].Attempts != 1 {
			t.Errorf("backed off: %d attempts, %v", jobs[0].Attempts, err)
		}
		if err := jobs[1].Err; err != nil {
			t.Errorf("in flight: %v", err)
		}
		for _, j := range jobs[2:] {
			if j.Err != errCancel || j.Attempts != 0 {
				t.Errorf("waited: %d attempts, %v", j.Attempts, j.Err)
			}
		}
		stays.leave(1)
		if others[0].Err != nil {
			t.Errorf("another door's: %v", others[0].Err)
		}
		if snap := s.Snapshot(); snap.Waiting != 0 || snap.Completed != 2 || snap.Failed != 0 {
			t.Errorf("%+v", snap) // what was let go has neither succeeded nor failed
		}
	})
}

// What is withdrawn is what has not been started. A retry that waits is made.
func TestWithdrawGivesBackWhatWasNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: minute}))
		gone, stays := s.open(t.Context()), s.open(t.Context())
		slow := func(context.Context) error { s.note("slow"); time.Sleep(10 * second); return nil }
		jobs := gone.send(s.work("backs off", 0, io.EOF))
		synctest.Wait()
		jobs = append(jobs, gone.send(slow, s.work("waits", 0), s.work("waits", 0))...)
		synctest.Wait()
		others := stays.send(s.work("other", 0))
		time.Sleep(second)
		gone.Withdraw(errCancel)
		gone.collect()
		if len(gone.jobs) != 2 {
			t.Errorf("%d came back at once, want 2", len(gone.jobs))
		}
		gone.leave(4)
		for i, j := range jobs {
			if begun := i < 2; begun != (j.Err == nil) || begun != (j.Attempts > 0) || !begun && j.Err != errCancel {
				t.Errorf("job %d: got %d attempts, %v; want what was begun done, and the rest not started", i, j.Attempts, j.Err)
			}
		}
		stays.leave(1)
		if others[0].Err != nil {
			t.Errorf("got %v of another door's, want it done", others[0].Err)
		}
		if snap := s.Snapshot(); snap.Waiting != 0 || snap.Completed != 3 || snap.Failed != 0 {
			t.Errorf("got %+v, want 3 completed", snap)
		}
	})
}

// A call comes back as soon as its context ends, wherever it is.
func TestCallComesBackWhenItsContextEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		change []func(*Config)
		before func(*stand)
		work   func(*stand) WorkFunc
		want   []error
	}{
		{"in flight", nil, nil, func(s *stand) WorkFunc { return s.work("call", time.Hour) }, []error{context.Canceled}},
		{"queued", nil, func(s *stand) {
			go func() { _ = s.Do(s.t.Context(), s.work("other", minute)) }()
			synctest.Wait()
		}, nil, []error{errGaveUp}},
		{"held up", nil, func(s *stand) { s.Hint(controller.Hint{RetryAfter: minute}, marks{}) }, nil, []error{errGaveUp}},
		{"backing off", []func(*Config){retryingBy(controller.Retry{BaseDelay: minute})}, nil,
			func(s *stand) WorkFunc { return s.work("call", 0, io.EOF) }, []error{errGaveUp, io.EOF}},
		{"parked", []func(*Config){retryingBy(controller.Retry{BaseDelay: minute, Park: true})}, nil,
			func(s *stand) WorkFunc { return s.work("call", 0, io.EOF) }, []error{errGaveUp, io.EOF}},
		{"waits for the circuit", []func(*Config){breakingBy(controller.Breaker{Failures: 1, OpenFor: minute, Wait: true})},
			func(s *stand) { s.Record(io.EOF, 0, 0) }, nil, []error{errGaveUp}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 1, test.change...)
				if test.before != nil {
					test.before(s)
				}
				work := s.work("call", 0)
				if test.work != nil {
					work = test.work(s)
				}
				ctx, cancel := contextFor(t, 10*second)
				defer cancel()
				err := s.Do(ctx, work)
				for _, want := range test.want {
					if !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
				}
				if s.since() != 10*second {
					t.Errorf("came back at %v", s.since())
				}
				time.Sleep(time.Hour)
				if snap := s.Snapshot(); snap.Waiting != 0 || snap.InFlight != 0 {
					t.Errorf("something is left: %+v", snap)
				}
			})
		})
	}
}

func TestCallWhoseContextIsOverDoesNotEvenAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCancel)
		if err := s.Do(ctx, s.work("call", 0)); err != errCancel {
			t.Errorf("Do: %v", err)
		}
		if slot, err := s.Acquire(ctx); err != errCancel || slot != nil {
			t.Errorf("Acquire: %v, %v", slot, err)
		}
		s.started()
	})
}

// A slot that is let through just when its context ends is free again.
func TestSlotThatComesTooLateIsFreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(controller.Budget{Tokens: 10, Window: time.Hour}))
		if slot, err := s.Acquire(asking(&overdue{Context: t.Context()}, Ask{Cost: 10, Weight: 1})); slot != nil || err != context.Canceled {
			t.Errorf("got %v, %v", slot, err)
		}
		slot, err := s.Acquire(asking(t.Context(), Ask{Cost: 10, Weight: 1}))
		if err != nil {
			t.Fatal(err)
		}
		slot.Release(nil)
		if snap := s.Snapshot(); s.since() > 0 || snap.InFlight != 0 || snap.Completed != 1 || snap.Failed != 0 {
			t.Errorf("at %v: %+v", s.since(), snap)
		}
	})
}

// An overdue context is over as soon as it has been looked at, which its Done
// does not tell.
type overdue struct {
	context.Context
	looked bool
}

func (o *overdue) Done() <-chan struct{} { return nil }

func (o *overdue) Err() error {
	if o.looked {
		return context.Canceled
	}
	o.looked = true
	return nil
}

// A cancel that comes when the door has nothing inside changes nothing.
func TestCancelOfAnEmptyDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		v := s.open(ctx)
		cancel(errCancel)
		v.Cancel()
		v.Cancel()
		v.leave(0)
		if snap := s.Snapshot(); snap.Waiting != 0 || snap.Failed != 0 {
			t.Errorf("%+v", snap)
		}
	})
}
