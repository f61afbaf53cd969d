package stage

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A Door is a way into a dispatcher: jobs go in, and come back when they are
// done with. Doors that all have work take turns. One goroutine owns a door and
// calls its methods.
type Door struct {
	dispatcher *Dispatcher
	ctx        context.Context
	deadline   time.Time // of ctx; zero: none
	call       *call     // that the door stands for; nil: it is a door
	patient    bool      // its jobs may be set aside: nobody waits for one of them in particular
	inOrder    bool      // its results are wanted in order, so a job that is refused holds up all behind it
	roams      bool      // jobs that cannot start soon come back
	until      time.Time // so does, by then, the one that roams now; zero: as roams says

	inbox   *Inbox       // of the owner
	hungry  atomic.Bool  // the owner waits for room
	waiting atomic.Int64 // jobs that were submitted and have not been started
	peers   atomic.Int64 // jobs that may be inside beyond the others, beside a suspect; see wantPeers

	// These belong to the dispatcher.
	quickest controller.Quickest // of its jobs
	queue    queue
	recalled queue // jobs on their way back into it
	admitted int64 // jobs that have left the queue and are not yet taken off waiting
	back     Batch // jobs to send back when the mailbox has been read
	stopped  bool  // no more jobs will come
	canceled bool
	suspect  *Job // of a door that is in order: it was refused, and is not done with; nil: there is none
	passed   bool // another job has succeeded since the suspect was refused first, or peers were wanted last
	line     line
}

// Open opens a door for jobs that are cancelled with ctx, which also says what their share is,
// unless chosen, which may change at any time, has another one; nil: it has none.
func (d *Dispatcher) Open(ctx context.Context, chosen *atomic.Pointer[Share]) *Door {
	return d.OpenFor(ctx, chosen, NewInbox())
}

// OpenFor opens a door whose jobs come back to an inbox, which other doors may have, too.
func (d *Dispatcher) OpenFor(ctx context.Context, chosen *atomic.Pointer[Share], inbox *Inbox) *Door {
	door := &Door{dispatcher: d, ctx: ctx, inbox: inbox}
	door.line.share, door.line.chosen = AskedOf(ctx).Share, chosen
	door.deadline, _ = ctx.Deadline()
	d.request(func() {
		d.doors = append(d.doors, door)
		d.enter(&door.line)
	})
	return door
}

// BePatient says that nobody waits for one of the door's jobs in particular, so those that are refused by themselves may be
// set aside until there is nothing else to do. It is called before the first job is submitted.
func (d *Door) BePatient() { d.patient = true }

// KeepOrder says that the results of the door's jobs are wanted in order. It is called before the first job is
// submitted.
func (d *Door) KeepOrder() { d.inOrder = true }

// Room returns how many more jobs the dispatcher wants to have waiting at this
// door: one in all while the circuit is open or a budget is empty, few while it
// is paced.
func (d *Door) Room() int {
	return int(d.dispatcher.appetite.Load() - d.waiting.Load())
}

// open reports whether the dispatcher wants more jobs at this door.
func (d *Door) open() bool {
	if d.roams {
		return d.Vacant() > 0
	}
	return d.Room() > 0
}

// MaxLead is the highest Lead.
const MaxLead = batch

// Lead returns how many jobs more than the limit may be inside without waiting,
// because they are so quick: 0 or MaxLead.
func (d *Door) Lead() int { return int(d.dispatcher.lead.Load()) }

// Submit sends n jobs in. The batch must not be empty. A job that has an error
// already, or costs more than a budget will ever have, comes back with it. While
// no slot is free the others need not wake the dispatcher: the end of an attempt
// will.
func (d *Door) Submit(b Batch, n int) {
	now := d.dispatcher.attempts.now()
	rules := d.dispatcher.attempts.rules.Load()
	refused := false
	for j := b.newest; ; j = j.next {
		if d.roams {
			j.comeTo(d, now)
		} else {
			j.taken = now
		}
		j.door, j.message = d, submitted
		refused = refused || j.Err != nil || rules.tooDear(j) != nil
		if j == b.oldest {
			break
		}
	}
	d.waiting.Add(int64(n))
	if d.roams {
		d.dispatcher.roaming.coming.Add(int64(n))
	}
	d.dispatcher.mailbox.push(b)
	if refused || d.roams || !d.dispatcher.full.Load() {
		d.dispatcher.wake()
	}
}

// Finished returns the jobs that have come back since the last call.
func (d *Door) Finished() List { return d.inbox.Finished() }

// Sleep tells that the owner is about to wait for Wake, and for room if it is
// hungry. It returns false if there is something to do first.
func (d *Door) Sleep(hungry bool) bool {
	d.hungry.Store(hungry)
	if !d.inbox.Sleep() {
		return false
	}
	if hungry && d.Room() > 0 {
		d.Awake()
		return false
	}
	return true
}

// Awake tells that the owner waits no more.
func (d *Door) Awake() { d.inbox.Awake() }

// Wake gets a value when a sleeping owner has something to do.
func (d *Door) Wake() <-chan struct{} { return d.inbox.Wake() }

// Aside returns how many jobs wait for a retry while others are used to find out whether
// the service works again, or whose fault a refusal is: so many more may be inside, or there would be no
// others.
func (d *Door) Aside() int { return int(d.dispatcher.aside.Load() + d.peers.Load()) }

// Cancel sends back what has not been started and what waits for another
// attempt. The door's context must be done.
func (d *Door) Cancel() {
	d.dispatcher.request(func() { d.dispatcher.cancel(d) })
}

// Withdraw sends back what has not been started, with why as its error. What waits for another
// attempt stays.
func (d *Door) Withdraw(why error) {
	d.dispatcher.request(func() { d.dispatcher.withdraw(d, why) })
}

// Stop tells that no more jobs will be submitted.
func (d *Door) Stop() {
	d.dispatcher.request(func() { d.stopped = true })
}

// Leave gives the door up; all its jobs must have come back. If it was the last
// one, Leave returns when nothing of the dispatcher runs any more.
func (d *Door) Leave() {
	left := make(chan struct{})
	d.dispatcher.request(func() { d.dispatcher.leave(d, left) })
	<-left
}

// leave removes a door whose jobs have all come back.
func (d *Dispatcher) leave(door *Door, left chan struct{}) {
	d.removeDoor(door)
	d.leavers = append(d.leavers, left)
}

func (d *Dispatcher) removeDoor(door *Door) {
	d.doors = slices.DeleteFunc(d.doors, func(other *Door) bool { return other == door })
}

// NotRead says that nobody reads the results of the door's jobs.
func (o *Door) NotRead() {
	d := o.dispatcher
	d.request(func() { d.note(controller.Event{Kind: controller.EventNotRead}) })
}

// NotClosed says that no more jobs come to the door, and that it waits for them.
func (o *Door) NotClosed() {
	d := o.dispatcher
	d.request(func() { d.note(controller.Event{Kind: controller.EventNotClosed}) })
}
