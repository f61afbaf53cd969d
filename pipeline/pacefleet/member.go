package pacefleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A Member is a process of a fleet, with its throttle. Make one with Join. Its methods may be
// called from any goroutine.
type Member struct {
	throttle *pipeline.Throttle
	status   atomic.Pointer[Status]
	inbox    chan any // *report, *grant, *poll, *answer
	wake     chan struct{}
	ctx      context.Context // ends when the member leaves
	cancel   context.CancelFunc
	left     chan struct{}
	asks     conc.WaitGroup // what is being asked of the transport

	// ---

	name      string
	limits    limits
	transport Transport
	clock     clock.Clock
	log       *slog.Logger

	lease  pipeline.Lease // in force
	since  time.Time      // when the grant of it came
	share  share          // the same, as granted
	term   int64          // of the grant
	number int64          // of the grant
	heard  time.Time      // when the last grant came
	alone  time.Time      // since when nobody is heard of; zero: somebody is
	fleet  grant          // the last

	usage    pipeline.Usage // the last
	runs     []pipeline.Run // that no report has told of
	held     pipeline.HeldTimes
	hungry   hunger
	polled   bool // the leader has asked for a report
	urgent   bool // there is something that the leader should hear soon
	reports  int64
	reported time.Time
	sent     map[int64]time.Time // when reports were sent, by their number

	leader   *leader // nil: another process leads, or none
	unlisten func()
	until    time.Time // leads until then, if it does not say again
	asking   bool      // whether it leads, at the transport
	asked    time.Time
	err      error // of the transport
}

// Status is how a member is doing.
type Status struct {
	Name    string
	Leads   bool
	Members int              // of the fleet, as the leader sees it; 0: not known
	Fleet   pipeline.Setting // what all may use together
	Alone   time.Time        // since when no leader is heard of; zero: one is
	Err     error            // the last of the transport, or why there is no share; nil: none
}

// run is the member's goroutine.
func (m *Member) run() {
	defer close(m.left)
	timer := m.clock.Timer(0)
	defer timer.Stop()
	for {
		select {
		case message := <-m.inbox:
			m.receive(message)
			for range len(m.inbox) {
				m.receive(<-m.inbox)
			}
		case <-m.wake:
			m.urgent = true
		case <-timer.C:
		case <-m.ctx.Done():
			m.asks.Wait()
			m.leave()
			return
		}
		timer.Stop()
		timer = m.clock.Timer(max(m.step(m.clock.Now()), time.Millisecond))
	}
}

// step does what is due and returns how long nothing else will be.
func (m *Member) step(now time.Time) time.Duration {
	if m.lead(now); m.leader == nil {
		m.campaign(now)
	}
	if !now.Before(m.lease.Until) && m.alone.IsZero() {
		m.goAlone(now)
	}
	next := m.reported.Add(m.every())
	if soon := m.reported.Add(reportSoonest); m.urgent && soon.Before(next) {
		next = soon
	}
	if m.polled || !now.Before(next) {
		m.report(now, false)
		next = now.Add(m.every())
	}
	m.publishStatus()
	wait := min(next.Sub(now), max(m.lease.Until.Sub(now), campaignEvery))
	if m.leader != nil {
		wait = min(wait, grantSoonest)
	}
	return min(wait, campaignEvery)
}

// every returns how often the leader wants reports.
func (m *Member) every() time.Duration {
	if m.fleet.Every <= 0 {
		return reportEvery
	}
	return min(max(m.fleet.Every, reportSoonest), reportEvery)
}

// use puts the lease in force, and takes what came of the one before.
func (m *Member) use() {
	m.lease.WakeWhenHeld = !m.hungry.any()
	u, ok := m.throttle.Lease(m.lease)
	if !ok {
		return // another policy was put in force
	}
	m.usage = u
	m.lease.PausedFor = 0
	if m.runs = append(m.runs, u.Runs...); len(m.runs) > mostRuns {
		m.runs = m.runs[len(m.runs)-mostRuns:]
	}
}

// mostRuns is how many runs are kept while no leader is heard of.
const mostRuns = 256

// report tells the leader what has happened.
func (m *Member) report(now time.Time, leaving bool) {
	m.use()
	m.feel(now)
	m.reports++
	r := report{
		Member: m.name, Number: m.reports, Sent: m.usage.At, Term: m.term, Grant: m.number, Since: m.since, Share: m.share,
		Limits: m.limits.print, Leaving: leaving, Runs: m.runs, Started: m.usage.Started, InFlight: m.usage.InFlight,
		Hungry: m.hungry, PausedFor: m.usage.PausedFor,
	}
	for _, b := range m.usage.Budgets {
		r.Needs = append(r.Needs, need{b.Used, b.Next})
	}
	m.urgent, m.polled, m.reported = false, false, now
	m.sent[r.Number] = now
	delete(m.sent, r.Number-64)
	if m.publish(reportSubject, r) {
		m.runs = nil
	}
}

