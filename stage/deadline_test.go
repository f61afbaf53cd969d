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

// contextFor returns a context that ends after a while, not by a deadline.
func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := time.AfterFunc(d, func() { cancel(errGaveUp) }).Stop
	return ctx, func() { stop(); cancel(nil) }
}

var errGaveUp = errors.New("gave up")

// until returns a context with a deadline that nothing watches.
func until(at time.Time) context.Context { return deadlined{context.Background(), at} }

type deadlined struct {
	context.Context
	at time.Time
}

func (d deadlined) Deadline() (time.Time, bool) { return d.at, true }

func TestLateIsAnAttemptThatCannotEndInTime(t *testing.T) {
	for _, test := range []struct {
		name     string
		deadline time.Duration // from now; 0: none
		wait     time.Duration
		needs    time.Duration // an attempt, at least
		slot     bool
		want     bool
	}{
		{name: "no deadline", wait: time.Hour, needs: time.Hour},
		{name: "in time", deadline: 10 * second, wait: 4 * second, needs: 6 * second},
		{name: "too late by a moment", deadline: 10*second - 1, wait: 4 * second, needs: 6 * second, want: true},
		{name: "waits too long", deadline: 10 * second, wait: 10*second + 1, want: true},
		{name: "takes too long", deadline: 10 * second, needs: 10*second + 1, want: true},
		{name: "a slot may be held for as long as it likes", deadline: 10 * second, needs: time.Hour, slot: true},
		{name: "but must be had in time", deadline: 10 * second, wait: 11 * second, slot: true, want: true},
		{name: "over just now", deadline: -second, want: true},
		{name: "over for so long that it is of another clock", deadline: -second - 1, needs: time.Hour},
	} {
		d := &Dispatcher{now: opening}
		single, run := &Door{call: &call{Job: Job{once: test.slot}}}, &Door{}
		if test.needs > 0 {
			d.haste.Succeed(opening, test.needs)
			d.haste.Miss(opening, test.needs)
			run.quickest.Add(opening, test.needs)
		}
		if test.deadline != 0 {
			single.deadline, run.deadline = opening.Add(test.deadline), opening.Add(test.deadline)
		}
		if got := d.late(single, test.wait); got != test.want {
			t.Errorf("%s: a call: got %v", test.name, got)
		}
		if got := d.late(run, test.wait); got != test.want && !test.slot {
			t.Errorf("%s: a run: got %v", test.name, got)
		}
	}
}

// What is now too late is too late at every later time, until it is taken for
// another clock's.
func TestLateAtTheDeadlineItself(t *testing.T) {
	d := &Dispatcher{now: opening}
	if !d.late(&Door{deadline: opening}, 0) {
		t.Error("an attempt that starts at the deadline can end before")
	}
	if d.late(&Door{deadline: opening.Add(1)}, 0) {
		t.Error("an attempt may take no time, as far as anybody knows")
	}
}

func TestCallThatIsHeldUpBeyondItsDeadlineComesBackAtOnce(t *testing.T) {
	empty := func(s *stand) {
		if err := s.Do(asking(s.t.Context(), Ask{Cost: 10, Weight: 1}), s.work("first", 0)); err != nil {
			s.t.Fatal(err)
		}
	}
	fail := func(s *stand) {
		_ = s.Do(s.t.Context(), s.work("first", 0, io.EOF))
	}
	for _, test := range []struct {
		name   string
		change func(*Config)
		before func(*stand)
		after  time.Duration // the call comes back
		open   bool          // with a *CircuitOpenError
	}{
		{"server", func(*Config) {}, func(s *stand) { empty(s); s.Hint(controller.Hint{RetryAfter: minute}, marks{}) }, 0, false},
		{"rate", rated(1.0/60, 1), empty, 0, false},
		{"pace", paced(minute), empty, 0, false},
		{"circuit, to be waited for", breakingBy(controller.Breaker{Failures: 1, OpenFor: minute, Wait: true}), fail, 0, false},
		{"circuit", breakingBy(controller.Breaker{Failures: 1, OpenFor: minute}), fail, 0, true},
		// What is reserved may come back before.
		{"budget", budgeted(controller.Budget{Tokens: 10, Window: minute}), empty, 10 * second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 2, test.change)
				test.before(s)
				ctx, cancel := context.WithTimeout(t.Context(), 10*second)
				defer cancel()
				begin := time.Now()
				err := s.Do(asking(ctx, Ask{Cost: 5, Weight: 1}), s.work("late", 0))
				var open *CircuitOpenError
				if errors.As(err, &open) != test.open || !test.open && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begin); took != test.after {
					t.Errorf("came back after %v, want %v", took, test.after)
				}
				s.started("first 0s")
			})
		})
	}
}

