package controller

import (
	"math"
	"time"
)

// early finds out whether a quota is whole sooner than its hints say. Where a server names
// the moment and shows its clock, both in whole seconds, what is read may be up to two
// seconds too long, which is a lot of a short window. People count windows in whole
// seconds, and many begin with the first request. So the window that begins with an
// attempt is as long as the largest number of whole seconds below what is read, or as long
// as is read: one attempt asks at that time. If it is let through, so it is from then on; else
// it is asked again after some windows, since the first one may have begun with a second.
type early struct {
	at     time.Time // when the quota may be whole; zero: not sooner than told
	told   time.Time // when it is, as told
	number int64     // of the first attempt since then; 0: there is none
	worked int       // how often it was whole, at most earlySure
	failed int       // how often it was not, without being so in between
	skip   int       // windows in which nothing is asked
}

const (
	// longestEarly is the longest window in which a second is worth a refusal. Chosen: it
	// is a twentieth.
	longestEarly = 20 * time.Second

	// earlySure is how often it has to be whole for a refusal to be bad luck.
	earlySure = 2

	// earlySkip is for how many windows nothing is asked after a refusal, and so many times
	// as many after the next.
	earlySkip = 2
)

// hear takes a hint, and reports when the quota is whole, if that is known.
func (e *early) hear(l *ledger, h Hint, m Mark, start, now time.Time) (whole time.Time) {
	whole = now.Add(h.Reset)
	if e.number != 0 && m.number >= e.number {
		if start.Before(e.told) {
			e.learn(2*h.Remaining >= h.Limit && h.Remaining > 0)
		}
		e.number = 0
		e.begin(h, now)
	} else if l.whole.IsZero() || !start.Before(l.whole) {
		e.begin(h, now)
	}
	if e.worked > 0 && e.at.After(start) {
		return e.at
	}
	return whole
}

func (e *early) learn(whole bool) {
	if whole {
		e.worked, e.failed = min(e.worked+1, earlySure), 0
		return
	}
	if e.worked = max(e.worked-1, 0); e.worked == 0 {
		e.failed++
		e.skip = int(math.Pow(earlySkip, float64(min(e.failed, 9))))
	}
}

// begin takes the first hint of a window.
func (e *early) begin(h Hint, now time.Time) {
	e.at, e.told = time.Time{}, now.Add(h.Reset)
	if e.skip > 0 {
		e.skip--
		return
	}
	if h.Rounding == 0 || h.Remaining == 0 || h.Reset <= time.Second || h.Reset > longestEarly {
		return
	}
	e.at = now.Add((h.Reset - 1).Truncate(time.Second))
}

// take notes that an attempt with the number starts.
func (e *early) take(now time.Time, number int64) {
	if e.number == 0 && e.asks(now) {
		e.number = number
	}
}

// asks reports whether it is time for an attempt that finds out.
func (e *early) asks(now time.Time) bool {
	return !e.at.IsZero() && !now.Before(e.at) && now.Before(e.told)
}

// open reports whether an attempt may start that finds out.
func (e *early) open(now time.Time) bool { return e.number == 0 && e.asks(now) }

// sooner returns a time that is waited for if it is before the one that was told.
func (e *early) sooner(now, whole time.Time) time.Time {
	if e.number == 0 && e.at.After(now) && e.at.Before(whole) {
		return e.at
	}
	return whole
}
