package stage

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// Config is what a Dispatcher is made of. Its fields must be valid.
type Config struct {
	Clock          clock.Clock
	Controller     controller.Config
	Budgets        []controller.Budget
	Commons        *Commons // further budgets, not ours alone; nil: none
	Owner          any      // is not collected as long as the dispatcher is in use
	Rate           *controller.Rate
	Breaker        *controller.Breaker
	Retry          *controller.Retry
	Jitter         float64
	Spread         float64 // lengthens pauses and the circuit's open time by up to this share
	AttemptTimeout time.Duration
	MaxPause       time.Duration // the longest that a server may ask for; 0: no bound
	Classify       func(error) controller.Verdict
	Seed           uint64 // 0: random
}

// A Dispatcher lets attempts start, one after another, when everything allows
// it. It is an actor: a mailbox, and somebody who reads it: a goroutine that lives as long as there are
// messages in it, or a caller (see combine). All fields below the line belong to the one who does.
type Dispatcher struct {
	owner    any
	attempts *attempts
	watch    func(fn func(controller.Event)) (stop func()) // the controller's, which any goroutine may call

	mailbox  mailbox
	awake    atomic.Bool   // somebody is the dispatcher: its goroutine, or a caller for a while
	loop     func()        // work, once and for all: taking a method's value costs an allocation
	appetite atomic.Int64  // jobs wanted at each door
	lead     atomic.Int64  // ahead, for the doors
	aside    atomic.Int64  // jobs that failed while the service is probed with others, for the doors
	full     atomic.Bool   // no slot is free: more jobs would change nothing
	closing  chan struct{} // closed when no new work is taken
	nudged   atomic.Bool   // there is something to look at, if not in the mailbox
	patient  atomic.Bool   // see bePatient
	bound    atomic.Int64  // until when, since the epoch, the gate holds back what a new one would let through

	// ---

	read     time.Duration // what the caller who is the dispatcher has just read of the clock; 0: nothing
	mail     List          // that was taken out of the mailbox
	asked    func()        // what the caller who is the dispatcher wants done; nil: nothing
	now      time.Time
	setting  controller.Setting // in force
	interval time.Duration      // in force
	reporter *reporter
	pool     *pool

	gate    gate
	circuit controller.CircuitState // as last reported
	short   shortage
	paused  bool // a server has asked for it, as last reported
	bounded bool // for longer than we wait, as last reported
	queued  bool // may be in the queue of the commons
	paced   bool // the policy's interval is what held up the next attempt last

	heldBy    hold      // what holds up the next attempt for a while
	heldSince time.Time // up to here, the time that it was held up is counted
	heldUntil time.Time // who cannot wait so long has been sent home; zero: nothing does

	spell spell

	roamed    bool // there is or was a roaming door
	pacedAway bool // the interval has kept a job of such a door away
	doors     []*Door
	counters  map[counterKey]*Door // those of doors where calls wait
	ordinary  *Door                // the one of ordinary calls; nil: none came yet
	calls     int                  // in here, wherever
	retries   retries              // jobs that wait for another attempt
	bars      bars
	peers     controller.Peers
	crowded   int                  // refusals in a row of a service that has too much to do
	jobs      int                  // in here, wherever, calls included
	running   int                  // attempts in flight, or handed over ahead
	outages   int32                // times that the service was taken for down
	earlier   int                  // of those running, while it is asked whether it works again, the ones from before that
	haste     controller.Deadlines // of calls
	streak    int                  // quick successes in a row
	ahead     int                  // attempts that may be handed over before a slot is free
	holding   int                  // slots held by jobs that back off
	refused   int                  // of them by jobs whose last attempt was refused
	retired   []*pool              // that have become too small, with what they had begun
	alarm     alarm                // wakes the dispatcher when something is due
	status    controller.Status
	silence   silence
	leavers   []chan struct{} // doors that wait until nothing runs
	drains    []chan struct{} // Drain calls that wait for the same

	turns
	waits

	roaming vacancy // apart from what other doors read
}