// feel finds out what the process would use more of.
func (m *Member) feel(now time.Time) {
	passed := now.Sub(m.reported)
	held := func(d time.Duration, by pipeline.Hold) bool {
		return m.usage.HeldBy == by || d > passed/10
	}
	u := m.usage
	m.hungry = hunger{
		Limit:  held(u.Held.Limit-m.held.Limit, pipeline.HeldByLimit),
		Pace:   held(u.Held.Pace-m.held.Pace, pipeline.HeldByPace),
		Budget: held(u.Held.Budget-m.held.Budget, pipeline.HeldByBudget),
	}
	m.held = u.Held
}

func (m *Member) publish(subject string, message any) bool {
	text, err := json.Marshal(message)
	if err == nil {
		err = m.transport.Publish(subject, text)
	}
	if err != nil {
		m.err = fmt.Errorf("publish to %s: %w", subject, err)
	}
	return err == nil
}

func (m *Member) receive(message any) {
	switch msg := message.(type) {
	case *report:
		if m.leader != nil {
			m.leader.hear(m.clock.Now(), *msg)
		}
	case *grant:
		m.accept(m.clock.Now(), *msg)
	case *poll:
		m.polled = m.polled || msg.Term == m.term
	case *answer:
		m.elected(msg)
	}
}

// accept puts a grant in force.
func (m *Member) accept(now time.Time, g grant) {
	sent, known := m.sent[g.Answers]
	if !known || g.Term < m.term || g.Term == m.term && g.Number <= m.number {
		return // of a leader that was, or overtaken
	}
	until := sent.Add(leaseFor)
	if !until.After(now) {
		return
	}
	m.term, m.number, m.fleet, m.heard, m.since, m.err = g.Term, g.Number, g, now, now, nil
	if g.Refused != "" {
		if m.err = fmt.Errorf("%s", g.Refused); m.status.Load().Err == nil {
			m.log.Error("paceline: no share of the fleet's limits", "error", m.err)
		}
	}
	if !m.alone.IsZero() {
		m.log.Info("paceline: a leader is heard of again", "after", now.Sub(m.alone))
		m.alone = time.Time{}
	}
	if less(g.Share, m.share) {
		m.urgent = true // others wait for it
	}
	m.share = g.Share
	m.lease = pipeline.Lease{
		Setting: pipeline.Setting{
			Limit: g.Share.Limit, Interval: g.Share.Interval, Reason: g.Fleet.Reason, Probing: g.Fleet.Probing, CoolUntil: g.Fleet.CoolUntil,
		},
		Budgets: g.Share.Budgets, PausedFor: g.PausedFor, Until: until,
	}
	m.use()
}

// less reports whether a share is much less than the one before.
func less(is, was share) bool {
	if is.Limit < was.Limit && apart(float64(is.Limit), float64(was.Limit), 0.1) {
		return true
	}
	for i, tokens := range is.Budgets {
		if i < len(was.Budgets) && tokens < was.Budgets[i] && apart(float64(tokens), float64(was.Budgets[i]), 0.02) {
			return true
		}
	}
	return false
}

// goAlone goes on when the lease has ended and no leader has given another: with a tenth of
// the limit and the pace, which the leader will notice if that is too much, and with this
// member's part of what is never leased of the budgets.
func (m *Member) goAlone(now time.Time) {
	m.alone = now
	if m.heard.IsZero() {
		return // there was no lease yet
	}
	s := m.lease.Setting
	s.Limit = min(s.Limit, max(s.Limit/alonePart, 1))
	s.Interval = min(max(s.Interval*alonePart, aloneInterval), longestInterval)
	m.lease.Setting = s
	m.lease.Until = now.Add(forever)
	m.lease.Budgets = nil
	for _, b := range m.limits.budgets {
		m.lease.Budgets = append(m.lease.Budgets, b.Tokens/reserve/int64(max(m.fleet.Members, 1)))
	}
	m.share = share{Limit: s.Limit, Interval: s.Interval, Budgets: m.lease.Budgets}
	m.log.Warn("paceline: no leader is heard of: going on alone, with a small share", "limit", s.Limit, "interval", s.Interval)
	m.use()
}

const (
	alonePart     = 10
	aloneInterval = 10 * time.Millisecond
	forever       = 10_000 * time.Hour
)

func (m *Member) publishStatus() {
	s := Status{
		Name: m.name, Leads: m.leader != nil, Members: m.fleet.Members, Fleet: m.fleet.Fleet, Alone: m.alone, Err: m.err,
	}
	if old := m.status.Load(); old == nil || *old != s {
		m.status.Store(&s)
	}
}

func newName() string { return rand.Text() }

// leave says goodbye. The throttle has drained, unless it took too long.
func (m *Member) leave() {
	now := m.clock.Now()
	m.lease = pipeline.Lease{Until: now}
	m.share = share{}
	m.report(now, true)
	if m.leader == nil {
		return
	}
	m.unlisten()
	ctx, cancel := context.WithTimeout(context.Background(), Term)
	defer cancel()
	m.transport.Resign(ctx)
}
