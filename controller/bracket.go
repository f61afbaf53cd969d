package controller

import "math"

// A bracket holds what is known of one of the two things that Seek adjusts, the limit
// of attempts in flight and the rate at which they start: what works, which is in force,
// and the least that is known to fail. A trial raises it for a while. What a trial shows
// to work is kept; a trial that fails is taken back.
//
// As long as nothing has failed, each trial goes twice as far as the one before. When
// something has, the next one is half-way, in proportion, between what works and what
// does not, until those are close.
type bracket struct {
	whole  bool    // it counts things
	works  float64 // in force, but for a trial
	fails  float64 // +Inf: not known
	trial  float64 // is being tried; 0: nothing is
	begun  float64 // when the last trial was
	from   float64 // what worked before it
	aim    float64 // is to be tried next, if it is more than what works; 0: nothing is
	proven float64 // worked for long; 0: nothing
	until  float64 // the trial is to last
	held   float64 // when a trial held last
	rested float64 // since when nothing is tried
	growth float64 // of the last trial, as a share; 0: that trial was not one of growth
	rising bool    // the last trial succeeded
	reach  float64 // share by which it may grow at first, since that costs no more than a step; 0: by a step
	noise  float64 // share that is refused by chance: smaller steps could not be told from it
}

func newBracket(works float64, whole bool) bracket {
	return bracket{whole: whole, works: works, fails: math.Inf(1)}
}

// inForce returns what is in force.
func (b *bracket) inForce() float64 { return max(b.works, b.trial) }

const (
	slotsStep = 0.03 // smallest step of a count, as a share; a step of one is larger below 33
	leastStep = 0.02 // of a rate
	mostStep  = 0.1  // of a rate so low that one would wait long for the difference
	noiseStep = 2    // a step is to refuse so many times what chance does
)

// step is the smallest share by which it is worth moving: one of what it counts, or a
// few in a hundred of a rate, and more than chance refuses.
func (b *bracket) step() float64 {
	if b.whole {
		return max(1/b.works, slotsStep)
	}
	return max(min(max(0.3/b.works, leastStep), mostStep), min(noiseStep*b.noise, mostStep))
}

// close reports whether it is known what fails, and little more than what works. Where a
// trial has just held, that is as far as a step costs nothing: what failed may have been at
// another time, and half-way is soon so small a step that it takes seconds to see it.
func (b *bracket) close() bool {
	if b.whole {
		return b.fails <= b.works+1.5
	}
	if b.rising {
		return b.fails <= b.works*(1+max(1.2*b.step(), b.reach))
	}
	return b.fails <= b.works*(1+1.2*b.step())
}

// far reports whether what fails is known to be many times what works: then a step is
// hardly a risk.
func (b *bracket) far() bool { return b.fails > 4*b.works && b.known() }

// known reports whether anything is known to fail.
func (b *bracket) known() bool { return !math.IsInf(b.fails, 1) }

// next returns what to try next, at most most.
func (b *bracket) next(most float64) float64 {
	if aim := b.aim; aim > b.works {
		b.aim = 0
		return min(aim, most)
	}
	to := 0.0
	if b.known() && !b.close() {
		to = min(max(math.Sqrt(b.works*b.fails), b.works*(1+b.step()/2)), 2*b.works)
	} else {
		b.growth = min(2*b.growth, 1)
		if b.growth == 0 {
			b.growth = max(b.step(), b.reach)
			if !b.whole && !b.known() {
				b.growth = max(b.growth, min(0.3/b.works, 1)) // or it takes minutes
			}
		}
		to = b.works * (1 + b.growth)
	}
	if b.whole {
		to = max(math.Round(to), b.works+1)
	}
	return min(to, most)
}

// gain is the share by which the next trial would raise what works.
func (b *bracket) gain() float64 {
	if b.known() && !b.close() {
		return max(min(math.Sqrt(b.fails/b.works)-1, 1), b.step()/2)
	}
	return max(min(2*b.growth, 1), b.step())
}

// try begins a trial.
func (b *bracket) try(to, now, until float64) {
	b.trial, b.from, b.begun, b.until = to, b.works, now, until
}

// hold ends a trial that has shown what is tried to work.
func (b *bracket) hold(now float64) {
	b.held = now
	b.works, b.trial, b.rising = b.trial, 0, true
	if b.fails <= b.works || b.growth > 0 {
		b.fails = math.Inf(1)
	}
}

// prove takes note that what works has worked for long.
func (b *bracket) prove() { b.proven = max(b.proven, b.works) }

// found takes note that what is in force works, and that what was before does not.
func (b *bracket) found(failed float64) {
	if failed > b.works {
		b.fails, b.rising = failed, true
	}
}

// fail takes note of what does not work.
func (b *bracket) fail(at float64) {
	if b.reach > 0 && b.trial > 0 && b.growth > 0 && b.fails > b.works {
		at = min(at, b.fails) // that a large step fails too is nothing new
	}
	b.fails, b.works = at, min(b.works, at)
	b.trial, b.growth, b.rising = 0, 0, false
}

// cancel ends a trial that has shown nothing.
func (b *bracket) cancel(now float64) { b.trial, b.growth, b.rising, b.rested = 0, 0, false, now }

// clamp brings it within bounds.
func (b *bracket) clamp(least, most float64) {
	b.works = min(max(b.works, least), most)
	if b.trial > most {
		b.trial, b.growth = 0, 0
	}
}

// overtaken forgets a failure that what is in force has overtaken.
func (b *bracket) overtaken() {
	if b.fails <= b.works {
		b.fails = math.Inf(1)
	}
}
