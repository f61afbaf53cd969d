package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// silenceHeard returns the errors of the events that say that nothing has succeeded.
func (s *stand) silenceHeard() (errs []string) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.told {
		var at, kind, err string
		if fmt.Sscan(e, &at, &kind, &err); kind == "nothing_succeeded" {
			errs = append(errs, err)
		}
	}
	return errs
}

// After ten attempts that went wrong it is said, once, that nothing has succeeded.
func TestThatNothingHasSucceededIsSaidOnce(t *testing.T) {
	ended := func() context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx
	}
	for _, test := range []struct {
		name  string
		err   error
		first error // of the very first attempt
		said  bool
	}{
		{"failures", io.EOF, io.EOF, true},
		{"refusals", Overloaded(io.EOF, 0), io.EOF, true},
		{"fatal errors", Fatal(io.EOF), io.EOF, true},
		{"panics", NewPanicError("EOF"), io.EOF, true},
		{"after a success", io.EOF, nil, false},
		{"some of the work was done", Partly(io.EOF), io.EOF, false},
		{"cancelled", context.Canceled, io.EOF, false},
		{"skipped", Skipped(io.EOF), io.EOF, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 1)
				v := s.open(t.Context())
				v.send(s.work("first", 0, test.first))
				for range 8 {
					v.send(s.work("job", 0, test.err))
				}
				v.await(9)
				if got := s.silenceHeard(); len(got) > 0 {
					t.Errorf("said after nine: %q", got)
				}
				for range 20 {
					v.send(s.work("job", 0, test.err))
				}
				v.leave(29)
				if got := s.silenceHeard(); (len(got) == 1) != test.said {
					t.Errorf("said %q, want it said: %v", got, test.said)
				}
			})
		})
	}
	t.Run("refused again after ten seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1)
			v := s.open(t.Context())
			for _, pause := range []time.Duration{0, longWait - 1, 1} {
				time.Sleep(pause)
				if got := s.silenceHeard(); len(got) > 0 {
					t.Errorf("said before the third refusal: %q", got)
				}
				v.send(s.work("job", 0, Overloaded(io.EOF, 0)))
				synctest.Wait()
			}
			v.leave(3)
			if got := s.silenceHeard(); len(got) != 1 {
				t.Errorf("said %q, want it said once", got)
			}
		})
	})
	t.Run("given up by its caller", func(t *testing.T) {
		j := &Job{Err: io.EOF, door: &Door{ctx: ended()}}
		(&rules{classify: Classify}).judge(j, false, nil)
		if j.wrong {
			t.Error("it went wrong")
		}
	})
	t.Run("as recorded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1)
			for range 10 {
				s.Record(io.EOF, 0, 0)
			}
			if got := s.silenceHeard(); len(got) != 1 || got[0] != "error=EOF" {
				t.Errorf("said %q", got)
			}
		})
	})
}

// Who listens to nothing is told too, by whatever log there is.
func TestThatNothingHasSucceededIsNotedThoughNobodyListens(t *testing.T) {
	r := newReporter(controller.New(controller.Config{Policy: controller.Static{}}, opening), controller.Config{}, func() {})
	r.note(opening, controller.Event{Kind: controller.EventDrained})
	r.note(opening, controller.Event{Kind: controller.EventNothingSucceeded})
	if e := r.filling.Events; len(e) != 1 || e[0].Kind != controller.EventNothingSucceeded {
		t.Errorf("noted %v", e)
	}
}

// The snapshot has the error of the last attempt that failed or was refused, as the
// attempt ended with it, and when that was.
func TestSnapshotHasTheLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{MaxAttempts: 2}))
		check := func(want error, after time.Duration) {
			t.Helper()
			snap := s.Snapshot()
			if snap.LastError != want || want != nil && snap.LastErrorAt.Sub(s.begin) != after {
				t.Errorf("at %v: %v of %v, want %v of %v", s.since(), snap.LastError, snap.LastErrorAt.Sub(s.begin), want, after)
			}
		}
		v := s.open(t.Context())
		v.send(s.work("good", second), s.work("wrong", 0, Fatal(errors.New("not the service's"))))
		v.await(2)
		check(nil, 0)
		first, last := errors.New("first"), errors.New("last")
		v.send(s.work("bad", second, first, last))
		time.Sleep(2 * second)
		check(first, 2*second)
		v.await(3)
		check(last, 4*second)
		v.send(s.work("good", second))
		v.leave(4)
		check(last, 4*second)
		refused := Overloaded(io.EOF, 0)
		s.Record(refused, 0, 0)
		check(refused, 5*second)
	})
}
