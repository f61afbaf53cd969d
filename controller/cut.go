package controller

import "math"

const (
	leastExcess = 0.1 // share that is taken for too much where a pace was refused that had worked, …
	mostExcess  = 0.9 // … and at most, of a trial's, since some always gets through
)

// lower lowers that to which a refusal is put down.
func (s *seek) lower(a attempt, o *Outcome, n int) {
	l, overrun := s.blame(a, o, n)
	trial := l.trial > 0
	failing := s.pace.inForce()
	if !s.startup.on {
		s.brownout.begin(pressure{rate: s.pace.works, slots: s.slots.works, startup: s.startup}, s.price.bank, a)
	}
	s.recovery.excess, s.recovery.floor = leastExcess, 0
	if s.pace.trial > 0 && !s.chance.known() {
		s.recovery.floor = s.pace.works
	}
	if trial {
		s.recovery.excess = min(max(s.pace.inForce()/s.pace.works-1, leastExcess), mostExcess)
	} else {
		s.descend(a)
	}
	switch {
	case s.startup.on:
		s.pace.fail(s.pace.works)
		s.pace.works /= 2
		s.endStartup()
	case l == &s.slots:
		calm := o.RetryAfter > 0 && a.start-s.recovery.began >= calmPauses*s.price.pause.value
		often := !trial && calm && n <= s.recovery.most && s.recovery.accepted >= oftenAccepted*n
		s.less(n)
		if trial {
			s.spaced(false)
		}
		if often {
			s.doubtLimit()
		}
		s.pace.fails = math.Inf(1) // what failed before was the limit's, too
	default:
		s.slower(a)
		if overrun {
			s.pace.fails = math.Inf(1)
		}
	}
	if l == &s.pace {
		s.stretches.tried = trial
	}
	if l == &s.pace && !trial && o.RetryAfter > 0 {
		s.bracketPaused(a, failing)
	}
	if l == &s.pace && failing > s.pace.from && s.pace.from > 0 {
		s.price.overrun((failing - s.pace.from) * (a.start - s.pace.begun))
	}
	s.recovery.crowd = 0
	if l == &s.pace && s.recovery.above(n) {
		s.recovery.crowd = n
	}
	switch {
	case trial:
		s.reason = ReasonTrialFailed
	case l == &s.pace:
		s.reason = ReasonRefusedRate
	default:
		s.reason = ReasonRefusedLimit
	}
	s.pace.trial, s.slots.trial = 0, 0
	s.recovery.suspect, l.rested = l, s.now
	s.lowered(a.start)
}

// oftenAccepted is how many times as many as are in flight have to be accepted for a refusal
// with as many to be no sign of a limit on them.
const oftenAccepted = 10

// doubtLimit takes note that a refusal was put down to the limit though the service had accepted
// as many at once for long. It may have been a stall, so more is tried soon.
func (s *seek) doubtLimit() {
	s.slots.fails = math.Inf(1)
	if s.price.costly(s.pace.works) {
		s.slots.growth = costlyGrowth / 2 // a small step costs as much
	}
}

// bracketPaused lowers the pace by what was accepted since the pause before.
func (s *seek) bracketPaused(a attempt, failing float64) {
	least, most, accepted, ok := s.delivery.between(a, s.trip.raised, s.stretches.burst)
	if !ok || accepted == 0 {
		return
	}
	most = min(most, failing)
	p := &s.pace
	floor := p.proven
	switch {
	case a.start-s.recovery.began >= calmPauses*s.price.pause.value:
		floor = failing * (1 - slotsStep) // it may be no more than a stall
	case failing <= p.proven:
		floor, p.proven = 0, 0 // not any more
	case accepted < enoughAccepted:
		floor = max(floor, failing/2)
	}
	if to := max(math.Sqrt(least*most), min(floor, failing*(1-leastStep))); to < failing {
		p.works = to
		p.fails = max(most, to)
	}
}

// calmPauses is for how many of the pauses that a refusal asks for nothing was refused
// where a refusal is no reason to go far down.
const calmPauses = 4

// usualNear is by how much what the service works on at a refusal may be more than what it accepts
// with all the time.
const usualNear = 0.1

// blame returns the bracket to which a refusal is put down: the one that is on trial,
// or else the one that let the attempt through. With a limit on what is in flight,
// a service never refuses with fewer in flight than it accepts with, and always with
// as many; that is what tells which it is when the trial does not.
//
// If it is the pace, it may have been faster than anything was sent: overrun.
func (s *seek) blame(a attempt, o *Outcome, n int) (b *bracket, overrun bool) {
	r := &s.recovery
	switch {
	case s.startup.on || n == 1:
		return &s.pace, s.slots.trial > 0
	case s.slots.trial > 0 && a.start >= s.slots.begun:
		return &s.slots, false
	case r.crowd > 0 && near(n, r.crowd) && r.above(n) && r.accepted >= min(20, 3*n):
		return &s.slots, false
	case s.pace.trial > 0 && a.start >= s.pace.begun:
		return &s.pace, false
	case r.suspect == &s.pace && s.now < r.began+4*s.trip.echo():
		return &s.pace, false
	case r.suspect == &s.slots && s.now < r.began+4*s.trip.echo() && n > r.most:
		return &s.slots, false
	case o.Paced || float64(o.InFlight) < s.slots.works:
		return &s.pace, false
	case n < r.most, o.RetryAfter > 0 && float64(n) <= r.usual+usualNear && r.accepted >= oftenAccepted*n:
		if sent := s.constraint.rate(); sent > 0 {
			s.pace.works = min(s.pace.works, sent)
		}
		return &s.pace, true
	}
	return &s.slots, false
}

// less lowers the limit below what the service worked on when it refused; twice as
// far with each refusal without an attempt accepted in between.
func (s *seek) less(n int) {
	l := &s.slots
	by := 1.0
	if run := len(s.delivery.run()); run > 1 {
		by = math.Pow(2, float64(min(run, 10)-1))
	}
	to := max(min(float64(n), l.inForce())-by, l.inForce()/2, 1)
	failed := to + by
	if l.trial > 0 && by == 1 {
		failed = max(failed, l.works)
	}
	l.fail(failed)
	l.works = to
}

// giveWay is what is left of a pace that had worked for long. A larger client is refused
// more often, and gives way more often: so shares become equal (Chiu and Jain 1989).
const giveWay = 0.95

// slower lowers the pace: after a trial, to what it was, else to what has been
// accepted.
func (s *seek) slower(a attempt) {
	p := &s.pace
	trial, storm := p.trial > 0, s.recovery.accepted < 8 || s.outage.misses >= 3
	works, fails := p.works, p.fails
	if s.outage.misses <= 1 {
		s.recovery.known = fails
	}
	p.fail(p.inForce())
	bound := s.delivery.bound(s.trip.raised)
	switch {
	case trial && s.chance.known():
		bound = works / (1 + p.step()) // what is refused there too is chance
	case trial:
	case !storm && s.proven(a.start):
		bound = giveWay * works // others want it, too
	case !storm:
		bound = min(max(bound, 0.97*works), 0.995*works)
	case math.IsInf(bound, 1):
		bound = 0.7 * works
	default:
		bound = min(bound, 0.995*works)
	}
	if run := s.delivery.run(); len(run) >= 2 && !trial {
		bound = max(bound, s.lean.floor(run[0])) // nothing at all is given: it may be a window that is used up
	}
	p.works = min(p.works, bound)
	s.price.compare(p.works, s.now)
	if !trial && storm { // it is not known closely
		p.fails = max(fails, s.recovery.known)
	}
}
