package controller

import "time"

// A Hint is what a server said of its limits: a Retry-After, or what is left of
// a quota. Fields that it did not tell are zero. It holds for all attempts, not
// only for the one that was told.
//
// Without a Budget, the quota is one of requests that no budget of ours stands
// for: when half of it is gone, what is left is spread over the time until Reset.
// With the name of a budget, no more than what is left is taken from that one, as
// fast as may be; so name your budget of requests to have its quota used up. A name
// that no budget has tells only that nothing may be sent until Reset, if nothing is
// left.
type Hint struct {
	RetryAfter time.Duration // nothing is to be sent for so long

	Limit     int64         // the quota of a window; 0: not told
	Remaining int64         // what is left of it; counts only if Reset is above 0
	Reset     time.Duration // until the quota is whole again; 0: not told
	Budget    string        // name of the budget that the quota is of; see above
	Requests  bool          // the quota is one of requests: if no budget has the name, it is as if without
}

// longestHint bounds what we believe of a server.
const longestHint = 10_000 * time.Hour

// WithinReason returns h without what makes no sense.
func (h Hint) WithinReason() Hint {
	h.RetryAfter = min(max(h.RetryAfter, 0), longestHint)
	h.Reset = min(max(h.Reset, 0), longestHint)
	h.Limit, h.Remaining = max(h.Limit, 0), max(h.Remaining, 0)
	return h
}

// Advice is what the hints of a server come to, those of budgets apart: a time
// before which nothing is sent, and an interval that makes what is left of a
// quota last until it is whole again. Its zero value is no advice.
type Advice struct {
	until    time.Time // nothing before
	interval time.Duration
	slow     time.Time // until then, the interval holds
}

// Take takes a hint that is within reason.
//
// A pause only ever gets longer, because answers overtake each other: one that
// left the server before the quota was used up says nothing of it. The interval
// is that of the latest hint. As long as more than half of a quota is left,
// there is none: most runs never get to its end, and need not be slowed down.
func (a *Advice) Take(now time.Time, h Hint) {
	a.pause(now, h.RetryAfter)
	switch {
	case h.Reset == 0:
	case h.Remaining == 0:
		a.pause(now, h.Reset)
		a.slow = time.Time{}
	case h.Limit > 0 && h.Remaining > h.Limit/2:
		a.slow = time.Time{}
	default:
		a.interval = h.Reset / time.Duration(h.Remaining)
		if h.Reset%time.Duration(h.Remaining) > 0 {
			a.interval++ // or one more than is left could start
		}
		a.slow = now.Add(h.Reset)
	}
}

func (a *Advice) pause(now time.Time, wait time.Duration) {
	if until := now.Add(wait); wait > 0 && until.After(a.until) {
		a.until = until
	}
}

// Wait returns how long nothing is to be sent.
func (a *Advice) Wait(now time.Time) time.Duration { return max(a.until.Sub(now), 0) }

// Left returns how long the interval holds.
func (a *Advice) Left(now time.Time) time.Duration { return max(a.slow.Sub(now), 0) }

// Interval returns how far apart attempts are to start at least.
func (a *Advice) Interval(now time.Time) time.Duration {
	if now.Before(a.slow) {
		return a.interval
	}
	return 0
}
