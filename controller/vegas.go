package controller

import (
	"math"
	"time"
)

// Vegas finds the limit by how long attempts take, for a service that refuses nothing but lets
// wait what it cannot work on: a handler of your own, a pool of connections, a disk. It has no
// interval, and keeps the limit where attempts just begin to wait for one another, within a
// tenth of what they take alone.
//
// That what they take grows in proportion to what is in flight beyond what is worked on is Little's
// law. To lower the limit by as much is the gradient of Netflix's concurrency-limits. What is
// usual is looked up now and then with a lower limit, as BBR does with the round trip (draft-
// ietf-ccwg-bbr, ProbeRTT). Otherwise it would creep up with the queue that it is to prevent (Brakmo and
// Peterson, TCP Vegas, 1994, do not). A refusal lowers the limit by a tenth, once a round trip.
type Vegas struct{}

// Start returns a law that begins with one attempt, or with the initial limit if that is lower
// than the maximum.
func (Vegas) Start(b Bounds) (Law, Setting) {
	first := b.InitialLimit
	if first == b.MaxLimit {
		first = 1
	}
	v := &vegas{bounds: b, limit: float64(first), reason: ReasonStart, starting: true, windows: vegasLookUp - vegasSoon}
	return v, v.setting()
}

type vegas struct {
	bounds   Bounds
	limit    float64
	reason   Reason
	starting bool // nothing has ever taken longer: the limit doubles

	since   time.Time // attempts that started before say nothing of the limit
	window  sample    // what attempts take now
	full    float64   // of them, started when the limit was used up
	usual   sample    // what they take when they do not wait
	at      float64   // the limit with which that was looked up last
	higher  float64   // the limit before the last cut; 0: that was not a cut
	longer  float64   // what they took then
	step    float64   // by which the limit grows; doubles with each
	windows int       // since the usual was looked up
	resume  float64   // the limit to go on with when that is done; 0: it is not being done
}

const (
	// vegasTolerance is by how much longer attempts may take. Chosen: with eight at work, one waits.
	vegasTolerance = 0.1

	// vegasErrors is how many standard errors a difference has to be beside that.
	vegasErrors = 2.5

	// vegasTrips is how many round trips are compared at a time. Chosen: where what attempts take
	// varies by half, the mean of eight at a time is then known to 4%.
	vegasTrips = 25

	// vegasFirst is how many attempts are compared at the start, or as many as in two round trips.
	// Chosen: a second or so until the limit is found is soon enough not to be remembered.
	vegasFirst = 6

	// vegasFew is how many attempts are compared at the least after that. Chosen: with half as
	// many a mean may be off by a fourth.
	vegasFew = 48

	// vegasMost is how many attempts are compared at the most when the usual is looked up, if the
	// mean is not known to vegasError before.
	vegasMost  = 200
	vegasError = 0.05

	// vegasLookUp is after how many comparisons the usual is looked up, and vegasLess the share of
	// the limit with which. Chosen: it takes some round trips, which costs a half percent, and a
	// limit that is twice too high comes down in two steps.
	vegasLookUp = 24
	vegasLess   = 0.75

	// vegasSoon is after how many it is looked up first: what was seen at the start is not known well.
	vegasSoon = 10

	// vegasRefused is the share of the limit that is left after a refusal.
	vegasRefused = 0.9
)

func (v *vegas) setting() Setting {
	return Setting{Limit: int(v.limit + 0.5), Interval: v.bounds.MinInterval, Ceiling: v.bounds.MaxLimit, Reason: v.reason}
}

// Update goes on within other bounds.
func (v *vegas) Update(p Policy, b Bounds) (Setting, bool) {
	if _, ok := p.(Vegas); !ok {
		return Setting{}, false
	}
	v.bounds = b
	v.limit = min(v.limit, float64(b.MaxLimit))
	return v.setting(), true
}

func (v *vegas) Next(now time.Time, o Outcome) Setting {
	if o.Start.Before(v.since) {
		return v.setting()
	}
	switch {
	case o.Verdict == Overload && !o.Own:
		v.change(now, v.limit*vegasRefused, ReasonRefusedLimit)
		v.starting, v.higher, v.step = false, 0, 0
	case o.Verdict == Succeeded:
		v.add(now, o)
	}
	return v.setting()
}

// add takes a success.
func (v *vegas) add(now time.Time, o Outcome) {
	v.window.add(inSeconds(o.Took))
	if o.InFlight >= int(v.limit+0.5) {
		v.full++
	}
	if v.window.n < v.enough() || v.resume > 0 && v.window.n < vegasMost && v.window.unsure() {
		return
	}
	w, full := v.window, v.full*v.limit > v.window.n/2 // where attempts end together, one of those that follow finds it used up
	v.window, v.full = sample{}, 0
	v.judge(now, w, full)
}

// enough is how many attempts are compared.
func (v *vegas) enough() float64 {
	switch {
	case v.starting:
		return max(vegasFirst, 2*v.limit)
	case v.resume > 0:
		return vegasFew
	}
	return max(vegasTrips*v.limit, vegasFew)
}

// unsure reports whether the mean is not known well.
func (s *sample) unsure() bool { return s.error2() > vegasError*vegasError*s.mean*s.mean }

// judge compares what attempts take with what is usual.
func (v *vegas) judge(now time.Time, w sample, full bool) {
	v.windows++
	more := w.mean - v.usual.mean
	longer := more > vegasTolerance*v.usual.mean+vegasErrors*math.Sqrt(w.error2()+v.usual.error2())
	switch {
	case v.usual.n == 0:
		v.learn(w)
		v.change(now, 2*v.limit, ReasonStart)
	case v.resume > 0:
		v.learn(w)
		v.windows, v.at = 0, v.limit
		v.change(now, v.resume, ReasonTrialEnded)
		v.resume = 0
	case longer && v.limit <= max(v.at, 1): // with no more in flight than when it was looked up
		v.learn(w)
	case longer && v.higher > 0 && w.mean > 0.9*v.longer: // with fewer they take as long: it has become slower
		v.learn(w)
		v.change(now, v.higher, ReasonQueueing)
		v.higher = 0
	case longer:
		v.starting, v.higher, v.longer, v.step = false, v.limit, w.mean, 0
		v.change(now, v.limit*v.usual.mean/w.mean, ReasonQueueing)
	case v.windows >= vegasLookUp && full && v.limit >= 2:
		v.resume, v.higher = v.limit, 0
		v.change(now, v.limit*vegasLess, ReasonTrial)
	case !full: // more would change nothing
		v.higher = 0
	case v.starting:
		v.learn(w)
		v.change(now, 2*v.limit, ReasonStart)
	default:
		v.higher = 0
		v.step = min(max(2*v.step, 1), v.limit)
		v.change(now, v.limit+v.step, ReasonTrialHeld)
	}
}

// learn takes what attempts take when they do not wait: it is as usual, or has changed.
func (v *vegas) learn(w sample) {
	if off := w.mean - v.usual.mean; off*off > 9*(w.error2()+v.usual.error2()) {
		v.usual = w
	} else {
		v.usual.merge(w)
	}
}

// change puts another limit in force. What has started until what is in flight has ended says
// nothing of it.
func (v *vegas) change(now time.Time, limit float64, reason Reason) {
	limit = min(max(limit, 1), float64(v.bounds.MaxLimit))
	if int(limit+0.5) != int(v.limit+0.5) {
		v.reason = reason
		v.since = now.Add(time.Duration(max(v.usual.mean, v.longer) * float64(time.Second)))
	}
	v.limit = limit
	v.window, v.full = sample{}, 0
}
