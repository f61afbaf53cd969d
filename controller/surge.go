package controller

import "math"

// A surge notices that far more attempts fail than did before. A failure says nothing
// of a limit, since jobs fail for reasons of their own. But when the share of failures
// multiplies, the pressure may be too high, and they are refusals by another name: a limiter
// that closes connections, or a service that answers 500 when it has too much to do.
//
// So there is an experiment: half of the pressure, and if far fewer fail, all of it again, since what is
// noticed for being much is less the next time. If as many fail then as before, it is the pressure, and from
// then on failures are refusals. If not, it is the jobs, or the service has trouble of its own: then
// what was in force before is in force again, and so many failures are usual.
type surge struct {
	always  float64 // share that failed, whatever it came of
	ended   float64 // attempts that it is a mean of, up to surgeLong
	usual   float64 // share that fails whatever the pressure
	counted float64 // attempts that it is a mean of, up to surgeLong
	doubt   float64 // log-likelihood that far more do (CUSUM; Page, Biometrika 1954)
	run     float64 // attempts since it was 0, …
	failed  float64 // … of which so many failed
	proven  bool    // failures are refusals
	cured   int     // experiments shortly after one another in which fewer failed with less, and no more with all again

	experiment
}

const (
	surgeLong  = 1024 // attempts that a share is a mean of
	surgeLearn = 64   // and where it has just changed
	surgeKnown = 20   // attempts of which few have to have failed before, or many may be usual
	surgeUsual = 0.1  // share that is taken for usual at least, …
	surgeMost  = 0.5  // … and at most: where more fails anyway, it can't be told
	surgeMore  = 0.2  // many is twice what is usual and so much more
	surgeDoubt = 7    // six failures of seven where few are usual
)

// add takes a job's first attempt, with what has failed of it: 0 or 1.
func (s *surge) add(start, failed float64) {
	s.ended = min(s.ended+1, surgeLong)
	s.always = settle(s.always + (failed-s.always)/s.ended)
	if s.comparing() {
		if start >= s.began {
			s.evident += weigh(failed, s.before, surgeFewer*s.before)
		}
		return
	}
	usual := max(s.usual, surgeUsual)
	s.run++
	s.failed += failed
	if usual <= surgeMost && (failed > 0 || s.doubt > 0) { // else a success changes nothing
		s.doubt = max(s.doubt+weigh(failed, min(2*usual+surgeMore, (1+usual)/2), usual), 0)
	}
	if s.doubt == 0 || s.doubt >= surgeDoubt && s.counted < surgeKnown {
		s.doubt = 0
		s.usual = settle((s.usual*s.counted + s.failed) / (s.counted + s.run))
		s.counted = min(s.counted+s.run, surgeLong)
		s.run, s.failed = 0, 0
	}
}

// weigh returns the logarithm of how many times likelier an outcome is where a share fails than where
// another one does.
func weigh(failed, share, than float64) float64 {
	if failed > 0 {
		return math.Log(share / than)
	}
	return math.Log((1 - share) / (1 - than))
}

// doubtful reports whether it is time for the experiment.
func (s *surge) doubtful() bool { return s.doubt >= surgeDoubt && !s.comparing() }

// end ends the experiment. From now on, such a share is usual.
func (s *surge) end(usual float64) {
	s.usual, s.counted = usual, min(s.counted, surgeLearn)
	s.doubt, s.run, s.failed = 0, 0, 0
	s.experiment = experiment{}
}

// surged takes a failure that may be the pressure's.
func (s *seek) surged(a attempt, o *Outcome) {
	u := &s.surge
	switch {
	case u.comparing():
	case u.doubtful():
		u.experiment = experiment{
			from: pressure{rate: s.pace.works, slots: s.slots.works, startup: s.startup},
			bank: s.price.bank, before: min(u.failed/u.run, mostBefore),
		}
		if u.counted+u.run > surgeSoon {
			u.cured = 0
		}
		s.halve()
	case u.proven:
		s.refuse(a, o)
	}
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
