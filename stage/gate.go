package stage

import (
	"maps"
	"math"
	"math/rand/v2"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A gate is what an attempt passes before it starts: the circuit, what the
// server has asked for, the budgets, the rate and the pace. It belongs to the
// dispatcher.
type gate struct {
	circuit   *controller.Circuit // nil: none
	former    *controller.Circuit // the one that there was before
	advice    controller.Advice
	paused    map[string]controller.Advice // for attempts of one resource, or of which nobody knows it
	told      controller.Told
	truce     truce
	budgets   []*controller.Window
	commons   *Commons // budgets that are not ours alone; nil: none
	usage     controller.Usage
	resources []*resource        // that budgets count by name
	settled   Named              // scratch
	endless   bool               // what was used of some budget does not come back
	most      int                // attempts that may be in flight
	rate      *controller.Bucket // nil: none
	pacer     controller.Pacer
	gaps      controller.Gaps
	random    *rand.Rand
	spread    spread
	costs     []int64 // scratch

	lease      *Lease // nil: nobody else decides
	leased     controller.Leased
	heldBudget int   // number of the budget that the next attempt waits for, from 1; 0: none
	heldCost   int64 // what it needs of that
}

// A claim is a reservation from a budget of the gate's own.
type claim struct {
	window *controller.Window
	controller.Reservation
}

// marks are an attempt's for hints of what is ours alone, and of the commons.
type marks struct {
	own, common controller.Mark
	named       *namedMarks // for those of budgets that count by name; nil: there are none
}

// hold says why an attempt has to wait.
type hold uint8

const (
	free hold = iota
	byCircuit
	byServer
	byBudget
	byCommons
	byRate
	byPace
	byLease    // there is none that lets anything start
	byResource // of the server's: no reason for attempts of others to wait
)

// check returns what holds up an attempt, and for how long unless something
// changes before. If nothing does, what the attempt needs of the commons is its own, and
// it has to pass.
func (g *gate) check(now time.Time, d *Dispatcher, j *Job, interval time.Duration) (h hold, wait time.Duration, budget int) {
	g.heldBudget = 0
	if g.circuit != nil && !g.circuit.Ready(now) {
		return byCircuit, g.circuit.Wait(now), 0
	}
	if wait = g.leaseWait(now); wait > 0 {
		return byLease, wait, 0
	}
	if wait = g.advice.Wait(now); g.told.Holds() {
		wait = max(wait, g.truce.bound(now, g.told.WaitOfAll(now, g.expected(j))))
	}
	if wait > 0 {
		h = byServer
	}
	for i, b := range g.budgets {
		if w := waitOf(g.toldOf(b.Budget), b, now, g.cost(j, b.Budget), g.expected(j)); w > wait {
			h, wait, budget = byBudget, w, i
			g.heldBudget, g.heldCost = i+1, g.cost(j, b.Budget)
		}
	}
	if g.rate != nil {
		if w := g.rate.Wait(now, j.Weight); w > wait {
			h, wait = byRate, w
		}
	}
	if interval > 0 {
		if w := g.pacer.Wait(now); w > wait {
			h, wait = byPace, w
		}
	}
	if w := g.resourceWait(now, j); w > wait {
		return byResource, w, 0
	}
	if h == free && g.commons != nil {
		return g.draw(now, d, j)
	}
	return h, wait, budget
}

// resourceWait returns how long an attempt has to wait for its resource of the server's.
func (g *gate) resourceWait(now time.Time, j *Job) (wait time.Duration) {
	if g.told.Holds() {
		wait = g.truce.bound(now, g.told.WaitOfOne(now, g.expected(j), j.Resource))
	}
	if len(g.paused) > 0 {
		wait = max(wait, g.pauseOf(now, j.Resource))
	}
	return wait
}

func (g *gate) pauseOf(now time.Time, resource string) time.Duration {
	if len(g.paused) == 0 {
		return 0
	}
	advice := g.paused[resource]
	return advice.Wait(now)
}

// pauseOne pauses the attempts that are said to be of a resource.
func (g *gate) pauseOne(now time.Time, resource string, wait time.Duration) {
	maps.DeleteFunc(g.paused, func(_ string, a controller.Advice) bool { return a.Wait(now) == 0 })
	advice := g.paused[resource]
	advice.Take(now, g.within(now, controller.Hint{RetryAfter: wait}, advice))
	if g.paused == nil {
		g.paused = make(map[string]controller.Advice)
	}
	g.paused[resource] = advice
}

// within returns a hint with such a pause as is waited where there is another one already.
func (g *gate) within(now time.Time, h controller.Hint, before controller.Advice) controller.Hint {
	h = h.WithinReason()
	if h.RetryAfter = min(h.RetryAfter, g.truce.longest); h.RetryAfter > 0 {
		h.RetryAfter += g.spread.overPause(h.RetryAfter, before.Wait(now) == 0)
	}
	return h
}

// waitOf returns how long an attempt has to wait for a budget, by what we count and by
// what the server has told. One that costs nothing does not wait for the server.
func waitOf(t *controller.Told, w *controller.Window, now time.Time, cost int64, u controller.Use) time.Duration {
	wait := w.Wait(now, cost)
	if cost > 0 {
		wait = max(wait, t.WaitOfBudget(now, w.Budget, useOf(w.Budget, u, cost)))
	}
	return wait
}

// draw takes what the attempt needs of the commons.
func (g *gate) draw(now time.Time, d *Dispatcher, j *Job) (h hold, wait time.Duration, budget int) {
	g.costs = g.costs[:0]
	for _, b := range g.commons.budgets {
		g.costs = append(g.costs, g.cost(j, b))
	}
	if j.common == nil {
		j.common = make([]controller.Reservation, len(g.costs))
	}
	m, ok, wait, i := g.commons.reserve(now, d, g.costs, g.expected(j), j.common)
	if ok {
		j.mark.common = m
		return free, 0, 0
	}
	return byCommons, wait, len(g.budgets) + i
}

// pass takes what else the attempt needs. Nothing may hold it up.
func (g *gate) pass(now time.Time, j *Job, interval time.Duration) {
	j.generation, j.probe = -1, false
	if g.circuit != nil {
		j.generation, j.probe = g.circuit.Start(now)
	}
	for i, b := range g.budgets {
		*j.claim(i) = claim{b, b.Reserve(now, g.cost(j, b.Budget))}
	}
	if g.rate != nil {
		g.rate.Take(now, j.Weight)
	}
	j.mark.own = g.told.StartOf(now, g.expected(j), j.Resource)
	j.mark.named = nil
	if len(g.resources) > 0 {
		g.startNamed(now, j)
	}
	g.truce.ask(now)
	g.gaps.Add(now)
	jitter := 0.0
	if g.pacer.Jitter > 0 && interval > 0 {
		jitter = g.random.Float64()
	}
	g.pacer.Start(now, interval, jitter)
}

// giveBack returns what an attempt took that will not start, its turn in the pace
// included.
func (g *gate) giveBack(now time.Time, j *Job, interval time.Duration) {
	g.pacer.Repace(now, -interval)
	if g.circuit != nil {
		g.circuit.Report(now, j.generation, controller.Ignored)
		j.probe = false
	}
	if g.rate != nil {
		g.rate.Give(j.Weight)
	}
	g.unmark(now, j)
	g.account(now, j, nothing)
}

// unmark notes that an attempt with marks does not start after all.
func (g *gate) unmark(now time.Time, j *Job) {
	g.told.Back(now, j.mark.own)
	if g.commons != nil {
		g.commons.with(now, func(l *ledger, now time.Time) { l.told.Back(now, j.mark.common) })
	}
	if j.mark.named != nil {
		g.eachNamed(now, j, func(now time.Time, m *namedMark) { m.told.Back(now, m.Mark) })
	}
}

// closeMarks notes what an attempt with marks has used.
func (g *gate) closeMarks(now time.Time, j *Job, u use) {
	note := func(t *controller.Told, now time.Time, m controller.Mark, used int64, mean bool) {
		t.Settle(now, m, used, mean)
		switch j.verdict {
		case controller.Succeeded:
			t.Succeed(m)
		case controller.Overload:
			t.Refuse(now, m)
		}
	}
	note(&g.told, now, j.mark.own, u.tokens, j.Cost == Unknown)
	if g.commons != nil {
		g.commons.with(now, func(l *ledger, now time.Time) { note(&l.told, now, j.mark.common, u.tokens, j.Cost == Unknown) })
	}
	if j.mark.named == nil {
		return
	}
	g.eachNamed(now, j, func(now time.Time, m *namedMark) {
		used, _ := u.named.of(m.name)
		_, known := j.Named.of(m.name)
		note(m.told, now, m.Mark, used, !known)
	})
}

// settle books what an attempt really used, and what it says of the service.
func (g *gate) settle(now time.Time, j *Job) {
	if g.circuit != nil {
		g.report(now, j)
	}
	if j.skipped || j.uncalled {
		g.unmark(now, j)
		g.account(now, j, nothing)
		return
	}
	used := g.used(j)
	if j.verdict == controller.Succeeded || j.tokens != Unknown {
		g.usage.Add(used)
	}
	u := use{tokens: used, requests: j.requests()}
	if len(g.resources) > 0 {
		u.named = g.settleNamed(j)
	}
	g.closeMarks(now, j, u)
	g.account(now, j, u)
}

// report tells the circuit how an attempt ended. Of all failures of one job one
// counts, except for probes: the retries of a few jobs say nothing of others.
func (g *gate) report(now time.Time, j *Job) {
	v := j.counted
	if j.blamed && !j.probe && v != controller.Succeeded {
		v = controller.Ignored
	}
	if g.circuit.Report(now, j.generation, v) {
		j.blamed = true
	}
	g.spread.overOpen(now, g.circuit)
}

// use is what an attempt used.
type use struct {
	tokens, requests int64
	named            *Named
}

var nothing use

// of returns what was used of a budget.
func (u use) of(b controller.Budget) int64 {
	switch {
	case b.Requests:
		return u.requests
	case b.Counts != "":
		n, _ := u.named.of(b.Counts)
		return n
	}
	return u.tokens
}

// account settles what an attempt has reserved.
func (g *gate) account(now time.Time, j *Job, u use) {
	if w := j.first.window; w != nil {
		w.Settle(now, j.first.Reservation, u.of(w.Budget))
		j.first.window = nil
	}
	for i, c := range j.further {
		c.window.Settle(now, c.Reservation, u.of(c.window.Budget))
		j.further[i].window = nil
	}
	j.further = j.further[:0]
	if g.commons != nil {
		g.commons.settle(now, j.common, u)
	}
}

// claim returns the place for the claim on a budget. They are asked for in order.
func (j *Job) claim(budget int) *claim {
	if budget == 0 {
		return &j.first
	}
	j.further = append(j.further, claim{})
	return &j.further[budget-1]
}

// record books what nobody has reserved.
func (g *gate) record(now time.Time, u use) {
	for _, b := range g.budgets {
		b.Settle(now, controller.Reservation{}, u.of(b.Budget))
	}
	if g.commons != nil {
		g.commons.settle(now, make([]controller.Reservation, len(g.commons.budgets)), u)
	}
}

// mostTokens is what one attempt is believed to use at most. It keeps the sums
// from overflowing.
const mostTokens = 1 << 42

// used returns what an attempt used: what it recorded, or else what it was expected
// to. Nothing is expected of one for which the service did no work, nor of a success
// whose cost nobody has told: then others say nothing either, or say it later.
func (g *gate) used(j *Job) int64 {
	switch {
	case j.tokens != Unknown && (j.tokens < 0 || j.tokens > mostTokens):
		return mostTokens
	case j.tokens != Unknown:
		return j.tokens
	case j.verdict == controller.Succeeded:
		return max(j.Cost, 0)
	case j.spared:
		return 0
	}
	return g.expected(j).Tokens
}

// requests returns how many requests the attempt counts for.
func (a Ask) requests() int64 { return int64(math.Ceil(min(a.Weight, mostTokens))) }

// cost returns what an attempt reserves of a budget: what the job is expected to
// use, or the running mean, or, as long as there is none, such a share that all
// attempts in flight have room.
func (g *gate) cost(j *Job, b controller.Budget) int64 {
	if b.Requests {
		return j.requests()
	}
	usage := &g.usage
	if b.Counts != "" {
		if cost, known := j.Named.of(b.Counts); known {
			return cost
		}
		usage = &g.resource(b.Counts).mean
	} else if j.Cost != Unknown {
		return j.Cost
	}
	if mean, known := usage.Mean(); known {
		return min(mean, b.Tokens)
	}
	return max(b.Tokens/int64(g.most), 1)
}

// expected returns what an attempt is expected to use of quotas that no budget stands
// for. As long as nobody knows what jobs use, it is no tokens.
func (g *gate) expected(j *Job) controller.Use {
	u := controller.Use{Requests: j.requests(), Tokens: min(max(j.Cost, 0), mostTokens)}
	if j.Cost == Unknown {
		u.Tokens, _ = g.usage.Mean()
	}
	return u
}

// free returns the share of a budget that is free.
func (g *gate) free(now time.Time, budget int) (share float64) {
	of := func(t *controller.Told, w *controller.Window, now time.Time) float64 {
		return float64(t.LeftOfBudget(now, w.Budget, w.Remaining(now))) / float64(w.Tokens)
	}
	if budget < len(g.budgets) {
		return of(g.toldOf(g.budgets[budget].Budget), g.budgets[budget], now)
	}
	g.commons.with(now, func(l *ledger, now time.Time) {
		w := l.windows[budget-len(g.budgets)]
		share = of(l.toldOf(w.Budget), w, now)
	})
	return share
}

// name returns the name of a budget.
func (g *gate) name(budget int) string {
	if budget < len(g.budgets) {
		return g.budgets[budget].Name
	}
	return g.commons.budgets[budget-len(g.budgets)].Name
}

// lengthened returns for how long a pause is waited out that a server asked for. The
// policy is told that, and not less, or it would take the rest for time in which attempts
// might have been made.
func (g *gate) lengthened(asked time.Duration) time.Duration {
	asked = min(asked, g.truce.longest)
	return asked + g.spread.overPause(asked, false)
}

// hint takes what a server said to the attempt with the mark: of a budget that we know, or
// else of a quota that is kept in a ledger.
func (g *gate) hint(now time.Time, h controller.Hint, m marks) {
	g.truce.ask(now)
	switch {
	case h.Resource == "":
		h = g.within(now, h, g.advice)
		g.advice.Take(now, h)
	case h.RetryAfter > 0:
		g.pauseOne(now, h.Resource, h.RetryAfter)
	}
	if h.Reset == 0 {
		g.told.WithoutReset(now, h)
		return
	}
	if h.Budget != "" && g.hintBudgets(now, h, m) {
		return
	}
	if h.Resource != "" { // calls of others go on, so there is no silence after which to ask again
		h.Reset = min(h.Reset, g.truce.longest)
	}
	g.told.Hint(now, h, m.own)
}

// pause returns how long nothing is to be sent because the server has said so, or has said
// that nothing is left.
func (g *gate) pause(now time.Time) time.Duration {
	pause := max(g.advice.Wait(now), g.pauseOf(now, ""))
	if g.told.Holds() {
		pause = max(pause, g.truce.bound(now, g.told.Pause(now)))
	}
	return pause
}

// quotaUsedUp names the server's quota that is used up, if it is that which has to be waited for.
func (g *gate) quotaUsedUp(now time.Time) string {
	if asked := max(g.advice.Wait(now), g.pauseOf(now, "")); !g.told.Holds() || asked >= g.told.Pause(now) {
		return ""
	}
	return g.told.UsedUp(now)
}

// bound returns until when the gate holds back what a new one would let through: by a pause,
// an open circuit, or what was used of budgets, of the rate and of a server's quotas. A
// window counts for its whole length from now on.
func (g *gate) bound(now time.Time) time.Time {
	until := now
	if wait := g.advice.Wait(now); wait > 0 {
		until = now.Add(wait)
	}
	for resource := range g.paused {
		if end := now.Add(g.pauseOf(now, resource)); end.After(until) {
			until = end
		}
	}
	for _, r := range g.resources {
		if whole := r.told.Until(); whole.After(until) {
			until = whole
		}
	}
	if g.told.Holds() {
		if quota := now.Add(g.truce.bound(now, g.told.Until().Sub(now))); quota.After(until) {
			until = quota
		}
	}
	if g.circuit != nil && g.circuit.State(now) == controller.BreakerOpen && g.circuit.Until().After(until) {
		until = g.circuit.Until()
	}
	for _, w := range g.budgets {
		if empty := now.Add(w.Length()); w.Used(now) > 0 && empty.After(until) {
			until = empty
		}
	}
	if g.rate != nil {
		if full := now.Add(g.rate.Wait(now, g.rate.Burst)); full.After(until) {
			until = full
		}
	}
	return until
}

// interval returns how far apart a server's quotas keep ordinary attempts.
func (g *gate) interval(now time.Time) time.Duration {
	if !g.told.Holds() {
		return 0
	}
	mean, _ := g.usage.Mean()
	return g.told.Interval(now, controller.Use{Requests: 1, Tokens: mean})
}

// hintBudgets tells the budgets that the server names.
func (g *gate) hintBudgets(now time.Time, h controller.Hint, m marks) (known bool) {
	bounded := func(w *controller.Window) controller.Hint {
		h := h
		h.Reset = min(h.Reset, max(w.Window, g.truce.longest))
		return h
	}
	for _, b := range g.budgets {
		if b.Name == h.Budget {
			told, mark := g.toldOf(b.Budget), m.own
			if b.Counts != "" {
				mark = m.named.of(told)
			}
			told.HintOfBudget(now, b.Budget, bounded(b), mark)
			known = true
		}
	}
	if g.commons != nil {
		g.commons.with(now, func(l *ledger, now time.Time) {
			for _, w := range l.windows {
				if w.Name == h.Budget {
					told, mark := l.toldOf(w.Budget), m.common
					if w.Counts != "" {
						mark = m.named.of(told)
					}
					told.HintOfBudget(now, w.Budget, bounded(w), mark)
					l.nudgeFirst()
					known = true
				}
			}
		})
	}
	return known
}

// repace takes note of another interval. What gap attempts keep by themselves is
// measured anew, since the old one may be of our own making.
func (g *gate) repace(now time.Time, from, to time.Duration) {
	if g.lease != nil {
		g.pacer.Rescale(now, from, to, g.random.Float64())
	} else {
		g.pacer.Repace(now, to-from)
	}
	g.gaps = controller.Gaps{}
}

// mean returns what attempts used of a budget recently, as far as it is known.
func (g *gate) mean(b controller.Budget) (mean int64) {
	switch {
	case b.Requests:
		return 1
	case b.Counts != "":
		mean, _ = g.resource(b.Counts).mean.Mean()
	default:
		mean, _ = g.usage.Mean()
	}
	return mean
}

// appendStatus appends the budgets' part of a snapshot.
func (g *gate) appendStatus(to []controller.BudgetSnapshot, now time.Time) []controller.BudgetSnapshot {
	add := func(told func(controller.Budget) *controller.Told, windows []*controller.Window, now time.Time) {
		for _, w := range windows {
			left := told(w.Budget).LeftOfBudget(now, w.Budget, w.Remaining(now))
			to = append(to, controller.BudgetSnapshot{Budget: w.Budget, Used: w.Used(now), Remaining: left, Mean: g.mean(w.Budget)})
		}
	}
	add(g.toldOf, g.budgets, now)
	if g.commons != nil {
		g.commons.with(now, func(l *ledger, now time.Time) { add(l.toldOf, l.windows, now) })
	}
	return to
}

// tooDear returns the error of a job that no budget, or no burst of the rate,
// will ever have room for, nil if there is room.
func (r *rules) tooDear(j *Job) error {
	if !(j.Weight >= 0) || r.rate != nil && j.Weight > r.rate.Burst {
		return r.tooHeavy(j.Weight)
	}
	if j.Cost < 0 && j.Cost != Unknown {
		return &CostError{Cost: j.Cost}
	}
	if j.Named != nil {
		for _, n := range j.Named.amounts {
			if n.n < 0 {
				return &CostError{Cost: n.n, Counts: n.name}
			}
		}
	}
	u := use{tokens: max(j.Cost, 0), requests: j.requests(), named: j.Named}
	for _, b := range r.budgets {
		if cost := u.of(b); cost > b.Tokens {
			return &CostError{Cost: cost, Limit: b.Tokens, Budget: b.Name, Counts: b.Counts}
		}
	}
	return nil
}

func (r *rules) tooHeavy(weight float64) error {
	e := &WeightError{Weight: weight}
	if r.rate != nil {
		e.Burst = r.rate.Burst
	}
	return e
}
