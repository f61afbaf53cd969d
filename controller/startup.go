package controller

import "math"

// A startup is the time in which nothing was refused yet: both the limit and the pace
// double each round trip, as in TCP's slow start and BBR's STARTUP.
type startup struct {
	on    bool
	ended float64 // when it was over
	began float64 // when they doubled last; -1: never
	acks  int     // successes since, of attempts that started since
	gain  float64 // how many times faster the pace is than the limit asks for (BBR's pacing gain)
	doubt float64 // weight of the refusals
}

const (
	firstShare   = 10   // of the maximum, a tenth is the limit after the first success
	firstGain    = 1.2  // attempts are hardly held back by the pace, …
	mostGain     = 20   // … and less when the limit can't be raised any more
	acksOfTrip   = 4    // a quarter of what is in flight says how long attempts take
	acksAtLeast  = 8    // but a few say nothing, …
	acksPatience = 1    // … unless they take longer than so many seconds
	startDoubt   = 6    // weight of refusals that ends it: two of three, or so
	startChance  = 0.01 // share of refusals that is taken for chance in the startup
	startExcess  = 0.3  // and what pressure refuses that was doubled
)

func newStartup() startup { return startup{on: true, began: -1, gain: firstGain} }

// enough reports whether a round trip is over.
func (s *startup) enough(limit, latency float64) bool {
	return float64(s.acks) >= max(limit/acksOfTrip, min(acksAtLeast, acksPatience*limit/latency))
}

// success takes a success, refusal takes a refusal; convincing says that it was too much.
func (s *startup) success(chance, n float64) {
	if s.doubt == 0 {
		return
	}
	e := max(chance, startChance)
	s.doubt = max(s.doubt+n*math.Log((1-startExcess)/(1-e)), 0)
}

func (s *startup) refusal(chance float64) (convincing bool) {
	s.doubt += math.Log(startExcess / max(chance, startChance))
	return s.doubt >= startDoubt
}
