package stage

import (
	"context"
	"maps"
	"slices"
)

// A call is a job by itself, which comes through no pipeline. It waits for its
// turn as jobs do, but its attempts run in the goroutine of its caller and need
// no worker. All calls of one resource wait in one queue, and take turns with the doors.
type call struct {
	Job
	own  Door      // stands for it; nobody opens it
	turn chan bool // true: an attempt may start; false: the job has come back
	patience

	share   Share
	counter *Door // where it has waited for its first turn
}

// WorkFunc is a function as Work.
type WorkFunc func(ctx context.Context) error

// Attempt calls the function.
func (f WorkFunc) Attempt(ctx context.Context) error { return f(ctx) }

// Do does a job, which asks for what ctx says, in the calling goroutine and returns its error.
func (d *Dispatcher) Do(ctx context.Context, work Work) error {
	c := d.newCall(ctx, Job{Work: work})
	for c.admitted() {
		if err, again := c.attempt(); !again {
			return err
		}
	}
	return c.Err
}

// Acquire waits for a slot that its caller holds until Release.
func (d *Dispatcher) Acquire(ctx context.Context) (*Slot, error) {
	c := d.newCall(ctx, Job{once: true})
	if !c.admitted() {
		return nil, c.Err
	}
	a := d.attempts
	if ctx.Err() != nil {
		a.skip(&c.Job)
		err := c.Err
		d.ended(&c.Job)
		return nil, err
	}
	a.begin(&c.Job, a.rules.Load(), c.started)
	c.scope.used.Store(true)
	c.scope.slot.release = c.release
	return &c.scope.slot, nil
}

// newCall sends a job in and leaves it to wait for its turn.
func (d *Dispatcher) newCall(ctx context.Context, j Job) *call {
	asked := AskedOf(ctx)
	c := &call{Job: j, turn: make(chan bool, 1), share: asked.Share}
	c.Ask, c.patience = asked.Ask, patience{bounded: asked.Bounded, most: asked.MaxWait}
	c.own = Door{dispatcher: d, ctx: ctx, call: c}
	c.own.deadline, _ = ctx.Deadline()
	c.door, c.message, c.taken = &c.own, submitted, d.attempts.now()
	switch {
	case ctx.Err() != nil:
		c.Err = context.Cause(ctx)
		c.turn <- false
	case d.Closed():
		c.Err = ErrClosed
		c.turn <- false
	case d.Nested(ctx):
		c.Err = ErrNested
		c.turn <- false
	default:
		d.post(&c.Job)
	}
	return c
}

// admitted waits until an attempt may start, or the job has come back.
func (c *call) admitted() bool {
	select {
	case admitted := <-c.turn:
		return admitted
	case <-c.own.ctx.Done():
		c.own.Cancel()
		return <-c.turn
	}
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
		d.ended(&c.Job)
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
		c.own.dispatcher.ended(&c.Job)
	}()
	c.Err = err
	a.end(&c.Job, r, r.timeout > 0 && a.now()-c.started >= r.timeout)
	judged = true
}

// admitCall takes a call in.
func (d *Dispatcher) admitCall(j *Job) {
	d.calls++
	switch err := d.attempts.rules.Load().tooDear(j.Ask); {
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