// Those who wait are looked at when a hold begins or gets longer: a retry and a
// call that came before it.
func TestHopelessAreSentHomeWhenAHoldBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: second, Park: true}))
		soon, cancel := context.WithTimeout(t.Context(), 10*second)
		defer cancel()
		back := make(chan string, 3)
		call := func(ctx context.Context, name string, work WorkFunc) {
			go func() {
				err := s.Do(ctx, work)
				back <- name
				if (err != nil) != (name != "patient") || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", name, err)
				}
			}()
			synctest.Wait()
		}
		call(soon, "retry", s.work("retry", 0, io.EOF))
		s.Hint(controller.Hint{RetryAfter: 5 * second}, marks{})
		call(t.Context(), "patient", s.work("patient", 0))
		call(soon, "impatient", s.work("impatient", 0))
		s.started("retry 0s")
		synctest.Wait()
		if len(back) > 0 {
			t.Errorf("%s was sent home, though there is time", <-back)
		}
		s.Hint(controller.Hint{RetryAfter: minute}, marks{})
		synctest.Wait()
		if len(back) != 2 {
			t.Errorf("%d came back at once, want the two that have no time", len(back))
		}
		time.Sleep(time.Hour)
		s.started("patient 1m0s")
		if len(back) != 3 {
			t.Errorf("%d came back, want all", len(back))
		}
	})
}

// Jobs of a pipeline wait: none is burned because its time is short.
func TestJobsWithoutTimeWaitForTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 70*second)
		defer cancel()
		v := s.open(ctx)
		jobs := v.send(s.work("first", minute), s.work("late", 0)) // an attempt takes a minute, as the first one shows
		time.Sleep(69 * second)
		if v.collect(); len(v.jobs) != 1 {
			t.Errorf("%d came back, want the first", len(v.jobs))
		}
		<-ctx.Done()
		v.Cancel()
		v.leave(2)
		if jobs[1].Err != context.DeadlineExceeded || jobs[1].Attempts != 0 {
			t.Errorf("%d attempts, %v", jobs[1].Attempts, jobs[1].Err)
		}
		s.started("first 0s")
	})
}

// What is known of how long an attempt takes is forgotten, and then they are
// tried, without anything else that wakes the dispatcher.
func TestLateJobIsTriedWhenNobodyKnowsAnyMoreHowLongItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 15*minute)
		defer cancel()
		v := s.open(ctx)
		v.send(s.work("slow", 10*minute), s.work("late", 0))
		v.leave(2)
		for _, j := range v.jobs {
			if j.Err != nil {
				t.Error(j.Err)
			}
		}
		s.started("slow 0s", "late 11m0.000000001s")
	})
}

func TestRetryThatCannotEndInTimeIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: 10 * second}))
		ctx, cancel := context.WithTimeout(t.Context(), 5*second)
		defer cancel()
		v := s.open(ctx)
		jobs := v.send(s.work("job", second, io.EOF))
		v.leave(1)
		if err := jobs[0].Err; !errors.Is(err, io.EOF) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want what it failed with and why it is not tried again", err)
		}
		if s.since() != second || jobs[0].Attempts != 1 {
			t.Errorf("%d attempts after %v", jobs[0].Attempts, s.since())
		}
		s.heard() // of no retry
	})
}

// A deadline of another clock, such as a mock's, says nothing.
func TestDeadlineLongPastIsOfAnotherClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		ctx := until(time.Unix(0, 0))
		if err := s.Do(ctx, s.work("call", 0)); err != nil {
			t.Error(err)
		}
		if err := s.Do(until(time.Now()), s.work("late", 0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at the deadline: got %v", err)
		}
		s.started("call 0s")
	})
}

// How long an attempt takes at least may be learned while a call or a retry
// waits for its turn.
func TestTimeMayTurnOutToBeTooShortWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: 3 * second, Park: true}))
		soon, cancel := context.WithTimeout(t.Context(), 10*second)
		defer cancel()
		back := make(chan error, 3)
		call := func(ctx context.Context, work WorkFunc) {
			go func() { back <- s.Do(ctx, work) }()
			synctest.Wait()
		}
		s.do(func() { s.haste.Miss(s.now, 5*second) })
		call(soon, s.work("retry", 0, io.EOF))
		call(t.Context(), s.work("slow", 8*second))
		call(soon, s.work("queued", 0))
		var short int
		for range cap(back) {
			if err := <-back; errors.Is(err, context.DeadlineExceeded) {
				short++
			}
		}
		if short != 2 || s.since() != 8*second {
			t.Errorf("%d had too little time, all are back at %v", short, s.since())
		}
		s.started("retry 0s", "slow 0s")
	})
}

func TestRetryThatIsSentHomeLeavesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: 5 * second}))
		soon, cancel := context.WithTimeout(t.Context(), 10*second)
		defer cancel()
		back := make(chan error, 1)
		go func() { back <- s.Do(soon, s.work("retry", 0, io.EOF)) }()
		synctest.Wait()
		v := s.open(t.Context())
		v.send(s.work("job", second), s.work("job", second))
		s.started("retry 0s", "job 0s")
		s.Hint(controller.Hint{RetryAfter: minute}, marks{})
		time.Sleep(2 * second)
		if len(back) != 1 {
			t.Error("it is not sent home")
		}
		v.send(s.work("job", second))
		v.leave(3)
		s.started("job 1m0s", "job 1m0s")
	})
}
