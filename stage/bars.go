package stage

import (
	"slices"
	"time"
)

// bars are the resources of the server's whose jobs have to wait, because nothing is left of
// a quota of theirs. While the dispatcher looks for the next attempt, it passes over the jobs
// of a resource from the first one on that had to wait, so that those of one resource keep
// their order, and others go on. It belongs to the dispatcher.
type bars struct {
	now    []bar // those known
	before []bar // when it looked last
}

type bar struct {
	resource string
	until    time.Time
}

// renew forgets what is barred, until it is found again.
func (b *bars) renew() { b.now, b.before = b.before[:0], b.now }

func (b *bars) add(resource string, until time.Time) { b.now = append(b.now, bar{resource, until}) }

// bar reports whether a job has to wait for its resource.
func (b *bars) bar(j *Job) bool { return find(b.now, j.Resource) >= 0 }

func find(bars []bar, resource string) int {
	return slices.IndexFunc(bars, func(b bar) bool { return b.resource == resource })
}

// least returns after how long the first of them may go on.
func (b *bars) least(now time.Time) time.Duration {
	first := slices.MinFunc(b.now, func(x, y bar) int { return x.until.Compare(y.until) })
	return max(first.until.Sub(now), 0)
}

// longer reports whether a resource has to wait for long, and for longer than when it was
// looked for last.
func (b *bars) longer(now time.Time) bool {
	return slices.ContainsFunc(b.now, func(x bar) bool {
		i := find(b.before, x.resource)
		return x.until.Sub(now) >= longHold && (i < 0 || x.until.After(b.before[i].until))
	})
}

// unbar lets the dispatcher find out anew who has to wait, unless it is not about to look.
func (d *Dispatcher) unbar() {
	if !d.reporter.pending() {
		d.bars.renew()
	}
}

// bar passes over the jobs of j's resource. One that backs off does not keep its slot from
// others for so long.
func (d *Dispatcher) bar(j *Job, wait time.Duration) {
	d.bars.add(j.Resource, d.now.Add(wait))
	d.alarm.want(d.now, wait)
	if j.again && j.holding {
		d.retries.drop(j)
		d.release(j)
		d.retries.add(j)
	}
}
