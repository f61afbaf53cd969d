package controller

// refuse takes a refusal, or a failure that is one by another name.
func (s *seek) refuse(a attempt, o *Outcome) {
	s.trip.refusal.add(inSeconds(o.Took))
	n := s.delivery.atWork(a.seq, a.start, o.InFlight)
	pause := inSeconds(o.RetryAfter)
	s.delivery.add(refusal{a.seq, a.start, s.now, pause, o.Verdict != Overload})
	if s.chance.known() && s.delivery.adjacent(a.seq) {
		s.trip.adjacent.add(inSeconds(o.Took))
	}
	s.price.asked(pause)
	if s.stretches.burst == 0 {
		s.stretches.burst = float64(a.seq)
	}
	switch {
	case s.outage.is:
		s.outage.lastMiss, s.outage.refusing = max(s.outage.lastMiss, a.start+pause), o.Verdict == Overload
	case s.quota.period > 0 || s.outage.silent(s.now, s.trip.success.value) || pause > 0 && s.stalled(a):
		s.price.spend(1)
		s.goDown(o.Verdict == Overload)
		s.outage.lastMiss = max(s.outage.lastMiss, a.start+pause)
	case a.start < s.recovery.began:
		if s.chance.lateRefusal() && len(s.delivery.run()) < stallRun {
			s.late(a, n)
		}
	case pause > 0 && !s.startup.on && s.endStretch(a):
		s.sitOut(a)
	case s.convincing(a, o, n) && !s.suspectBrownout(o):
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
	return ok && r.pause*s.outage.sentBefore(s.trip.success.value) >= stallRefill*s.costs.spread() && s.delivery.accepted(r.seq, a.seq) <= stallFew &&
		r.start >= s.outage.began
}

// convincing reports whether a refusal is evidence that the pressure is too high, or may
// be chance.
func (s *seek) convincing(a attempt, o *Outcome, n int) bool {
	switch {
	case o.RetryAfter > 0:
		return true // who says when to come again does not refuse by chance
	case s.startup.on:
		e := s.chance.e
		if s.silent(o) {
			e = max(e, silentStart) // a few by chance among the first answers would end it
		}
		return s.startup.refusal(e)
	case s.pace.trial > 0 && a.start >= s.pace.begun:
		return s.chance.trialRefusal(s.pace.trial/s.pace.works-1, s.leastChance(o))
	case s.slots.trial > 0 && a.start >= s.slots.begun:
		return s.chance.trialRefusal(s.slots.trial/s.slots.works-1, s.leastChance(o))
	}
	known := s.chance.known()
	convincing := s.chance.restRefusal(len(s.delivery.run()) == 1 && (s.trip.quickRefusals() || !s.recovery.above(n)), s.leastChance(o))
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
	if o.Verdict == Succeeded || o.Verdict == Overload {
		s.weighBrownout(a, o, float64(s.passed), float64(s.passed-passed))
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
