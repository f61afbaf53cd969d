package pacefleet

import (
	"encoding/json"
	"fmt"
	"time"
)

// An answer is what the transport says of who leads.
type answer struct {
	asked time.Time
	leads bool
	last  []byte
	err   error
}

// campaign tries to become the leader if none is heard of.
func (m *Member) campaign(now time.Time) {
	quiet := now.Sub(m.heard) >= campaignAfter
	if m.asking || !quiet || now.Sub(m.asked) < campaignEvery {
		return
	}
	m.ask(now, nil)
}

// lead says again that it leads, and sends what the leader grants.
func (m *Member) lead(now time.Time) {
	if m.leader == nil {
		return
	}
	if !now.Before(m.until) {
		m.abdicate("its term is over, and it could not be renewed")
		return
	}
	if m.leader.poll(now) {
		m.publish(pollSubject, poll{m.leader.term})
	}
	for _, g := range m.leader.decide(now) {
		m.publish(grantSubject+g.to, g.grant)
	}
	if !m.asking && now.Sub(m.asked) >= renewEvery {
		text, err := json.Marshal(m.leader.state(now))
		if err != nil {
			m.err = fmt.Errorf("state: %w", err)
			return
		}
		m.ask(now, text)
	}
}

func (m *Member) abdicate(why string) {
	m.log.Warn("paceline: this process leads no more", "why", why)
	m.unlisten()
	m.leader = nil
}

// ask asks the transport whether this process leads. It is answered in the inbox.
func (m *Member) ask(now time.Time, state []byte) {
	m.asking, m.asked = true, now
	m.asks.Go(func() {
		ctx, cancel := m.clock.WithTimeout(m.ctx, Term)
		defer cancel()
		a := &answer{asked: now}
		a.leads, a.last, a.err = m.transport.Lead(ctx, state)
		select {
		case m.inbox <- a:
		case <-m.ctx.Done():
		}
	})
}

// elected takes the transport's answer.
func (m *Member) elected(a *answer) {
	m.asking = false
	now := m.clock.Now()
	switch {
	case a.err != nil:
		m.err = fmt.Errorf("election: %w", a.err)
	case !a.leads && m.leader != nil:
		m.abdicate("another process does")
	case !a.leads:
	case m.leader == nil:
		m.begin(now, a)
	default:
		m.until = a.asked.Add(Term)
	}
}

// begin begins to lead.
func (m *Member) begin(now time.Time, a *answer) {
	var last *state
	if len(a.last) > 0 {
		last = new(state)
		if err := json.Unmarshal(a.last, last); err != nil {
			m.err = fmt.Errorf("state of the last leader: %w", err)
			last = &state{Term: m.term}
		}
		last.Term = max(last.Term, m.term)
	}
	stop, err := m.transport.Subscribe(reportSubject, receiver[report](m))
	if err != nil {
		m.err = fmt.Errorf("subscribe to %s: %w", reportSubject, err)
		return
	}
	m.unlisten = stop
	m.leader = newLeader(now, m.limits, last)
	m.until = a.asked.Add(Term)
	m.urgent = true
	m.log.Info("paceline: this process leads the fleet", "term", m.leader.term)
}

const (
	reportSubject = "report"
	grantSubject  = "grant."
	pollSubject   = "poll"
)

// receiver puts messages into the inbox. If it is full they are lost, as they may be on
// their way.
func receiver[T any](m *Member) func([]byte) {
	return func(text []byte) {
		msg := new(T)
		if json.Unmarshal(text, msg) != nil {
			return
		}
		select {
		case m.inbox <- any(msg):
		default:
		}
	}
}
