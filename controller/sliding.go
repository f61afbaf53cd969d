package controller

import (
	"math"
	"time"
)

// sliding is for quotas that say when they are whole, and are not whole then: counters that
// take part of the window before. A burst at the beginning of a window is taken off the
// next one. They are found out by what the first attempts of a window are told: that
// little is left, and nothing to those that started with them.
// From then on the quota is used evenly, which suits a fixed window just as well, and some
// of it is kept in reserve: so before an attempt is refused, others have told how much
// comes back. As long as nothing is seen to come back, because others have taken it, say,
// nothing left means until the reset.
type sliding struct {
	on    bool
	poor  int64     // volley after a reset that was told of little
	since time.Time // when nothing was left at the beginning of a window; zero: never
	grew  int       // times that more was left than before, at most slidingGrew
	quiet int       // hints in a row that nothing is left
}

const (
	// slidingReserve is the share of a quota that is kept. Chosen: three of fifty attempts
	// tell of a pace that is a third too high.
	slidingReserve = 0.06

	// slidingBurst is the share that may start at once.
	slidingBurst = 0.1

	// mostQuiet bounds for how long nothing is asked: 2 to the power of it, in attempts.
	mostQuiet = 16

	// slidingSoon is the share of a window in which the places of a log come back that were
	// taken at once.
	slidingSoon = 0.2

	// slidingAsks is the part of a window after which is asked whether something comes back:
	// twice of it, then four times.
	slidingAsks = 8

	// slidingGrew is how often more has to be left than before to believe that it comes
	// back. Chosen: answers overtake each other once or twice.
	slidingGrew = 3
)

// hear takes what a hint says, before its ledger does.
func (s *sliding) hear(l *ledger, h Hint, m Mark, start, now time.Time) {
	newer := m.volley > l.origin.volley
	if l.fresh(start) && h.Reset > h.Rounding && // else it may be of the window before
		2*h.Remaining < l.limit-l.renewal.started {
		s.poor = m.volley
	}
	if newer && start.Before(l.whole) && h.Remaining >= l.told && h.Remaining-l.told < l.limit/2 && l.told < l.limit/2 {
		s.grew = min(s.grew+1, slidingGrew)
	}
	switch {
	case h.Remaining > 0:
		s.quiet = 0
	case newer:
		s.quiet = min(s.quiet+1, mostQuiet)
	}
	s.judge(l, h, m, now)
}

// judge finds out what nothing left at the beginning of a window means. If much is left soon
// after, it was a log, of which the first places were not free yet.
func (s *sliding) judge(l *ledger, h Hint, m Mark, now time.Time) {
	soon := now.Sub(s.since) < time.Duration(slidingSoon*float64(l.renewal.longest))
	switch {
	case s.on || l.rolling.on:
	case s.since.IsZero():
		if h.Remaining == 0 && h.Reset > h.Rounding && m.volley == s.poor && l.renewal.started > 1 {
			s.since = now
		}
	case soon && 4*h.Remaining >= l.limit:
		s.since, l.rolling.on = time.Time{}, l.rolling.starts != nil
	case !soon:
		s.on = true
	}
}

// refuse takes a refusal at the beginning of a window that says nothing of what is left.
func (s *sliding) refuse(now time.Time) {
	if s.since.IsZero() {
		s.since = now
	}
}

// debt is what has to come back before the next attempt, while hints say that nothing is left.
func (s *sliding) debt(limit int64) float64 {
	if !s.on || s.quiet == 0 {
		return 0
	}
	return min(float64(int64(1)<<s.quiet)/2, float64(limit))
}

// fresh reports whether an attempt started when the quota ought to have been whole.
func (l *ledger) fresh(start time.Time) bool {
	return l.limit > 0 && !l.renewal.begun.IsZero() && !start.Before(l.whole) && l.renewal.started < (l.limit+1)/2
}

// reserve is what is kept of the quota.
func (l *ledger) reserve() float64 {
	if !l.sliding.on {
		return 0
	}
	return max(1, slidingReserve*float64(l.limit))
}

// most is how much may start at once.
func (l *ledger) most() float64 {
	if !l.sliding.on {
		return float64(l.limit)
	}
	return l.reserve() + max(1, slidingBurst*float64(l.limit))
}

// deepest is how much may be missing at most: what comes back within a window, after which the
// server has forgotten what was used.
func (l *ledger) deepest() float64 {
	if !l.sliding.on {
		return math.Inf(-1)
	}
	return -float64(l.limit)
}

// awaits returns until when nothing is asked, since nothing is left and nothing is seen to come
// back: at most two ask before the reset.
func (l *ledger) awaits() time.Time {
	if !l.sliding.on || l.told > 0 || l.sliding.grew >= slidingGrew {
		return time.Time{}
	}
	patience := float64(int64(1)<<l.sliding.quiet) / slidingAsks
	if soon := l.at.Add(time.Duration(patience * float64(l.renewal.longest))); soon.Before(l.whole) {
		return soon
	}
	return l.whole
}

// rate returns how much comes back in a second; 0 if it comes back at once.
func (l *ledger) rate() float64 {
	if l.sliding.on && l.renewal.longest > 0 {
		return float64(l.limit) / l.renewal.longest.Seconds()
	}
	return l.refill.rate()
}
