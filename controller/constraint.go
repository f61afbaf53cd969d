package controller

// A constraint tells what keeps more attempts from starting, as seen from those that have
// started since the limit or the pace was moved last: the pace, the limit, or that there
// are too few jobs (then the sender is app-limited, as BBR's draft calls it).
type constraint struct {
	since         float64 // attempts that started before do not count
	first, newest attempt
	seen          float64
	paced         float64 // share that the interval held back recently
	peak          int     // most in flight
}

// An attempt is when which one started, in seconds.
type attempt struct {
	seq   int64
	start float64
}

// begin begins to look anew.
func (c *constraint) begin(now float64) { *c = constraint{since: now} }

// pacedSpan is how many attempts the share of paced ones is a mean of.
const pacedSpan = 32

// add takes an attempt that has ended.
func (c *constraint) add(start float64, o *Outcome) {
	if start < c.since {
		return
	}
	a := attempt{o.Seq, start}
	if c.seen == 0 {
		c.first, c.newest = a, a
	}
	if a.seq > c.newest.seq {
		c.newest = a
	}
	c.seen++
	c.peak = max(c.peak, o.InFlight)
	paced := 0.0
	if o.Paced {
		paced = 1
	}
	c.paced = settle(c.paced + (paced-c.paced)/min(c.seen, pacedSpan))
}

// rate returns how many attempts start in a second, 0 if it is not known.
func (c *constraint) rate() float64 {
	if passed := c.newest.start - c.first.start; passed > 0 {
		return float64(c.newest.seq-c.first.seq) / passed
	}
	return 0
}

// clumped reports whether no more have started than may be in flight, which was the most: they
// may have started together, one after another as fast as the pace allows, and the next only
// when those have ended. Then their rate says nothing of how many start in a second.
func (c *constraint) clumped(limit float64) bool {
	return float64(c.peak) > limit-1 && float64(c.newest.seq-c.first.seq) < limit
}
