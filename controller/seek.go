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
		price:   price{bank: firstBank, changed: math.Inf(-1)},
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
}

// A roundTrip is how long attempts take.
type roundTrip struct {
	success, refusal mean
	raised           float64 // when the pace was; refusals from before are of another rate
	settled          float64 // attempts from before say nothing of how long they take
	worked           bool    // there was a success
}

// echo is how long it takes to hear of a refusal.
func (t *roundTrip) echo() float64 {
	if t.refusal.n > 0 {
		return t.refusal.value
	}
	return t.success.value
}

// quickRefusals reports whether refusals are heard of long before successes: then those
// attempts of which nothing was heard have been accepted.
func (t *roundTrip) quickRefusals() bool {
	return t.refusal.n > 0 && t.refusal.value < t.success.value/4
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
	if now := s.inForce(); now != s.was || now.missing {
		s.last, s.was = s.setting(), now
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

func (s *seek) inForce() inForce {
	missing := s.outage.is || s.outage.inARow >= silentMisses
	return inForce{s.slots.inForce(), s.pace.inForce(), s.reason, s.startup.on, missing}
}

const (
	silentMisses = 3   // attempts one after another without a success: it is time to wait longer and longer, …
	silentTimes  = 3   // as long as there was none until now, …
	windowTimes  = 0.5 // or half as long …
	shortWindow  = 1   // for so many seconds, since a used-up window of a second is soon over, …
	quickPace    = 10  // where more than so many are sent in a second
)

// silentWait returns how long to wait until the next attempt, when nothing is accepted.
func (s *seek) silentWait() float64 {
	run := s.delivery.run()
	if len(run) < silentMisses || run[0].start < s.outage.began {
		return 0
	}
	passed := s.now - run[0].start
	if passed < shortWindow && s.pace.works > quickPace {
		return windowTimes * passed
	}
	return silentTimes * passed
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

// instant is a latency, in seconds, below which a few divisions would cost more than an
// attempt does.
const instant = 10e-6

// unhindered reports whether nothing was ever refused, all that the bounds allow is in
// force, and attempts take next to no time: then there is nothing to find out.
func (s *seek) unhindered() bool {
	return s.startup.on && s.trip.success.value < instant && s.trip.success.n >= meanSpan &&
		s.slots.works == float64(s.bounds.MaxLimit) && s.pace.works >= s.fastest
}

// keepWithin keeps the pace finite and within what the bounds allow, after every step.
func (s *seek) keepWithin() { s.pace.works = min(max(s.pace.works, s.slowest), unpaced) }

// setting returns what is in force. It changes nothing.
func (s *seek) setting() Setting {
	set := Setting{Limit: int(s.slots.inForce()), Ceiling: s.bounds.MaxLimit, Reason: s.reason}
	if pace := s.pace.inForce(); pace < unpaced && !(s.startup.on && set.Limit == 1) {
		set.Interval = seconds(1 / pace) // one after another needs none
	}
	switch {
	case s.outage.is:
		wait := s.quota.patience(&s.outage, s.now, s.newest.start)
		limit := 1.
		if wait <= 0 {
			wait = s.outage.patience(s.now)
			share := s.outage.share()
			wait = min(wait, 1/(share*s.outage.sent))
			limit = max(share*s.slots.works, 1)
		}
		set.Limit, set.Interval, set.Probing = int(limit), seconds(wait), s.trip.worked
	case s.outage.inARow >= silentMisses:
		set.Interval = max(set.Interval, seconds(s.silentWait()))
	}
	return set.within(s.bounds)
}

// unpaced is a pace that is none: nothing is gained by waiting 10 us.
const unpaced = 1e5

// bound takes the bounds, and the slowest and the fastest pace that they allow.
func (s *seek) bound(b Bounds) {
	s.bounds, s.fastest = b, unpaced
	if b.MinInterval > 0 {
		s.fastest = 1 / b.MinInterval.Seconds()
	}
	s.slowest = min(1/b.MaxInterval.Seconds(), s.fastest)
}

// Update goes on under another Seek and other bounds.
func (s *seek) Update(p Policy, b Bounds) (Setting, bool) {
	policy, ok := p.(Seek)
	if !ok {
		return Setting{}, false
	}
	s.Seek = policy.withDefaults()
	s.bound(b)
	s.slots.clamp(1, float64(b.MaxLimit))
	s.pace.clamp(s.slowest, s.fastest)
	s.descent.from.slots = min(s.descent.from.slots, float64(b.MaxLimit)) // what is restored later has to be within them, too
	s.outage.pressed.slots = min(s.outage.pressed.slots, float64(b.MaxLimit))
	s.reason = ReasonUpdate
	s.keepWithin()
	s.last = s.setting()
	return s.last, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// inSeconds is what Duration.Seconds returns, without its division of integers.
func inSeconds(d time.Duration) float64 { return float64(d) * 1e-9 }

// succeed takes a success.
func (s *seek) succeed(a attempt, o *Outcome) {
	s.trip.worked = true
	s.price.earn(s.Refusals, s.now)
	if o.Fresh() {
		s.surge.add(0)
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

// fail takes a failure. One says nothing of the limit, and that of a retry nothing of
// the service either. Many in a row say that the service is down, if it ever worked; and
// if far more fail than did before, it is too much for it.
func (s *seek) fail(a attempt, o *Outcome) {
	if !s.trip.worked {
		s.outage.succeed(a.start) // it was not refused: what never worked is not down
	}
	if s.outage.is {
		s.outage.probed(o)
	}
	if !o.Fresh() || !s.trip.worked {
		s.ignore(a, o)
		return
	}
	s.surge.add(1)
	s.miss(a)
	switch {
	case s.outage.is:
		s.outage.lastMiss, s.outage.refusing = max(s.outage.lastMiss, a.start), false
	case s.outage.failing(o.InFlight, s.surge.always):
		s.goDown(false)
	case s.surge.is():
		s.refuse(a, o)
	}
}

func (s *seek) miss(a attempt) {
	s.outage.miss(a, pressure{rate: s.pace.works, slots: s.slots.works, proven: !s.startup.on && s.recovery.accepted >= 10})
}

// goDown has the service be asked now and then whether it is there again.
func (s *seek) goDown(refusing bool) {
	before := s.outage.since
	s.outage.start(s.newest, refusing)
	s.outage.sent = s.sent()
	s.quota.down(&s.outage, s.newest, before)
	s.pace.trial, s.slots.trial = 0, 0
	s.reason = ReasonDown
	if s.startup.on {
		s.endStartup()
	}
}

// longOutage is how many seconds make what failed before another day's.
const longOutage = 10

// revive goes on where we were.
func (s *seek) revive(a attempt) {
	long := a.start-s.outage.since > longOutage
	rate, window := s.quota.back(&s.outage, a)
	s.pace.works, s.slots.works = rate, s.outage.pressed.slots
	s.outage.end()
	switch {
	case window:
		s.pace.fails = 1.01 * rate
	case long:
		s.pace.fails = math.Inf(1)
	}
	s.pace.overtaken()
	s.slots.overtaken()
	s.delivery.forget()
	s.reason = ReasonBack
	s.lowered(s.now)
	s.pace.rested, s.slots.rested = s.now, s.now
	if !window { // what comes back may be another: try soon
		s.pace.rested += closeRest - s.price.rest(0)
		s.slots.rested = s.pace.rested
	}
	s.outage.pressed = pressure{rate: s.pace.works, slots: s.slots.works}
}
