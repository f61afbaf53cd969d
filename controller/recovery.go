package controller

import "math"

// A recovery is the time since the limit or the pace was lowered, as in TCP. Refusals of
// attempts that started before are no reason to lower it again.
type recovery struct {
	began    float64  // when it was lowered
	suspect  *bracket // which was
	accepted int      // attempts that started since the episode of refusals began
	counted  float64  // of those that have ended, up to usualSpan
	most     int      // that the service worked on then, …
	usual    float64  // … their mean, …
	spread   float64  // … and its variance
	crowd    int      // worked on at a refusal that may be the limit's, but was taken for the pace's; 0: none
	known    float64  // pace that failed, before the refusals that came since a success
	excess   float64  // share of what was sent that was too much then, if it was the rate
	floor    float64  // rate that worked before the trial that failed, or before a stall; 0: it was neither
	review   float64  // when all refusals have been heard; 0: they have
}

// usualSpan is how many attempts the usual number at work is a mean of.
const usualSpan = 64

// count notes how many the service worked on when it accepted an attempt.
func (r *recovery) count(n int) {
	r.counted = min(r.counted+1, usualSpan)
	r.most = max(r.most, n)
	share := 1 / r.counted
	off := float64(n) - r.usual
	r.usual += off * share
	r.spread += (off*off - r.spread) * share
	r.spread = settle(r.spread)
}

// above reports whether the service worked on more than it recently accepted at most,
// or, since the count is off by those refusals that we have not heard of, on hardly
// fewer and on more than is usual.
func (r *recovery) above(n int) bool {
	x := float64(n)
	return n > r.most || n > 20 && x >= 0.97*float64(r.most) && x > r.usual+1.5*math.Sqrt(r.spread)
}

// near reports whether two counts may be of the same limit.
func near(a, b int) bool { return math.Abs(float64(a-b)) <= max(1, 0.05*float64(b)) }
