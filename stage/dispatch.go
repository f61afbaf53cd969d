package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// dispatch starts attempts until something holds the next one up.
func (d *Dispatcher) dispatch() {
	held, heldFor := free, time.Duration(0)
	d.lookAhead()
	d.turnAway()
	for j := d.next(); j != nil; j = d.next() {
		if d.hopeless(j, 0) {
			d.take(j)
			d.finish(j, d.tooLate(j))
			continue
		}
		enough := d.restoredBudget()
		h, wait, budget := d.gate.check(d.now, d, j, d.interval)
		d.tellBudget(h, wait, budget, enough)
		if h != free {
			held, heldFor = h, wait
			d.alarm.want(d.now, wait)
			break
		}
		d.start(j)
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
	d.watchHold(held)
	d.sendHome(held, heldFor)
	d.stepAside(held)
	d.setAlarm()
	d.setAppetite(held)
	d.full.Store(d.running >= d.setting.Limit+d.ahead)
}

// setAlarm has the dispatcher woken when something changes by itself: beside what
// has been asked for already, a pause of the server's is over, the circuit is half-open,
// or a retry is due.
func (d *Dispatcher) setAlarm() {
	d.alarm.want(d.now, d.gate.pause(d.now))
	if d.circuit == controller.BreakerOpen {
		d.alarm.want(d.now, d.gate.circuit.Until().Sub(d.now))
	}
	for _, j := range []*Job{d.retries.holding.first(), d.retries.parked.first()} {
		if j != nil {
			d.alarm.want(d.now, j.due.Sub(d.now))
		}
	}
	d.alarm.arm(d.now)
}

// next returns the job whose attempt is to start next, without taking it: a
// retry that is due, or else the first job of the door whose turn it is. It
// returns nil if there is none, or no slot for it. While the policy takes the
// service for down, the two take turns, or one job that always fails would be all
// that is ever tried.
func (d *Dispatcher) next() *Job {
	limit := d.setting.Limit + d.ahead
	if d.reporter.pending() || d.running >= limit {
		return nil
	}
	slot := d.running+d.holding < limit
	another := slot && d.setting.Probing && d.retried
	if another {
		if j := d.waiting(); j != nil {
			return j
		}
	}
	if j := d.retries.due(d.now, slot); j != nil {
		return j
	}
	if !slot || another {
		return nil
	}
	return d.waiting()
}

// waiting returns the first job of the door whose turn it is.
func (d *Dispatcher) waiting() *Job {
	for range d.doors {
		if d.turn >= len(d.doors) {
			d.turn = 0
		}
		door := d.doors[d.turn]
		if j := door.queue.first; j != nil {
			if !d.late(door, 0) {
				return j
			}
			d.alarm.want(d.now, d.quickest.Left(d.now)) // then we know no more that it is too late
		}
		d.turn++
	}
	return nil
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
	d.retried = j.again
	d.take(j)
	d.gate.pass(d.now, j, d.interval)
	d.running++
	j.started = d.now.Sub(d.attempts.epoch)
	j.inFlight = int32(min(d.running, d.setting.Limit))
	j.paced, j.probing = d.paced, d.setting.Probing && !(d.sameAgain && j.failure == d.failures)
	if c := j.door.call; c != nil {
		c.turn <- true
		return
	}
	d.pool.put(j)
}

// take takes the job that next returned from where it waits.
func (d *Dispatcher) take(j *Job) {
	switch {
	case j.again:
		d.retries.take(j)
		d.release(j)
	case j.door.call != nil:
		d.counter.queue.pop()
		d.turn++
	default:
		j.door.queue.pop()
		j.door.admitted++
		d.turn++
	}
}

// batch is how many jobs are wanted to wait at a door when nothing holds them
// up: enough to be taken in one go, too few to matter.
const batch = 64

// setAppetite publishes how many jobs are wanted to wait at each door.
func (d *Dispatcher) setAppetite(held hold) {
	n := min(d.setting.Limit+d.ahead, batch)
	if d.interval > 0 {
		n = min(n, max(int(time.Millisecond/d.interval), 1))
	}
	if d.circuit != controller.BreakerClosed || d.empty >= 0 || held == byRate || held == byServer {
		n = 1 // one, or nobody would see that no more jobs come
	}
	d.appetite.Store(int64(n))
	d.lead.Store(int64(d.ahead))
}
