package stage

import (
	"slices"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Commons are budgets that several dispatchers draw on. A dispatcher that has to
// wait for them stands in a queue, so that one with expensive jobs does not wait for
// ever behind others with cheap ones.
//
// The ledger belongs to the goroutine that has taken it out of its channel.
type Commons struct {
	budgets []controller.Budget
	ledger  chan *ledger
}

type ledger struct {
	windows []*controller.Window
	told    controller.Told             // of them by the server
	named   map[string]*controller.Told // the same of those that count by name
	queue   []*Dispatcher               // that wait, in turn
	until   time.Time                   // the first of them has to wait, if nothing changes before
	budget  int                         // that it waits for
	now     time.Time                   // the latest that anybody has come with
}

// NewCommons returns budgets of which nothing has been used.
func NewCommons(budgets []controller.Budget) *Commons {
	l := new(ledger)
	for _, b := range budgets {
		l.windows = append(l.windows, controller.NewWindow(b))
		if b.Counts != "" && l.named[b.Counts] == nil {
			if l.named == nil {
				l.named = make(map[string]*controller.Told)
			}
			l.named[b.Counts] = new(controller.Told)
		}
	}
	c := &Commons{budgets: slices.Clone(budgets), ledger: make(chan *ledger, 1)}
	c.ledger <- l
	return c
}

// with calls f with the ledger, and a time that never goes back.
func (c *Commons) with(now time.Time, f func(l *ledger, now time.Time)) {
	l := <-c.ledger
	defer func() { c.ledger <- l }()
	if now.After(l.now) {
		l.now = now
	}
	f(l, l.now)
}

// reserve takes costs, one for each budget, or else none and puts d into the
// queue. It returns how long d has to wait, if nothing changes before, and for
// which budget; or the mark of an attempt that takes u of them.
func (c *Commons) reserve(now time.Time, d *Dispatcher, costs []int64, u controller.Use, to []controller.Reservation) (m controller.Mark, ok bool, wait time.Duration, budget int) {
	c.with(now, func(l *ledger, now time.Time) {
		for i, w := range l.windows {
			if left := waitOf(l.toldOf(w.Budget), w, now, costs[i], u); left > wait {
				wait, budget = left, i
			}
		}
		first := len(l.queue) == 0 || l.queue[0] == d
		if wait > 0 || !first {
			if !slices.Contains(l.queue, d) {
				l.queue = append(l.queue, d)
			}
			if first {
				l.until, l.budget = now.Add(wait), budget
			} else if left := l.until.Sub(now); left > wait {
				wait, budget = left, l.budget // of those before
			}
			return
		}
		for i, w := range l.windows {
			to[i] = w.Reserve(now, costs[i])
		}
		m = l.told.Start(now, u)
		l.leave(d)
		ok = true
	})
	return m, ok, wait, budget
}

// settle books what was really used, which may free what others wait for.
func (c *Commons) settle(now time.Time, reserved []controller.Reservation, u use) {
	c.with(now, func(l *ledger, now time.Time) {
		for i, w := range l.windows {
			w.Settle(now, reserved[i], u.of(w.Budget))
		}
		l.nudgeFirst()
	})
}

// withdraw takes d out of the queue.
func (c *Commons) withdraw(d *Dispatcher) {
	c.with(d.now, func(l *ledger, _ time.Time) { l.leave(d) })
}

// leave takes d out of the queue and nudges who is next.
func (l *ledger) leave(d *Dispatcher) {
	if i := slices.Index(l.queue, d); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
		l.nudgeFirst()
	}
}

// nudgeFirst has the first in the queue try again.
func (l *ledger) nudgeFirst() {
	l.until = time.Time{} // what it waits for, it will say
	if len(l.queue) > 0 {
		l.queue[0].nudge()
	}
}
