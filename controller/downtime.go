package controller

import "math"

// downtime notices that a service has stopped answering, and when it answers again:
// an outage, or a quota that is used up until its window turns.
//
// What it was pressed with before is kept, and is in force again with the first
// success: nobody has to climb back. If it stops time and again, and the times
// between are those by which people count, it is a quota: what it gave in one window
// and how long that is make a rate, which then uses up each window just as it ends.
type downtime struct {
	is bool // down

	// Of late nothing but misses:
	misses  int     // attempts without success since one that started later than they
	inARow  int     // misses since a success ended
	inSeq   int     // misses of attempts that started one right after another
	last    int64   // the one that ended last
	began   float64 // start of the first of them
	newest  float64 // start of the newest
	calm    bool    // there are none
	pressed pressure

	since    float64 // it is down
	lastMiss float64 // the newest attempt that failed, or until when it said to be closed

	turned   float64 // start of the first success, the last time it came back; 0: it never was down
	turnMiss float64 // and of the last miss before that
	first    int64   // that success
	quota    float64 // what it accepted from there on until it was down again
	period   float64 // with which it comes back; 0: none is known
}

// A pressure is what was in force when all was well.
type pressure struct {
	rate, slots float64
	proven      bool // for long enough to believe in
}

// succeed takes an attempt that succeeded.
func (d *downtime) succeed(start float64) {
	d.inARow = 0
	if start > d.newest {
		d.calm, d.misses, d.inSeq = true, 0, 0
	}
}

// miss takes one that did not. What is in force is asked for with the first.
func (d *downtime) miss(a attempt, p pressure) {
	if d.calm || d.pressed.rate == 0 {
		d.pressed, d.calm = p, false
	}
	if d.misses == 0 || a.start < d.began {
		d.began = a.start
	}
	d.newest = max(d.newest, a.start)
	d.misses++
	d.inARow++
	if a.seq != d.last+1 {
		d.inSeq = 0
	}
	d.inSeq++
	d.last = a.seq
}

// silent reports whether it is time to believe that nothing will be accepted: not
// for twice as long as an attempt takes, nor when twenty should have been. What was
// in force may have been far too much, if it was not for long; then for 3 s.
func (d *downtime) silent(now, latency float64) bool {
	enough := max(2*latency, 20/d.pressed.rate)
	if !d.pressed.proven {
		enough = max(enough, 3)
	}
	return d.misses >= 4 && now-d.began > enough
}

// failing reports whether too many failures came together for each to be one of its
// own: the more are in flight, the more often a few do.
func (d *downtime) failing(inFlight int) bool {
	size := math.Log2(float64(inFlight) + 1)
	return float64(d.inSeq) >= 3+size/2 || float64(d.inARow) >= 4+size
}

// go notes that the service is down. If it had accepted next to nothing since it was
// down before, it is not down but slower than we thought.
func (d *downtime) start(newest attempt) {
	before := d.since
	d.is, d.since, d.lastMiss = true, d.began, newest.start
	if d.turned == 0 {
		return
	}
	d.quota = max(float64(newest.seq-d.first)-float64(d.misses)+1, 1)
	if passed := d.since - before; d.quota < 20 && passed > 0 {
		d.pressed.rate = min(d.pressed.rate, (d.quota+1)/passed)
		d.quota = 0
	}
}

// patience returns how long to wait from one attempt to the next while the service
// is down: twice as long each time, but not so long that what could be done until
// then is more than a hundred times what the attempt costs; and if it is known when
// it comes back, until then.
func (d *downtime) patience(now, newest float64) float64 {
	wait := min(now-d.since, max(4, min(100/d.pressed.rate, 60)))
	if d.period > 0 && now < d.since+1.1*d.period {
		wait = d.nextTurn(now) - newest
		if d.misses <= 1 {
			wait /= 8 // or is it something else?
		}
	}
	return max(wait, 0.001)
}

// nextTurn returns when a window ends.
func (d *downtime) nextTurn(now float64) float64 {
	return d.turned + math.Ceil((now-d.turned)/d.period)*d.period
}

// over reports whether a success of an attempt that started then shows that the
// service works again.
func (d *downtime) over(start float64) bool {
	return start >= d.lastMiss && start > d.since
}

// end is the end of being down, shown by a success. It returns the rate to go on
// with, and whether that is what a window holds.
func (d *downtime) end(a attempt) (rate float64, window bool) {
	d.is = false
	rate = d.pressed.rate
	back := a.start
	switch {
	case d.period > 0 && back < d.nextTurn(d.since)-0.1*d.period:
		d.period = 0 // it was something else
	case d.period > 0 && back > d.turned+1.5*d.period:
		rate *= 1 - margin // it was enough for some windows, not for this one
		back = d.nextTurn(d.since)
	case d.quota > 0:
		period := byWhichPeopleCount(d.lastMiss-d.turned, back-d.turnMiss)
		if period == 0 {
			break
		}
		was, now := rate, d.quota/period*(1-margin)
		if period == d.period {
			now = (3*was + now) / 4 // jobs differ
		}
		d.period, rate, window = period, now, true
	}
	d.turned, d.turnMiss, d.first, d.quota = back, d.lastMiss, a.seq, 0
	d.misses, d.calm = 0, false
	return rate, window
}

// margin is how much below a quota we stay.
const margin = 0.005

// byWhichPeopleCount returns the minute, hour or day that is between two bounds, 0 if
// none is or they say little.
func byWhichPeopleCount(lo, hi float64) float64 {
	for _, period := range []float64{60, 3600, 86400} {
		if lo <= period && period <= hi && hi-lo < period/3 {
			return period
		}
	}
	return 0
}
