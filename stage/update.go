package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Update replaces the configuration, but for the clock, the seed and the
// commons. No job is lost, what was learned stays where it can, and what has
// been used of a budget of the same name stays used. A pause that a server asked for
// is lifted. then is called before
// anything starts under the new configuration.
func (d *Dispatcher) Update(cfg Config, then func()) {
	d.do(func() {
		d.update(cfg)
		then()
		for _, door := range d.doors {
			door.inbox.wakeOwner() // there may be room for more
		}
	})
}

func (d *Dispatcher) update(cfg Config) {
	cfg.Commons = d.gate.commons
	d.takeBack()
	most := cfg.Controller.Bounds.MaxLimit
	d.enlarge(most)
	d.attempts.allowance.Resize(max(most, fewRetries))
	d.forgetExhausted()
	d.silence.spent = false
	d.attempts.rules.Store(newRules(cfg))
	d.gate.update(d.now, cfg)
	d.liftPause()
	d.reporter.update(d.now, cfg.Controller)
	d.refuse()
}

// enlarge makes room for more workers, if need be in another pool. Those of the
// old one finish what they have begun.
func (d *Dispatcher) enlarge(most int) {
	if most <= cap(d.pool.wake) {
		return
	}
	small := d.pool
	d.retired = append(d.retired, small)
	d.pool = d.newPool(most)
	d.pool.size.Store(small.size.Load())
	small.resize(0)
}

// update replaces what the gate goes by.
func (g *gate) update(now time.Time, cfg Config) {
	g.most = cfg.Controller.Bounds.MaxLimit
	g.truce.longest = cfg.longestPause()
	g.spread.most, g.spread.random = cfg.Spread, g.random
	g.pacer.Jitter = cfg.Jitter
	g.updateBudgets(now, cfg.Budgets)
	g.updateResources(cfg.allBudgets())
	switch {
	case cfg.Rate == nil:
		g.rate = nil
	case g.rate == nil:
		g.rate = controller.NewBucket(*cfg.Rate)
	default:
		g.rate.Update(now, *cfg.Rate)
	}
	g.updateCircuit(cfg.Breaker)
	g.updateLease(cfg.Controller.Policy)
}

// updateLease waits for a lease if the policy has become Leased, and for none any more if
// it is another one.
func (g *gate) updateLease(p controller.Policy) {
	leased, ok := p.(controller.Leased)
	switch g.leased = leased; {
	case !ok:
		g.lease = nil
		for _, w := range g.budgets {
			w.Withhold(0)
		}
		return
	case g.lease == nil:
		g.lease = new(Lease)
	}
	for i := range g.budgets {
		g.lendBudget(i)
	}
}

// updateCircuit uses a former circuit again, since that tells attempts that began
// under it from others.
func (g *gate) updateCircuit(b *controller.Breaker) {
	switch {
	case b == nil && g.circuit != nil:
		g.circuit, g.former = nil, g.circuit
	case b == nil:
	case g.circuit != nil:
		g.circuit.Update(*b)
	case g.former != nil:
		g.former.Renew(*b)
		g.circuit = g.former
	default:
		g.circuit = controller.NewCircuit(*b)
	}
}

// updateBudgets keeps the windows of budgets that have kept their names, and
// what they count; those without a name are told apart by their order.
func (g *gate) updateBudgets(now time.Time, budgets []controller.Budget) {
	type kind struct {
		name     string
		requests bool
		counts   string
	}
	before := make(map[kind][]*controller.Window)
	for _, w := range g.budgets {
		k := kind{w.Name, w.Requests, w.Counts}
		before[k] = append(before[k], w)
	}
	g.budgets = nil
	for _, b := range budgets {
		k := kind{b.Name, b.Requests, b.Counts}
		if kept := before[k]; len(kept) > 0 {
			kept[0].Update(now, b)
			g.budgets, before[k] = append(g.budgets, kept[0]), kept[1:]
			continue
		}
		g.told.Forget(b.Name)
		g.budgets = append(g.budgets, controller.NewWindow(b))
	}
}

// refuse gives back the jobs for which there will never be room any more.
func (d *Dispatcher) refuse() {
	rules := d.attempts.rules.Load()
	for _, door := range d.doors {
		door.queue.each(func(j *Job) {
			if err := rules.tooDear(j); err != nil {
				j.count(&d.status, err) // though it was never tried
			}
		})
	}
	d.finishWaiting(d.doors, func(j *Job) error { return rules.tooDear(j) })
}
