package stage

import (
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// An alarm rings when something is due. It has one timer, and is set anew each
// time the dispatcher has looked at everything that may become due. It belongs
// to the dispatcher.
type alarm struct {
	clock clock.Clock
	ring  func()
	timer *clock.Timer
	rang  atomic.Bool // since arm was called last; another goroutine sets it
	armed time.Time   // for when the timer was set last; zero: it is not
	due   time.Time   // the earliest that was wanted; zero: nothing was
}

// want asks to be woken after a while. A wait of 0 or less is none.
func (a *alarm) want(now time.Time, wait time.Duration) {
	if wait <= 0 {
		return
	}
	a.wantAt(now.Add(wait))
}

// wantAt asks to be woken at a time to come.
func (a *alarm) wantAt(at time.Time) {
	if a.due.IsZero() || at.Before(a.due) {
		a.due = at
	}
}

// arm sets the timer to the earliest of what was wanted since the last call.
func (a *alarm) arm(now time.Time) {
	due := a.due
	a.due = time.Time{}
	if a.rang.Swap(false) {
		a.armed = time.Time{}
	}
	switch {
	case due.Equal(a.armed):
		return
	case due.IsZero():
		a.timer.Stop()
	case a.timer == nil:
		a.timer = a.clock.AfterFunc(due.Sub(now), a.fire)
	default:
		a.timer.Reset(due.Sub(now))
	}
	a.armed = due
}

// fire is called by the timer.
func (a *alarm) fire() {
	a.rang.Store(true)
	a.ring()
}
