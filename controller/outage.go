package controller

import "math"

// An outage notices that a service has stopped answering, and when it answers again.
// What it was pressed with before is kept, and is in force again with the first
// success: nobody has to climb back.
type outage struct {
	is bool // the service is taken for down

	// Of the time with nothing but misses, which are failures and refusals:
	misses  int     // attempts without a success since one that started later than they
	inARow  int     // misses since a success ended
	inSeq   int     // misses of attempts that started one right after another
	last    int64   // the one that ended last
	began   float64 // start of the first of them
	newest  float64 // start of the newest
	calm    bool    // there are none
	pressed pressure

	since    float64 // it is down
	refusing bool    // it refuses, and does not fail
	lastMiss float64 // start of the newest attempt that missed, or until when it said to be closed
	sent     float64 // attempts a second before
	returned attempt // the newest one when it was back last
	asked    int     // jobs that had not failed before and that have asked whether it is back
	costly   bool    // the last probe cost a job, or another of its attempts
	deadly   bool    // it cost a job
}

// A pressure is what was in force when all was well.
type pressure struct {
	rate, slots float64
	proven      bool // for long enough to believe in
	startup     startup
}

// succeed takes an attempt that succeeded.
func (d *outage) succeed(start float64) {
	d.inARow = 0
	switch {
	case start > d.newest:
		d.calm, d.misses, d.inSeq = true, 0, 0
	case start > d.began && d.misses > 0: // so many, or so, are since
		d.misses = int(math.Ceil(float64(d.misses) * (d.newest - start) / (d.newest - d.began)))
		d.began = start
	}
}

// miss takes one that did not. What is in force is asked for with the first.
func (d *outage) miss(a attempt, p pressure) {
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

const (
	silentTrips    = 2  // round trips without a success that are silence
	silentAttempts = 20 // attempts that should have been accepted meanwhile
	unprovenSilent = 3  // seconds that silence lasts at least, where what was in force may have been far too much
	leastMisses    = 4  // misses that are more than bad luck
	unlikely       = 1e-4
)

// silent reports whether it is time to believe that nothing will be accepted.
func (d *outage) silent(now, latency float64) bool {
	enough := max(silentTrips*latency, silentAttempts/d.pressed.rate)
	if !d.pressed.proven {
		enough = max(enough, unprovenSilent)
	}
	return d.misses >= leastMisses && now-d.began > enough
}

// failing reports whether too many failures came together for each to be one of its
// own, where a share of failures is usual: the more are in flight, the more often a few
// do.
func (d *outage) failing(inFlight int, share float64) bool {
	size := math.Log2(float64(inFlight) + 1)
	byChance := math.Log(unlikely) / math.Log(min(max(share, unlikely), 0.9))
	return float64(d.inSeq) >= max(3+size/2, byChance) || float64(d.inARow) >= max(4+size, byChance)
}

// start notes that the service is down.
func (d *outage) start(newest attempt, refusing bool) {
	d.asked, d.costly, d.deadly = 0, false, false
	d.is, d.since, d.lastMiss, d.refusing = true, d.began, newest.start, refusing
}

const (
	shortWait     = 1    // seconds between probes at first, at most, …
	politeWait    = 4    // … if they are answered by refusals, …
	longWait      = 60   // … and later
	probeCost     = 100  // what a probe costs, in attempts that could be done until the next
	fewProbes     = 0.08 // growth of the waits where many attempts are done in a second, …
	probeRate     = 1.5  // … and where so few are that a probe is costly, by their rate
	attemptGrowth = 0.4  // … and where each costs a job one of its attempts, …
	deadlyGrowth  = 0.5  // … or costs a job
	refusedGrowth = 0.5  // growth of the waits if they are answered by refusals: one is late by a third at most
	lateShare     = 32   // one is late by such a part of the outage at most, …
	deadlyShare   = 4    // … or such, if each costs a job, …
	politeShare   = 8    // … or is answered by a refusal
)

// patience returns how long to wait from one probe to the next: longer each time, but
// not so long that what could be done until then is more than a hundred times what a
// probe costs. Failures may be those of many bad jobs one after another, so there the
// waits grow slowly. Refusals may begin a ban anew with each probe, so there they go
// on to a minute.
func (d *outage) patience(now float64) float64 {
	passed, costly := now-d.since, min(probeCost/d.pressed.rate, longWait)
	if d.refusing {
		return max(min(refusedGrowth*passed, max(politeWait, costly, min(passed/politeShare, longWait))), 0.001)
	}
	growth := min(max(probeRate/d.pressed.rate, fewProbes), 1)
	late := float64(lateShare)
	switch {
	case d.deadly:
		growth, late = max(growth, deadlyGrowth), deadlyShare
	case d.costly:
		growth = max(growth, attemptGrowth)
	}
	return max(min(growth*passed, max(shortWait, costly)), min(passed/late, longWait), 0.001)
}

const (
	freshShare = 0.5  // of what was sent before is sent of jobs that have not failed yet, …
	freshMany  = 0.15 // … and half of that after such a share of all attempts until then, …
	freshLeast = 20   // … or so many at least, …
	freshMost  = 100  // … or at most
)

// share returns the share of what was sent before the outage that is sent now to find out
// whether it is over. Where jobs fail that have not failed before and are tried again later,
// that costs no job; and if they fail by themselves, there are soon others. So there are
// many probes at first, and fewer with each that fails. Where probes are costly or refused, it
// is 0, and patience says how long to wait.
func (d *outage) share() float64 {
	if d.costly || d.refusing {
		return 0
	}
	many := min(max(freshMany*float64(d.last-int64(d.asked)), freshLeast), freshMost)
	return freshShare / (1 + float64(d.asked)/many)
}

// probed takes a probe that failed.
func (d *outage) probed(o *Outcome) {
	d.costly, d.deadly = !o.Fresh() || o.Final, o.Final
	d.asked++
}

// over reports whether a success of an attempt that started then shows that the
// service works again.
func (d *outage) over(start float64) bool { return start >= d.lastMiss && start > d.since }

const (
	relapseAfter = 100 // attempts in which a service that is down again has hardly been back
	relapseShare = 0.8 // of what was in force then

	sustainedShare = 0.05 // of what was in force: a window of a minute may be used up in some seconds, and a bucket's burst in a moment; chosen
)

// back takes note that the service is back, and returns the share of what was in force before to
// go on with. If it was back only a moment ago, and those that it refused had waited, it may have
// been that which took it down: a queue that fills up slowly, until nobody gets an answer in time. If
// failures are the pressure's, it was.
func (d *outage) back(newest attempt, waited, pressure bool) float64 {
	relapsed := d.relapsed(newest)
	d.returned = newest
	if pressure || waited && relapsed {
		return relapseShare
	}
	return 1
}

// relapsed reports whether the service was back only a moment ago.
func (d *outage) relapsed(newest attempt) bool {
	return d.returned.seq > 0 && newest.seq < d.returned.seq+relapseAfter
}

// sustained reports whether not much less was sent since the service was back last, pauses
// included, than what was in force: if it was, that is not what the service gives.
func (d *outage) sustained(newest attempt, latency float64) bool {
	sent, passed := float64(newest.seq-d.returned.seq), newest.start-d.returned.start
	return d.returned.seq == 0 || sent >= sustainedShare*d.sentBefore(latency)*passed
}

// sentBefore returns how many attempts a second what was in force allowed.
func (d *outage) sentBefore(latency float64) float64 {
	return min(d.pressed.rate, d.pressed.slots/max(latency, instant))
}

// end is the end of being down.
func (d *outage) end() { d.is, d.misses, d.calm = false, 0, false }
