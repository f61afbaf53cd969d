package controller

import (
	"math"
	"time"
)

// Seek finds the limit of a service that nobody has told it: how many attempts a
// second it takes, or how many at once. It presses up to that limit, and spends a
// bounded share of attempts on finding out where it is now. A zero field takes its
// default.
//
// The package comment explains how.
type Seek struct {
	Refusals float64 // share of attempts that may be refused for finding out, above 0, at most 1; default 0.005
}

func (p Seek) withDefaults() Seek {
	if p.Refusals == 0 {
		p.Refusals = 0.005
	}
	return p
}

// Start returns a law that begins with the initial limit. If that is the maximum, it
// begins with one attempt, and when that has succeeded, with a tenth of the maximum.
func (p Seek) Start(b Bounds) (Law, Setting) {
	first := b.InitialLimit
	if first == b.MaxLimit {
		first = 1
	}
	s := &seek{
		Seek:    p.withDefaults(),
		startup: newStartup(),
		price:   price{bank: firstBank, changed: math.Inf(-1), noticed: math.Inf(-1)},
		slots:   newBracket(float64(first), true),
		pace:    newBracket(unpaced, false),
		reason:  ReasonStart,
	}
	s.bound(b)
	return s, s.setting()
}

// seek is Seek at work. All times are in seconds since the first attempt.
type seek struct {
	Seek
	bounds           Bounds
	slowest, fastest float64 // paces within the bounds
	epoch            time.Time
	now              float64
	newest           attempt // that we have heard of
	passed           int64   // attempts up to it since the one before, which were accepted if they were not refused
	last             Setting
	was              inForce // when it was made
	reason           Reason

	slots bracket // attempts in flight
	pace  bracket // attempts a second

	startup    startup
	spacing    spacing
	constraint constraint
	chance     chance
	surge      surge
	delivery   delivery
	recovery   recovery
	price      price
	outage     outage
	quota      quota
	queueing   queueing
	trip       roundTrip
	descent    descent
	lean       lean
	brownout   brownout
	stretches  stretches
	costs      costs
}

func (s *seek) Next(now time.Time, outcome Outcome) Setting {
	o := &outcome
	if o.Verdict == Succeeded && s.unhindered() {
		s.trip.success.add(inSeconds(o.Took))
		return s.last
	}
	if s.epoch.IsZero() {
		s.epoch = o.Start
	}
	s.now = inSeconds(now.Sub(s.epoch))
	a := attempt{o.Seq, inSeconds(o.Start.Sub(s.epoch))}
	s.passed = max(a.seq-s.newest.seq, 0)
	if a.seq > s.newest.seq {
		s.rested(a, o)
		s.newest = a
	}
	s.weigh(a, o)
	s.constraint.add(a.start, o)
	switch {
	case o.Own:
		s.ignore(a, o)
	case o.Verdict == Succeeded:
		s.succeed(a, o)
	case o.Verdict == Overload:
		s.miss(a)
		s.refuse(a, o)
	case o.Verdict == Ignored:
		s.ignore(a, o)
	default:
		s.fail(a, o)
	}
	s.keepWithin()
	if s.changed() {
		s.last = s.setting()
	}
	return s.last
}

// inForce is what a setting is made of, unless the service is missing: then it depends on
// the time.
type inForce struct {
	slots, pace float64
	reason      Reason
	startup     bool
	missing     bool
}

// changed takes what is in force, and reports whether the setting is another than before.
// It compares field by field: to build a value first would take longer.
func (s *seek) changed() bool {
	was := &s.was
	slots, pace := s.slots.inForce(), s.pace.inForce()
	missing := s.outage.is || s.outage.inARow >= silentMisses
	if slots == was.slots && pace == was.pace && s.reason == was.reason && s.startup.on == was.startup && !missing && !was.missing {
		return false
	}
	s.was = inForce{slots, pace, s.reason, s.startup.on, missing}
	return true
}

// rested takes note of a time without jobs. A bucket that is full is given nothing
// more, so what was accepted meanwhile bounds nothing; nor was that the pace.
func (s *seek) rested(a attempt, o *Outcome) {
	due := float64(a.seq-s.newest.seq) / s.pace.inForce()
	if o.Paced || s.newest.seq == 0 || a.start-s.newest.start <= 2*s.trip.success.value+4*due {
		return
	}
	if r, ok := s.delivery.before(a); ok && r.seq >= s.newest.seq {
		return // it was a pause that the service had asked for
	}
	s.trip.raised = a.start
	s.constraint.begin(a.start)
}

// keepWithin keeps the pace finite and within what the bounds allow, after every step.
func (s *seek) keepWithin() { s.pace.works = min(max(s.pace.works, s.slowest), unpaced) }

// succeed takes a success.
func (s *seek) succeed(a attempt, o *Outcome) {
	s.trip.worked = true
	s.costs.add(o.Tokens)
	s.price.earn(s.Refusals, s.now)
	if o.Fresh() {
		s.surge.add(a.start, 0)
		s.compare()
	}
	s.trip.success.add(inSeconds(o.Took))
	s.outage.succeed(a.start)
	switch {
	case s.outage.is:
		if s.outage.over(a.start) {
			s.revive(a)
		}
	case s.startup.on:
		if s.startup.began > 0 && a.start >= s.startup.began {
			s.queueing.add(s.now, inSeconds(o.Took))
		}
		s.count(a, o)
		s.double(a, o)
	case s.crowded(a, o):
	default:
		s.count(a, o)
		s.look()
		s.catchUp(a)
		s.try()
	}
}

// ignore takes an attempt that ended without saying anything of the service. It was
// let through, so it is a reason to go on trying.
func (s *seek) ignore(a attempt, o *Outcome) {
	switch {
	case s.outage.is:
	case s.startup.on:
		s.trip.success.add(inSeconds(o.Took))
		s.double(a, o)
	default:
		s.try()
	}
}

// count notes how many the service worked on when it accepted an attempt.
func (s *seek) count(a attempt, o *Outcome) {
	if a.start >= s.delivery.episode {
		s.recovery.count(s.delivery.atWork(a.seq, a.start, o.InFlight))
	}
}
