package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A job that is refused again and again while others are accepted is not necessarily one that the service never
// takes. It may only be large: where tokens are counted and many small jobs use up what flows in, there
// is hardly ever enough left for it. So it is set aside, holds nobody up, and is tried when there is nothing else to do, or else
// after a minute, two, four. What is refused then uses up attempts.

const (
	// asideAgain is after how long a job that is set aside is tried all the same, and twice as long after each time.
	// Chosen: tokens are mostly counted by the minute.
	asideAgain  = time.Minute
	mostDoubled = 6 // times: about an hour
)

// maySetAside reports whether a job whose refusals are its own may be set aside. It may not if somebody may wait for
// it, as the caller of a single call does, and a run whose results are in order. As many are as may be in flight: a
// quarter of what a run holds.
func (d *Dispatcher) maySetAside(j *Job) bool {
	return j.door.patient && len(d.retries.aside) < d.gate.most
}

// nothingElse reports whether no other jobs run, wait, or back off.
func (d *Dispatcher) nothingElse() bool {
	return d.running == 0 && len(d.retries.holding)+len(d.retries.parked) == 0 && d.waiting() == nil
}

// nextAside returns the job that is set aside and may be tried now; nil if there is none.
func (d *Dispatcher) nextAside(slot bool) *Job {
	j := d.retries.aside.first(&d.bars)
	if j == nil {
		return nil
	}
	if slot && !d.asideAt(j).After(d.now) || !j.due.After(d.now) && d.nothingElse() {
		return j
	}
	return nil
}

// asideAt returns when a job that is set aside is tried all the same.
func (d *Dispatcher) asideAt(j *Job) time.Time {
	return d.attempts.epoch.Add(j.ended + asideAgain<<min(j.failures, mostDoubled))
}

// wantAside has the dispatcher woken when a job that is set aside may be tried.
func (d *Dispatcher) wantAside() {
	j := d.retries.aside.first(&d.bars)
	if j == nil {
		return
	}
	d.alarm.want(d.now, d.asideAt(j).Sub(d.now))
	if d.nothingElse() {
		d.alarm.want(d.now, j.due.Sub(d.now))
	}
}

// convict sets a job aside that is refused by itself beyond doubt. What was tried alone, or after a minute, or cannot be
// set aside uses up an attempt.
func (d *Dispatcher) convict(j *Job, retry *controller.Retry) {
	if j.aside = d.maySetAside(j); j.aside && !j.tried {
		return
	}
	j.failures++
	j.Refusals--
	if j.failures >= retry.MaxAttempts || retry.Budget > 0 && !d.attempts.allowance.Spend() {
		j.aside = false
		j.exhaust()
	}
}

// tellTakenUp tells that a job which was set aside is tried.
func (d *Dispatcher) tellTakenUp(j *Job) {
	if j.tried {
		d.note(controller.Event{Kind: controller.EventTakenUp})
	}
}

// tellGivenUp tells that a job which was set aside, and then tried, has gone wrong for good.
func (d *Dispatcher) tellGivenUp(j *Job) {
	if j.tried && j.verdict != controller.Succeeded && !j.door.canceled {
		d.note(controller.Event{Kind: controller.EventGivenUp, Attempt: j.Attempts - 1, Err: j.Err})
	}
}
