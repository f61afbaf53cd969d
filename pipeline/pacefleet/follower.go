package pacefleet

import (
	"math"
	"time"
)

// A follower is what the leader knows of a process.
type follower struct {
	name     string
	report   report // the last
	heard    time.Time
	started  []started // attempts, at the last reports, since it was heard of
	base     int64     // attempts that it had started before that
	busy     float64   // slots that it used recently
	rate     float64   // attempts a second
	spending []float64 // tokens a second, of each budget

	owed   bool                       // an answer
	renews time.Time                  // the report that the last grant answers was heard
	grants int64                      // that were sent
	times  [remembersGrants]time.Time // when, by their number
	sent   time.Time
	last   grant // that was sent
	most   share // of all grants that it may have and has not told of
}

func newFollower(r report, term int64, budgets int) *follower {
	m := &follower{name: r.Member, spending: make([]float64, budgets)}
	if r.Term == term { // it was here before, and its lease had ended
		m.grants = r.Grant
	}
	if r.Term != 0 {
		m.base = r.Started
	}
	return m
}

// take takes a report, unless a later one has come before it.
func (m *follower) take(now time.Time, r report) bool {
	if r.Number <= m.report.Number {
		return false
	}
	if passed := r.Sent.Sub(m.report.Sent).Seconds(); m.report.Number > 0 && passed > 0 {
		weight := min(passed/averaged.Seconds(), 1)
		m.rate += weight * (float64(r.Started-m.report.Started)/passed - m.rate)
		for i := range m.spending {
			spent := max(float64(r.used(i)-m.report.used(i)), 0)
			m.spending[i] += weight * (spent/passed - m.spending[i])
		}
	}
	m.busy *= math.Exp2(-now.Sub(m.heard).Seconds() / busyHalf.Seconds())
	if m.busy = max(m.busy, float64(r.InFlight)); r.Hungry.Limit {
		m.busy = max(m.busy, float64(r.Share.Limit))
	}
	m.report, m.heard, m.owed = r, now, m.owed || now.Sub(m.renews) >= renewSoonest
	if last := len(m.started) - 1; last < 0 || now.After(m.started[last].at) {
		m.started = append(m.started, started{now, float64(r.Started - m.base)})
	} else {
		m.started[last].n = float64(r.Started - m.base)
	}
	if len(m.started) > 2*remembersReports {
		m.started = append(m.started[:0], m.started[len(m.started)-remembersReports:]...)
	}
	if r.Grant == m.grants && r.Term == m.last.Term {
		m.most = share{} // what it holds is in the report
	}
	return true
}

// busyHalf is how long it takes until a process that uses fewer slots than before is taken to
// need half as many. Chosen: longer than the bursts in which a budget of a second comes back.
const busyHalf = 2 * time.Second

// renewSoonest is how old a lease has to be for a report to be answered that changes nothing: while
// reports come more often than that, most of them only tell the law what came of attempts. Chosen:
// below reportEvery by more than messages take.
const renewSoonest = reportEvery * 3 / 4

// averaged is over how long rates are averaged. Chosen: two reports.
const averaged = time.Second

// startedBy returns how many attempts it had started at a time since it was heard of, evenly
// spread between two reports.
func (m *follower) startedBy(at time.Time) float64 {
	n := 0.
	for i, k := range m.started {
		if k.at.After(at) {
			if i > 0 {
				before := m.started[i-1]
				n += (k.n - before.n) * float64(at.Sub(before.at)) / float64(k.at.Sub(before.at))
			}
			return n
		}
		n = k.n
	}
	return n
}

func (m *follower) pausedFor(now time.Time) time.Duration {
	return max(m.report.PausedFor-now.Sub(m.heard), m.last.PausedFor-now.Sub(m.sent))
}

// heldLimit returns how many attempts it may have in flight.
func (m *follower) heldLimit() int64 {
	return int64(max(m.report.Share.Limit, m.report.InFlight, m.most.Limit))
}

// heldBudget returns how many tokens of a budget it may have used.
func (m *follower) heldBudget(i int) int64 {
	held := m.report.used(i)
	for _, s := range []share{m.report.Share, m.most} {
		if i < len(s.Budgets) {
			held = max(held, s.Budgets[i])
		}
	}
	return held
}

// used returns what a process has used of a budget.
func (r report) used(i int) int64 {
	if i < len(r.Needs) {
		return r.Needs[i].Used
	}
	return 0
}

// next returns what its next attempt waits for.
func (r report) next(i int) int64 {
	if i < len(r.Needs) {
		return r.Needs[i].Next
	}
	return 0
}

// send notes that a grant is sent.
func (m *follower) send(now time.Time, g grant) {
	m.owed, m.grants, m.sent, m.last, m.renews = false, g.Number, now, g, m.heard
	m.times[g.Number%remembersGrants] = now
	m.most.Limit = max(m.most.Limit, g.Share.Limit)
	for i, tokens := range g.Share.Budgets {
		if i == len(m.most.Budgets) {
			m.most.Budgets = append(m.most.Budgets, 0)
		}
		m.most.Budgets[i] = max(m.most.Budgets[i], tokens)
	}
}

// differs reports whether a grant is so different from the last that it is worth a message
// of its own. More slots are if the process needs them, less where they are scarce:
// how many each needs changes all the time, and others get what it gives back with the next answer.
func (m *follower) differs(g grant, scarce bool) bool {
	was, is := m.last.Share, g.Share
	slots := scarce
	if is.Limit > was.Limit {
		slots = m.report.Hungry.any()
	}
	if g.PausedFor > 0 || g.Fleet.Probing != m.last.Fleet.Probing || slots && apart(float64(was.Limit), float64(is.Limit), 0.1) ||
		apart(float64(was.Interval), float64(is.Interval), 0.04) {
		return true
	}
	for i := range is.Budgets {
		if i >= len(was.Budgets) || apart(float64(was.Budgets[i]), float64(is.Budgets[i]), 0.1) {
			return true
		}
	}
	return false
}

// apart reports whether two numbers differ by more than a part of the larger.
func apart(a, b, part float64) bool { return max(a, b)-min(a, b) > part*max(a, b) }

// remembersReports is of how many reports it is kept how much had started: more than come in
// the time that the law lags behind.
const remembersReports = 32

// remembersGrants is how many grants may be on their way without being told apart.
const remembersGrants = 64

// before returns the latest time that the law may take an attempt for having started at, of
// those that are told of in a report: before the setting was decided that it did not start
// under, though it may have been on its way. zero: there is none.
func (m *follower) before(r report, start time.Time) (at time.Time) {
	if r.Term != m.last.Term {
		return m.times[1] // the first of this leader's
	}
	next := r.Grant
	if !start.Before(r.Since) {
		next++
	}
	if next > m.grants || next <= m.grants-remembersGrants {
		return at
	}
	return m.times[next%remembersGrants]
}
