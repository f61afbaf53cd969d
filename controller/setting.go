package controller

import "time"

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
	for _, later := range []*pressure{&s.descent.from, &s.outage.pressed, &s.surge.from, &s.brownout.from} {
		later.slots = min(later.slots, float64(b.MaxLimit)) // what is restored has to be within them, too
	}
	s.reason = ReasonUpdate
	s.keepWithin()
	s.last = s.setting()
	return s.last, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// inSeconds is what Duration.Seconds returns, without its division of integers.
func inSeconds(d time.Duration) float64 { return float64(d) * 1e-9 }
