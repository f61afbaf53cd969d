package stage

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A WaitError says that a call would have had to wait for longer than it wants to.
type WaitError struct {
	Expected time.Duration // from now until it would have had its turn, by what is known
	MaxWait  time.Duration // for how long it was to wait at most
	HeldBy   controller.Hold
	Limit    int // of attempts in flight
}

func (e *WaitError) Error() string {
	by := ""
	if e.HeldBy != controller.HeldByNothing {
		by = fmt.Sprintf(", held by %v", e.HeldBy)
	}
	return fmt.Sprintf("paceline: wait: expected another %v%s, want to wait for at most %v before an attempt", e.Expected.Round(time.Millisecond), by, e.MaxWait)
}

// patience is for how long a call waits for each of its attempts.
type patience struct {
	bounded bool
	most    time.Duration // if it is bounded
	until   time.Time     // it waits now
	number  int64         // among those that came to its counter
	index   int           // among those that wait, from 1; 0: it does not
}

// bounds are the calls whose waiting is bounded, the one whose bound is over first in front.
type bounds []*call

func (b bounds) Len() int           { return len(b) }
func (b bounds) Less(i, k int) bool { return b[i].until.Before(b[k].until) }

func (b bounds) Swap(i, k int) {
	b[i], b[k] = b[k], b[i]
	b[i].index, b[k].index = i+1, k+1
}

func (b *bounds) Push(c any) {
	*b = append(*b, c.(*call))
	c.(*call).index = len(*b)
}

func (b *bounds) Pop() any {
	last := len(*b) - 1
	c := (*b)[last]
	c.index = 0
	(*b)[last] = nil
	*b = (*b)[:last]
	return c
}

// waits are the calls that do not wait for ever.
type waits struct {
	bounds     bounds
	arrived    []*call   // of them, not looked at yet
	boundedFor time.Time // until when all have been looked at; zero: nothing holds them up
	took       float64   // nanoseconds that attempts take, in the mean
}

// bind bounds how long a call waits from a time on.
func (d *Dispatcher) bind(c *call, since time.Time) {
	if !c.bounded {
		return
	}
	c.until = since.Add(c.most)
	heap.Push(&d.bounds, c)
	if c.queued {
		d.arrived = append(d.arrived, c)
	}
}

// unbind notes that a call waits no more.
func (d *Dispatcher) unbind(c *call) {
	if c.index > 0 {
		heap.Remove(&d.bounds, c.index-1)
	}
}

// sendImpatient sends calls home that would wait for longer than they want to: when they have
// come, when the next attempt is held up for longer than was known, and when their time is over.
func (d *Dispatcher) sendImpatient(h hold, wait time.Duration) {
	switch {
	case len(d.bounds) == 0:
		d.looked()
		return
	case d.reporter.pending(): // nobody has asked what holds them up
		return
	}
	if h == byCircuit && d.circuit == controller.BreakerHalfOpen {
		wait = 0 // a probe may come back at any time
	}
	before := d.boundedFor
	d.boundedFor = time.Time{}
	if wait >= longHold {
		d.boundedFor = d.now.Add(wait)
	}
	look := d.arrived
	if d.boundedFor.After(before) {
		look = slices.Clone(d.bounds) // at all of them again
	}
	for _, c := range look {
		if c.index == 0 { // it waits no more
			continue
		}
		if expected := d.expects(c, h, wait); d.now.Add(expected).After(c.until) {
			d.tooLong(c, h, expected)
		}
	}
	d.looked()
	for len(d.bounds) > 0 && !d.bounds[0].until.After(d.now) {
		c := d.bounds[0]
		d.tooLong(c, h, d.expects(c, h, wait))
	}
	if len(d.bounds) > 0 {
		d.alarm.want(d.now, d.bounds[0].until.Sub(d.now))
	}
}

// looked notes that those that have come have been looked at.
func (d *Dispatcher) looked() {
	if len(d.arrived) == 0 {
		return
	}
	clear(d.arrived)
	d.arrived = d.arrived[:0]
}

