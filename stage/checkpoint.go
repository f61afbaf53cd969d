package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A Checkpoint is what a throttle has learned and used, for a throttle of another process
// to go on from. It is plain data, which JSON keeps as it is.
//
// It does not have the circuit, the rate's bucket, budgets that are shared by a
// Keyed, and what a server has told of its quotas, but for the pause that it asked for.
type Checkpoint struct {
	At          time.Time           // when it was made
	Learned     *controller.Setting `json:",omitempty"` // by the policy; nil: nothing yet
	MeanTokens  int64               `json:",omitempty"` // that jobs used recently; 0: not known
	PausedUntil time.Time           `json:",omitzero"`  // as a server has asked; zero: it has not
	Budgets     []BudgetUse         `json:",omitempty"`
	Means       controller.Amounts  `json:",omitempty"` // as MeanTokens, by name
}

// A BudgetUse is what was used of a budget, and when.
type BudgetUse struct {
	Name     string
	Requests bool
	Window   time.Duration
	Spent    []controller.Spending
	Counts   string `json:",omitempty"`
}

// believed is for how long it is believed what was learned. So long Linux keeps what it
// has learned of a path for further connections (net/ipv4/tcp_metrics.c,
// TCP_METRICS_TIMEOUT); from then on a service may be quite another.
const believed = time.Hour

// Checkpoint returns what has been learned and used.
func (d *Dispatcher) Checkpoint() Checkpoint {
	var c Checkpoint
	done := make(chan struct{})
	d.request(func() {
		c.At = d.now
		c.MeanTokens, _ = d.gate.usage.Mean()
		if wait := d.gate.advice.Wait(d.now); wait > 0 {
			c.PausedUntil = d.now.Add(wait)
		}
		for _, w := range d.gate.budgets {
			c.Budgets = append(c.Budgets, BudgetUse{w.Name, w.Requests, w.Window, w.Spent(d.now), w.Counts})
		}
		c.Means = d.gate.means()
		d.reporter.visit(func(law *controller.Controller) {
			defer close(done) // whatever the policy does
			if s, ok := law.Learned(); ok {
				c.Learned = &s
			}
		})
	})
	<-done
	return c
}

// Resume goes on from a checkpoint, if no attempt was made yet. It reports whether it did.
func (d *Dispatcher) Resume(c Checkpoint) (resumed bool) {
	done := make(chan struct{})
	d.request(func() {
		if resumed = d.attempts.begun.Load() == 0 && d.running == 0; !resumed {
			close(done)
			return
		}
		now := d.now
		d.gate.resume(now, c)
		d.reporter.visit(func(law *controller.Controller) {
			defer close(done)
			if c.Learned != nil && now.Sub(c.At).Abs() < believed {
				law.Recall(now, *c.Learned)
			}
		})
	})
	<-done
	return resumed
}

// resume counts what was used of budgets that are here, too, and waits for what is left
// of a pause.
func (g *gate) resume(now time.Time, c Checkpoint) {
	if _, known := g.usage.Mean(); !known && c.MeanTokens > 0 {
		g.usage.Add(min(c.MeanTokens, mostTokens))
	}
	for _, r := range g.resources {
		if _, known := r.mean.Mean(); !known && c.Means[r.name] > 0 {
			r.mean.Add(bounded(c.Means[r.name]))
		}
	}
	if wait := c.PausedUntil.Sub(now); wait > 0 {
		g.advice.Take(now, g.within(now, controller.Hint{RetryAfter: wait}, g.advice))
	}
	for _, used := range c.Budgets {
		for _, w := range g.budgets {
			if w.Name == used.Name && w.Requests == used.Requests && w.Counts == used.Counts && w.Used(now) == 0 {
				w.Restore(now, used.Window, used.Spent)
				break
			}
		}
	}
}
