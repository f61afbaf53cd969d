package controller

import "math"

// A lever is one of the two things that Seek moves: how many attempts may be in
// flight, and how many may start in a second. It is moved up on trial; what a trial
// shows to work is kept, and after one that fails the lever goes back.
//
// As long as nothing has failed, each trial goes twice as far as the one before.
// When something has, the next is half-way, in proportion, between what works and
// what does not, until those are close.
type lever struct {
	whole  bool    // it counts things
	value  float64 // works
	failed float64 // does not; +Inf: not known
	trial  float64 // is being tried; 0: nothing is
	begun  float64 // the trial
	until  float64 // it is to last
	rested float64 // since when nothing is tried
	growth float64 // of the last trial, as a share; 0: it was none of growth
	rising bool    // the last trial succeeded
}

func newLever(value float64, whole bool) lever {
	return lever{whole: whole, value: value, failed: math.Inf(1)}
}

// now returns what is in force.
func (l *lever) now() float64 { return max(l.value, l.trial) }

// step is the smallest share by which it is worth moving: one of what it counts, a
// few in a hundred of a rate, or, if that is so low that one would have to wait for
// the difference, up to ten.
func (l *lever) step() float64 {
	if l.whole {
		return max(1/l.value, 0.03)
	}
	return min(max(0.3/l.value, 0.02), 0.1)
}

// close reports whether it is known what fails, and little more than what works.
func (l *lever) close() bool {
	if l.whole {
		return l.failed <= l.value+1.5
	}
	return l.failed <= l.value*(1+1.2*l.step())
}

// far reports whether what fails is known to be many times what works: then a step is
// hardly a risk.
func (l *lever) far() bool { return l.failed > 4*l.value && !math.IsInf(l.failed, 1) }

// next returns what to try next, at most most.
func (l *lever) next(most float64) float64 {
	to := 0.0
	if !math.IsInf(l.failed, 1) && !l.close() {
		to = min(max(math.Sqrt(l.value*l.failed), l.value*(1+l.step()/2)), 2*l.value)
	} else {
		l.growth = min(2*l.growth, 1)
		if l.growth == 0 {
			l.growth = l.step()
			if !l.whole && math.IsInf(l.failed, 1) {
				l.growth = max(l.growth, min(0.3/l.value, 1)) // or it takes minutes
			}
		}
		to = l.value * (1 + l.growth)
	}
	if l.whole {
		to = max(math.Round(to), l.value+1)
	}
	return min(to, most)
}

// try begins a trial.
func (l *lever) try(to, now, until float64) { l.trial, l.begun, l.until = to, now, until }

// succeed ends a trial that has shown what is tried to work.
func (l *lever) succeed() {
	l.value, l.trial, l.rising = l.trial, 0, true
	if l.failed <= l.value || l.growth > 0 {
		l.failed = math.Inf(1)
	}
}

// fail takes note of what does not work.
func (l *lever) fail(at float64) {
	l.failed, l.value = at, min(l.value, at)
	l.trial, l.growth, l.rising = 0, 0, false
}

// cancel ends a trial that has shown nothing.
func (l *lever) cancel(now float64) { l.trial, l.growth, l.rising, l.rested = 0, 0, false, now }

// limit brings the lever within bounds.
func (l *lever) limit(least, most float64) {
	l.value = min(max(l.value, least), most)
	if l.trial > most {
		l.trial, l.growth = 0, 0
	}
}

// sane forgets a failure that what is in force has overtaken.
func (l *lever) sane() {
	if l.failed <= l.value {
		l.failed = math.Inf(1)
	}
}
