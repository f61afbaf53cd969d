package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// late reports whether no attempt that starts after a while can end before the
// deadline of the job's context.
func (d *Dispatcher) late(door *Door, wait time.Duration) bool {
	deadline := door.deadline
	if deadline.IsZero() || d.now.Sub(deadline) > time.Second {
		return false // it is of another clock
	}
	switch {
	case door.call == nil:
		wait += door.quickest.Least(d.now)
	case !door.call.once: // what is done in a slot may end when it likes
		wait += d.haste.Needs(d.now)
	}
	return !deadline.After(d.now) || deadline.Before(d.now.Add(wait))
}

// learnTime notes how long a success took: of the jobs of a run, which are of one kind
// and have one deadline, or of calls.
func (d *Dispatcher) learnTime(j *Job, took time.Duration) {
	if j.door.call == nil {
		j.door.quickest.Add(d.now, took)
	} else {
		d.haste.Succeed(d.now, took)
	}
}

// learnMiss notes that the attempt of a call has met its deadline.
func (d *Dispatcher) learnMiss(j *Job) {
	c, deadline := j.door.call, j.door.deadline
	if c == nil || c.once || j.skipped || deadline.IsZero() {
		return
	}
	epoch := d.attempts.epoch
	if had := deadline.Sub(epoch.Add(j.started)); had > 0 && j.ended-j.started >= had {
		d.haste.Miss(d.now, had)
	}
}

// hopeless reports whether a single call or a retry is held up beyond its
// deadline. Other jobs of a pipeline wait: otherwise one after another would be taken only
// to be given back.
func (d *Dispatcher) hopeless(j *Job, wait time.Duration) bool {
	return (j.door.call != nil || j.again) && d.late(j.door, wait)
}

// longHold is a hold that is worth looking who cannot wait for its end.
const longHold = 100 * time.Millisecond

// sendHome gives the hopeless back when the next attempt is held up for a while:
// those who wait behind it are held up just as long. It takes what holds it up. So does it
// where a resource is what holds some up.
func (d *Dispatcher) sendHome(h hold, wait time.Duration) {
	before := d.heldUntil
	d.heldUntil = time.Time{}
	switch {
	case wait < longHold:
	case h == byBudget, h == byCommons: // what is reserved may come back at any time
	case h == byCircuit && d.circuit == controller.BreakerHalfOpen: // so may a probe
	default:
		d.heldBy, d.heldUntil = h, d.now.Add(wait)
	}
	if !d.heldUntil.After(before) && !d.bars.longer(d.now) {
		return // they have been looked at
	}
	d.finishWaiting(d.doors, func(j *Job) error {
		if !d.hopeless(j, d.waitFor(j)) {
			return nil
		}
		return d.tooLate(j)
	})
}

// waitFor returns for how long a job is held up at least, wherever it stands in
// the queue. For the rate it is its own weight that counts.
func (d *Dispatcher) waitFor(j *Job) time.Duration {
	wait := d.gate.resourceWait(d.now, j)
	switch {
	case d.heldUntil.IsZero():
		return wait
	case d.heldBy == byRate && d.gate.rate != nil:
		return max(wait, d.gate.rate.Wait(d.now, j.Weight))
	}
	return max(wait, d.heldUntil.Sub(d.now))
}

// tooLate says that the time is too short for a job.
func (d *Dispatcher) tooLate(j *Job) error {
	return fmt.Errorf("paceline: no attempt can end before the deadline in %v: %w",
		j.door.deadline.Sub(d.now), context.DeadlineExceeded)
}
