package stage

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// What is left of a quota that the server tells of may start at once, and no more until
// it is whole again.
func TestWhatIsLeftStartsAtOnceAndNoMoreUntilItIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4)
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		time.Sleep(2 * second)
		s.Hint(controller.Hint{Remaining: 2, Reset: 10 * second}, marks{})
		v.send(s.work("job", 0), s.work("job", 0), s.work("job", 0), s.work("job", 0))
		time.Sleep(9 * second)
		s.Record(io.EOF, 0, 0) // after which the controller has nothing more to say
		v.leave(5)
		s.started("job 0s", "job 2s", "job 2s", "job 12s", "job 12s")
	})
}

// A hint is as old as its attempt is long: what has started since is not in what it says
// is left.
func TestWhatStartedSinceIsTakenOffWhatAHintSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 9)
		v := s.open(t.Context())
		tell := WorkFunc(func(ctx context.Context) error {
			time.Sleep(3 * second)
			SlotFrom(ctx).Hint(controller.Hint{Limit: 10, Remaining: 4, Reset: minute - 3*second})
			return nil
		})
		v.send(tell)
		time.Sleep(second)
		v.send(s.work("job", 0), s.work("job", 0), s.work("job", 0))
		time.Sleep(4 * second)
		v.send(s.work("job", 0), s.work("job", 0))
		v.leave(6)
		s.started("job 1s", "job 1s", "job 1s", "job 5s", "job 1m0s")
	})
}

// Tokens that no budget stands for are counted by what jobs are expected to use.
func TestWhatIsLeftOfTokensHoldsByWhatJobsCost(t *testing.T) {
	tokens := func(left int64) controller.Hint {
		return controller.Hint{Budget: "tokens", Limit: 100, Remaining: left, Reset: minute}
	}
	for _, test := range []struct {
		name string
		cost int64
		used int64 // by the one before; 0: it told nothing
		left int64
		want int // that start at once
	}{
		{"the jobs' costs", 20, 0, 50, 2},
		{"the jobs' costs, whatever others used", 20, 50, 50, 2},
		{"what the last one used", Unknown, 25, 50, 2},
		{"neither is known", Unknown, 0, 5, 5},
		{"neither is known, and nothing is left", Unknown, 0, 0, 0},
		{"more than the quota", 200, 0, 50, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 9)
				v := s.open(t.Context())
				v.send(WorkFunc(func(ctx context.Context) error {
					if test.used > 0 {
						SlotFrom(ctx).RecordTokens(test.used)
					}
					return nil
				}))
				synctest.Wait()
				s.Hint(tokens(test.left), marks{})
				for range 5 {
					v.sendJobs(&Job{Work: s.work("job", second), Ask: Ask{Cost: test.cost, Weight: 1}})
				}
				s.started(slices.Repeat([]string{"job 0s"}, test.want)...)
				v.leave(6)
			})
		})
	}
}

// The end of a pause is told when it comes, though nobody waits for it.
func TestEndOfAPauseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2)
		slot, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Hint(controller.Hint{RetryAfter: 10 * second}, marks{})
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
			s.do(func() { gap = s.gate.gaps.Mean(s.now) })
			return gap
		}
		calls := func() {
			for range 4 {
				if err := s.Do(t.Context(), s.work("call", second)); err != nil {
					t.Error(err)
				}
			}
		}
		calls()
		if got := gap(); got != second {
			t.Errorf("of their own: %v, want 1s", got)
		}
		s.Hint(controller.Hint{Remaining: 1, Reset: minute}, marks{})
		calls()
		if got := gap(); got != second {
			t.Errorf("after a quota: %v, want 1s", got)
		}
		s.Hint(controller.Hint{RetryAfter: 9 * second}, marks{})
		calls()
		if got := gap(); got != second {
			t.Errorf("after a pause: %v, want 1s", got)
		}
	})
}

// Whichever holds longer holds: the policy's interval, or what is left of a quota.
func TestIntervalHoldsBesideAQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4, paced(3*second))
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		synctest.Wait()
		s.Hint(controller.Hint{Remaining: 2, Reset: 10 * second}, marks{})
		v.send(s.work("job", 0), s.work("job", 0), s.work("job", 0), s.work("job", 0))
		v.leave(5)
		s.started("job 0s", "job 3s", "job 6s", "job 10s", "job 13s")
	})
}
