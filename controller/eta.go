package controller

import (
	"math"
	"time"
)

// LongHold is a hold that the rate of completion cannot take in, since it forgets within
// that time: the ETA counts it by itself.
const LongHold = rateMemory

// eta returns how long the rest takes: what is left of a hold, and then as long as at
// the rate before it, or, if that is longer, what budgets and quotas need for it. It is
// unknown when no more jobs will come.
func (c *Controller) eta(r *Report) time.Duration {
	eta := c.progress.ETA(r.worked(r.Now))
	if r.Status.Closed {
		return -1
	}
	if eta <= 0 { // not known, or all is done
		return eta
	}
	eta = plus(eta, max(r.Status.PausedFor, r.Status.OpenFor, r.Status.HoldFor))
	left := c.progress.Total - c.progress.done
	waiting := float64(max(left-int64(r.Status.InFlight), 0)) // the others have taken their part
	eta = max(eta, durationOf(waiting*r.Status.Interval.Seconds()))
	for _, b := range r.Status.Budgets {
		each := float64(r.Status.MeanTokens)
		switch {
		case b.Window == Forever: // it does not come back
			continue
		case b.Requests:
			each = 1
		case b.Counts != "":
			each = float64(b.Mean)
		}
		if missing := waiting*each - float64(b.Remaining); missing > 0 {
			eta = max(eta, durationOf(missing/float64(b.Tokens)*b.Window.Seconds()))
		}
	}
	return eta
}

// worked returns a time without the long holds before it.
func (r *Report) worked(t time.Time) time.Time { return t.Add(-r.Status.LongHolds) }

// plus adds two durations of at least 0.
func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func durationOf(s float64) time.Duration {
	if s *= float64(time.Second); s < math.MaxInt64 {
		return time.Duration(s)
	}
	return math.MaxInt64
}
