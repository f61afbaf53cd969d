package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// dispatch starts attempts until something holds the next one up.
func (d *Dispatcher) dispatch() {
	held, heldFor := free, time.Duration(0)
	if len(d.doors) > 1 {
		d.reshare()
	}
	d.lookAhead()
	d.turnAway()
	d.unbar()
	d.yieldSlot()
	for j := d.next(); j != nil; j = d.next() {
		if d.hopeless(j, 0) {
			d.take(j)
			d.finish(j, j.stopped(d.tooLate(j)))
			continue
		}
		if d.gate.endless {
			if err := d.gate.neverEnough(d.now, j); err != nil {
				d.take(j)
				d.giveUp(j, err)
				continue // and what the others need may be there
			}
		}
		enough := d.restoredBudget()
		h, wait, budget := d.gate.check(d.now, d, j, d.interval)
		d.tellBudget(h, wait, budget, enough)
		if h == byResource {
			d.bar(j, wait)
			continue
		}
		if h != free {
			held, heldFor = h, wait
			d.alarm.want(d.now, wait)
			break
		}
		d.start(j)
		d.yieldSlot()
	}
	if held == free && len(d.bars.now) > 0 && d.slotFree() {
		held, heldFor = byServer, d.bars.least(d.now)
	}
	if d.jobs == 0 {
		d.tellRestored() // there is nothing left to hold up
	}
	d.gate.pacer.Hold(held == byPace)
	if held == byServer {
		d.gate.gaps = controller.Gaps{} // those to come are the server's
	}
	if !d.reporter.pending() { // else nobody has asked what does
		d.paced = held == byPace && d.interval == d.setting.Interval
	}
	d.pool.publish()
	d.turnAway()
	d.watchHold(held, heldFor)
	d.sendHome(held, heldFor)
	d.sendImpatient(held, heldFor)
	d.stepAside(held)
	held, heldFor = d.roamersHold(held, heldFor)
	d.setAlarm()
	d.setAppetite(held)
	d.setVacancy(held, heldFor)
	d.full.Store(d.running >= d.limit()+d.ahead)
}

// giveUp gives back a job for which a budget will never have enough. That the budget is used up is
// told once: there may be many such jobs.
func (d *Dispatcher) giveUp(j *Job, err *CostError) {
	if e := &d.short; !d.silence.spent {
		d.silence.spent = true
		if e.told && d.gate.name(e.budget) == err.Budget {
			*e = shortage{budget: -1} // it is known, and does not end
		} else {
			d.note(controller.Event{Kind: controller.EventBudgetExhausted, Budget: err.Budget})
		}
	}
	if j.Attempts == 0 {
		j.count(&d.status, err)
	}
	d.finish(j, j.stopped(err))
}

// setAlarm has the dispatcher woken when something changes by itself: beside what
// has been asked for already, a pause of the server's is over, the circuit is half-open,
// or a retry is due.
func (d *Dispatcher) setAlarm() {
	d.alarm.want(d.now, d.gate.pause(d.now))
	if d.circuit == controller.BreakerOpen {
		d.alarm.want(d.now, d.gate.circuit.Until().Sub(d.now))
	}
	for _, h := range [...]*retryHeap{&d.retries.holding, &d.retries.parked} {
		if j := h.first(&d.bars); j != nil {
			d.alarm.want(d.now, j.due.Sub(d.now))
		}
	}
	d.wantAside()
	d.wantReport()
	d.alarm.arm(d.now)
}

// next returns the job whose attempt is to start next, without taking it: a
// retry that is due, or else the first job of the door whose turn it is. It
// returns nil if there is none, or no slot for it.
func (d *Dispatcher) next() *Job {
	switch {
	case d.reporter.pending() || d.running >= d.limit()+d.ahead:
		return nil
	case d.probes():
		return d.nextProbe()
	}
	slot := d.slotFree()
	if j := d.nextAside(slot); j != nil {
		return j
	}
	if slot && d.ranked {
		return d.nextOfAll()
	}
	if j := d.retries.due(d.now, slot, &d.bars); j != nil {
		return j
	}
	if slot || d.stuck() {
		return d.waiting()
	}
	return nil
}

// stuck reports whether nothing runs because jobs that back off hold the slots. If they
// were refused, the refusals may be their own; and if there are fewer slots than the
// throttle may have, the policy does not know the service yet. Only an attempt of another
// job can show it, so one at a time gets a slot lent, until many wait for a retry.
func (d *Dispatcher) stuck() bool {
	return d.running == 0 && (d.refused > 0 || d.holding < d.gate.most) && d.retries.len() < d.mostRetries()
}

// probes reports whether an attempt that starts now is to find out whether the
// service works again.
func (d *Dispatcher) probes() bool {
	return d.setting.Probing || d.circuit == controller.BreakerHalfOpen
}

