package controller

// A surge notices that far more attempts fail than did before. A failure says nothing
// of a limit, since jobs fail for reasons of their own. But when the share of failures
// multiplies, the pressure may be too high, and they are refusals by another name.
//
// If it is the pressure, fewer fail when there is half as much of it. If not, it is the
// jobs, or the service has trouble of its own: then what was in force before is in force
// again, and failures are no refusals until they are few.
type surge struct {
	ended          float64 // attempts that succeeded or failed, up to surgeLong
	lately, always float64 // share of them that failed
	before         float64 // share of the last few that failed before the pressure was halved

	from    pressure // in force before it was lowered for a surge; rate 0: it was not
	bank    float64  // refusals that could be spent then
	sent    float64  // attempts a second that were sent then
	halved  float64  // when half of that was in force; 0: not yet
	since   float64  // attempts that ended since, of those that started since
	failed  float64  // those that failed
	cleared bool     // it is not the pressure
}

const (
	surgeShort  = 64   // attempts that are lately
	surgeLong   = 1024 // and always
	surgeFew    = 16   // and just before
	surgeShare  = 0.2  // share that is many
	surgeRatio  = 3    // times what is usual
	surgeHalf   = 0.5  // of the pressure, which has to make a difference, …
	surgeSame   = 0.75 // … or not, if such a part of the share that failed before still fails, …
	surgeEnough = 32   // … of so many attempts at least
	surgeOver   = 128  // attempts after which it was the pressure
)

// add takes a job's first attempt, with what has failed of it: 0 or 1.
func (s *surge) add(start, failed float64) {
	s.ended = min(s.ended+1, surgeLong)
	s.lately = settle(s.lately + (failed-s.lately)/surgeShort)
	s.always = settle(s.always + (failed-s.always)/s.ended)
	switch {
	case s.halved == 0:
		s.before = settle(s.before + (failed-s.before)/surgeFew)
	case start >= s.halved:
		s.since++
		s.failed += failed
	}
	if s.lately < surgeShare/2 {
		s.cleared = false
	}
	if s.since >= surgeOver || s.lately < surgeShare/2 && s.from.rate > 0 {
		s.forget()
	}
}

// forget ends the comparison.
func (s *surge) forget() { s.from, s.halved, s.since, s.failed = pressure{}, 0, 0, 0 }

// is reports whether failures are a sign of the pressure.
func (s *surge) is() bool {
	return !s.cleared && s.lately > surgeShare && s.lately > surgeRatio*s.always
}

// unmoved reports whether as many fail with half of the pressure.
func (s *surge) unmoved() bool {
	return s.since >= surgeEnough && s.failed >= surgeSame*s.before*s.since
}

// surged takes a failure that is taken for a refusal.
func (s *seek) surged(a attempt, o *Outcome) {
	u := &s.surge
	if u.from.rate == 0 {
		u.from = pressure{rate: s.pace.works, slots: s.slots.works, startup: s.startup}
		u.bank, u.sent = s.price.bank, s.sent()
	}
	s.refuse(a, o)
	if u.halved == 0 && (s.pace.inForce() <= surgeHalf*u.sent || s.slots.inForce() <= surgeHalf*u.from.slots) {
		u.halved = s.now
	}
}

// clear goes back to what was in force before a surge, if less pressure has changed nothing.
func (s *seek) clear() {
	u := &s.surge
	if !u.unmoved() {
		return
	}
	s.restore(u.from)
	s.price.bank = max(u.bank, s.price.bank)
	u.cleared = true
	u.forget()
}

// restore goes back to what was in force.
func (s *seek) restore(was pressure) {
	s.pace.cancel(s.now)
	s.slots.cancel(s.now)
	s.pace.works, s.slots.works = max(was.rate, s.pace.works), max(was.slots, s.slots.works)
	s.outage.pressed.rate, s.outage.pressed.slots = s.pace.works, s.slots.works
	s.delivery.forget()
	s.resume(was.startup)
}
