package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A Lease is what one of many throttles may use of limits that they have in common.
type Lease struct {
	// Setting is its share of the limit of attempts in flight, and the interval between its
	// own dispatches. With a Limit of 0 nothing may start.
	Setting controller.Setting

	// Budgets are its shares of the budgets, in tokens, in the order in which they are
	// configured. What is missing is 0.
	Budgets []int64

	PausedFor time.Duration // a server has asked one of the others for it
	Until     time.Time     // nothing starts from then on

	WakeWhenHeld bool // ring the policy's Wake once when something holds an attempt up
}

// Usage is what a throttle has done under its leases.
type Usage struct {
	At        time.Time
	Runs      []controller.Run // what came of attempts since the last lease
	Started   int64            // attempts, in all
	InFlight  int
	Waiting   int // jobs
	HeldBy    controller.Hold
	Held      controller.HeldTimes // in all; a lease that lets nothing start is a limit
	PausedFor time.Duration        // a server has asked for it
	Budgets   []BudgetNeed         // in the order in which they are configured
}

// A BudgetNeed is what is used and wanted of a budget, in tokens.
type BudgetNeed struct {
	Used int64 // of the window
	Next int64 // what the next attempt needs, if it waits for it; else 0
}

// Lease puts a lease in force and returns what came of those before. It reports whether
// the policy is Leased; if it is not, nothing changes.
func (d *Dispatcher) Lease(l Lease) (u Usage, ok bool) {
	done := make(chan struct{})
	d.request(func() {
		if d.gate.lease == nil {
			close(done)
			return
		}
		ok = true
		if less := d.gate.lend(d.now, l); less {
			d.takeBack()
		}
		d.countHold()
		u = d.usage()
		d.reporter.visit(func(c *controller.Controller) {
			defer close(done)
			u.Runs, ok = c.Lend(u.At, l.Setting)
		})
	})
	<-done
	return u, ok
}

func (d *Dispatcher) usage() Usage {
	u := Usage{
		At:        d.now,
		Started:   d.attempts.begun.Load(),
		InFlight:  d.running - d.pool.waiting(),
		HeldBy:    d.status.HeldBy,
		Held:      d.status.Held,
		PausedFor: d.gate.pause(d.now),
	}
	u.Waiting = d.jobs - u.InFlight
	for i, w := range d.gate.budgets {
		need := BudgetNeed{Used: w.Used(d.now)}
		if d.gate.heldBudget == i+1 {
			need.Next = d.gate.heldCost
		}
		u.Budgets = append(u.Budgets, need)
	}
	return u
}

// lend puts a lease in force, and reports whether it may allow less than the one before.
func (g *gate) lend(now time.Time, l Lease) (less bool) {
	before := *g.lease
	less = l.Setting.Limit < before.Setting.Limit || l.Until.Before(before.Until)
	*g.lease = l
	if before.Setting.Limit == 0 && l.Setting.Limit > 0 {
		g.pacer.Delay(now, time.Duration(g.random.Float64()*float64(l.Setting.Interval)))
	}
	for i, w := range g.budgets {
		was := w.Withheld()
		g.lendBudget(i)
		less = less || w.Withheld() > was
	}
	if l.PausedFor > 0 {
		g.advice.Take(now, g.within(now, controller.Hint{RetryAfter: l.PausedFor}, g.advice))
	}
	return less
}

// lendBudget withholds all of a budget but the lease's share.
func (g *gate) lendBudget(i int) {
	share := int64(0)
	if i < len(g.lease.Budgets) {
		share = g.lease.Budgets[i]
	}
	g.budgets[i].Withhold(max(g.budgets[i].Tokens-share, 0))
}

// ringWhenHeld rings for who wants to know that an attempt is held up.
func (g *gate) ringWhenHeld() {
	if g.lease != nil && g.lease.WakeWhenHeld {
		g.lease.WakeWhenHeld = false
		g.leased.Ring()
	}
}

// leaseWait is how long an attempt waits for a lease that nobody may ever give; the next one
// wakes the dispatcher.
const leaseWait = time.Hour

// leaseWait returns how long an attempt has to wait for another lease.
func (g *gate) leaseWait(now time.Time) time.Duration {
	if g.lease == nil || g.lease.Setting.Limit > 0 && now.Before(g.lease.Until) {
		return 0
	}
	return leaseWait
}
