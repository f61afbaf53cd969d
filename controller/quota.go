package controller

import "math"

// A quota is what a service gives in each minute, hour or day. It is noticed by the
// service's being down time and again, with a time between that people count by. What it
// gave in one window and how long that is make a rate, which then uses up each window
// just as it ends.
type quota struct {
	turned   float64 // start of the first success, the last time it came back; 0: it never was down
	turnMiss float64 // start of the last miss before that
	first    int64   // that success
	given    float64 // what it accepted from there on until it was down again; 0: not known
	period   float64 // with which it comes back; 0: none is known
	last     turn    // the time before
	failed   float64 // rate with which a service that had just been back began to fail again; 0: it did not
	lucky    int     // times that it was gone back to, one after another, since a small job had room
}

// A turn is when a window began, with what it gave.
type turn struct {
	start, miss float64
	first       int64
	given       float64
}

// leastBan is how many seconds of failures are no block of bad jobs, which many fresh ones are soon through.
const leastBan = 1

// fewGiven is what says that a service was hardly back before it was down again.
const fewGiven = 20

// down takes note that a service is down again, now since when, and returns the rate to
// come back with: if it refuses and had accepted next to nothing, it is not down but slower
// than we thought.
func (q *quota) down(d *outage, newest attempt, before float64) {
	q.failed = 0
	if q.turned == 0 {
		if !d.refusing {
			q.last = turn{first: 1, given: max(float64(newest.seq)-float64(d.misses), 1)}
		}
		return
	}
	q.given = max(float64(newest.seq-q.first)-float64(d.misses)+1, 1)
	passed := d.since - before
	if down := q.turned - before; !d.refusing && q.given < relapseAfter && q.last.first > 0 && down > max(d.since-q.turned, leastBan) {
		q.relapse(d)
	}
	switch {
	case q.given >= fewGiven:
		q.lucky = 0
	case passed <= 0 || !d.refusing:
	case q.last.given >= muchGiven && q.lucky < mostLucky:
		q.turned, q.turnMiss, q.first, q.given = q.last.start, q.last.miss, q.last.first, q.last.given
		q.lucky++
		d.since = before
	default:
		d.pressed.rate = min(d.pressed.rate, (q.given+1)/passed)
		q.given = 0
	}
}

// relapse takes note that a service that was down for long fails again soon: by what it has given since
// it was back the time before, both times included, it is slower than we thought.
func (q *quota) relapse(d *outage) {
	if rate := (q.last.given + q.given + 1) / (d.since - q.last.start); rate < d.pressed.rate {
		q.failed, d.pressed.rate = d.pressed.rate, rate
	}
}

const (
	muchGiven = 5 * fewGiven // what says that it was back
	mostLucky = 3            // small jobs one after another that are luck
)

// margin is how much below a quota we stay.
const margin = 0.005

// patience returns how long to wait for the window to turn, from an attempt that started
// then; 0 if no period is known, or the turn is overdue.
func (q *quota) patience(d *outage, now, newest float64) float64 {
	if q.period == 0 || now >= d.since+1.1*q.period {
		return 0
	}
	wait := q.nextTurn(now) - newest
	if d.misses <= 1 {
		wait /= 8 // or is it something else?
	}
	return wait
}

// nextTurn returns when a window ends.
func (q *quota) nextTurn(now float64) float64 {
	return q.turned + math.Ceil((now-q.turned)/q.period)*q.period
}

// back takes note that the service is back, by the success of an attempt. It returns the
// rate to go on with, and whether that is what a window holds.
func (q *quota) back(d *outage, a attempt) (rate float64, window bool) {
	rate = d.pressed.rate
	back := a.start
	switch {
	case q.period > 0 && back < q.nextTurn(d.since)-0.1*q.period:
		q.period = 0 // it was something else
	case q.period > 0 && back > q.turned+1.5*q.period:
		rate *= 1 - margin // it was enough for some windows, not for this one
		back = q.nextTurn(d.since)
	case q.given > 0:
		period := byWhichPeopleCount(d.lastMiss-q.turned, back-q.turnMiss)
		if period == 0 {
			if passed := back - q.turned; (d.refusing || q.last.first > 0) && q.given >= fewGiven && passed <= leanSpan && back-d.since > d.since-q.turned {
				rate = min(rate, q.given/passed) // it was refusing for longer than it was giving: a window that is used up
			}
			break
		}
		was, now := rate, q.given/period*(1-margin)
		if period == q.period {
			now = (3*was + now) / 4 // jobs differ
		}
		q.period, rate, window = period, now, true
	}
	if q.turned > 0 {
		q.last = turn{q.turned, q.turnMiss, q.first, q.given}
	}
	q.turned, q.turnMiss, q.first, q.given = back, d.lastMiss, a.seq, 0
	return rate, window
}

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