// nextProbe returns the job that is to ask whether the service works again. One
// that has not failed yet says more than a retry, which may fail by itself, so
// retries have to wait for as long as there is one. Jobs that back off lend it their
// slots, or a few that always fail would be all that is ever tried. But each that
// fails is one more that waits for a retry: when there are mostRetries of them, it
// is their turn.
func (d *Dispatcher) nextProbe() *Job {
	again := d.retries.spare(d.now, &d.bars)
	if again != nil && again.failures == 0 {
		return again // it was only refused
	}
	if d.retries.len() < d.mostRetries() {
		if j := d.waiting(); j != nil {
			return j
		}
	}
	probes := d.running - d.earlier
	if d.setting.Probing && probes > 0 {
		return nil // each may cost a job
	}
	if again == nil {
		return d.nextAside(probes == 0)
	}
	return again
}

// mostRetries is how many jobs may wait for a retry before probes are made with
// them: as many as the pool may have workers, which bounds what they take of memory.
func (d *Dispatcher) mostRetries() int { return max(cap(d.pool.wake), fewProbes) }

// fewProbes is how many jobs may at least be used to find out whether a service is
// back before one of them is used again. Chosen: a block of a thousand bad rows is got
// through, and a thousand jobs are little memory.
const fewProbes = 1024

// slotFree reports whether a job that holds no slot may start, unless it is a probe.
// After slots were lent, more may be held than there are.
func (d *Dispatcher) slotFree() bool { return d.running+d.holding < d.limit()+d.ahead }

// waiting returns the first job of the line whose turn it is, of those of the highest priority,
// but for jobs that wait for their resource.
func (d *Dispatcher) waiting() (first *Job) {
	if len(d.doors) == 1 {
		return d.head(d.doors[0])
	}
	var best *line
	for _, door := range d.doors {
		j, l := d.head(door), &door.line
		if j == nil {
			continue
		}
		if best == nil || l.share.Priority > best.share.Priority || l.share.Priority == best.share.Priority && l.before(best, j, first) {
			first, best = j, l
		}
	}
	return first
}

// head returns the first job of a door, if it may start as far as the door knows.
func (d *Dispatcher) head(door *Door) *Job {
	j := door.queue.first
	if j == nil || d.bars.bar(j) {
		return nil
	}
	if d.late(door, 0) {
		d.alarm.want(d.now, door.quickest.Left(d.now)) // then we know no more that it is too late
		return nil
	}
	return j
}

// stepAside leaves the queue of the commons to others, unless it is what holds
// up the next attempt, or nobody has asked what does because the controller is to
// answer first.
func (d *Dispatcher) stepAside(held hold) {
	if d.reporter.pending() {
		return
	}
	if d.queued && held != byCommons {
		d.gate.commons.withdraw(d)
	}
	d.queued = held == byCommons
}

// start takes the job that next returned and hands it to the pool.
func (d *Dispatcher) start(j *Job) {
	if j.charged = len(d.doors) > 1 || d.ranked; j.charged { // else there is nobody to compare with
		d.charge(j)
	}
	d.take(j)
	d.tellTakenUp(j)
	d.gate.pass(d.now, j, d.interval)
	d.running++
	j.outages = d.outages
	j.started = d.now.Sub(d.attempts.epoch)
	j.inFlight = int32(min(d.running, d.setting.Limit))
	j.paced, d.pacedAway = d.paced, false
	if c := j.door.call; c != nil {
		if !c.once && !j.door.deadline.IsZero() {
			d.haste.Start(d.now, j.door.deadline.Sub(d.now))
		}
		d.unbind(c)
		c.answer.give(admitted)
		return
	}
	d.pool.put(j)
}

// take takes the job that next returned from where it waits.
func (d *Dispatcher) take(j *Job) {
	switch c := j.door.call; {
	case j.again:
		d.retries.drop(j)
		d.release(j)
		j.aside, j.tried = false, j.aside
	case c != nil:
		c.counter.queue.pop()
		c.counter.line.went++
	default:
		j.door.queue.pop()
		j.door.admitted++
	}
}

// batch is how many jobs are wanted to wait at a door when nothing holds them
// up: enough to be taken in one go, too few to matter.
const batch = 64

// fewTurns is how many jobs are wanted at each door where lines have shares: one may have several
// turns one after another, in less time than its owner takes to bring more. Chosen.
const fewTurns = 16

// setAppetite publishes how many jobs are wanted to wait at each door.
func (d *Dispatcher) setAppetite(held hold) {
	n := min(d.setting.Limit+d.ahead, batch)
	if d.shared && len(d.doors) > 1 {
		n = max(n, fewTurns)
	}
	if d.interval > 0 {
		n = min(n, max(int(time.Millisecond/d.interval), 1))
	}
	switch short := d.short.budget >= 0 || held == byRate || held == byServer; {
	case short && d.shared && len(d.doors) > 1 && d.circuit == controller.BreakerClosed:
		n = d.setting.Limit + d.ahead // so many may start at once when it is over, and each line is to have its part
	case short || d.circuit != controller.BreakerClosed:
		n = 1 // one, or nobody would see that no more jobs come
	}
	d.appetite.Store(int64(n))
	d.lead.Store(int64(d.ahead))
	aside := 0
	if d.probes() {
		aside = min(d.retries.len(), d.mostRetries())
	}
	d.aside.Store(int64(aside))
}
