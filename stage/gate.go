package stage

import (
	"math/rand/v2"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A gate is what an attempt passes before it starts: the circuit, the budgets,
// the rate and the pace. It belongs to the dispatcher, but for tooDear.
type gate struct {
	circuit *controller.Circuit // nil: none
	budgets []*controller.Window
	usage   controller.Usage
	share   int                // attempts that may start before anybody knows what one uses
	rate    *controller.Bucket // nil: none
	pacer   controller.Pacer
	gaps    controller.Gaps
	random  *rand.Rand
}

// hold says why an attempt has to wait.
type hold uint8

const (
	free hold = iota
	byCircuit
	byBudget
	byRate
	byPace
)

// check returns what holds up an attempt, and for how long unless something
// changes before. A half-open circuit whose probes are all out holds without a
// time.
func (g *gate) check(now time.Time, j *Job, interval time.Duration) (h hold, wait time.Duration, budget int) {
	if g.circuit != nil && !g.circuit.Ready(now) {
		return byCircuit, g.circuit.Until().Sub(now), 0
	}
	for i, b := range g.budgets {
		if w := b.Wait(now, g.cost(j, b)); w > wait {
			h, wait, budget = byBudget, w, i
		}
	}
	if g.rate != nil {
		if w := g.rate.Wait(now, 1); w > wait {
			h, wait = byRate, w
		}
	}
	if interval > 0 {
		if w := g.pacer.Wait(now); w > wait {
			h, wait = byPace, w
		}
	}
	return h, wait, budget
}

// pass takes what the attempt needs. Nothing may hold it up.
func (g *gate) pass(now time.Time, j *Job, interval time.Duration) {
	if g.circuit != nil {
		j.generation, j.probe = g.circuit.Start(now)
	}
	for i, b := range g.budgets {
		*j.reserved(i) = b.Reserve(now, g.cost(j, b))
	}
	if g.rate != nil {
		g.rate.Take(now, 1)
	}
	g.gaps.Add(now)
	jitter := 0.0
	if g.pacer.Jitter > 0 && interval > 0 {
		jitter = g.random.Float64()
	}
	g.pacer.Start(now, interval, jitter)
}

// giveBack returns what an attempt took that will not start.
func (g *gate) giveBack(now time.Time, j *Job) {
	if g.circuit != nil {
		g.circuit.Report(now, j.generation, controller.Ignored)
		j.probe = false
	}
	for i, b := range g.budgets {
		b.Settle(now, *j.reserved(i), 0)
	}
}

// settle books what an attempt really used, and what it says of the service.
func (g *gate) settle(now time.Time, j *Job) {
	if g.circuit != nil {
		g.circuit.Report(now, j.generation, j.counted)
	}
	if len(g.budgets) == 0 {
		return
	}
	used := j.used()
	if j.verdict == controller.Succeeded || j.tokens != Unknown {
		g.usage.Add(used)
	}
	for i, b := range g.budgets {
		b.Settle(now, *j.reserved(i), used)
	}
}

// reserved returns the place for the reservation from a budget.
func (j *Job) reserved(budget int) *controller.Reservation {
	if budget == 0 {
		return &j.reservation
	}
	for len(j.reservations) < budget {
		j.reservations = append(j.reservations, controller.Reservation{})
	}
	return &j.reservations[budget-1]
}

// mostTokens is what one attempt is believed to use at most. It keeps the sums
// from overflowing.
const mostTokens = 1 << 42

// used returns what an attempt used: what it recorded, or else what a success
// was expected to cost. An attempt that failed without recording used nothing.
func (j *Job) used() int64 {
	switch {
	case j.tokens != Unknown && (j.tokens < 0 || j.tokens > mostTokens):
		return mostTokens
	case j.tokens != Unknown:
		return j.tokens
	case j.verdict == controller.Succeeded && j.Cost != Unknown:
		return j.Cost
	}
	return 0
}

// cost returns what an attempt reserves of a budget: what the job is expected
// to use, or the running mean, or, as long as there is none, such a share that
// all attempts in flight have room.
func (g *gate) cost(j *Job, b *controller.Window) int64 {
	if j.Cost != Unknown {
		return j.Cost
	}
	if mean, known := g.usage.Mean(); known {
		return min(mean, b.Tokens)
	}
	return max(b.Tokens/int64(g.share), 1)
}

// tooDear returns the error of a job that no budget will ever have room for, nil
// if there is room. Any goroutine may call it.
func (g *gate) tooDear(j *Job) error {
	if j.Cost == Unknown {
		return nil
	}
	if j.Cost < 0 {
		return &CostError{Cost: j.Cost}
	}
	for _, b := range g.budgets {
		if j.Cost > b.Tokens {
			return &CostError{Cost: j.Cost, Limit: b.Tokens, Budget: b.Name}
		}
	}
	return nil
}

// free returns the share of a budget that is free.
func (g *gate) free(now time.Time, budget int) float64 {
	b := g.budgets[budget]
	return float64(b.Remaining(now)) / float64(b.Tokens)
}

// repace takes note of another interval. What gap attempts keep by themselves is
// measured anew, lest it be one that we made.
func (g *gate) repace(from, to time.Duration) {
	g.pacer.Slower(to - from)
	g.gaps = controller.Gaps{}
}

// appendStatus appends the budgets' part of a snapshot.
func (g *gate) appendStatus(to []controller.BudgetSnapshot, now time.Time) []controller.BudgetSnapshot {
	for _, b := range g.budgets {
		to = append(to, controller.BudgetSnapshot{Budget: b.Budget, Used: b.Used(now), Remaining: b.Remaining(now)})
	}
	return to
}
