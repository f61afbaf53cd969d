package controller

import (
	"math"
	"time"
)

// refill finds out whether a quota flows back all the time, as a bucket's does, or is
// whole again at one moment, as a window's is. No server says which, but what comes of
// it tells.
//
// At a bucket the time until it is full is what is missing divided by the rate. So each
// hint bounds the rate, and the bounds of all of them meet. At a window they do not: more
// is missing while less time is left. It is known for a bucket when, besides, the moment
// at which it is whole has moved before it came, and the time until then has differed by
// more than rounding explains: there are servers that always say the same.
type refill struct {
	lowest, highest float64 // bounds of the rate, per second; highest 0: none
	whole           time.Time
	reset           float64 // until whole, in seconds, from when the server counted
	rounded         bool    // the server seems to round to seconds
	known           bool
	contradictions  int // in a row
}

const (
	// resetNoise is by how much a time until a reset may be wrong: a request takes a
	// while to arrive. Chosen; nothing changes between 1% and 5%.
	resetNoise = 0.02
	resetTick  = 0.002 // seconds; OpenAI writes milliseconds

	// mostContradictions is how many hints in a row have to contradict a known rate
	// until it is given up: one may come of an attempt that was slow to begin.
	mostContradictions = 3
)

// hear takes how much was missing of a quota when the server counted, and when it said
// that none would be.
func (r *refill) hear(missing int64, counted, whole time.Time) {
	reset := whole.Sub(counted).Seconds()
	if missing <= 0 || reset <= 0 {
		return
	}
	lowest, highest := r.bounds(missing, reset)
	if r.lowest > highest || r.highest > 0 && r.highest < lowest {
		r.contradictions++
		if r.known && r.contradictions < mostContradictions {
			return
		}
		*r = refill{rounded: true}
		lowest, highest = r.bounds(missing, reset)
	}
	r.contradictions = 0
	r.lowest = max(r.lowest, lowest)
	if r.highest == 0 || highest < r.highest {
		r.highest = highest
	}
	noise := r.noise(reset)
	switch {
	case r.whole.IsZero() || r.whole.Sub(counted).Seconds() <= noise: // that may have been since
		r.whole, r.reset = whole, reset
	case math.Abs(whole.Sub(r.whole).Seconds()) > noise && math.Abs(reset-r.reset) > noise:
		r.known = true
	}
}

// bounds returns what one hint says of the rate. What remains is rounded down, so that
// up to one less may be missing.
func (r *refill) bounds(missing int64, reset float64) (lowest, highest float64) {
	highest = math.Inf(1)
	if shortest := reset - r.noise(reset); shortest > 0 {
		highest = float64(missing) / shortest
	}
	if r.rounded {
		reset++
	}
	return float64(missing-1) / reset, highest
}

func (r *refill) noise(reset float64) float64 {
	noise := reset*resetNoise + resetTick
	if r.rounded {
		noise++
	}
	return noise
}

// rate returns how much comes back in a second, rather too little than too much; 0 if
// that is not known, or all comes back at once.
func (r *refill) rate() float64 {
	if r.known {
		return r.lowest
	}
	return 0
}