// NewDispatcher returns a dispatcher at rest.
func NewDispatcher(cfg Config) *Dispatcher {
	now := cfg.Clock.Now()
	c := controller.New(cfg.Controller, now)
	most := cfg.Controller.Bounds.MaxLimit
	d := &Dispatcher{
		owner: cfg.Owner,
		attempts: &attempts{
			clock:     cfg.Clock,
			epoch:     now,
			allowance: controller.NewAllowance(max(most, fewRetries)),
		},
		watch:     c.Watch,
		closing:   make(chan struct{}),
		now:       now,
		heldSince: now,
		counters:  make(map[counterKey]*Door),
		setting:   c.Setting(),
		interval:  c.Setting().Interval,
		short:     shortage{budget: -1},
		gate: gate{
			commons: cfg.Commons,
			random:  seeded(cfg.Seed),
		},
	}
	d.reporter = newReporter(c, cfg.Controller, d.nudge)
	d.pool = d.newPool(most)
	d.gate.update(now, cfg)
	d.attempts.rules.Store(newRules(cfg))
	d.loop = d.work
	d.turns.turn = 1
	d.alarm.clock, d.alarm.ring = cfg.Clock, d.nudge
	d.setAppetite(free)
	return d
}

// fewRetries is how many retries are allowed at first, at least, whatever the
// retry budget.
const fewRetries = 10

func (d *Dispatcher) newPool(most int) *pool {
	p := newPool(most, most+batch)
	p.run, p.abort, p.now = d.attempts.run, d.attempts.abort, d.attempts.now
	p.done, p.gone = d.ended, d.nudge
	return p
}

// allBudgets returns those that are the dispatcher's alone, and the others.
func (cfg Config) allBudgets() []controller.Budget {
	if cfg.Commons == nil {
		return cfg.Budgets
	}
	return append(slices.Clone(cfg.Budgets), cfg.Commons.budgets...)
}

func newRules(cfg Config) *rules {
	r := &rules{
		timeout:  cfg.AttemptTimeout,
		maxPause: cfg.longestPause(),
		classify: cfg.Classify,
		retry:    cfg.Retry,
		budgets:  cfg.allBudgets(),
		rate:     cfg.Rate,
	}
	if cfg.Breaker != nil {
		r.counts, r.wait = cfg.Breaker.Counts, cfg.Breaker.Wait
	}
	return r
}

func seeded(seed uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, seed))
}

// Snapshot returns the state of everything at this moment.
func (d *Dispatcher) Snapshot() controller.Snapshot {
	asked := make(chan controller.Snapshot, 1)
	d.request(func() { d.reporter.ask(asked) })
	return <-asked
}

// Watch calls fn with each event from now on, until stop is called.
func (d *Dispatcher) Watch(fn func(controller.Event)) (stop func()) { return d.watch(fn) }

// request has the dispatcher's goroutine call f.
func (d *Dispatcher) request(f func()) { d.post(&Job{message: requested, request: f}) }

