package controller

import "math"

// late takes a refusal of an attempt that started before the last cut. It says
// nothing of what is in force now, but something of where the limit is.
func (s *seek) late(a attempt, n int) {
	r := &s.recovery
	if r.floor > 0 && a.start >= s.pace.begun {
		s.price.spend(1)
	}
	switch {
	case r.suspect == &s.slots:
		if to := float64(max(n-1, r.most, 1)); to < s.slots.works {
			s.slots.works, s.slots.fails = to, to+1
		}
	default:
		if r.crowd > 0 && n > r.most {
			r.crowd = min(r.crowd, n)
		}
		run := s.delivery.run()
		asked := len(run) > 0 && run[0].pause > 0
		if asked && s.settled() {
			break // what is accepted between pauses says more, and one stall refuses all that is in flight
		}
		bound := s.delivery.bound(s.trip.raised)
		if asked || len(run) < silentMisses {
			bound = max(bound, r.floor) // else it may be a window that is used up
		}
		s.pace.works = min(s.pace.works, bound)
	}
	r.review = s.now + 1.5*s.trip.echo()
}

// look looks again at what is known of the rate when all refusals of an episode have
// been heard of.
func (s *seek) look() {
	r := &s.recovery
	if r.review == 0 || s.now < r.review {
		return
	}
	r.review = 0
	solid := s.delivery.solid(s.recovery.excess)
	n := len(s.delivery.list)
	asked := n > 0 && s.delivery.list[n-1].pause > 0
	again := asked && s.outage.relapsed(s.newest) // a burst, refused after each pause
	if p := s.outage.pressed; p.proven && solid && !again && s.outage.sustained(s.newest, s.trip.success.value) && s.pace.trial == 0 && s.slots.trial == 0 {
		share := s.outage.back(s.newest, s.trip.waits(), false)
		s.pace.works, s.slots.works = max(share*p.rate, s.pace.works), max(math.Floor(share*p.slots), s.slots.works)
		s.pace.overtaken()
		s.slots.overtaken()
		s.reason = ReasonBack
		return
	}
	if solid || asked {
		return // that bounds nothing, or what was accepted between pauses has said more already
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
