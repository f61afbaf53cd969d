package stage

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/controller"
)

// Config is what a Dispatcher is made of. Its fields must be valid.
type Config struct {
	Clock          clock.Clock
	Controller     controller.Config
	Budgets        []controller.Budget
	Rate           *controller.Rate
	Breaker        *controller.Breaker
	Retry          *controller.Retry
	Jitter         float64
	AttemptTimeout time.Duration
	Classify       func(error) controller.Verdict
	Seed           uint64 // 0: random
}

// A Dispatcher lets attempts start, one after another, when everything allows
// it. It is an actor: a mailbox, and a goroutine that lives as long as there are
// messages in it. All fields below the line belong to that goroutine.
type Dispatcher struct {
	attempts *attempts
	pool     *pool
	most     int // attempts in flight, ever

	mailbox  mailbox
	awake    atomic.Bool   // the goroutine is at work on the mailbox
	loop     func()        // work, once and for all: taking a method's value costs an allocation
	appetite atomic.Int64  // jobs wanted at each door
	lead     atomic.Int64  // ahead, for the doors
	full     atomic.Bool   // no slot is free: more jobs would change nothing
	closing  chan struct{} // closed when no new work is taken
	nudged   atomic.Bool   // nudging is in the mailbox
	nudging  Job

	// ---

	now        time.Time
	controller *controller.Controller
	setting    controller.Setting // in force
	reports    chan *controller.Report
	actors     conc.WaitGroup                    // the controller's goroutine
	report     *controller.Report                // being filled
	spare      *controller.Report                // to be filled next; nil: the controller has it
	answered   atomic.Pointer[controller.Report] // the controller's, on its way back
	awaited    atomic.Bool                       // somebody waits for it
	suspect    bool                              // the report being filled may lead to a cut
	unjudged   bool                              // the one that the controller has may
	told       int64                             // jobs done, as of the last report

	gate    gate
	circuit controller.CircuitState // as last reported
	empty   int                     // the budget that was last reported as exhausted; -1: none

	doors   []*Door
	turn    int     // the door that is asked next
	retries retries // jobs that wait for another attempt
	jobs    int     // in here, wherever
	running int     // attempts in flight, or handed over ahead
	streak  int     // quick successes in a row
	ahead   int     // attempts that may be handed over before a slot is free
	holding int     // slots held by jobs that back off
	alarm   alarm   // wakes the dispatcher when something is due
	status  controller.Status
	leavers []chan struct{} // doors that wait until nothing runs
	drains  []chan struct{} // Drain calls that wait for the same
}

// NewDispatcher returns a dispatcher at rest.
func NewDispatcher(cfg Config) *Dispatcher {
	now := cfg.Clock.Now()
	c := controller.New(cfg.Controller, now)
	most := cfg.Controller.Bounds.MaxLimit
	d := &Dispatcher{
		attempts: &attempts{
			clock:    cfg.Clock,
			epoch:    now,
			timeout:  cfg.AttemptTimeout,
			classify: cfg.Classify,
			retry:    cfg.Retry,
		},
		pool:       newPool(most + batch),
		most:       most,
		closing:    make(chan struct{}),
		now:        now,
		controller: c,
		setting:    c.Setting(),
		report:     new(controller.Report),
		spare:      new(controller.Report),
		empty:      -1,
		gate: gate{
			share:  most,
			pacer:  controller.Pacer{Jitter: cfg.Jitter},
			random: seeded(cfg.Seed),
		},
	}
	for _, b := range cfg.Budgets {
		d.gate.budgets = append(d.gate.budgets, controller.NewWindow(b))
	}
	if cfg.Rate != nil {
		d.gate.rate = controller.NewBucket(*cfg.Rate)
	}
	if cfg.Breaker != nil {
		d.gate.circuit = controller.NewCircuit(*cfg.Breaker)
		d.attempts.counts = cfg.Breaker.Counts
	}
	d.pool.run, d.pool.end, d.pool.now = d.attempts.run, d.attempts.end, d.attempts.now
	d.pool.done, d.pool.gone = d.ended, d.nudge
	d.loop = d.work
	d.alarm = alarm{clock: cfg.Clock, ring: d.nudge}
	d.setAppetite(free)
	return d
}

