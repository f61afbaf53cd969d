package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A job that is refused again and again while others are accepted is not necessarily one that the service never
// takes. It may only be large: where tokens are counted and many small jobs use up what flows in, there
// is hardly ever enough left for it. So it is set aside, holds nobody up, and is tried when there is nothing else to do. What
// is refused then uses up attempts.

const (
	// mostAside is how many jobs are set aside at most; further ones use up their attempts. Chosen: hardly any
	// run has as many that are large, and where each second one is refused for ever, they must not fill the memory.
	mostAside = 256

	// asideAgain is after how long a job that is set aside is tried all the same, and after as long as it has been refused
	// later on.
	asideAgain = time.Minute
)

// setAside reports whether a job whose refusals are its own waits until there is nothing else to do. A single call does not:
// its caller may have nothing else to do.
func (d *Dispatcher) setAside(j *Job) bool {
	return !j.unhindered && j.door.call == nil && !j.door.roams && len(d.retries.aside) < mostAside
}

// nothingElse reports whether no other jobs run, wait, or back off.
func (d *Dispatcher) nothingElse() bool {
	return d.running == 0 && len(d.retries.holding)+len(d.retries.parked) == 0 && d.waiting() == nil
}

// nextAside returns the job that is set aside and may be tried now; nil if there is none.
func (d *Dispatcher) nextAside(slot bool) (next *Job) {
	if len(d.retries.aside) == 0 {
		return nil
	}
	nothingElse := d.nothingElse()
	for _, j := range d.retries.aside {
		at := d.asideUntil(j, nothingElse)
		if (slot || nothingElse) && !at.After(d.now) && !d.bars.bar(j) && (next == nil || j.due.Before(next.due)) {
			next = j
		}
	}
	return next
}

// asideUntil returns when a job that is set aside may be tried.
func (d *Dispatcher) asideUntil(j *Job, nothingElse bool) time.Time {
	if nothingElse {
		return j.due
	}
	again := d.attempts.epoch.Add(j.ended + max(asideAgain, j.ended-j.refusedAt))
	if again.Before(j.due) {
		return j.due
	}
	return again
}

// wantAside has the dispatcher woken when a job that is set aside may be tried.
func (d *Dispatcher) wantAside() {
	if len(d.retries.aside) == 0 {
		return
	}
	nothingElse := d.nothingElse()
	for _, j := range d.retries.aside {
		if wait := d.asideUntil(j, nothingElse).Sub(d.now); wait > 0 { // else it is a slot that is missing
			d.alarm.want(d.now, wait)
		}
	}
}

// convict has a refusal that is the job's own beyond doubt use up an attempt, or the job set aside.
func (d *Dispatcher) convict(j *Job, retry *controller.Retry) {
	if j.aside = d.setAside(j); j.aside {
		return
	}
	j.failures++
	j.Refusals--
	if j.failures >= retry.MaxAttempts || retry.Budget > 0 && !d.attempts.allowance.Spend() {
		j.exhaust()
	}
}
