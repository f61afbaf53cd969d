package stage

import (
	"context"
	"fmt"
	"time"
)

// late reports whether no attempt that starts after a while can end before the
// deadline of the job's context.
func (d *Dispatcher) late(door *Door, wait time.Duration) bool {
	deadline := door.deadline
	if deadline.IsZero() || !deadline.After(d.now) {
		return false // who has to know will know
	}
	return deadline.Before(d.now.Add(wait + d.quickest.Least(d.now)))
}

// hopeless gives back a single call or a retry, the job that next returned, if it
// is held up beyond its deadline. Budgets do not count: what is reserved may
// come back at any time. Other jobs of a pipeline wait, lest one after another
// is taken only to be given back.
func (d *Dispatcher) hopeless(j *Job, h hold, wait time.Duration) bool {
	if h == byBudget || h == byCommons || j.door.call == nil && !j.again || !d.late(j.door, wait) {
		return false
	}
	d.take(j)
	d.finish(j, d.tooLate(j))
	return true
}

// tooLate returns the error of a job for which the time is too short.
func (d *Dispatcher) tooLate(j *Job) error {
	err := fmt.Errorf("paceline: no attempt can end before the deadline in %v: %w",
		j.door.deadline.Sub(d.now), context.DeadlineExceeded)
	if j.Attempts > 0 {
		return fmt.Errorf("%w; %w", j.Err, err)
	}
	return err
}
