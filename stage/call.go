package stage

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/paceline-go/paceline/controller"
)

// A call is a job by itself, which comes through no pipeline. It waits for its
// turn as jobs do, but its attempts run in the goroutine of its caller and need
// no worker. All calls of one resource wait in one queue, and take turns with the doors.
type call struct {
	Job
	own    Door // stands for it; nobody opens it
	answer answer
	patience

	share   Share
	counter *Door // where it has waited for its first turn
	parted  bool  // its caller waits no more, and has left it to the dispatcher
	gaveUp  bool  // its caller has asked to cancel it
}

// calls are those that wait to be used again.
var calls = sync.Pool{New: func() any { return new(call) }}

// WorkFunc is a function as Work.
type WorkFunc func(ctx context.Context) error

// Attempt calls the function.
func (f WorkFunc) Attempt(ctx context.Context) error { return f(ctx) }

// Do does a job, which asks for what ctx says, in the calling goroutine and returns its error.
func (d *Dispatcher) Do(ctx context.Context, work Work) error {
	c := d.newCall(ctx, work)
	for c.admitted() {
		if err, again := c.attempt(); !again {
			return err
		}
	}
	err := c.Err
	c.recycle()
	return err
}

// Acquire waits for a slot that its caller holds until Release.
func (d *Dispatcher) Acquire(ctx context.Context) (*Slot, error) {
	return d.holdSlot(ctx, d.newCall(ctx, nil))
}

// holdSlot waits for the slot of a call that holds it until Release.
func (d *Dispatcher) holdSlot(ctx context.Context, c *call) (*Slot, error) {
	if !c.admitted() {
		return nil, c.Err
	}
	a := d.attempts
	if ctx.Err() != nil {
		a.skip(&c.Job)
		err := c.Err
		c.end()
		return nil, err
	}
	a.begin(&c.Job, a.rules.Load(), c.started)
	c.scope.used.Store(true)
	c.scope.slot.release = c.release
	return &c.scope.slot, nil
}

// newCall sends a job in and leaves it to wait for its turn. One without work is a slot that is
// held by hand.
func (d *Dispatcher) newCall(ctx context.Context, work Work) *call {
	c := calls.Get().(*call)
	c.Work, c.once = work, work == nil
	return d.call(ctx, c, AskedOf(ctx), d.Nested(ctx))
}

// call sends a job in that asks for that, unless it would wait for its own end.
func (d *Dispatcher) call(ctx context.Context, c *call, asked Asked, nested bool) *call {
	c.Ask, c.Named, c.share, c.patience = asked.Ask, asked.Named, asked.Share, patience{bounded: asked.Bounded, most: asked.MaxWait}
	c.own.dispatcher, c.own.ctx, c.own.call = d, ctx, c
	c.own.deadline, _ = ctx.Deadline()
	c.door, c.message, c.taken = &c.own, submitted, d.attempts.now()
	switch {
	case ctx.Err() != nil:
		c.turnDown(context.Cause(ctx))
	case d.Closed():
		c.turnDown(ErrClosed)
	case nested:
		c.turnDown(ErrNested)
	default:
		d.serve(&c.Job, c.taken)
	}
	return c
}

// turnDown gives a call back that was not sent in.
func (c *call) turnDown(why error) {
	c.Err = why
	c.answer.give(back)
}

// recycle lets a call be used again that nobody knows any more.
func (c *call) recycle() {
	if c.gaveUp || c.bounded || c.once { // the dispatcher may have a note of it, or somebody the slot
		return
	}
	scope := c.scope
	*c = call{}
	if scope != nil { // it is as good as new
		scope.Context, scope.slot.dispatcher = nil, nil
		c.scope = scope
	}
	calls.Put(c)
}

// manyYields is how often a caller lets others run before it goes to sleep, while somebody is the
// dispatcher who is about to read its message. Chosen: to sleep and be woken costs more than that.
const manyYields = 4

// admitted waits until an attempt may start, or the job has come back.
func (c *call) admitted() bool {
	for i := 0; i < manyYields && c.answer.is.Load() == none && c.own.dispatcher.awake.Load(); i++ {
		runtime.Gosched()
	}
	if !c.answer.given() {
		select {
		case <-c.answer.come:
		case <-c.own.ctx.Done():
			c.gaveUp = true
			c.own.Cancel()
			<-c.answer.come
		}
	}
	return c.answer.take() == admitted
}

// attempt makes one attempt. If it is not to be tried again, nobody needs to
// wait for the books.
func (c *call) attempt() (err error, again bool) {
	d := c.own.dispatcher
	returned := false
	defer func() {
		if !returned { // the work has ended this goroutine
			d.attempts.abort(&c.Job)
		}
		err, again = c.Err, c.again
		c.end()
	}()
	d.attempts.run(&c.Job, c.started)
	returned = true
	return
}

