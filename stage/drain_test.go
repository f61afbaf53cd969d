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

// What was taken is finished, in order: closed, draining, drained; and Drain
// returns when nothing runs any more.
func TestDrainWaitsForAllThatWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: 10 * second}))
		v := s.open(t.Context())
		v.send(s.work("backs off", second, io.EOF), s.work("job", second))
		slotted := make(chan *Slot, 1)
		go func() {
			slot, err := s.Acquire(t.Context())
			if err != nil {
				t.Error(err)
			}
			slotted <- slot
		}()
		synctest.Wait()
		v.Stop()
		drained := make(chan time.Duration, 2)
		for range cap(drained) {
			go func() {
				if err := s.Drain(t.Context()); err != nil {
					t.Error(err)
				}
				drained <- s.since()
			}()
		}
		synctest.Wait()
		if snap := s.Snapshot(); snap.State != controller.Draining {
			t.Errorf("it is %v", snap.State)
		}
		v.leave(2)
		slot := <-slotted
		if len(drained) > 0 {
			t.Errorf("drained at %v, with a slot that is held", <-drained)
		}
		held := s.since()
		time.Sleep(minute)
		slot.Release(nil)
		for range cap(drained) {
			if at := <-drained; at != held+minute {
				t.Errorf("drained at %v, want %v", at, held+minute)
			}
		}
		if snap := s.Snapshot(); snap.State != controller.Closed || snap.Completed != 3 {
			t.Errorf("%+v", snap)
		}
		s.heard("0s closed", "0s draining", "1s retry wait=10s attempt=0 error=EOF", (held+minute).String()+" drained")
	})
}

func TestDrainOfOneThatHasNothingReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		for range 2 {
			if err := s.Drain(t.Context()); err != nil || s.since() != 0 {
				t.Errorf("%v after %v", err, s.since())
			}
		}
		s.Close()
		s.heard("0s closed", "0s drained")
	})
}

// A Drain that gives up leaves the closing as it is, and another one may wait.
func TestDrainGivesUpWithTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		slot, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := contextFor(t, second)
		defer cancel()
		if err := s.Drain(ctx); err != errGaveUp || s.since() != second {
			t.Errorf("%v after %v", err, s.since())
		}
		time.AfterFunc(second, func() { slot.Release(nil) })
		if err := s.Drain(t.Context()); err != nil || s.since() != 2*second {
			t.Errorf("%v after %v", err, s.since())
		}
		s.heard("0s closed", "0s draining", "2s drained")
	})
}

func TestClosedTakesNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		select {
		case <-s.Closing():
			t.Error("closing before it is closed")
		default:
		}
		// A call that has looked before it was closed, and comes in after.
		busy, onItsWay := make(chan struct{}), make(chan error, 1)
		s.request(func() { <-busy })
		go s.Close()
		synctest.Wait()
		go func() { onItsWay <- s.Do(t.Context(), s.work("call", 0)) }()
		synctest.Wait()
		close(busy)
		if err := <-onItsWay; err != ErrClosed {
			t.Errorf("on its way: %v", err)
		}
		s.Close()
		<-s.Closing()
		if err := s.Do(t.Context(), s.work("call", 0)); err != ErrClosed {
			t.Errorf("Do: %v", err)
		}
		if _, err := s.Acquire(t.Context()); err != ErrClosed {
			t.Errorf("Acquire: %v", err)
		}
		s.started()
		s.heard("0s closed", "0s drained")
	})
}

// Leave returns when nothing of the dispatcher runs any more, but does not wait
// for the doors of others.
func TestLastOneToLeaveWaitsForEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 3)
		a, b := s.open(t.Context()), s.open(t.Context())
		a.send(s.work("a", second))
		synctest.Wait()
		b.send(s.work("b", minute))
		a.leave(1)
		if s.since() != second {
			t.Errorf("left at %v, want 1s: b is none of its business", s.since())
		}
		b.leave(1)
		if n := s.pool.alive.Load(); n != 0 || s.reporter.reports != nil {
			t.Errorf("%d workers are there, and the controller: %v", n, s.reporter.reports != nil)
		}
		// It can be used again.
		c := s.open(t.Context())
		c.send(s.work("c", second))
		c.leave(1)
		s.started("a 0s", "b 0s", "c 1m0s")
	})
}

// A dispatcher that leaves waits for a policy that thinks, whose goroutine would be left
// over.
func TestLeaveWaitsForTheController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := ponderer{make(chan struct{}), make(chan struct{})}
		s := newStand(t, 1, func(cfg *Config) { cfg.Controller.Policy = policy })
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		go func() {
			<-policy.asked
			time.Sleep(minute)
			policy.decided <- struct{}{}
		}()
		v.leave(1)
		if s.since() != minute {
			t.Errorf("left at %v", s.since())
		}
	})
}

// A door whose owner sends no more does not keep a drain waiting.
func TestStoppedDoorIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		v := s.open(t.Context())
		ctx, cancel := context.WithTimeoutCause(t.Context(), second, errGaveUp)
		defer cancel()
		if err := s.Drain(ctx); !errors.Is(err, errGaveUp) {
			t.Errorf("an open door: %v", err)
		}
		v.Stop()
		if err := s.Drain(t.Context()); err != nil {
			t.Errorf("a stopped one: %v", err)
		}
		v.Leave()
		s.heard("0s closed", "0s draining", "1s drained")
	})
}
