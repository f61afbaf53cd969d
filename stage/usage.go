package stage

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A Named is amounts by name, which nobody changes any more. Nil is none. It has no name twice,
// and not the empty one. There are few names, so they are looked for one after another.
type Named struct{ amounts []amount }

type amount struct {
	name string
	n    int64
}

// of returns the amount of a name; known is false if there is none.
func (n *Named) of(name string) (amount int64, known bool) {
	if n == nil {
		return 0, false
	}
	for i := range n.amounts {
		if n.amounts[i].name == name {
			return n.amounts[i].n, true
		}
	}
	return 0, false
}

// add adds to the amount of a name.
func (n *Named) add(name string, more int64) {
	for i := range n.amounts {
		if n.amounts[i].name == name {
			n.amounts[i].n = min(n.amounts[i].n+more, mostTokens)
			return
		}
	}
	n.amounts = append(n.amounts, amount{name, min(more, mostTokens)})
}

// Expect sets what a job is expected to use of each name; of the empty one, it is its Cost. What
// was expected by name before is forgotten.
func (j *Job) Expect(amounts controller.Amounts) { j.Named = j.Ask.expect(amounts) }

// Expect does the same for calls.
func (a *Asked) Expect(amounts controller.Amounts) { a.Named = a.Ask.expect(amounts) }

func (a *Ask) expect(amounts controller.Amounts) (named *Named) {
	for name, n := range amounts {
		if name == "" {
			a.Cost = max(n, -1) // any negative cost is the same mistake
			continue
		}
		if named == nil {
			named = &Named{make([]amount, 0, len(amounts))}
		}
		named.amounts = append(named.amounts, amount{name, n})
	}
	return named
}

// Amounts returns what is expected by name.
func (a *Asked) Amounts() controller.Amounts {
	if a.Named == nil {
		return nil
	}
	amounts := make(controller.Amounts, len(a.Named.amounts))
	for _, e := range a.Named.amounts {
		amounts[e.name] = e.n
	}
	return amounts
}

// A resource is what budgets count by a name.
type resource struct {
	name string
	mean controller.Usage // of what attempts used
	told controller.Told  // by the server, of budgets that count it
}

// resource returns the one with the name that a budget counts.
func (g *gate) resource(name string) *resource {
	for _, r := range g.resources {
		if r.name == name {
			return r
		}
	}
	return nil
}

// updateResources keeps what is known of those names that budgets still count.
func (g *gate) updateResources(budgets []controller.Budget) {
	before := g.resources
	g.resources, g.endless = nil, false
	for _, b := range budgets {
		g.endless = g.endless || b.Window == controller.Forever
		if b.Counts == "" || g.resource(b.Counts) != nil {
			continue
		}
		r := &resource{name: b.Counts}
		for _, known := range before {
			if known.name == b.Counts {
				r = known
			}
		}
		g.resources = append(g.resources, r)
	}
}

// means returns what attempts used recently of each resource of which that is known.
func (g *gate) means() controller.Amounts {
	var means controller.Amounts
	for _, r := range g.resources {
		if mean, known := r.mean.Mean(); known {
			if means == nil {
				means = make(controller.Amounts)
			}
			means[r.name] = mean
		}
	}
	return means
}

// usedOf returns what an attempt used of a resource; see used.
func (r *resource) usedOf(j *Job) int64 {
	if n, recorded := j.recorded().of(r.name); recorded {
		return n
	}
	cost, known := j.Named.of(r.name)
	switch {
	case j.verdict == controller.Succeeded:
		return max(cost, 0)
	case j.spared:
		return 0
	case !known:
		cost, _ = r.mean.Mean()
	}
	return cost
}

// settleNamed returns what an attempt used by name, until it is called again, and learns of it
// what others will use.
func (g *gate) settleNamed(j *Job) *Named {
	g.settled.amounts = g.settled.amounts[:0]
	for _, r := range g.resources {
		used := r.usedOf(j)
		if _, recorded := j.recorded().of(r.name); recorded || j.verdict == controller.Succeeded {
			r.mean.Add(used)
		}
		g.settled.amounts = append(g.settled.amounts, amount{r.name, used})
	}
	return &g.settled
}

// neverEnough returns the error of a job for which a budget that does not come back has not
// enough left, whatever those in flight give back; nil: each has. It is for gates that are endless.
func (g *gate) neverEnough(now time.Time, j *Job) *CostError {
	if err := g.neverOf(g.budgets, j); err != nil || g.commons == nil {
		return err
	}
	var err *CostError
	g.commons.with(now, func(l *ledger, _ time.Time) { err = g.neverOf(l.windows, j) })
	return err
}

func (g *gate) neverOf(windows []*controller.Window, j *Job) *CostError {
	for _, w := range windows {
		if cost := g.cost(j, w.Budget); w.Never(cost) {
			return &CostError{Cost: cost, Limit: max(w.Spare(), 0), Budget: w.Name, Counts: w.Counts, Spent: true}
		}
	}
	return nil
}

// bounded returns what one attempt is believed to have recorded, of a sum that may have overflowed.
func bounded(n int64) int64 {
	if n < 0 {
		return mostTokens
	}
	return min(n, mostTokens)
}

// A record is what an attempt has recorded of one name. Two of one name count together.
type record struct {
	name string
	n    atomic.Int64
	next *record
}

// RecordUsage adds n to what the attempt has used of what is counted by a name, such as output
// tokens; see Budget. With the empty name it is RecordTokens. It panics if n is negative.
func (s *Slot) RecordUsage(name string, n int64) {
	if n < 0 {
		panic(fmt.Sprintf("paceline: RecordUsage: %s: got %d, want at least 0", name, n))
	}
	if name == "" {
		s.RecordTokens(n)
		return
	}
	first := s.records.Load()
	for r := first; r != nil; r = r.next {
		if r.name == name {
			r.n.Add(n)
			return
		}
	}
	r := &record{name: name, next: first}
	r.n.Store(n)
	for !s.records.CompareAndSwap(r.next, r) {
		r.next = s.records.Load()
	}
}

// Usage returns what the attempt has recorded so far, by name; that of RecordTokens has the
// empty one. It is nil if nothing was recorded.
func (s *Slot) Usage() controller.Amounts {
	var used controller.Amounts
	note := func(name string, n int64) {
		if used == nil {
			used = make(controller.Amounts)
		}
		used[name] += n
	}
	if s.recorded.Load() {
		note("", s.tokens.Load())
	}
	for r := s.records.Load(); r != nil; r = r.next {
		note(r.name, r.n.Load())
	}
	return used
}

// named returns what the attempt has recorded by name; nil: nothing.
func (s *Slot) named() *Named {
	first := s.records.Load()
	if first == nil {
		return nil
	}
	n := new(Named)
	for r := first; r != nil; r = r.next {
		n.add(r.name, bounded(r.n.Load()))
	}
	return n
}
