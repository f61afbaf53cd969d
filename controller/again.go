package controller

import "time"

// again is for a refusal that says two things: that a quota is whole in a minute, and to come
// again in a second. Of a bucket, both are true. So one attempt starts when the server said to
// come again. If it is let through, the quota flows back all the time; see refill. A server
// that refuses it some times in a row says the same to everybody, and is not asked again before
// the reset.
type again struct {
	at      time.Time // when the server said to come again; zero: it did not, or it is not believed
	by      int64     // the attempt to which it said so, until it is known to be refused; 0: it is
	number  int64     // of the attempt that asks; 0: none is under way
	refused int       // how often such attempts were refused in a row
}

const (
	// againShare is how much shorter than the reset the time to come again has to be: what is
	// rounded, or measured by two clocks, differs by less.
	againShare = 0.5

	// mostAgain is after how many refusals in a row it is not believed any more. Chosen: one may be
	// because others were faster.
	mostAgain = 3
)

// hear takes a hint that an attempt has heard which was to use so much of the quota, and reports whether
// it shows that the quota flows back.
func (a *again) hear(h Hint, m Mark, own int64, now time.Time) (flows bool) {
	asked := m.asked(h)
	switch {
	case a.number > m.number: // it started before the one that asks
		return false
	case a.number == m.number && a.number != 0 && asked == 0:
		flows, a.refused = true, 0
	case a.number == m.number && a.number != 0:
		a.refused++
	}
	*a = again{refused: a.refused}
	if asked > 0 && h.Remaining < max(own, 1) && float64(asked) < againShare*float64(h.Reset) && a.refused < mostAgain {
		a.at, a.by = now.Add(asked), m.number
	}
	return flows
}

// refuse takes note that an attempt was refused: then what it was told is meant for who was.
func (a *again) refuse(m Mark) {
	if a.by == m.number {
		a.by = 0
	}
}

// open reports whether an attempt may start that asks.
func (a *again) open(now time.Time) bool {
	return a.number == 0 && a.by == 0 && !a.at.IsZero() && !now.Before(a.at)
}

// sooner returns a time that is waited for if it is before the one that was told.
func (a *again) sooner(now, whole time.Time) time.Time {
	if a.number == 0 && a.by == 0 && a.at.After(now) && a.at.Before(whole) {
		return a.at
	}
	return whole
}
