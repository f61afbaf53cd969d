package stage

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// A scope is the context of an attempt: that of its door, with the slot, and with
// the attempt's timeout, if there is one.
//
// Code that called a method may hold on to what it returned for as long as it
// likes, so a scope is used again only if none ever was. Work that does not
// look at its context thus costs no allocation, nor a timer.
type scope struct {
	context.Context
	slot Slot
	used atomic.Bool

	attempts *attempts
	due      time.Duration         // end of the attempt's time, since the epoch; 0: it has no timeout
	timed    atomic.Pointer[timed] // with the timeout; nil: nobody has waited for that
	ran      bool                  // out of time: that has ended the attempt

	late     interface{ Overdue() } // of OnOverdue
	deadline *deadline              // that tells it; nil: nothing is to be told
}

// timed is a context of the scope's with a timer of its own.
type timed struct {
	context.Context
	cancel context.CancelFunc
}

// wasClosed is in the place of the context of an attempt that has ended before anybody waited.
var wasClosed = func() *timed {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return &timed{ctx, cancel}
}()

// open begins the attempt's time; with a timeout of 0 it has no end.
func (s *scope) open(a *attempts, started, timeout time.Duration) {
	s.attempts, s.due, s.ran = a, 0, false
	if timeout > 0 {
		s.due = started + timeout
	}
}

// close ends the context with the attempt, if it has a timeout.
func (s *scope) close() {
	if s.due == 0 || !s.used.Load() || s.timed.CompareAndSwap(nil, wasClosed) {
		return
	}
	t := s.timed.Load()
	s.ran = errors.Is(t.Err(), context.DeadlineExceeded)
	t.cancel()
}

// overdue reports whether an attempt that ended at a time took longer than it may.
func (s *scope) overdue(ended time.Duration) bool {
	switch t := s.timed.Load(); {
	case s.due == 0:
		return false
	case t != nil && t != wasClosed:
		return s.ran
	}
	return ended >= s.due
}

// withTimeout returns the context with the timeout.
func (s *scope) withTimeout() *timed {
	if t := s.timed.Load(); t != nil {
		return t
	}
	a := s.attempts
	ctx, cancel := a.clock.WithDeadline(s.Context, a.epoch.Add(s.due))
	t := &timed{ctx, cancel}
	if !s.timed.CompareAndSwap(nil, t) { // another goroutine was quicker
		cancel()
		return s.timed.Load()
	}
	return t
}

func (s *scope) Deadline() (time.Time, bool) {
	s.used.Store(true)
	deadline, ok := s.Context.Deadline()
	if s.due == 0 {
		return deadline, ok
	}
	if due := s.attempts.epoch.Add(s.due); !ok || due.Before(deadline) {
		return due, true
	}
	return deadline, true
}

func (s *scope) Done() <-chan struct{} {
	s.used.Store(true)
	if s.due == 0 {
		return s.Context.Done()
	}
	return s.withTimeout().Done()
}

func (s *scope) Err() error {
	s.used.Store(true)
	if s.due == 0 {
		return s.Context.Err()
	}
	return s.withTimeout().Err()
}

func (s *scope) Value(key any) any {
	s.used.Store(true)
	switch key {
	case slotKey{}, slotOf{s.slot.dispatcher}:
		return &s.slot
	case askKey{}:
		return nil // it was meant for this job, not for others that its work may do
	}
	if t := s.timed.Load(); t != nil && t != wasClosed {
		return t.Value(key) // package context asks for its own there, to tell it when the time is over
	}
	return s.Context.Value(key)
}

// OnOverdue has o told, in a goroutine of its own, when the attempt's time is over, unless StopOverdue
// is called before, as it has to be before the attempt ends. There is one at a time. It is what
// context.AfterFunc does, but not for the end of the context that the attempt came with, and costs
// neither a context nor a timer.
func (s *scope) OnOverdue(o interface{ Overdue() }) {
	s.used.Store(true)
	if s.due > 0 {
		s.late = o
		s.deadline = s.attempts.deadline(s, s.due-s.attempts.now())
	}
}

// StopOverdue reports whether nobody is, or was, told.
func (s *scope) StopOverdue() bool {
	d := s.deadline
	if d == nil {
		return s.due == 0
	}
	s.deadline = nil
	if !d.of.CompareAndSwap(s, nil) {
		return false
	}
	if d.timer.Stop() {
		s.attempts.spare.Store(d)
	}
	return true
}

// A deadline is a timer for attempts, one after another.
type deadline struct {
	timer *clock.Timer
	of    atomic.Pointer[scope] // that is to be told; nil: none any more
}

// deadline returns one that tells s after a while.
func (a *attempts) deadline(s *scope, after time.Duration) *deadline {
	d := a.spare.Swap(nil)
	if d != nil {
		d.of.Store(s)
		d.timer.Reset(after)
		return d
	}
	d = new(deadline)
	d.of.Store(s)
	d.timer = a.clock.AfterFunc(after, d.ring)
	return d
}

func (d *deadline) ring() {
	if s := d.of.Swap(nil); s != nil {
		s.late.Overdue()
	}
}
