package stage

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// newIdle returns a dispatcher of a limit, with nothing else to hold anything up.
func newIdle(limit int) *Dispatcher {
	return NewDispatcher(Config{
		Clock:    clock.Real(),
		Classify: Classify,
		Controller: controller.Config{
			Policy: controller.Static{},
			Bounds: controller.Bounds{InitialLimit: limit, MaxLimit: limit},
		},
	})
}

// hold keeps the dispatcher from reading its mailbox until goOn is called.
func (d *Dispatcher) hold() (goOn func()) {
	busy, done := make(chan struct{}), make(chan struct{})
	d.request(func() { close(busy); <-done })
	<-busy
	return func() { close(done) }
}

func succeed(context.Context) error { return nil }

// TestCallThatComesWhileClosingIsRefused: it does not see yet that the
// dispatcher is closed, which reads of it only after the close.
func TestCallThatComesWhileClosingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newIdle(1)
		goOn := d.hold()
		go d.Close()
		synctest.Wait()
		done := make(chan error)
		go func() { done <- d.Do(t.Context(), WorkFunc(succeed)) }()
		go func() { _, err := d.Acquire(t.Context()); done <- err }()
		synctest.Wait()
		goOn()
		for range 2 {
			if err := <-done; err != ErrClosed {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestCallIsCancelledWhereverItIs: in the mailbox, in the queue, admitted and not
// begun.
func TestCallIsCancelledWhereverItIs(t *testing.T) {
	for _, where := range []string{"mailbox", "queue", "admitted"} {
		synctest.Test(t, func(t *testing.T) {
			d := newIdle(1)
			ctx, cancel := context.WithCancel(t.Context())
			var held *Slot
			if where == "queue" {
				held, _ = d.Acquire(t.Context())
			}
			goOn := func() {}
			if where == "mailbox" {
				goOn = d.hold()
			}
			c := d.newCall(ctx, WorkFunc(func(context.Context) error {
				t.Error("it was called")
				return nil
			}))
			synctest.Wait()
			cancel()
			back := make(chan error)
			go func() {
				if !c.admitted() {
					back <- c.Err
					return
				}
				err, again := c.attempt()
				if again {
					t.Error("it is to be tried again")
				}
				back <- err
			}()
			synctest.Wait()
			goOn()
			if err := <-back; err != context.Canceled {
				t.Errorf("in the %s: %v", where, err)
			}
			if held != nil {
				held.Release(nil)
			}
			if s := d.Snapshot(); s.InFlight != 0 || s.Waiting != 0 || s.Failed != 0 {
				t.Errorf("in the %s: %+v", where, s)
			}
		})
	}
}

// TestDispatcherKeepsNothingOfCalls: neither does it grow with those that have
// gone through, nor does it keep the last one alive.
func TestDispatcherKeepsNothingOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newIdle(1)
		for _, work := range []WorkFunc{succeed, func(context.Context) error { return ErrClosed }} {
			for range 10 {
				d.Do(t.Context(), work)
				d.Do(asking(t.Context(), Ask{Cost: -1}), work)
			}
		}
		synctest.Wait()
		if len(d.doors) != 1 || d.calls != 0 || d.jobs != 0 || d.running != 0 || d.counter(counterKey{}).queue != (queue{}) {
			t.Errorf("%d doors, %d calls, %d jobs, %d running, %+v", len(d.doors), d.calls, d.jobs, d.running, d.counter(counterKey{}).queue)
		}
	})
}

// Nor does it grow with those that would have waited for a while only.
func TestDispatcherKeepsNothingOfBoundedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newIdle(1)
		ctx := WithAsked(t.Context(), Asked{Ask: Ordinary, Bounded: true, MaxWait: time.Second})
		for range 100 {
			if err := d.Do(ctx, WorkFunc(succeed)); err != nil {
				t.Fatal(err)
			}
		}
		held, err := d.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := d.Do(ctx, WorkFunc(succeed)); err == nil {
				t.Fatal("there is a second slot")
			}
		}
		held.Release(nil)
		synctest.Wait()
		kept := slices.IndexFunc(d.arrived[:cap(d.arrived)], func(c *call) bool { return c != nil })
		if len(d.bounds) != 0 || cap(d.arrived) > 8 || kept >= 0 || d.counter(counterKey{}).queue != (queue{}) {
			t.Errorf("%d bounds, room for %d that arrived, %v kept", len(d.bounds), cap(d.arrived), kept >= 0)
		}
	})
}
