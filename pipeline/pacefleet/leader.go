package pacefleet

import (
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// limits are what all processes have in common.
type limits struct {
	policy  controller.Policy
	bounds  controller.Bounds
	budgets []controller.Budget
	print   string // tells them from others
}

// A leader decides for all. It hears what came of attempts, steps the policy through them as
// one process would, and divides what that decides. It is a machine without a clock: its
// owner tells it the time.
type leader struct {
	limits
	term    int64
	frozen  time.Time // until then, leases may be in force that nobody has told of yet
	law     controller.Law
	setting controller.Setting

	changed time.Time // the setting, by much

	members  map[string]*follower
	order    []*follower // by name
	before   float64     // attempts of members that are gone
	starts   starts
	heard    []heard   // that the law was not stepped through yet
	judged   time.Time // up to which it was
	troubled bool      // something was refused since all have reported
	polled   time.Time
	scarce   bool // slots: there are few for each, or more are held than there are now
	loose    bool // the limit is not what holds up
	slotTurn turn
	turns    []turn               // of the budgets
	paused   time.Time            // until then, as a server has asked somebody
	gone     []*controller.Window // what members that are gone have used
	missing  map[string][]int64   // members of the last leader that have not been heard of
}

// newLeader returns a leader that goes on from the state of the last one; nil: there was
// none.
func newLeader(now time.Time, l limits, last *state) *leader {
	law, setting := l.policy.Start(l.bounds)
	d := &leader{limits: l, term: 1, law: law, members: make(map[string]*follower)}
	d.put(now, setting)
	for _, b := range l.budgets {
		d.gone = append(d.gone, controller.NewWindow(b))
	}
	d.turns = make([]turn, len(l.budgets))
	if last == nil {
		return d
	}
	d.term = last.Term + 1
	d.frozen = now.Add(leaseFor)
	d.missing = last.Members
	for i, w := range d.gone {
		if i < len(last.Gone) {
			w.Restore(now, w.Window, last.Gone[i])
		}
	}
	if learner, ok := law.(controller.Learner); ok && last.Learned != nil && now.Sub(last.At).Abs() < believed {
		d.put(now, learner.Recall(now, d.bound(*last.Learned)))
	}
	return d
}

// believed is for how long it is believed what another leader has learned; as in a
// checkpoint of a throttle.
const believed = time.Hour

// put puts a setting of the law in force.
func (d *leader) put(now time.Time, s controller.Setting) {
	before := d.setting
	d.setting = d.bound(s)
	if apart(float64(before.Limit), float64(s.Limit), restless) || apart(float64(before.Interval), float64(s.Interval), restless) {
		d.changed = now
	}
}

// restless is by how much a setting has to change for the law to want to hear soon what
// comes of it. Chosen: more than in the trials of a law that knows where the limit is.
const restless = 0.2

// every returns how often reports are wanted: more often while much changes. Chosen: with a third as
// much is used and refused as with a quarter or a sixth, which cost half as many messages again.
func (d *leader) every(now time.Time) time.Duration {
	if now.Sub(d.changed) < time.Second {
		return min(max(reportEvery/3, time.Duration(len(d.order))*pollEach), reportEvery)
	}
	return reportEvery
}

func (d *leader) bound(s controller.Setting) controller.Setting {
	s.Limit = min(max(s.Limit, 1), d.bounds.MaxLimit)
	s.Interval = min(max(s.Interval, d.bounds.MinInterval), d.bounds.MaxInterval)
	return s
}

// state returns what the next leader has to know.
func (d *leader) state(now time.Time) state {
	s := state{Term: d.term, At: now}
	if learner, ok := d.law.(controller.Learner); ok {
		if learned, ok := learner.Learned(); ok {
			s.Learned = &learned
		}
	}
	if len(d.budgets) == 0 {
		return s
	}
	for _, w := range d.gone {
		s.Gone = append(s.Gone, w.Spent(now))
	}
	s.Members = make(map[string][]int64)
	for name, tokens := range d.missing {
		s.Members[name] = tokens
	}
	for _, m := range d.order {
		for i := range d.budgets {
			s.Members[m.name] = append(s.Members[m.name], m.heldBudget(i))
		}
	}
	return s
}

// hear takes a report. What it tells of attempts is judged at once.
func (d *leader) hear(now time.Time, r report) {
	m := d.member(now, r)
	if m == nil || !m.take(now, r) {
		return
	}
	if r.PausedFor > 0 {
		if until := now.Add(r.PausedFor); until.After(d.paused) {
			d.paused = until
		}
	}
	d.gather(now, m, r)
	d.judge(now)
	if r.Leaving {
		d.forget(now, m, func(i int) int64 { return r.used(i) })
	}
}

// member returns the one that a report is of, a new one if it is the first.
func (d *leader) member(now time.Time, r report) *follower {
	m := d.members[r.Member]
	if m == nil {
		if r.Leaving {
			return nil
		}
		m = newFollower(r, d.term, len(d.budgets))
		d.members[r.Member] = m
		d.order = append(d.order, m)
		slices.SortFunc(d.order, func(a, b *follower) int { return strings.Compare(a.name, b.name) })
		delete(d.missing, r.Member)
	}
	return m
}

// expire forgets those whose leases have ended. What they may have used counts as used.
func (d *leader) expire(now time.Time) {
	for _, m := range slices.Clone(d.order) {
		if now.After(m.heard.Add(leaseFor)) {
			d.forget(now, m, m.heldBudget)
		}
	}
	if len(d.missing) > 0 && !now.Before(d.frozen) {
		for _, tokens := range d.missing {
			for i, w := range d.gone {
				if i < len(tokens) {
					w.Reserve(now, tokens[i])
				}
			}
		}
		d.missing = nil
	}
}

func (d *leader) forget(now time.Time, m *follower, used func(budget int) int64) {
	d.before += m.startedBy(m.heard)
	for i, w := range d.gone {
		w.Reserve(now, used(i))
	}
	delete(d.members, m.name)
	d.order = slices.DeleteFunc(d.order, func(o *follower) bool { return o == m })
}

// An outgoing is a grant on its way to a member.
type outgoing struct {
	to string
	grant
}

// decide divides what there is, and returns the grants that are to be sent: those that are
// owed as answers, and those that are much different from the ones before.
func (d *leader) decide(now time.Time) (out []outgoing) {
	d.expire(now)
	d.judge(now)
	shares := d.divide(now)
	for i, m := range d.order {
		g := grant{
			Term: d.term, Number: m.grants + 1, Answers: m.report.Number, Share: shares[i],
			Fleet: d.setting, Members: len(d.order), Every: d.every(now),
		}
		if left := d.paused.Sub(now); left > m.pausedFor(now)+pauseSlack {
			g.PausedFor = left
		}
		if m.report.Limits != d.print {
			g.Share = share{Budgets: make([]int64, len(d.budgets))}
			g.Refused = "limits: got " + m.report.Limits + ", want those of the others, " + d.print
		}
		if !m.owed && (now.Before(m.sent.Add(grantSoonest)) || !m.differs(g, d.scarce)) {
			continue
		}
		m.send(now, g)
		out = append(out, outgoing{m.name, g})
	}
	return out
}

// pauseSlack is by how much pauses may differ without anybody being told. Chosen: less than
// their spread.
const pauseSlack = 100 * time.Millisecond
