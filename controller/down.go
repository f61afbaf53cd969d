package controller

import "math"

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
	if !s.trip.worked {
		s.ignore(a, o)
		return
	}
	if !o.Fresh() {
		s.failAgain(a, o)
		return
	}
	if !s.outage.is {
		s.surge.add(a.start, 1)
	}
	s.miss(a)
	switch {
	case s.outage.is:
		s.outage.lastMiss, s.outage.refusing = max(s.outage.lastMiss, a.start), false
	case s.outage.failing(o.InFlight, s.surge.always):
		s.goDown(false)
	default:
		s.surged(a, o)
	}
	s.compare()
}

// failAgain takes the failure of a retry. It may be the job's own, so it is no sign of the
// pressure, unless failures are known to be; and where they may be, no reason to go on trying.
func (s *seek) failAgain(a attempt, o *Outcome) {
	switch {
	case s.outage.is || s.surge.doubt > 0 || s.surge.comparing():
	case s.surge.proven:
		s.refuse(a, o)
	default:
		s.ignore(a, o)
	}
}

func (s *seek) miss(a attempt) {
	s.outage.miss(a, pressure{rate: s.pace.works, slots: s.slots.works, proven: !s.startup.on && s.recovery.accepted >= 10})
}

// goDown has the service be asked now and then whether it is there again.
func (s *seek) goDown(refusing bool) {
	s.surgeWentDown()
	s.space()
	s.spacing.failed = 0 // a window that is used up refuses any limit
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
	if share := s.outage.back(s.newest, s.trip.waits(), s.surge.proven && !s.outage.refusing); !window {
		s.pace.works, s.slots.works = share*rate, max(math.Floor(share*s.slots.works), 1)
	}
	s.outage.end()
	switch {
	case window:
		s.pace.fails = 1.01 * rate
	case s.outage.refusing && s.price.costly(rate) && s.settledBefore(s.outage.since): // a trial may have failed for the stall
		s.pace.fails, s.pace.growth = math.Inf(1), costlyGrowth/2
	case s.quota.failed > 0:
		s.pace.fails = s.quota.failed
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
		s.pace.rested += closeRest - s.price.rest(0, s.now)
		s.slots.rested = s.pace.rested
	}
	s.outage.pressed = pressure{rate: s.pace.works, slots: s.slots.works}
}

// settledBefore reports whether the startup was over at a time: what it has found out is no
// stall's.
func (s *seek) settledBefore(at float64) bool { return !s.startup.on && s.startup.ended+settling < at }

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
	if len(run) < silentMisses || run[0].start < s.outage.began || run[len(run)-1].failed {
		return 0 // failures, of which many may be the jobs' own, are the outage's to judge
	}
	passed := s.now - run[0].start
	if passed < shortWindow && s.pace.works > quickPace {
		return windowTimes * passed
	}
	return silentTimes * passed
}
