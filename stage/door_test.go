package stage_test

import (
	"context"
	"errors"
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// TestMain tries each property on so many schedules, unless -rapid.checks says
// otherwise, and looks for goroutines that were left over.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", stage.Schedules); err != nil {
		panic(err)
	}
	flag.Parse()
	goleak.VerifyTestMain(m)
}

type work func(context.Context) error

func (w work) Attempt(ctx context.Context) error { return w(ctx) }

func newDispatcher(retry *controller.Retry) *stage.Dispatcher {
	return stage.NewDispatcher(stage.Config{
		Clock: clock.Real(),
		Controller: controller.Config{
			Policy: controller.Static{},
			Bounds: controller.Bounds{InitialLimit: 2, MaxLimit: 2, MaxInterval: time.Second},
		},
		Classify: stage.Classify,
		Retry:    retry,
	})
}

// submit sends one job through a door.
func submit(door *stage.Door, w work) *stage.Job {
	j := &stage.Job{Work: w, Ask: stage.Ordinary}
	var b stage.Batch
	b.Add(j)
	door.Submit(b, 1)
	return j
}

// back waits for n jobs to come back.
func back(door *stage.Door, n int) {
	for n > 0 {
		if !door.Sleep(false) {
			for list := door.Finished(); list.Pop() != nil; n-- {
			}
			continue
		}
		<-door.Wake()
		door.Awake()
	}
}

func leave(door *stage.Door) {
	door.Stop()
	door.Leave()
}

var errCause = errors.New("cause")

func TestJobSubmittedAfterTheCancelComesBackWithTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		door := newDispatcher(nil).Open(ctx, nil)
		cancel(errCause)
		door.Cancel()
		j := submit(door, func(context.Context) error { t.Error("started"); return nil })
		back(door, 1)
		if j.Err != errCause || j.Attempts != 0 {
			t.Errorf("%d attempts, %v", j.Attempts, j.Err)
		}
		leave(door)
	})
}

func TestAttemptThatWouldBeTriedAgainEndsWithTheCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var door *stage.Door
		failed := errors.New("failed")
		retry := controller.Retry{Retryable: func(error) bool {
			cancel(errCause)
			door.Cancel()
			synctest.Wait() // until the dispatcher knows
			return true
		}}.WithDefaults()
		door = newDispatcher(&retry).Open(ctx, nil)
		j := submit(door, func(context.Context) error { return failed })
		back(door, 1)
		if !errors.Is(j.Err, errCause) || !errors.Is(j.Err, failed) || j.Attempts != 1 {
			t.Errorf("%d attempts, %v", j.Attempts, j.Err)
		}
		leave(door)
	})
}

func TestCancelOfOneDoorLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := controller.Retry{BaseDelay: time.Hour, Backoff: controller.Fixed, Park: true, MaxAttempts: 2}.WithDefaults()
		d := newDispatcher(&retry)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone, stays := d.Open(ctx, nil), d.Open(t.Context(), nil)
		fails := func(context.Context) error { return errors.New("failed") }
		one, other := submit(gone, fails), submit(stays, fails)
		time.Sleep(time.Minute) // both back off
		cancel(errCause)
		gone.Cancel()
		back(gone, 1)
		leave(gone)
		begin := time.Now()
		back(stays, 1)
		if time.Since(begin) != 59*time.Minute || one.Attempts != 1 || other.Attempts != 2 {
			t.Errorf("%d and %d attempts after %v", one.Attempts, other.Attempts, time.Since(begin))
		}
		leave(stays)
	})
}

func TestJobIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := newDispatcher(nil).Open(t.Context(), nil)
		fail := true
		j := submit(door, func(context.Context) error {
			time.Sleep(time.Second)
			if fail {
				return errCause
			}
			return nil
		})
		back(door, 1)
		if j.Err != errCause || j.Attempts != 1 || j.Took != time.Second {
			t.Errorf("%+v", j)
		}
		fail = false
		j.Reset()
		var b stage.Batch
		b.Add(j)
		door.Submit(b, 1)
		back(door, 1)
		if j.Err != nil || j.Attempts != 1 || j.Took != time.Second {
			t.Errorf("used again: %+v", j)
		}
		leave(door)
	})
}

func TestSlotOfAnEndedAttemptDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := newDispatcher(nil).Open(t.Context(), nil)
		var first, second *stage.Slot
		submit(door, func(ctx context.Context) error { first = stage.SlotFrom(ctx); return nil })
		back(door, 1)
		first.RecordTokens(5)
		submit(door, func(ctx context.Context) error { second = stage.SlotFrom(ctx); return nil })
		back(door, 1)
		if first == second {
			t.Error("a slot that somebody holds was used again")
		}
		leave(door)
	})
}

// A retry that is let through for a door whose context has just ended is not made.
func TestRetryThatIsSkippedIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := controller.Retry{BaseDelay: time.Second, MaxDelay: time.Second, Backoff: controller.Fixed}.WithDefaults()
		d := newDispatcher(&retry)
		ctx, cancel := context.WithCancelCause(t.Context())
		door := d.Open(ctx, nil)
		j := submit(door, func(context.Context) error { return errors.New("failed") })
		time.Sleep(time.Millisecond)
		cancel(errCause) // the owner of the door does not know yet
		back(door, 1)
		if got := d.Snapshot().Retries; got != int64(j.Attempts-1) {
			t.Errorf("%d retries, %d attempts", got, j.Attempts)
		}
		leave(door)
	})
}