// nudge has the dispatcher's goroutine look whether there is anything to do.
func (d *Dispatcher) nudge() {
	d.nudged.Store(true)
	d.wake()
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

// handle takes a mailbox full of messages, starts what may start, and sends on
// what has come of it.
func (d *Dispatcher) handle() {
	d.look()
	if setting, ok := d.reporter.take(); ok {
		d.set(setting)
	}
	for j := d.mail.Pop(); j != nil; j = d.mail.Pop() {
		switch j.message {
		case submitted:
			d.submit(j)
		case ended:
			d.end(j)
		case requested:
			j.request()
		}
	}
	if f := d.asked; f != nil {
		d.asked = nil
		f()
	}
	d.watchCircuit(nil)
	d.watchPause()
	d.staff()
	d.dispatch()
	d.sendBack()
	d.watchDrain()
	d.report()
	d.rest()
	d.bound.Store(int64(d.boundUntil()))
	d.bePatient()
}

// look looks at the clock, unless the caller who is the dispatcher has just done that.
func (d *Dispatcher) look() {
	now := time.Time{}
	if d.read > 0 {
		now, d.read = d.attempts.epoch.Add(d.read), 0
	} else {
		now = d.attempts.clock.Now()
	}
	if now.After(d.now) {
		d.now = now
	}
}

// boundUntil returns until when, since the epoch, the dispatcher must not be forgotten.
func (d *Dispatcher) boundUntil() time.Duration {
	if d.jobs > 0 {
		return math.MaxInt64
	}
	return d.gate.bound(d.now).Sub(d.attempts.epoch)
}

// Bound reports whether the dispatcher is in use, or holds attempts back, or may, that a new
// one would let through: by a pause, an open circuit, a budget that is used in part.
func (d *Dispatcher) Bound() bool {
	return d.awake.Load() || d.attempts.now() < time.Duration(d.bound.Load())
}

// staff lets the pool have as many workers as the limit says, while there is or
// may be work.
func (d *Dispatcher) staff() {
	if !d.busy() {
		return
	}
	if d.pool.size.Load() == 0 {
		d.status.Since = d.now
	}
	d.pool.resize(d.limit())
}

// limit returns how many attempts may be in flight. Those that started before the service is asked
// whether it works again do not keep it from being asked: they may take long, or hang.
func (d *Dispatcher) limit() int {
	if d.earlier == 0 {
		return d.setting.Limit
	}
	return max(min(d.setting.Limit+d.earlier, d.gate.most), d.setting.Limit)
}

// set puts a setting in force.
func (d *Dispatcher) set(s controller.Setting) {
	was, most := d.setting, d.limit()
	d.setting = s
	switch {
	case !s.Probing:
		d.earlier = 0
	case !was.Probing:
		d.outages++
		d.earlier = d.running
	}
	if s.Limit < was.Limit || d.limit() < most {
		d.takeBack() // it was let through when more was allowed
	}
	d.pace()
}

// leaveFlight notes that an attempt of j is in flight no more.
func (d *Dispatcher) leaveFlight(j *Job) {
	d.running--
	if d.earlier > 0 && j.outages < d.outages {
		d.earlier--
	}
}

// pace puts the policy's interval in force.
func (d *Dispatcher) pace() {
	interval := d.setting.Interval
	if interval == d.interval {
		return
	}
	if interval-d.interval > d.gate.pacer.Spare() {
		d.takeBack() // it was let through when more was allowed
	}
	d.gate.repace(d.now, d.interval, interval)
	d.interval = interval
}

// submit takes a job in.
func (d *Dispatcher) submit(j *Job) {
	d.jobs++
	if j.door.call != nil {
		d.admitCall(j)
		return
	}
	err := j.Err
	if err == nil || j.Attempts > 0 { // that is of an attempt somewhere else
		err = d.attempts.rules.Load().tooDear(j)
	}
	if err != nil { // nobody needs to try it
		j.door.admitted++
		j.count(&d.status, err)
		d.finish(j, j.stopped(err))
		return
	}
	if j.door.canceled {
		j.door.admitted++
		d.finish(j, j.abandoned())
		return
	}
	if j.door.queue.first == nil && len(d.doors) > 1 {
		d.recall() // it is to wait for its turn, not for all that others have handed over ahead
		d.enter(&j.door.line)
	}
	j.door.queue.push(j)
	d.heldSlot(j)
}

// finish gives a job back to its door.
func (d *Dispatcher) finish(j *Job, err error) {
	j.Err = err
	if err == nil || j.Attempts > 0 {
		j.count(&d.status, err)
	}
	d.jobs--
	j.door.clear(j, err)
	if c := j.door.call; c != nil {
		d.calls--
		d.unbind(c)
		c.comeBack()
		return
	}
	j.door.back.Add(j)
}

// cancel gives back all jobs of a door that are not in flight.
func (d *Dispatcher) cancel(door *Door) {
	door.canceled = true
	if c := door.call; c != nil {
		d.cancelCall(c)
		return
	}
	d.finishWaiting([]*Door{door}, func(j *Job) error {
		if j.door != door {
			return nil
		}
		return context.Cause(door.ctx)
	})
}

// withdraw gives back the jobs of a door that have not been started.
func (d *Dispatcher) withdraw(door *Door, why error) {
	d.finishWaiting([]*Door{door}, func(j *Job) error {
		if j.door != door || j.Attempts > 0 {
			return nil
		}
		return why
	})
}

// finishWaiting gives back those jobs for which there is a reason why they are to wait no
// longer: of those that back off, and of those that wait at the doors for a first attempt.
func (d *Dispatcher) finishWaiting(doors []*Door, why func(*Job) error) {
	unwanted := func(j *Job) bool { return why(j) != nil }
	for _, door := range doors {
		for _, j := range door.queue.removeAll(unwanted) {
			if j.door == door {
				door.admitted++
			} else { // it is a call
				door.line.went++
			}
			d.finish(j, why(j))
		}
	}
	for _, j := range d.retries.remove(unwanted) {
		d.release(j)
		j.left = j.unwanted()
		d.finish(j, j.stopped(why(j)))
	}
}

// sendBack gives doors the jobs that are done with, and wakes the owners that
// have something to do. Of owners that wait for a place of the lobby's one is enough.
func (d *Dispatcher) sendBack() {
	for _, door := range d.doors {
		door.waiting.Add(-door.admitted)
		if door.roams {
			d.roaming.coming.Add(-door.admitted)
		}
		door.admitted = 0
		d.wantPeers(door)
	}
	told := false // the lobby, that something is vacant
	for _, door := range d.doors {
		back := !door.back.Empty()
		if back {
			door.inbox.finished.push(door.back)
			door.back = Batch{}
		}
		if back || door.hungry.Load() && !(door.roams && told) && door.open() {
			told = door.inbox.wakeOwner() && door.roams || told
		}
	}
}