func seeded(seed uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, seed))
}

// Open opens a door for jobs that are cancelled with ctx.
func (d *Dispatcher) Open(ctx context.Context) *Door {
	door := &Door{dispatcher: d, ctx: ctx, wake: make(chan struct{}, 1)}
	d.call(func() { d.doors = append(d.doors, door) })
	return door
}

// Snapshot returns the state of everything at this moment.
func (d *Dispatcher) Snapshot() controller.Snapshot {
	asked := make(chan controller.Snapshot, 1)
	d.call(func() { d.report.Asked = append(d.report.Asked, asked) })
	return <-asked
}

// Close takes no new work from now on. What was taken is finished.
func (d *Dispatcher) Close() {
	closed := make(chan struct{})
	d.call(func() {
		d.close()
		close(closed)
	})
	<-closed
}

// Closing is closed when no new work is taken.
func (d *Dispatcher) Closing() <-chan struct{} { return d.closing }

// Drain closes, and waits until nothing is left inside or ctx is done; then it
// returns the cause.
func (d *Dispatcher) Drain(ctx context.Context) error {
	drained := make(chan struct{})
	d.call(func() {
		d.close()
		d.drains = append(d.drains, drained)
	})
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call has the dispatcher's goroutine call f.
func (d *Dispatcher) call(f func()) { d.post(&Job{message: called, call: f}) }

// nudge has the dispatcher's goroutine look whether there is anything to do.
func (d *Dispatcher) nudge() {
	if d.nudged.CompareAndSwap(false, true) {
		d.nudging.message = nudge
		d.post(&d.nudging)
	}
}

// ended sends back a job whose attempt has ended.
func (d *Dispatcher) ended(j *Job) {
	j.message = ended
	d.post(j)
}

func (d *Dispatcher) post(j *Job) {
	var b Batch
	b.Add(j)
	d.send(b)
}

// send puts messages into the mailbox, and starts the goroutine if it is not
// there to read them.
func (d *Dispatcher) send(b Batch) {
	d.mailbox.push(b)
	d.wake()
}

func (d *Dispatcher) wake() {
	if !d.awake.Load() && d.awake.CompareAndSwap(false, true) {
		go d.loop()
	}
}

// work reads the mailbox until it is empty. A message that comes while it is
// leaving finds it either awake still, or gone and replaceable.
func (d *Dispatcher) work() {
	for {
		if mail := d.mailbox.takeAll(); !mail.Empty() {
			d.handle(mail)
			continue
		}
		d.awake.Store(false)
		if d.mailbox.empty() || !d.awake.CompareAndSwap(false, true) {
			return
		}
	}
}

// handle takes a mailbox full of messages, starts what may start, and sends on
// what has come of it.
func (d *Dispatcher) handle(mail List) {
	if now := d.attempts.clock.Now(); now.After(d.now) {
		d.now = now
	}
	d.takeAnswer()
	for j := mail.Pop(); j != nil; j = mail.Pop() {
		switch j.message {
		case submitted:
			d.submit(j)
		case ended:
			d.end(j)
		case called:
			j.call()
		case nudge:
			d.nudged.Store(false)
		}
	}
	d.watchCircuit()
	d.dispatch()
	d.sendBack()
	d.sendReport()
	d.rest()
}

// submit takes a job in.
func (d *Dispatcher) submit(j *Job) {
	d.jobs++
	j.door.inside++
	if err := d.gate.tooDear(j); err != nil {
		j.door.admitted++
		d.status.Failed++
		d.finish(j, err)
		return
	}
	if j.door.canceled {
		j.door.admitted++
		d.finish(j, j.abandoned())
		return
	}
	j.door.queue.push(j)
}

// end takes a job whose attempt has ended: it is done with, or tried again.
func (d *Dispatcher) end(j *Job) {
	d.running--
	d.follow(j)
	d.gate.settle(d.now, j)
	d.watchCircuit()
	if j.again && j.door.canceled {
		j.again, j.Err = false, j.abandoned()
	}
	d.tell(j)
	if !j.again {
		d.finish(j, j.Err)
		return
	}
	d.tryAgain(j)
}

// tell puts the outcome of an attempt into the report. As long as the
// controller has not judged a sign of overload, nothing more is started.
func (d *Dispatcher) tell(j *Job) {
	if j.skipped {
		return
	}
	e := controller.End{
		Start:    j.started,
		Took:     j.ended - j.started,
		Tokens:   max(j.tokens, 0),
		InFlight: j.inFlight,
		Verdict:  j.verdict,
		Final:    !j.again,
	}
	d.report.Ends = append(d.report.Ends, e)
	d.suspect = d.suspect || e.Overloads()
}

// tryAgain lets a job back off, with its slot unless it is to be parked.
func (d *Dispatcher) tryAgain(j *Job) {
	wait := max(d.attempts.retry.Delay(j.Attempts, d.gate.random.Float64()), j.retryAfter)
	j.due = d.now.Add(wait)
	j.holding = !d.attempts.retry.Park
	if j.holding {
		d.holding++
	}
	d.retries.add(j)
	d.status.Retries++
	d.note(controller.Event{Kind: controller.EventRetry, Attempt: j.Attempts - 1, Err: j.Err, Wait: wait})
}

// finish gives a job back to its door.
func (d *Dispatcher) finish(j *Job, err error) {
	j.Err = err
	switch {
	case err == nil:
		d.status.Completed++
	case j.Attempts > 0:
		d.status.Failed++
	}
	d.jobs--
	j.door.inside--
	j.door.back.Add(j)
}

// cancel gives back all jobs of a door that are not in flight.
func (d *Dispatcher) cancel(door *Door) {
	door.canceled = true
	for door.queue.first != nil {
		j := door.queue.pop()
		door.admitted++
		d.finish(j, j.abandoned())
	}
	for _, j := range d.retries.remove(door) {
		d.release(j)
		d.finish(j, j.abandoned())
	}
}

// dispatch starts attempts until something holds the next one up.
func (d *Dispatcher) dispatch() {
	held := free
	d.lookAhead()
	for j := d.next(); j != nil; j = d.next() {
		h, wait, budget := d.gate.check(d.now, j, d.setting.Interval)
		d.tellBudget(h, wait, budget)
		if h != free {
			held = h
			d.alarm.want(d.now, wait)
			break
		}
		d.start(j)
	}
	d.pool.publish()
	if d.circuit == controller.BreakerOpen {
		d.alarm.want(d.now, d.gate.circuit.Until().Sub(d.now))
	}
	if j := d.retries.first(); j != nil && j.due.After(d.now) {
		d.alarm.want(d.now, j.due.Sub(d.now))
	}
	d.alarm.arm(d.now)
	d.setAppetite(held)
	d.full.Store(d.running >= d.setting.Limit+d.ahead)
}

// quick is an attempt that takes less than handing it over does.
const quick = 10 * time.Microsecond

// steady is how many quick successes in a row make the dispatcher believe that
// the next ones will be the same.
const steady = 256

// lookAhead decides how many attempts are handed over before a slot is free.
// Usually none: then what is in force is in force from the very next attempt.
// Only when attempts are so short that a worker would wait longer for the next
// one than it takes, and all have succeeded for a while, a batch is kept ready.
// The limit holds all the same, since there are no more workers than it allows.
func (d *Dispatcher) lookAhead() {
	d.ahead = 0
	if d.streak >= steady && d.setting.Interval == 0 && d.gate.rate == nil {
		d.ahead = batch
	}
}

// follow keeps count of quick successes. A clock that stands still, as in
// tests, measures none.
func (d *Dispatcher) follow(j *Job) {
	took := j.ended - j.started
	if j.verdict != controller.Succeeded || took <= 0 || took >= quick {
		d.streak = 0
		return
	}
	d.streak++
}

// next returns the job whose attempt is to start next, without taking it: a
// retry that is due, or else the first job of the door whose turn it is. It
// returns nil if there is none, or no slot for it.
func (d *Dispatcher) next() *Job {
	limit := d.setting.Limit + d.ahead
	if d.suspect || d.unjudged || d.running >= limit {
		return nil
	}
	slot := d.running+d.holding < limit
	if j := d.retries.first(); j != nil && !j.due.After(d.now) && (slot || j.holding) {
		return j
	}
	if !slot {
		return nil
	}
	for range d.doors {
		if d.turn >= len(d.doors) {
			d.turn = 0
		}
		if j := d.doors[d.turn].queue.first; j != nil {
			return j
		}
		d.turn++
	}
	return nil
}

// start takes the job that next returned and hands it to the pool.
func (d *Dispatcher) start(j *Job) {
	if j.again {
		d.retries.takeFirst()
		d.release(j)
	} else {
		j.door.queue.pop()
		j.door.admitted++
		d.turn++
	}
	d.gate.pass(d.now, j, d.setting.Interval)
	d.running++
	j.inFlight = int32(min(d.running, d.setting.Limit))
	d.pool.put(j)
}

// release frees the slot of a job that backs off with it.
func (d *Dispatcher) release(j *Job) {
	if j.holding {
		j.holding = false
		d.holding--
	}
}

// batch is how many jobs are wanted to wait at a door when nothing holds them
// up: enough to be taken in one go, too few to matter.
const batch = 64

// setAppetite publishes how many jobs are wanted to wait at each door.
func (d *Dispatcher) setAppetite(held hold) {
	n := min(d.setting.Limit+d.ahead, batch)
	if interval := d.setting.Interval; interval > 0 {
		n = min(n, max(int(time.Millisecond/interval), 1))
	}
	switch {
	case d.circuit == controller.BreakerHalfOpen, held == byRate:
		n = 1
	case d.circuit == controller.BreakerOpen, held == byBudget:
		n = 0
	}
	d.appetite.Store(int64(n))
	d.lead.Store(int64(d.ahead))
}

// sendBack gives doors the jobs that are done with, and wakes the owners that
// have something to do.
func (d *Dispatcher) sendBack() {
	for _, door := range d.doors {
		door.waiting.Add(-door.admitted)
		door.admitted = 0
		back := !door.back.Empty()
		if back {
			door.finished.push(door.back)
			door.back = Batch{}
		}
		if back || door.hungry.Load() && door.Room() > 0 {
			door.rouse()
		}
	}
}

// note adds an event to the report, if anybody wants to know.
func (d *Dispatcher) note(e controller.Event) {
	if d.controller.Listens() {
		e.At = d.now
		d.report.Events = append(d.report.Events, e)
	}
}

// watchCircuit notes a change of the circuit.
func (d *Dispatcher) watchCircuit() {
	if d.gate.circuit == nil {
		return
	}
	state := d.gate.circuit.State(d.now)
	if state == d.circuit {
		return
	}
	d.circuit = state
	switch state {
	case controller.BreakerOpen:
		d.note(controller.Event{Kind: controller.EventCircuitOpened, Wait: d.gate.circuit.Until().Sub(d.now)})
	case controller.BreakerHalfOpen:
		d.note(controller.Event{Kind: controller.EventCircuitHalfOpen})
	case controller.BreakerClosed:
		d.note(controller.Event{Kind: controller.EventCircuitClosed})
	}
}

// tellBudget notes that a budget holds attempts up, or that it does so no more.
func (d *Dispatcher) tellBudget(h hold, wait time.Duration, budget int) {
	if h != byBudget {
		budget = -1
	}
	if budget == d.empty {
		return
	}
	if d.empty >= 0 {
		d.note(controller.Event{Kind: controller.EventBudgetRestored, Budget: d.gate.budgets[d.empty].Name})
	}
	if budget >= 0 {
		d.note(controller.Event{Kind: controller.EventBudgetExhausted, Budget: d.gate.budgets[budget].Name, Wait: wait})
	}
	d.empty = budget
}

// sendReport gives the controller the report, unless it is still at the last.
func (d *Dispatcher) sendReport() {
	r := d.report
	done := d.status.Completed + d.status.Failed
	if d.spare == nil || d.more() || len(r.Ends) == 0 && len(r.Events) == 0 && len(r.Asked) == 0 && done == d.told {
		return
	}
	d.told = done
	d.status.Circuit, d.status.InFlight = d.circuit, d.running-d.pool.waiting()
	budgets := r.Status.Budgets
	r.Now, r.Gap, r.Status = d.now, d.gate.gaps.Mean(d.now), d.status
	r.Status.Budgets = d.gate.status(d.now, budgets)
	d.report, d.spare = d.spare, nil
	d.unjudged, d.suspect = d.suspect, false
	r.Urgent = d.unjudged
	if d.reports == nil {
		reports := make(chan *controller.Report, 1)
		d.reports = reports
		d.actors.Go(func() { d.controller.Run(reports, d.sendAnswer) })
	}
	d.reports <- r
}

// reportSize is how many ends of quick attempts are reported at once.
const reportSize = 64

// more reports whether the report can wait for more to tell: if all that is in
// it is that attempts were quick and succeeded, and others will within no time.
func (d *Dispatcher) more() bool {
	r := d.report
	n := len(r.Ends)
	return n > 0 && n < reportSize && d.ahead > 0 && d.running > 0 &&
		!d.suspect && len(r.Events) == 0 && len(r.Asked) == 0
}

// sendAnswer is called by the controller. An answer that changes nothing need
// not wake anybody.
func (d *Dispatcher) sendAnswer(r *controller.Report) {
	wake := r.Urgent || r.Changed
	d.answered.Store(r)
	if wake || d.awaited.Load() {
		d.nudge()
	}
}

// takeAnswer takes a report back from the controller, if one has come.
func (d *Dispatcher) takeAnswer() {
	r := d.answered.Swap(nil)
	if r == nil {
		return
	}
	d.gate.pacer.Slower(r.Setting.Interval - d.setting.Interval)
	d.setting = r.Setting
	d.unjudged = false
	r.Urgent, r.Changed = false, false
	clear(r.Events)
	clear(r.Asked)
	r.Ends, r.Events, r.Asked = r.Ends[:0], r.Events[:0], r.Asked[:0]
	d.spare = r
}

// close takes no new work from now on.
func (d *Dispatcher) close() {
	if d.status.Closed {
		return
	}
	d.status.Closed = true
	close(d.closing)
	d.note(controller.Event{Kind: controller.EventClosed})
	if d.busy() {
		d.note(controller.Event{Kind: controller.EventDraining})
	}
}

// leave removes a door whose jobs have all come back.
func (d *Dispatcher) leave(door *Door, left chan struct{}) {
	d.doors = slices.DeleteFunc(d.doors, func(other *Door) bool { return other == door })
	d.leavers = append(d.leavers, left)
}

// busy reports whether there are jobs, or more may come.
func (d *Dispatcher) busy() bool {
	return d.jobs > 0 || slices.ContainsFunc(d.doors, func(door *Door) bool { return !door.stopped })
}

// rest keeps workers for as long as there is or may be work. When there is none
// it sends them and the controller home, and tells those who wait for that.
func (d *Dispatcher) rest() {
	if d.busy() {
		d.pool.resize(d.setting.Limit)
		d.letGo(&d.leavers)
		return
	}
	if d.status.Closed && !d.status.Drained {
		d.status.Drained = true
		d.note(controller.Event{Kind: controller.EventDrained})
		d.sendReport()
	}
	d.pool.resize(0)
	d.awaited.Store(d.spare == nil)
	if d.spare == nil && d.answered.Load() != nil {
		d.nudge()
	}
	if d.spare == nil || !d.pool.left() {
		return
	}
	if d.reports != nil {
		close(d.reports)
		d.actors.Wait()
		d.reports = nil
	}
	d.alarm.arm(d.now) // for nothing
	d.letGo(&d.leavers)
	if d.status.Closed {
		d.letGo(&d.drains)
	}
}

func (d *Dispatcher) letGo(waiting *[]chan struct{}) {
	for _, w := range *waiting {
		close(w)
	}
	*waiting = nil
}
