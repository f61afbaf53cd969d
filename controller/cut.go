package controller

import "math"

// refuse takes a refusal, or a failure that is one by another name.
func (s *seek) refuse(a attempt, o *Outcome) {
	s.trip.refusal.add(inSeconds(o.Took))
	n := s.delivery.atWork(a.seq, a.start, o.InFlight)
	pause := inSeconds(o.RetryAfter)
	s.delivery.add(refusal{a.seq, a.start, s.now, pause})
	s.price.asked(pause)
	switch {
	case s.outage.is:
		s.outage.lastMiss, s.outage.refusing = max(s.outage.lastMiss, a.start+pause), o.Verdict == Overload
	case s.quota.period > 0 || s.outage.silent(s.now, s.trip.success.value) || s.stalled(a):
		s.price.spend(1)
		s.goDown(o.Verdict == Overload)
		s.outage.lastMiss = max(s.outage.lastMiss, a.start+pause)
	case a.start < s.recovery.began:
		if s.chance.lateRefusal() && len(s.delivery.run()) < stallRun {
			s.late(n)
		}
	case s.convincing(a, o, n):
		trial := s.pace.trial > 0 || s.slots.trial > 0
		if s.startup.on || trial || !s.proven(a.start) { // else it is not we who caused it
			s.price.spend(max(s.chance.caused(trial), 1))
		}
		s.lower(a, o, n)
	}
}

// provenAfter is how many attempts show that what a trial has held does work.
const provenAfter = 100

// proven reports whether what was in force at a time had worked for long.
func (s *seek) proven(at float64) bool {
	return at >= max(s.pace.held, s.slots.held)+max(provenAfter/s.pace.works, 2*s.trip.echo())
}

const (
	stallRefill = 4 // attempts that a bucket is given in a pause, …
	stallFew    = 3 // of which it accepts so few, or …
	stallRun    = 8 // refuses so many one after another
)

// stalled reports whether a service refuses again after a pause in which its bucket must
// have been given something: then it is not the pressure.
func (s *seek) stalled(a attempt) bool {
	if s.startup.on || !s.outage.pressed.proven {
		return false
	}
	r, ok := s.delivery.before(a)
	return ok && r.pause*s.outage.pressed.rate >= stallRefill && s.delivery.accepted(r.seq, a.seq) <= stallFew &&
		r.start >= s.outage.began
}

// convincing reports whether a refusal is evidence that the pressure is too high, or may
// be chance.
func (s *seek) convincing(a attempt, o *Outcome, n int) bool {
	switch {
	case o.RetryAfter > 0:
		return true // who says when to come again does not refuse by chance
	case s.startup.on:
		return s.startup.refusal(s.chance.e)
	case s.pace.trial > 0 && a.start >= s.pace.begun:
		return s.chance.trialRefusal(s.pace.trial/s.pace.works - 1)
	case s.slots.trial > 0 && a.start >= s.slots.begun:
		return s.chance.trialRefusal(s.slots.trial/s.slots.works - 1)
	}
	known := s.chance.known()
	convincing := s.chance.restRefusal(len(s.delivery.run()) == 1 && (s.trip.quickRefusals() || !s.recovery.above(n)))
	if !known && s.chance.known() {
		return !s.acquit()
	}
	return convincing
}

// weigh takes those attempts that were accepted. They are counted by
// their numbers and not by their ends: where work takes long and refusals come quickly,
// attempts of which nothing was heard have been accepted.
func (s *seek) weigh(a attempt, o *Outcome) {
	passed := s.passed
	if o.Verdict != Succeeded {
		passed--
	}
	since := func(begun float64) float64 {
		return min(float64(passed), max(a.start-begun, 0)*s.pace.inForce()+1)
	}
	if passed <= 0 || s.outage.is {
		return
	}
	if a.start >= s.delivery.episode {
		s.recovery.accepted += int(since(s.delivery.episode))
	}
	switch {
	case s.startup.on:
		s.startup.success(s.chance.e, float64(passed))
	case s.pace.trial > 0 && a.start >= s.pace.begun:
		s.chance.trialSuccess(since(s.pace.begun), s.pace.trial/s.pace.works-1)
	case s.slots.trial > 0 && a.start >= s.slots.begun:
		s.chance.trialSuccess(since(s.slots.begun), s.slots.trial/s.slots.works-1)
	case a.start >= s.recovery.began:
		s.chance.restSuccess(since(s.recovery.began))
	default:
		s.chance.lateSuccess(float64(passed))
	}
}

