package controller

import "time"

// A Hint is what a server said of its limits: a Retry-After, or what is left of
// a quota. Fields that it did not tell are zero. It holds for all attempts, not
// only for the one that was told.
//
// A quota that no Budget of ours stands for is a ledger: no more than what is left starts,
// as fast as may be, until it is whole again, or flows back; see Told. One without a name,
// or of Requests, counts calls. Another counts tokens, by what attempts are expected to
// use: their jobs' costs, or the mean of what jobs used; as long as neither is known, it
// holds attempts up only when nothing is left. With the name of a budget, the same holds
// for that one, beside what the budget counts itself.
//
// A quota of one Resource holds up the calls that are said to be of that one. Of which
// resource others are, nobody knows: they have to wait only when every resource that was
// told of is used up. Those of one resource wait in one queue, and do not hold up the others.
// An attempt that is refused after a hint that its resource is used up holds up those of which
// the same resource is said as of it, or none either.
type Hint struct {
	RetryAfter time.Duration // nothing is to be sent for so long: of the Resource, if there is one

	Limit     int64         // the quota of a window; 0: not told
	Remaining int64         // what is left of it; counts only if Reset is above 0
	Reset     time.Duration // until the quota is whole again: at a bucket, until it is full; 0: not told
	Budget    string        // name of the budget that the quota is of; see above
	Requests  bool          // the quota is one of requests
	Resource  string        // the only calls that it is for, such as those of GitHub's graphql; empty: all
	Rounding  time.Duration // by how much the Reset may be too long, since it was rounded; 0: it is as exact as can be
}

// LongestHint bounds what is believed of a server. It keeps times from overflowing.
const LongestHint = 10_000 * time.Hour

// WithinReason returns h without what makes no sense.
func (h Hint) WithinReason() Hint {
	h.RetryAfter = min(max(h.RetryAfter, 0), LongestHint)
	h.Reset = min(max(h.Reset, 0), LongestHint)
	h.Rounding = min(max(h.Rounding, 0), LongestHint)
	h.Limit, h.Remaining = max(h.Limit, 0), max(h.Remaining, 0)
	return h
}

// Advice is the pause that a server has asked for. Its zero value is none.
type Advice struct {
	until time.Time // nothing before
}

// Take takes a hint that is within reason. A pause only ever gets longer, because
// answers overtake each other: who is told of a shorter one may have been told before.
func (a *Advice) Take(now time.Time, h Hint) {
	if until := now.Add(h.RetryAfter); h.RetryAfter > 0 && until.After(a.until) {
		a.until = until
	}
}

// Wait returns how long nothing is to be sent.
func (a *Advice) Wait(now time.Time) time.Duration {
	if a.until.IsZero() {
		return 0
	}
	return max(a.until.Sub(now), 0)
}
