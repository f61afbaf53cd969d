package controller

// A holdup tells what holds attempts up, from those that have started since the
// levers were moved last: the pace, the limit, or that there are no jobs.
type holdup struct {
	since         float64 // the levers were moved
	first, newest attempt
	seen          float64
	paced         float64 // share that the interval held back, of late
	peak          int     // in flight
}

// An attempt is when which one started, in seconds.
type attempt struct {
	seq   int64
	start float64
}

// begin begins to look anew.
func (h *holdup) begin(now float64) { *h = holdup{since: now} }

// add takes an attempt that has ended.
func (h *holdup) add(start float64, o Outcome) {
	if start < h.since {
		return
	}
	a := attempt{o.Seq, start}
	if h.seen == 0 {
		h.first, h.newest = a, a
	}
	if a.seq > h.newest.seq {
		h.newest = a
	}
	h.seen++
	h.peak = max(h.peak, o.InFlight)
	paced := 0.0
	if o.Paced {
		paced = 1
	}
	h.paced = settle(h.paced + (paced-h.paced)/min(h.seen, 32))
}

// rate returns how many attempts start in a second, 0 if it is not known.
func (h *holdup) rate() float64 {
	if passed := h.newest.start - h.first.start; passed > 0 {
		return float64(h.newest.seq-h.first.seq) / passed
	}
	return 0
}
