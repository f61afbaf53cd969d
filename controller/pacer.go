package controller

import "time"

const (
	// timerSlack is how late a timer may wake us before it is the attempts'
	// loss: operating systems round to a millisecond, and then some.
	timerSlack = 2 * time.Millisecond

	// burstSlack bounds the burst with which an interval below a timer's
	// resolution keeps its mean rate.
	burstSlack = time.Millisecond
)

// A Pacer keeps dispatches at least an interval apart.
//
// It keeps a schedule rather than the last gap: an attempt that a timer woke
// late is due when it was to be woken, so lateness does not add up and the mean
// rate holds. A pause because nothing was to be done earns nothing, except
// below a millisecond, where it earns a burst of a millisecond's worth.
type Pacer struct {
	Jitter float64 // each gap is longer by up to this fraction of the interval

	next   time.Time // when the next attempt is due
	waited bool      // an attempt has been waiting for next
}

// Wait returns how long the next attempt has to wait.
func (p *Pacer) Wait(now time.Time) time.Duration {
	wait := p.next.Sub(now)
	if wait <= 0 {
		return 0
	}
	p.waited = true
	return wait
}

// Start notes that an attempt starts now. random is in [0, 1).
func (p *Pacer) Start(now time.Time, interval time.Duration, random float64) {
	if interval == 0 {
		p.next = now
		return
	}
	slack := time.Duration(0)
	if interval < burstSlack {
		slack = burstSlack
	}
	if p.waited {
		slack = timerSlack
	}
	due := p.next
	if earliest := now.Add(-slack); due.Before(earliest) {
		due = earliest
	}
	p.next = due.Add(interval + time.Duration(p.Jitter*random*float64(interval)))
	if p.next.After(now) {
		p.waited = false
	}
}

// Slower moves the next attempt back by what the interval has grown, so that a
// new interval holds from the very next gap.
func (p *Pacer) Slower(by time.Duration) {
	if by > 0 && !p.next.IsZero() {
		p.next = p.next.Add(by)
	}
}

// gapSpan is how many dispatches the natural gap is measured over, at least.
const gapSpan = 64

// Gaps measures how far apart attempts are sent. It counts them in spans, and
// remembers the last full one.
type Gaps struct {
	begin, lastBegin time.Time
	n, lastN         int
}

// Add notes that an attempt starts now.
func (g *Gaps) Add(now time.Time) {
	if g.n == 0 {
		g.begin = now
	}
	g.n++
	if g.n == gapSpan {
		g.lastBegin, g.lastN = g.begin, g.n
		g.n = 0
	}
}

// Mean returns the mean gap between the last dispatches, up to now: a burst
// that was sent a second ago counts as a second. It is 0 before the first.
func (g *Gaps) Mean(now time.Time) time.Duration {
	switch {
	case g.lastN > 0:
		return now.Sub(g.lastBegin) / time.Duration(g.n+g.lastN)
	case g.n > 0:
		return now.Sub(g.begin) / time.Duration(g.n)
	}
	return 0
}
