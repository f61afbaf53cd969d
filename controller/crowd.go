package controller

// noise is a latency, in seconds, below which a difference is the scheduler's.
const noise = 100e-6

// settleTrips is for how many times the usual latency nothing is compared after a change:
// the quick attempts end first.
const settleTrips = 3

// crowded looks whether attempts wait for one another at the service. If so, what is in
// flight beyond what it works on only makes them slower.
func (s *seek) crowded(a attempt, o *Outcome) bool {
	if a.start < s.trip.settled || s.now < s.trip.settled+settleTrips*s.trip.success.value || s.trip.success.value < noise {
		return false
	}
	q := &s.queueing
	q.add(s.now, inSeconds(o.Took))
	if q.recent.n < 64 || s.now < q.since+2*s.trip.success.value {
		return false
	}
	longer := q.longer(s.slots.inForce(), 2)
	if longer == 1 {
		return false
	}
	s.crowd(longer)
	return true
}

// crowd lowers the limit by as much as attempts take longer, and lets it be for long,
// since nothing is gained by more.
func (s *seek) crowd(longer float64) {
	l := &s.slots
	was := l.inForce()
	l.fail(was)
	l.works = max(was/min(longer, 2), 1)
	l.rested, s.recovery.suspect = s.now+20*(s.now-s.queueing.since), l
	s.pace.trial = 0
	s.reason = ReasonQueueing
	s.lowered(s.now)
	s.trip.settled = s.now + s.trip.success.value
}