// tooLong gives a call back that does not want to wait for so long.
func (d *Dispatcher) tooLong(c *call, h hold, expected time.Duration) {
	err := d.waitError(c, h, expected)
	d.pull(c)
	d.finish(&c.Job, c.stopped(err))
}

func (d *Dispatcher) waitError(c *call, h hold, expected time.Duration) *WaitError {
	by := d.holder(h)
	if by == controller.HeldByNothing && d.gate.resourceWait(d.now, &c.Job) > 0 {
		by = controller.HeldByServer
	}
	return &WaitError{Expected: expected, MaxWait: c.most, HeldBy: by, Limit: d.setting.Limit}
}

// backoffError says that a call would have to wait for so long before it is tried again.
func (d *Dispatcher) backoffError(c *call, wait time.Duration) *WaitError {
	by := controller.HeldByNothing
	if c.retryAfter > 0 {
		by = controller.HeldByServer
	}
	return &WaitError{Expected: wait, MaxWait: c.most, HeldBy: by, Limit: d.setting.Limit}
}

// expects returns for how long a call has to wait at least, by what is known: what holds up the
// next attempt, and how many are to start before it.
func (d *Dispatcher) expects(c *call, h hold, wait time.Duration) time.Duration {
	j := &c.Job
	wait = max(wait, d.gate.resourceWait(d.now, j))
	if !j.queued { // it is to be tried again
		return max(wait, j.due.Sub(d.now))
	}
	before := d.before(c)
	gap := d.gap(j, h)
	if h == byBudget {
		wait = max(wait, d.gate.budgetWait(d.now, j, before+1))
	}
	return max(wait, 0) + saturated(before*gap)
}

// before returns how many attempts are to start before a call, of those that wait.
func (d *Dispatcher) before(c *call) float64 {
	own := &c.counter.line
	ahead := float64(c.number - own.went - 1)
	turns := (ahead + 1) / own.share.weight()
	for _, door := range d.doors {
		l := &door.line
		n, endless := float64(l.came-l.went), false
		if l.came == 0 {
			n, endless = float64(door.waiting.Load()), !door.stopped
		}
		switch {
		case l == own || n == 0:
		case l.share.Priority > own.share.Priority:
			ahead += n
		case l.share.Priority == own.share.Priority:
			turn := turns * l.share.weight()
			if !endless {
				turn = min(turn, n)
			}
			ahead += turn
		}
	}
	return max(ahead, 0)
}

// gap returns how far apart attempts start at least, in seconds, as long as others wait.
func (d *Dispatcher) gap(j *Job, h hold) float64 {
	gap := d.interval.Seconds()
	if !d.slotFree() {
		gap = max(gap, d.took/float64(time.Second)/float64(max(d.setting.Limit, 1)))
	}
	if r := d.gate.rate; h == byRate && r != nil {
		gap = max(gap, j.Weight/r.PerSecond)
	}
	return gap
}

// budgetWait returns how long it takes until the budgets have enough for so many attempts like j.
func (g *gate) budgetWait(now time.Time, j *Job, attempts float64) (wait time.Duration) {
	for _, w := range g.budgets {
		all := float64(g.cost(j, w.Budget)) * attempts
		windows := max(math.Ceil(all/float64(w.Tokens))-1, 0) // that are used up by those before
		rest := int64(all - windows*float64(w.Tokens))
		wait = max(wait, w.Wait(now, rest)+saturated(windows*w.Length().Seconds()))
	}
	return wait
}

// saturated returns a number of seconds as a duration.
func saturated(seconds float64) time.Duration {
	const most = math.MaxInt64 / 4
	if seconds > most/float64(time.Second) {
		return most
	}
	return time.Duration(seconds * float64(time.Second))
}

// learnTook notes how long an attempt took.
func (d *Dispatcher) learnTook(took float64) {
	if d.took == 0 {
		d.took = took
	}
	d.took += (took - d.took) / tookSpan
}

// tookSpan is over how many attempts the mean of what they take is.
const tookSpan = 64
