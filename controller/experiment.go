package controller

import "math"

// An experiment finds out whether a surge of failures is the pressure's, by two doses of it: see
// surge.
type experiment struct {
	from    pressure // in force before; rate 0: there is none
	bank    float64  // refusals that could be spent then
	before  float64  // share that failed then
	began   float64  // since when what is tried now has been
	halved  int      // how often
	less    pressure // with which far fewer failed, while all of it is tried again; rate 0: not yet
	evident float64  // log-likelihood that as many fail as before (Wald 1945)
}

const (
	mostBefore   = 0.95   // share that failed before at most: where all did, one success would decide
	surgeFewer   = 1. / 3 // of the share before, with half of the pressure, if it is that
	surgeEvident = 4      // what decides
	surgeHeavy   = 0.5    // share from which on half of the pressure may still be far too much: it is halved again, …
	surgeHalves  = 2      // … so often in all
	surgeCured   = 2      // a window forgives what was little for a while, so that all again seems to work: after so many times it is no accident, …
	surgeSoon    = 300    // … if it is within so many attempts
)

// comparing reports whether the experiment is under way.
func (e *experiment) comparing() bool { return e.from.rate > 0 }

// halve puts half of the pressure in force.
func (s *seek) halve() {
	sent := s.sent()
	if s.startup.on {
		s.endStartup()
	}
	s.pace.cancel(s.now)
	s.slots.cancel(s.now)
	s.pace.works, s.slots.works = sent/2, max(math.Floor(s.slots.works/2), 1)
	s.reason = ReasonFailures
	s.surge.halved++
	s.beginComparing()
}

// beginComparing compares what starts from now on with what was before.
func (s *seek) beginComparing() {
	s.surge.began, s.surge.evident = s.now, 0
	s.lowered(s.now)
}

// compare goes on with the experiment when it has shown something.
func (s *seek) compare() {
	u := &s.surge
	if !u.comparing() || math.Abs(u.evident) < surgeEvident {
		return
	}
	same, again := u.evident > 0, u.less.rate > 0
	switch {
	case same && again, !same && !again && u.cured >= surgeCured:
		if again {
			s.pace.works, s.slots.works = u.less.rate, u.less.slots
		}
		s.pace.found(u.from.rate)
		s.slots.found(u.from.slots)
		s.lowered(s.now)
		u.proven = true
		u.end(u.usual)
	case !same && !again:
		u.less = pressure{rate: s.pace.works, slots: s.slots.works}
		s.pace.works, s.slots.works = u.from.rate, u.from.slots
		s.beginComparing()
	case same && u.before >= surgeHeavy && u.halved < surgeHalves:
		s.halve()
	default:
		u.proven = false
		s.restore(u.from)
		s.pace.growth = costlyGrowth / 2 // there may be much to catch up on
		s.price.bank = max(u.bank, s.price.bank)
		if same {
			u.end(u.before)
		} else {
			u.cured++
			u.end(u.before * surgeFewer)
		}
	}
}

// surgeWentDown ends the experiment since the service is down. If it went down when all of the pressure
// was tried again, it is that.
func (s *seek) surgeWentDown() {
	u := &s.surge
	if !u.comparing() {
		return
	}
	was := u.from
	if u.less.rate > 0 {
		was, u.proven = u.less, true
	}
	s.outage.pressed.rate, s.outage.pressed.slots = was.rate, was.slots
	u.end(u.usual)
}
