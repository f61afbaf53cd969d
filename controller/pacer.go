package controller

import "time"

const (
	// timerSlack is what an interval below medium makes up for of a timer's
	// lateness: operating systems round to a millisecond, and then some.
	timerSlack = 2 * time.Millisecond
	medium     = 10 * time.Millisecond

	// lateness is what we believe of a timer. If an attempt that was to wait
	// starts even later, something else held it up.
	lateness = 10 * time.Millisecond

	// coarse is an interval to which a timer's lateness is next to nothing: then
	// rather the gap is kept than the mean.
	coarse = 100 * time.Millisecond

	// fine is an interval so short that a timer can't keep it: a few start together anyway.
	fine = 250 * time.Microsecond

	// burstSlack is what a longer interval makes up for. It also bounds the burst
	// with which a fine interval makes up for a pause.
	burstSlack = time.Millisecond
)

// A Pacer keeps dispatches at least an interval apart.
//
// No gap is shorter than the interval as far as timers are exact. Where they are
// not, and the interval is below 100 ms, it keeps a schedule rather than the last
// gap: an attempt that a timer woke late was due when it was to be woken. So
// lateness does not add up, and the mean rate holds. A pause because nothing
// was to be done earns nothing, except below a quarter of a millisecond, where it earns a
// burst of a millisecond's worth.
type Pacer struct {
	Jitter float64 // each gap is longer by up to this fraction of the interval

	next  time.Time     // when the next attempt is due
	held  bool          // an attempt waits for next, and for nothing else
	owing time.Time     // until then, attempts may make up for a timer's lateness
	spare time.Duration // the last attempt had been due for so long when it started
}

// Wait returns how long the next attempt has to wait.
func (p *Pacer) Wait(now time.Time) time.Duration {
	return max(p.next.Sub(now), 0)
}

// Hold tells whether an attempt waits for the pace, and for nothing else.
func (p *Pacer) Hold(held bool) { p.held = held }

// Spare returns by how much the interval may grow without holding up the last
// attempt, had it been so long before.
func (p *Pacer) Spare() time.Duration { return p.spare }

// Start notes that an attempt starts now. random is in [0, 1).
func (p *Pacer) Start(now time.Time, interval time.Duration, random float64) {
	p.spare = 0
	if interval == 0 {
		p.next = now
		return
	}
	p.spare = now.Sub(p.next)
	late := (p.held || now.Before(p.owing)) && interval < coarse && now.Sub(p.next) <= lateness
	slack := time.Duration(0)
	switch {
	case late && interval < medium:
		slack = timerSlack
	case late, interval < fine:
		slack = burstSlack
	}
	due := p.next
	if earliest := now.Add(-slack); due.Before(earliest) {
		due = earliest
	}
	p.next = due.Add(interval + time.Duration(p.Jitter*random*float64(interval)))
	p.held, p.owing = false, time.Time{}
	if late && !p.next.After(now) {
		p.owing = now.Add(burstSlack) // there is more to make up for than one attempt
	}
}

// Repace moves the next attempt by what the interval has grown or shrunk, so
// that a new interval holds from the very next gap. One that is due thereby is
// due now, and not late.
func (p *Pacer) Repace(now time.Time, by time.Duration) {
	p.spare -= max(by, 0)
	if due := p.next.Add(by); by > 0 || due.After(now) {
		p.next = due
	} else if p.next.After(now) {
		p.next = now
	}
}

// Rescale moves the next attempt as Repace does, but for one of many that get another
// interval at the same time and must not all be due at once. What is left of the wait grows
// or shrinks with the interval. Where there was no interval, random, in [0, 1), is the share
// of the new one that is to be waited.
func (p *Pacer) Rescale(now time.Time, from, to time.Duration, random float64) {
	p.spare -= max(to-from, 0)
	if from == 0 {
		p.Delay(now, time.Duration(random*float64(to)))
	} else if left := p.next.Sub(now); left > 0 {
		p.next = now.Add(time.Duration(float64(left) * float64(to) / float64(from)))
	}
}

// Delay has the next attempt wait at least so long.
func (p *Pacer) Delay(now time.Time, wait time.Duration) {
	if at := now.Add(wait); at.After(p.next) {
		p.next = at
	}
}

const (
	// gapSpan is how many dispatches the gap is measured over, at least.
	gapSpan = 64

	// gapPause and gapPauseAfter are how long a pause has to be, and how many
	// dispatches it takes, to be told from a gap: attempts that go in lockstep
	// come in bursts, too.
	gapPause      = 10 * time.Second
	gapPauseAfter = 16
)

// Gaps measures how far apart attempts are sent. It counts them in spans, and
// remembers the last full one. A pause that is longer than all that was
// measured begins a new measurement.
type Gaps struct {
	begin, lastBegin time.Time // of this span and the last
	n, lastN         int       // attempts in them
	last             time.Time // attempt
}

// Add notes that an attempt starts now.
func (g *Gaps) Add(now time.Time) {
	if now != g.last && g.n+g.lastN >= gapPauseAfter {
		if pause := now.Sub(g.last); pause > gapPause && pause > g.last.Sub(g.origin()) {
			g.n, g.lastN = 0, 0
		}
	}
	if g.n == gapSpan {
		g.lastBegin, g.lastN, g.n = g.begin, g.n, 0
	}
	if g.n == 0 {
		g.begin = now
	}
	g.n++
	g.last = now
}

// Mean returns the mean gap between the last dispatches, up to now: a burst
// that was sent a second ago counts as a second. It is 0 before the first.
func (g *Gaps) Mean(now time.Time) time.Duration {
	n := g.n + g.lastN
	if n == 0 {
		return 0
	}
	return now.Sub(g.origin()) / time.Duration(n)
}

func (g *Gaps) origin() time.Time {
	if g.lastN > 0 {
		return g.lastBegin
	}
	return g.begin
}
