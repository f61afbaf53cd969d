package controller

import "math"

// A descent is a row of cuts, none of which was followed by a trial that held as much as
// before. It keeps what was in force before the first. What is refused far below that is
// refused by chance, since a limit would have been left behind.
type descent struct {
	from  pressure // rate 0: there is no descent
	sent  float64  // attempts a second that were sent then
	first int64    // number of the attempt that was refused first
}

const (
	farBelow      = 0.8  // of what was sent before
	descentMemory = 3000 // attempts after which another descent begins
	settling      = 5    // seconds after the startup in which others may still be falling, too
)

// begin begins a descent if there is none, or only an old one.
func (d *descent) begin(from pressure, sent float64, a attempt) {
	if d.from.rate == 0 || a.seq > d.first+descentMemory {
		*d = descent{from: from, sent: sent, first: a.seq}
	}
}

// far reports whether what is in force is far below what was before.
func (d *descent) far(pace, slots float64) bool {
	return d.from.rate > 0 && (pace < farBelow*d.sent || slots < farBelow*d.from.slots)
}

// over reports whether as much works again as did before.
func (d *descent) over(pace, slots float64) bool { return pace >= d.sent && slots >= d.from.slots }

// settled reports whether the startup is over, and with it those of others that share the
// service and began at the same moment.
func (s *seek) settled() bool { return s.now > s.startup.ended+settling }

// descend takes note of what is in force, before it is lowered.
func (s *seek) descend(a attempt) {
	if s.settled() {
		now := pressure{rate: s.pace.works, slots: s.slots.works, startup: s.startup}
		s.descent.begin(now, s.sent(), a)
	}
}

// deep reports whether what is refused now is by chance.
func (s *seek) deep() bool {
	return s.settled() && s.descent.far(s.pace.inForce(), s.slots.inForce())
}

// fewSent attempts are too few for a rate.
const fewSent = 8

// sent returns how many attempts a second start, or would if there were enough jobs.
func (s *seek) sent() float64 {
	sent := s.constraint.rate()
	if s.constraint.seen < fewSent || sent == 0 {
		sent = s.slots.inForce() / max(s.trip.success.value, instant)
	}
	return min(sent, s.pace.inForce())
}

// restoredBy is how many times faster the pace gets that was lowered for chance. Others at
// the same bucket would not stand more.
const restoredBy = 2

// acquit goes back towards what was in force before a descent, since what was refused was
// chance: at once if the pace holds nothing up, or else with the next trial, which shows
// whether others have taken the place.
func (s *seek) acquit() bool {
	was := s.descent.from
	s.descent = descent{}
	if was.rate == 0 {
		return false
	}
	if s.constraint.rate() < heldUp*s.pace.works || was.rate > unpaced/10 {
		s.pace.works = max(min(was.rate, restoredBy*s.pace.works), s.pace.works)
	} else {
		s.pace.growth = min(max(was.rate/s.pace.works-1, 0), restoredBy-1) / 2 // the next trial doubles it
	}
	s.slots.works = max(was.slots, s.slots.works)
	s.resume(was.startup)
	return true
}

// resume goes on as before a descent, with the startup if that was not over, since what
// was refused was not for the pressure.
func (s *seek) resume(was startup) {
	s.pace.fails, s.slots.fails = math.Inf(1), math.Inf(1)
	s.pace.rested, s.slots.rested = s.now, s.now
	s.startup = was
	s.startup.doubt, s.startup.acks, s.startup.began = 0, 0, min(was.began, s.now)
	s.reason = ReasonChance
	s.chance.changed(false)
	s.constraint.begin(s.now)
}
