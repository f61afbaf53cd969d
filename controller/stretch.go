package controller

import "math"

// A stretch is from a pause that a refusal asked for to the next refusal.
type stretch struct {
	rate     float64 // attempts a second that were allowed in it
	accepted float64
	least    float64 // attempts a second that the service was given at least
}

// stretches tells a service that stalls now and then from one that is pressed too hard.
// Less pressure is refused later, by a bucket and by a window alike, and never if it is
// less than what was given. If it is refused all the same, it is not the pressure.
//
// It also knows how large a bucket can be: it was full at first, so it holds no more than
// was accepted before the first refusal.
type stretches struct {
	last  [3]stretch // the newest first; what is older may be of another rate
	burst float64    // 0: nothing was refused yet
	tried bool       // what is known to fail was found out by a trial
}

const (
	sooner     = 0.5  // of what was accepted with more pressure: so few are no sign of it
	nearRate   = 1.01 // times a rate is no more pressure
	surelyLess = 0.99 // times a rate that was given is less
)

// refused takes the end of a stretch, and reports whether the pressure was the reason.
func (s *stretches) refused(now stretch) (pressed bool) {
	pressed = true
	for _, before := range s.last {
		earlier := now.rate <= before.rate*nearRate && now.accepted < sooner*before.accepted
		if before.accepted >= enoughAccepted && (earlier || now.rate <= before.least*surelyLess) {
			pressed = false
		}
	}
	copy(s.last[1:], s.last[:])
	s.last[0] = now
	return pressed
}

// endStretch takes a refusal that ends a stretch, and reports whether it is a stall's.
func (s *seek) endStretch(a attempt) (stalled bool) {
	r, ok := s.delivery.before(a)
	if !ok {
		return false
	}
	now := stretch{rate: s.pace.inForce(), accepted: float64(s.delivery.accepted(r.seq, a.seq))}
	if open := a.start - r.start - r.pause; open > 0 {
		now.least = (now.accepted - s.stretches.burst) / open
	}
	if open := a.start - s.pace.begun; s.pace.begun > r.over() {
		now.accepted = min(now.accepted, now.rate*open)
	}
	return !s.stretches.refused(now)
}

// sitOut goes on as before after a stall.
func (s *seek) sitOut(a attempt) {
	s.recovery.floor = s.pace.works
	if s.pace.trial > 0 {
		s.pace.cancel(s.now)
	}
	if !s.stretches.tried { // that may have been a stall, too
		s.pace.fails = math.Inf(1)
		if s.price.costly(s.pace.works) {
			s.pace.growth = costlyGrowth / 2 // a small step costs as much
		}
	}
	s.lowered(a.start)
}

// costlyGrowth is the first step where a refusal costs much and it is not known what fails.
const costlyGrowth = 0.25
