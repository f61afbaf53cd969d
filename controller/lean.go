package controller

// lean notices that much less is sent than the service gave in the mean until now, though
// it refuses nothing any more. A window that was used up at once gives little or nothing
// until it is over: what failed meanwhile is no limit, and it would take minutes to climb
// back. The mean counts the time in which nothing was given, so it is a rate to go on with.
//
// A bucket whose burst was used up looks the same for once. Then what is aimed for is
// refused at once, and the mean is taken anew from there, without the burst.
type lean struct {
	since attempt // the mean is taken; first of all the first attempt
}

const (
	leanShare    = 1.5 // times what is sent that was given in the mean
	leanKnown    = 20  // attempts that a mean is of at least
	leanSpan     = 20  // seconds that it is of at most
	leanQuiet    = 0.3 // seconds in which nothing was refused, …
	leanTrips    = 3   // … or so many times as long as it takes to hear of a refusal
	leanAccepted = 3   // attempts that were accepted meanwhile
	leanRefused  = 3   // attempts that were refused one after another before: that is no chance
	halfPaced    = 0.5 // share of attempts that the pace holds back, where it is what holds them up
)

// rate returns what a service gave in the mean up to an attempt, if it refuses nothing any
// more, and 0 otherwise or if that is not much more than what works.
func (l *lean) rate(a attempt, d *delivery, works, echo float64) float64 {
	passed, n := a.start-l.since.start, len(d.list)
	if passed > leanSpan {
		l.since = a
		return 0
	}
	sent := a.seq - l.since.seq
	if n == 0 || sent < leanKnown || float64(sent) < leanShare*works*passed {
		return 0
	}
	last := &d.list[n-1]
	if last.pause > 0 || a.start-last.start < max(leanQuiet, leanTrips*echo) || a.seq < last.seq+leanAccepted {
		return 0
	}
	rate := float64(d.accepted(l.since.seq, a.seq)) / passed
	if rate <= leanShare*works || d.longestRun(l.since.seq) < leanRefused {
		return 0
	}
	l.since = a
	return rate
}

// floorShare is the share of what was given in the mean that is sent at least while nothing
// is. The bench is flat between a fourth and a sixteenth.
const floorShare = 1. / 8

// floor returns what to send at least while nothing is given since a refusal: so much that
// the end of it is noticed soon.
func (l *lean) floor(since refusal) float64 {
	passed := since.start - l.since.start
	if passed <= 0 {
		return 0
	}
	return floorShare * float64(since.seq-l.since.seq) / passed
}

// catchUp tries what the service gave in the mean, if it is much more than what is sent,
// and the pace is what holds it up. Where chance refuses, runs of refusals come by chance.
func (s *seek) catchUp(a attempt) {
	if s.constraint.paced < halfPaced || s.chance.known() {
		return
	}
	if rate := s.lean.rate(a, &s.delivery, s.pace.works, s.trip.echo()); rate > 0 {
		s.pace.cancel(0)
		s.pace.aim, s.pace.fails = rate, min(s.pace.fails, 2*rate)
	}
}