// late takes a refusal of an attempt that started before the last cut. It says
// nothing of what is in force now, but something of where the limit is.
func (s *seek) late(n int) {
	r := &s.recovery
	switch {
	case r.suspect == &s.slots:
		if to := float64(max(n-1, r.most, 1)); to < s.slots.works {
			s.slots.works, s.slots.fails = to, to+1
		}
	default:
		if r.crowd > 0 && n > r.most {
			r.crowd = min(r.crowd, n)
		}
		s.pace.works = min(s.pace.works, s.delivery.bound(s.trip.raised))
	}
	r.review = s.now + 1.5*s.trip.echo()
}

// lower lowers that to which a refusal is put down.
func (s *seek) lower(a attempt, o *Outcome, n int) {
	l, overrun := s.blame(a, o, n)
	trial := l.trial > 0
	failing := s.pace.inForce()
	if !trial {
		s.descend(a)
	}
	switch {
	case s.startup.on:
		s.pace.fail(s.pace.works)
		s.pace.works /= 2
		s.endStartup()
	case l == &s.slots:
		s.less(n)
		s.pace.fails = math.Inf(1) // what failed before was the limit's, too
	default:
		s.slower(a)
		if overrun {
			s.pace.fails = math.Inf(1)
		}
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

// bracketPaused lowers the pace by what was accepted since the pause before.
func (s *seek) bracketPaused(a attempt, failing float64) {
	least, most, accepted, ok := s.delivery.between(a, s.trip.raised)
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
	case n < r.most:
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

// look looks again at what is known of the rate when all refusals of an episode have
// been heard of.
func (s *seek) look() {
	r := &s.recovery
	if r.review == 0 || s.now < r.review {
		return
	}
	r.review = 0
	if p := s.outage.pressed; p.proven && s.delivery.solid() && s.pace.trial == 0 && s.slots.trial == 0 {
		s.pace.works, s.slots.works = max(p.rate, s.pace.works), max(p.slots, s.slots.works)
		s.pace.overtaken()
		s.slots.overtaken()
		s.reason = ReasonBack
		return
	}
	if s.delivery.solid() {
		return // that bounds nothing
	}
	if n := len(s.delivery.list); n > 0 && s.delivery.list[n-1].pause > 0 {
		return // what was accepted between pauses has said more already
	}
	bound := s.delivery.bound(s.trip.raised)
	if s.pace.trial == 0 && r.suspect != &s.slots && bound > s.pace.works && !math.IsInf(bound, 1) {
		s.pace.works = min(bound, s.pace.fails)
	}
}

// lowered notes that there is less now, since a refusal of an attempt that started
// then.
func (s *seek) lowered(start float64) {
	r := &s.recovery
	if r.accepted >= 8 || s.delivery.episode == 0 {
		s.delivery.episode = start
	}
	r.review = s.now + 1.5*s.trip.echo()
	r.began = s.now
	r.most, r.accepted, r.counted = 0, 0, 0
	s.chance.changed(s.deep())
	s.constraint.begin(s.now)
}

// noise is a latency, in seconds, below which a difference is the scheduler's.
const noise = 100e-6

// crowded looks whether attempts wait for one another at the service. If so, what is in
// flight beyond what it works on only makes them slower.
func (s *seek) crowded(a attempt, o *Outcome) bool {
	if a.start < s.trip.settled || s.trip.success.value < noise {
		return false
	}
	q := &s.queueing
	q.add(s.now, inSeconds(o.Took))
	if q.recent.n < 64 || s.now < q.since+2*s.trip.success.value {
		return false
	}
	longer := q.longer(s.slots.inForce(), 2)
	if longer == 1 {
		return false
	}
	s.crowd(longer)
	return true
}

// crowd lowers the limit by as much as attempts take longer, and lets it be for long,
// since nothing is gained by more.
func (s *seek) crowd(longer float64) {
	l := &s.slots
	was := l.inForce()
	l.fail(was)
	l.works = max(was/min(longer, 2), 1)
	l.rested, s.recovery.suspect = s.now+20*(s.now-s.queueing.since), l
	s.pace.trial = 0
	s.reason = ReasonQueueing
	s.lowered(s.now)
	s.trip.settled = s.now + s.trip.success.value
}
