package controller

import "math"

// double is the startup: both the limit and the pace, twice as far each round trip. A
// round trip is over when a quarter of what is in flight has succeeded that began in it,
// or, since a few say nothing of how long they take, eight, if that takes no more than a
// second.
func (s *seek) double(a attempt, o *Outcome) {
	l, up := &s.slots, &s.startup
	switch {
	case s.brownout.share > 0:
		up.acks = 0
		return // when it is over
	case up.began < 0:
		if s.trip.success.n < min(4, l.works/2) {
			return // of those in flight, the first to end is the quickest
		}
		if s.bounds.InitialLimit == s.bounds.MaxLimit {
			l.works = max(1, math.Floor(float64(s.bounds.MaxLimit)/firstShare))
		}
	case a.start < up.began || float64(o.InFlight) < l.works/2 && !o.Paced:
		return
	default:
		if up.acks++; !up.enough(l.works, s.trip.success.value) {
			return
		}
		if s.queueing.recent.n >= 8 && s.trip.success.value >= noise {
			if longer := s.queueing.longer(l.works, 1); longer > 1 {
				s.crowd(longer)
				s.pace.works = max(s.pace.works, 4*l.works*longer/s.queueing.waited)
				l.works, l.rested = max(math.Floor(l.works/2), 1), s.now // to see how long they take alone
				s.endStartup()
				s.trip.settled = s.now + s.trip.success.value
				return
			}
		}
		if l.works == float64(s.bounds.MaxLimit) {
			up.gain = min(2*up.gain, mostGain)
		}
		l.works = min(2*l.works, float64(s.bounds.MaxLimit))
	}
	up.acks, up.began, s.queueing.recent = 0, s.now, sample{}
	s.pace.works = min(up.gain*l.works/max(s.trip.success.value, 1e-6), s.fastest)
}

// endStartup ends the startup. How long its attempts took, of which the quick ones ended
// first, is not comparable.
func (s *seek) endStartup() {
	s.startup.on, s.startup.ended = false, s.now
	s.queueing, s.trip.settled = queueing{}, s.now
}

// try ends the trial that is under way, or begins one: of that which holds attempts up,
// for only that makes a difference.
func (s *seek) try() {
	switch {
	case s.constraint.seen < 3 || s.brownout.share > 0 || s.surge.comparing():
	case s.pace.trial > 0:
		s.endPaceTrial()
	case s.slots.trial > 0:
		s.endSlotsTrial()
	default:
		s.beginTrial()
	}
}

// trialEvidence is the weight that shows that a trial is not too much, where chance refuses
// as well: otherwise pressure would be taken for chance little by little.
const trialEvidence = 1.5

// undecided reports whether a trial goes on because something was refused in it that may
// have been chance, up to three times as long.
func (s *seek) undecided(b *bracket) bool {
	enough := 0.0
	if s.chance.known() {
		enough = -trialEvidence
	}
	return s.trialWeight() > enough && s.now < b.until+2*(b.until-b.begun)
}

// trialWeight is the weight of what was refused in the trial under way. Where refusals come
// quickly, attempts of a trial of the pace that are in flight for longer have been accepted.
func (s *seek) trialWeight() float64 {
	p := &s.pace
	if p.trial == 0 || !s.trip.quickRefusals() {
		return s.chance.trial
	}
	started := heldUp * p.trial * (s.now - p.begun - 2*s.trip.echo())
	return s.chance.trial + max(started-s.chance.tried, 0)*s.chance.success(1-p.works/p.trial)
}

func (s *seek) endPaceTrial() {
	if s.now < s.pace.until || s.undecided(&s.pace) {
		return
	}
	if s.chance.known() && s.trialWeight() > -trialEvidence {
		s.pace.cancel(s.now)
		s.endTrial(ReasonTrialEnded)
		return
	}
	s.pace.hold(s.now)
	s.pace.rested = s.now
	s.trip.raised = s.now
	s.price.compare(s.pace.works, s.now)
	s.endTrial(ReasonTrialHeld)
}

func (s *seek) endSlotsTrial() {
	l := &s.slots
	switch {
	case s.now < l.until || s.undecided(l):
	case float64(s.constraint.peak) > l.works:
		l.hold(s.now)
		s.spaced(true)
		s.endTrial(ReasonTrialHeld)
	case s.now >= l.until+2*s.trip.success.value:
		l.cancel(s.now) // nobody wanted them
		s.space()
		s.endTrial(ReasonTrialEnded)
	}
}

