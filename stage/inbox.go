package stage

import "sync/atomic"

// An Inbox is where jobs come back to the one who submitted them, through one door or
// through several, also of different dispatchers. One goroutine owns it, and sleeps
// while there is nothing in it.
type Inbox struct {
	finished mailbox
	asleep   atomic.Bool   // the owner waits for wake
	nudged   atomic.Bool   // there is something to look at, if not in the mailbox
	wake     chan struct{} // has room for one
}

// NewInbox returns an empty inbox.
func NewInbox() *Inbox { return &Inbox{wake: make(chan struct{}, 1)} }

// Finished returns the jobs that have come back since the last call.
func (i *Inbox) Finished() List { return i.finished.takeAll() }

// Sleep tells that the owner is about to wait for Wake. It returns false if something is there
// already.
func (i *Inbox) Sleep() bool {
	i.asleep.Store(true)
	if i.finished.empty() && !i.nudged.Swap(false) {
		return true
	}
	i.Awake()
	return false
}

// Awake tells that the owner waits no more.
func (i *Inbox) Awake() { i.asleep.Store(false) }

// Wake gets a value when a sleeping owner has something to do.
func (i *Inbox) Wake() <-chan struct{} { return i.wake }

// Nudge wakes the owner, or keeps it from going to sleep once.
func (i *Inbox) Nudge() {
	i.nudged.Store(true)
	i.wakeOwner()
}

// wakeOwner wakes a sleeping owner, and reports whether it slept.
func (i *Inbox) wakeOwner() bool {
	if !i.asleep.Load() || !i.asleep.CompareAndSwap(true, false) {
		return false
	}
	select {
	case i.wake <- struct{}{}:
	default:
	}
	return true
}
