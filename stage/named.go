package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// What a server tells of a budget that counts by name is kept apart for each name, because only
// the amounts of that name count in it: input tokens say nothing of what is left of output tokens.

// namedMarks are an attempt's marks for hints of budgets that count by name, and what it has
// recorded by name. They are made anew for each attempt, since its slot keeps them.
type namedMarks struct {
	own, common []namedMark
	recorded    *Named // as tokens; nil: nothing
}

// recorded returns what the job's last attempt has recorded by name; nil: nothing.
func (j *Job) recorded() *Named {
	if j.mark.named == nil {
		return nil
	}
	return j.mark.named.recorded
}

func (j *Job) setRecorded(n *Named) {
	if j.mark.named == nil {
		if n == nil {
			return
		}
		j.mark.named = new(namedMarks)
	}
	j.mark.named.recorded = n
}

type namedMark struct {
	name string
	told *controller.Told
	controller.Mark
}

// of returns the mark that an attempt has in what was told; that of no attempt if it has none.
func (m *namedMarks) of(told *controller.Told) controller.Mark {
	if m != nil {
		for _, marks := range [][]namedMark{m.own, m.common} {
			for i := range marks {
				if marks[i].told == told {
					return marks[i].Mark
				}
			}
		}
	}
	return controller.Mark{}
}

// toldOf returns what the server has told of a budget of the gate's own, and others of its kind.
func (g *gate) toldOf(b controller.Budget) *controller.Told {
	if b.Counts == "" {
		return &g.told
	}
	return &g.resource(b.Counts).told
}

// toldOf is the same for one of the commons.
func (l *ledger) toldOf(b controller.Budget) *controller.Told {
	if b.Counts == "" {
		return &l.told
	}
	return l.named[b.Counts]
}

// useOf returns what an attempt that costs so much of a budget takes of its quota.
func useOf(b controller.Budget, u controller.Use, cost int64) controller.Use {
	if b.Counts != "" {
		u.Tokens = min(max(cost, 0), mostTokens)
	}
	return u
}

// startNamed marks an attempt that starts.
func (g *gate) startNamed(now time.Time, j *Job) {
	m := new(namedMarks)
	u := g.expected(j)
	for _, w := range g.budgets {
		if told := g.toldOf(w.Budget); w.Counts != "" && m.of(told) == (controller.Mark{}) {
			m.own = append(m.own, namedMark{w.Counts, told, told.StartOf(now, useOf(w.Budget, u, g.cost(j, w.Budget)), j.Resource)})
		}
	}
	if g.commons != nil {
		g.commons.with(now, func(l *ledger, now time.Time) {
			for _, w := range l.windows {
				if told := l.toldOf(w.Budget); w.Counts != "" && m.of(told) == (controller.Mark{}) {
					m.common = append(m.common, namedMark{w.Counts, told, told.Start(now, useOf(w.Budget, u, g.cost(j, w.Budget)))})
				}
			}
		})
	}
	j.mark.named = m
}

// eachNamed calls f with each of an attempt's marks, when nobody else looks at what was told.
func (g *gate) eachNamed(now time.Time, j *Job, f func(now time.Time, m *namedMark)) {
	m := j.mark.named
	for i := range m.own {
		f(now, &m.own[i])
	}
	if len(m.common) > 0 {
		g.commons.with(now, func(_ *ledger, now time.Time) {
			for i := range m.common {
				f(now, &m.common[i])
			}
		})
	}
}

// overdrawn reports whether more has started than was left of a quota that the server tells of.
func (g *gate) overdrawn(now time.Time) bool {
	if g.told.Overdrawn(now) {
		return true
	}
	for _, r := range g.resources {
		if r.told.Overdrawn(now) {
			return true
		}
	}
	return false
}
