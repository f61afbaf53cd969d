package stage

import (
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Refusals by chance ask for a pause, too. It is their job's, and says nothing of a limit.
func TestAServiceThatIsBusyByChanceHoldsUpItsJobOnly(t *testing.T) {
	for name, test := range map[string]struct {
		before []error // of jobs, one a second
		next   string  // when the one after them starts
		told   []time.Duration
	}{
		"once":           {[]error{Busy(io.EOF, minute)}, "next 1s", []time.Duration{0, 0}},
		"twice":          {[]error{Busy(io.EOF, minute), Busy(io.EOF, minute)}, "next 2s", []time.Duration{0, 0, 0}},
		"now and then":   {[]error{Busy(io.EOF, minute), Busy(io.EOF, minute), nil, Busy(io.EOF, minute)}, "next 4s", []time.Duration{0, 0, 0, 0, 0}},
		"in a row":       {[]error{Busy(io.EOF, minute), Busy(io.EOF, minute), Busy(io.EOF, minute)}, "next 1m2s", []time.Duration{0, 0, minute}},
		"beside a limit": {[]error{Busy(io.EOF, minute), Overloaded(io.EOF, 9*second)}, "next 10s", []time.Duration{0, 9 * second, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &witness{}
				s := newStand(t, 1, w.seen(), retryingBy(controller.Retry{BaseDelay: second}))
				v := s.open(t.Context())
				for _, err := range test.before {
					v.send(s.work("", 0, err))
					time.Sleep(second)
				}
				s.mu.Lock()
				s.starts = nil
				s.mu.Unlock()
				v.send(s.work("next", 0))
				v.leave(len(test.before) + 1)
				s.mu.Lock()
				if !slices.Contains(s.starts, test.next) {
					t.Errorf("started %q, want %q", s.starts, test.next)
				}
				s.mu.Unlock()
				told := of(s, w, func(o controller.Outcome) time.Duration { return o.RetryAfter })
				if len(told) < len(test.told) || !slices.Equal(told[:len(test.told)], test.told) {
					t.Errorf("the policy was told to leave it alone for %v, want %v", told, test.told)
				}
			})
		})
	}
}

// The job itself waits as long as it was asked to, without its slot.
func TestAJobThatWasRefusedByChanceWaitsAsLongAsItWasAskedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: second, MaxAttempts: 1}))
		v := s.open(t.Context())
		v.send(s.work("refused", 0, Busy(io.EOF, minute)))
		synctest.Wait()
		v.send(s.work("other", 0))
		v.leave(2)
		s.started("refused 0s", "other 0s", "refused 1m0s")
	})
	if Busy(nil, minute) != nil {
		t.Error("nil became an error")
	}
}

// MaxPause bounds also what a busy service asks of one job.
func TestAJobThatIsToWaitTooLongByChanceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: second}), func(cfg *Config) { cfg.MaxPause = minute })
		v := s.open(t.Context())
		v.send(s.work("refused", 0, Busy(io.EOF, minute+1)), s.work("other", 0))
		v.leave(2)
		s.started("refused 0s", "other 0s")
		var pause *PauseError
		if err := v.jobs[0].Err; !errors.As(err, &pause) || *pause != (PauseError{minute + 1, minute}) || !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
}
