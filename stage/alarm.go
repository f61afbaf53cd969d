package stage

import (
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// An alarm sends the dispatcher a message when something is due. It has one
// timer, and is set anew each time the dispatcher has looked at everything that
// may become due. All but ring belongs to the dispatcher.
type alarm struct {
	clock clock.Clock
	timer *clock.Timer
	armed time.Time // for when the timer is set; zero: it is not
	due   time.Time // for when it should be; zero: not at all
	now   time.Time

	post    func(*Job)
	message Job
	ringing atomic.Bool // the message is on its way
}

func newAlarm(c clock.Clock, post func(*Job)) *alarm {
	a := &alarm{clock: c, post: post}
	a.message = Job{message: called, call: a.heard}
	return a
}

// want asks to be woken after a while. A wait of 0 or less is none.
func (a *alarm) want(now time.Time, wait time.Duration) {
	if wait <= 0 {
		return
	}
	a.now = now
	if at := now.Add(wait); a.due.IsZero() || at.Before(a.due) {
		a.due = at
	}
}

// arm sets the timer to the earliest of what was wanted since the last call.
func (a *alarm) arm() {
	due := a.due
	a.due = time.Time{}
	if due.Equal(a.armed) {
		return
	}
	a.armed = due
	switch {
	case due.IsZero():
		a.timer.Stop()
	case a.timer == nil:
		a.timer = a.clock.AfterFunc(due.Sub(a.now), a.ring)
	default:
		a.timer.Reset(due.Sub(a.now))
	}
}

// stop makes the alarm rest.
func (a *alarm) stop() {
	a.due, a.armed = time.Time{}, time.Time{}
	if a.timer != nil {
		a.timer.Stop()
	}
}

// ring is called by the timer.
func (a *alarm) ring() {
	if a.ringing.CompareAndSwap(false, true) {
		a.post(&a.message)
	}
}

func (a *alarm) heard() {
	a.ringing.Store(false)
	a.armed = time.Time{}
}