func (s *seek) endTrial(why Reason) {
	s.reason = why
	s.price.spend(s.chance.caused(true))
	if why == ReasonTrialHeld {
		s.chance.changed(s.deep())
		if s.descent.over(s.pace.works, s.slots.works) {
			s.descent = descent{}
		}
	}
	s.constraint.begin(s.now)
}

// heldUp is the share of the pace that is sent at least where the pace holds attempts up.
const heldUp = 0.85

func (s *seek) beginTrial() {
	sent := s.constraint.rate()
	if s.costlyLimit() {
		s.slots.growth = max(s.slots.growth, costlyGrowth/2)
	}
	switch {
	case sent > heldUp*s.pace.works && !s.constraint.clumped(s.slots.works):
		s.tryPace()
	case s.bounds.MaxLimit > 1 && float64(s.constraint.peak) > s.slots.works-1 && s.now >= s.rests(&s.slots): // else it can't be raised
		s.trySlots()
	case s.costlyLimit():
	case s.constraint.paced > 0.2 && s.pace.works < 4*sent: // it delays those that have a slot
		s.tryPace()
	}
}

// costlyLimit reports whether the limit holds attempts up, of which it is not known what fails,
// where a refusal costs much: then a small step of it costs as much as a large one, and a
// faster pace would not be sent and prove nothing.
func (s *seek) costlyLimit() bool {
	return s.bounds.MaxLimit > 1 && float64(s.constraint.peak) > s.slots.works-1 && !s.slots.known() && s.price.costly(s.pace.works)
}

// tryPace tries a faster pace, long enough for two attempts to be beyond what is
// known to work, and for a service that counts by the second to notice.
func (s *seek) tryPace() {
	p := &s.pace
	p.noise = s.chance.share()
	p.reach = s.reach()
	if s.now < s.rests(p) {
		return
	}
	to := p.next(s.fastest)
	if to <= p.works {
		return
	}
	if s.now-p.rested >= provenPauses*s.price.pause.value {
		p.prove()
	}
	p.try(to, s.now, s.now+max(2*s.trip.echo(), min(s.trip.success.value, 0.1))+s.price.proof(p.works)/(to-p.works))
	s.beganTrial()
}

const (
	cheapExcess = 0.5 // attempts too many that are sent until a refusal is heard of, where that costs nothing
	mostReach   = 0.2 // chosen: three in ten find a step sooner, but use up a bucket's burst
)

// reach returns how far the pace may be raised at first. A refusal that is heard of soon costs
// no more after a large step than after a small one, and shows itself in a tenth of the time.
// That helps where the rate changes, and would drive off others where it does not.
func (s *seek) reach() float64 {
	if s.price.pause.value >= cheapPause || !s.price.unsettled(s.now) {
		return 0
	}
	return min(cheapExcess/(s.pace.works*s.trip.echo()), mostReach)
}

// trySlots tries a higher limit. If nothing was ever refused, only how long attempts
// take can tell whether it is too high.
func (s *seek) trySlots() {
	l := &s.slots
	to := l.next(float64(s.bounds.MaxLimit))
	if to <= l.works {
		return
	}
	until := s.now + 2*s.trip.echo()
	if s.trip.refusal.n == 0 {
		until = s.now + s.trip.success.value*(2+64/to)
	}
	s.spaceOut(to)
	l.try(to, s.now, until)
	s.beganTrial()
}

func (s *seek) beganTrial() {
	s.reason = ReasonTrial
	s.chance.tries()
	s.constraint.begin(s.now)
}

// provenPauses is for how many of the pauses that a refusal asks for a pace has to work to
// be proven.
const provenPauses = 2

// cheapPause is a pause, in seconds, that a refusal may ask for without costing much.
const cheapPause = 0.1

// rests returns until when a bracket is left alone: when what is known of it is close
// enough, until there are refusals to spend.
func (s *seek) rests(b *bracket) float64 {
	pause := s.price.pause.value
	afford := !s.chance.known() || s.price.bank >= 1
	if b.rising && (afford && pause < cheapPause || b.far()) { // or a wrong step is costly
		return b.rested
	}
	wait := max(2*s.trip.echo(), 4/s.pace.works)
	if !b.far() {
		wait = max(wait, pause/b.gain())
	}
	if b.close() || !afford && !b.far() {
		wait = max(wait, s.price.rest(s.quota.period, s.now))
	}
	return b.rested + wait
}
