package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

func (d *Dispatcher) note(e controller.Event) { d.reporter.note(d.now, e) }

// watchCircuit notes a change of the circuit, and the error that opened it.
func (d *Dispatcher) watchCircuit(err error) {
	state := controller.BreakerClosed
	if d.gate.circuit != nil {
		state = d.gate.circuit.State(d.now)
	}
	if state == d.circuit {
		return
	}
	d.circuit = state
	switch state {
	case controller.BreakerOpen:
		d.note(controller.Event{Kind: controller.EventCircuitOpened, Wait: d.gate.circuit.Until().Sub(d.now), Err: err})
	case controller.BreakerHalfOpen:
		d.note(controller.Event{Kind: controller.EventCircuitHalfOpen})
	case controller.BreakerClosed:
		d.note(controller.Event{Kind: controller.EventCircuitClosed})
	}
}

// restored is the share of a budget that has to be free for it to count as
// restored. A budget that attempts use up as it trickles in stays exhausted,
// unless one of them is held up for long.
const restored = 0.1

// longStall is how long a budget has to hold an attempt up for that to be an event
// of its own, with an end of its own. Chosen: what a user who looks on notices.
const longStall = time.Second

// restoredBudget reports whether the budget that was exhausted, if one was, has
// enough again.
func (d *Dispatcher) restoredBudget() bool {
	return d.short.budget < 0 || d.gate.free(d.now, d.short.budget) >= restored
}

// tellBudget notes that a budget holds attempts up, or that it does so no more.
// Whether it has enough again was to be asked before an attempt took its part.
func (d *Dispatcher) tellBudget(h hold, wait time.Duration, budget int, enough bool) {
	e := &d.short
	switch {
	case h == byCommons && wait == 0: // it is another one's turn, who has not come yet
	case h != byBudget && h != byCommons:
		if enough {
			d.forgetExhausted()
		} else if e.stalled(d.now) {
			d.tellRestored()
		}
		e.since = time.Time{}
	case budget != e.budget:
		d.forgetExhausted()
		d.tellExhausted(budget, wait)
	case e.since.IsZero() && (!e.told || wait >= longStall):
		d.tellRestored()
		d.tellExhausted(budget, wait)
	case e.since.IsZero():
		e.since = d.now
	}
}

// A shortage is of a budget that has held attempts up and has not enough again.
type shortage struct {
	budget int       // -1: none
	since  time.Time // when it began to hold the next attempt up; zero: it does not now
	told   bool      // and its end is not
}

// stalled reports whether the budget has held an attempt up for long.
func (e *shortage) stalled(now time.Time) bool {
	return !e.since.IsZero() && now.Sub(e.since) >= longStall
}

func (d *Dispatcher) tellExhausted(budget int, wait time.Duration) {
	d.short = shortage{budget: budget, since: d.now, told: true}
	if wait > controller.LongestHint {
		wait = 0 // until others give something back: nobody knows when
	}
	d.note(controller.Event{Kind: controller.EventBudgetExhausted, Budget: d.gate.name(budget), Wait: wait})
}

// tellRestored notes that the budget holds nothing up any more, if it is not known yet.
func (d *Dispatcher) tellRestored() {
	if e := &d.short; e.told {
		e.told = false
		d.note(controller.Event{Kind: controller.EventBudgetRestored, Budget: d.gate.name(e.budget)})
	}
}

// forgetExhausted notes that no budget is exhausted any more.
func (d *Dispatcher) forgetExhausted() {
	d.tellRestored()
	d.short = shortage{budget: -1}
}

// watchHold counts for how long what held up the next attempt has done so, and
// notes what does now.
func (d *Dispatcher) watchHold(held hold, wait time.Duration) {
	d.countHold()
	if !d.reporter.pending() { // else nobody has asked what does
		d.status.HeldBy = d.holder(held)
		d.spell.watch(d.now, held, wait)
		if d.status.HeldBy != controller.HeldByNothing {
			d.gate.ringWhenHeld()
		}
	}
}

func (d *Dispatcher) countHold() {
	d.status.Held.Add(d.status.HeldBy, max(d.now.Sub(d.heldSince), 0))
	d.heldSince = d.now
}

// heldSlot notes that a job has been waiting for a slot since it came. Who comes
// when there is none wakes nobody.
func (d *Dispatcher) heldSlot(j *Job) {
	if d.status.HeldBy == controller.HeldByNothing && d.full.Load() {
		d.status.HeldBy = controller.HeldByLimit
		d.gate.ringWhenHeld()
		if came := d.attempts.epoch.Add(j.taken); came.After(d.heldSince) {
			d.heldSince = came
		}
	}
}

// holder returns what holds up the next attempt. If it is not the gate, it is that
// no slot is free, or that nobody waits for one.
func (d *Dispatcher) holder(held hold) controller.Hold {
	switch held {
	case byCircuit:
		return controller.HeldByCircuit
	case byServer:
		return controller.HeldByServer
	case byBudget, byCommons:
		return controller.HeldByBudget
	case byRate:
		return controller.HeldByRate
	case byPace:
		return controller.HeldByPace
	case byLease:
		return controller.HeldByLimit
	}
	if !d.slotFree() && d.wanted() {
		return controller.HeldByLimit
	}
	return controller.HeldByNothing
}

// wanted reports whether a job waits at a door.
func (d *Dispatcher) wanted() bool {
	for _, door := range d.doors {
		if door.queue.first != nil {
			return true
		}
	}
	return false
}

// done is how many jobs are.
func (d *Dispatcher) done() int64 { return d.status.Completed + d.status.Failed }

// wantReport has the dispatcher woken for a report that can wait, and for the ends of calls that do.
func (d *Dispatcher) wantReport() {
	if (d.calls > 0 || d.reporter.behind(d.done())) && d.now.Before(d.reporter.next) && !d.reportAwaited() {
		d.alarm.wantAt(d.reporter.next)
	}
}

// reportAwaited reports whether somebody waits for what the controller makes of what has happened:
// jobs that may start when more is allowed, or those who wait until nothing runs any more. When all
// is closed, nothing is to follow that.
func (d *Dispatcher) reportAwaited() bool {
	return d.jobs > d.running || len(d.leavers) > 0 || d.status.Closed
}

// report tells the controller what has happened, if it is ready to hear it.
func (d *Dispatcher) report() {
	if !d.reporter.due(d.now, d.done(), d.ahead > 0 && d.running > 0, d.reportAwaited()) {
		return
	}
	d.countHold()
	d.status.Circuit, d.status.OpenFor = d.circuit, 0
	if d.circuit == controller.BreakerOpen {
		d.status.OpenFor = d.gate.circuit.Until().Sub(d.now)
	}
	d.status.InFlight = d.running - d.pool.waiting()
	d.status.Waiting = d.jobs - d.status.InFlight
	d.status.SetAside = len(d.retries.aside)
	d.status.PausedFor, d.status.Interval = d.gate.pause(d.now), d.gate.interval(d.now)
	d.status.Quota = d.gate.quotaUsedUp(d.now)
	d.status.MeanTokens, _ = d.gate.usage.Mean()
	d.status.HoldFor, d.status.LongHolds = d.spell.left(d.now), d.spell.long(d.now)
	d.status.Budgets = d.gate.appendStatus(d.reporter.budgets(), d.now)
	more := d.busy() && len(d.doors) > len(d.counters) || d.jobs > d.running
	d.reporter.send(d.now, d.gate.gaps.Mean(d.now), d.status, more)
}