// release ends the attempt of a slot that is held by hand.
func (c *call) release(err error) {
	a := c.own.dispatcher.attempts
	r := a.rules.Load()
	judged := false
	defer func() {
		if !judged { // Classify has ended this goroutine
			a.abort(&c.Job)
		}
		c.end()
	}()
	c.Err = err
	ended := a.now()
	a.end(&c.Job, r, ended, r.timeout > 0 && ended-c.started >= r.timeout)
	judged = true
}

// end sends the call back whose attempt has ended.
func (c *call) end() {
	c.parted = !c.again
	c.message = ended
	d := c.own.dispatcher
	if c.verdict == controller.Succeeded && d.patient.Load() {
		d.leaveMail(&c.Job)
		return
	}
	d.serve(&c.Job, 0)
}

// comeBack gives a call that is done with to its caller.
func (c *call) comeBack() {
	if c.parted {
		c.recycle()
		return
	}
	c.answer.give(back)
}

// An answer is what the dispatcher tells a caller. Mostly it is there when the caller looks, who
// then need not sleep.
type answer struct {
	is   atomic.Int32
	come chan struct{} // there while the caller sleeps; has room for one
}

// What an answer may be.
const (
	none     int32 = iota // not yet
	asleep                // not yet, and its caller waits for it
	admitted              // an attempt may start
	back                  // the job has come back
)

// give gives the answer.
func (a *answer) give(what int32) {
	if a.is.Swap(what) == asleep {
		a.come <- struct{}{}
	}
}

// given reports whether there is an answer. If there is none, one will come.
func (a *answer) given() bool {
	if a.is.Load() != none {
		return true
	}
	a.come = make(chan struct{}, 1)
	return !a.is.CompareAndSwap(none, asleep)
}

// take returns the answer that is there.
func (a *answer) take() int32 {
	what := a.is.Load()
	a.is.Store(none)
	return what
}

// admitCall takes a call in.
func (d *Dispatcher) admitCall(j *Job) {
	d.calls++
	switch err := d.attempts.rules.Load().tooDear(j); {
	case err != nil:
		d.status.Failed++
		d.finish(j, err)
	case d.status.Closed:
		d.finish(j, ErrClosed)
	case !d.turnsAway() && d.hopeless(j, d.waitFor(j)):
		d.finish(j, d.tooLate(j))
	default:
		d.recall() // as in submit
		d.line(j.door.call)
	}
}

// line has a call stand in line.
func (d *Dispatcher) line(c *call) {
	c.counter = d.counter(counterKey{c.Resource, c.share})
	l := &c.counter.line
	if c.counter.queue.first == nil {
		d.enter(l)
	}
	c.counter.queue.push(&c.Job)
	l.came++
	c.number = l.came
	d.bind(c, d.attempts.epoch.Add(c.taken))
}

// counterKey says which calls stand in one line.
type counterKey struct {
	resource string
	share    Share
}

// counter returns the one of the doors where calls of a kind wait. Those where none does
// any more, and which have had no more than their share, are given up, but for that of
// ordinary calls.
func (d *Dispatcher) counter(key counterKey) *Door {
	if key == (counterKey{}) && d.ordinary != nil {
		return d.ordinary
	}
	if c := d.counters[key]; c != nil {
		return c
	}
	for k, c := range d.counters {
		even := c.line.virtual <= d.levels[k.share.level()].virtual
		if k != (counterKey{}) && c.queue.first == nil && even {
			delete(d.counters, k)
			d.removeDoor(c)
		}
	}
	c := &Door{dispatcher: d, inbox: new(Inbox), stopped: true}
	c.line.share = key.share
	d.counters[key] = c
	if key == (counterKey{}) {
		d.ordinary = c
	}
	d.doors = append(d.doors, c)
	return c
}

// turnsAway reports whether calls are sent home because the circuit will not let
// them pass, and they are not to wait for it.
func (d *Dispatcher) turnsAway() bool {
	c := d.gate.circuit
	return c != nil && !d.attempts.rules.Load().wait && !c.Ready(d.now)
}

// turnAway sends them home.
func (d *Dispatcher) turnAway() {
	if d.calls == 0 || !d.turnsAway() {
		return
	}
	c := d.gate.circuit
	open := &CircuitOpenError{RetryAfter: c.Left(d.now)}
	d.finishWaiting(slices.Collect(maps.Values(d.counters)), func(j *Job) error {
		later := j.again && !j.due.Before(c.Until()) && j.due.After(d.now)
		if j.door.call == nil || later {
			return nil
		}
		return open
	})
}

// cancelCall gives a call back that is not in flight.
func (d *Dispatcher) cancelCall(c *call) {
	if d.pull(c) {
		d.finish(&c.Job, c.abandoned())
	}
}

// pull takes a call from where it waits. It returns false if it does not wait.
func (d *Dispatcher) pull(c *call) bool {
	j := &c.Job
	switch {
	case j.queued:
		c.counter.queue.remove(j)
		c.counter.line.went++
	case j.place > 0:
		d.retries.drop(j)
		d.release(j)
	default:
		return false
	}
	return true
}
