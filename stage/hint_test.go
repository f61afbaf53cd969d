package stage

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A quota that the server tells of spreads what is left over the time, and no
// longer: what waits then goes on at once.
func TestQuotaSpacesAttemptsUntilItIsWholeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4)
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		time.Sleep(2 * second)
		s.Hint(controller.Hint{Remaining: 2, Reset: 10 * second})
		v.send(s.work("job", 0), s.work("job", 0), s.work("job", 0), s.work("job", 0))
		time.Sleep(9 * second)
		s.Record(io.EOF, 0, 0) // after which the controller has nothing more to say
		v.leave(5)
		s.started("job 0s", "job 5s", "job 10s", "job 12s", "job 12s")
	})
}

// The end of a pause is told when it comes, though nobody waits for it.
func TestEndOfAPauseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2)
		slot, err := s.Acquire(t.Context(), Ordinary)
		if err != nil {
			t.Fatal(err)
		}
		s.Hint(controller.Hint{RetryAfter: 10 * second})
		time.Sleep(10 * second)
		s.heard("0s paused wait=10s", "10s resumed")
		slot.Release(nil)
	})
}

// What gap attempts keep by themselves is not what a server has asked for.
func TestGapIsNotTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4)
		gap := func() (gap time.Duration) {
			s.do(func() { gap = s.gate.gap(s.now) })
			return gap
		}
		calls := func() {
			for range 4 {
				if err := s.Do(t.Context(), Ordinary, s.work("call", second)); err != nil {
					t.Error(err)
				}
			}
		}
		calls()
		if got := gap(); got != second {
			t.Errorf("of their own: %v, want 1s", got)
		}
		s.Hint(controller.Hint{Remaining: 1, Reset: minute})
		if got := gap(); got != 0 {
			t.Errorf("under a quota: %v, which is not known", got)
		}
		time.Sleep(minute)
		calls()
		if got := gap(); got != second {
			t.Errorf("after it: %v, want 1s", got)
		}
		s.Hint(controller.Hint{RetryAfter: 9 * second})
		calls()
		if got := gap(); got != second {
			t.Errorf("after a pause: %v, want 1s", got)
		}
	})
}

// A longer interval holds from the last start on, a shorter one from the next
// gap.
func TestLongerIntervalOfThePolicyAndTheServerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4, paced(3*second))
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		synctest.Wait()
		s.Hint(controller.Hint{Remaining: 10, Reset: 10 * second}) // 1s
		v.send(s.work("job", 0))
		v.await(2)
		s.Hint(controller.Hint{Remaining: 2, Reset: 10 * second}) // 5s
		v.send(s.work("job", 0), s.work("job", 0), s.work("job", 0))
		v.leave(5)
		s.started("job 0s", "job 3s", "job 8s", "job 13s", "job 16s")
	})
}
