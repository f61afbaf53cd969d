package controller

import (
	"math"
	"slices"
)

// A refusal is an attempt that was refused. Times are in seconds.
type refusal struct {
	seq        int64
	start, end float64
	pause      float64 // that it asked for
	failed     bool    // it is a failure that is taken for a refusal
}

// over returns until when a refusal kept others from starting.
func (r *refusal) over() float64 { return r.end + r.pause }

// memory is how many refusals are kept.
const memory = 256

// A delivery knows what a service accepted between refusals, as BBR's delivery rate
// does between acknowledgements. A bucket is empty when it refuses, whatever its burst.
// So what it accepted between two refusals is what it was given in between, or less if
// it was full for a part of the time.
//
// The refusals are in the order in which their attempts started, which is not that in
// which they were heard of.
type delivery struct {
	list    []refusal
	longest float64 // that one took
	heard   float64 // when the newest was
	episode float64 // start of the first of those close together
}

func (d *delivery) add(r refusal) {
	d.heard, d.longest = r.end, max(d.longest, r.end-r.start)
	i, _ := slices.BinarySearchFunc(d.list, r, func(a, b refusal) int { return int(a.seq - b.seq) })
	d.list = slices.Insert(d.list, i, r)
	if len(d.list) > memory {
		d.list = slices.Delete(d.list, 0, len(d.list)-memory)
	}
}

func (d *delivery) forget() { d.list = d.list[:0] }

// atWork returns how many attempts the service was working on when one came: those
// in flight, itself included, but for those that it had refused and we had not
// heard of yet.
func (d *delivery) atWork(seq int64, start float64, inFlight int) int {
	if start >= d.heard {
		return inFlight
	}
	for i := len(d.list) - 1; i >= 0; i-- {
		r := &d.list[i]
		if r.start < start-d.longest {
			break // those before had all been heard of
		}
		if r.seq < seq && r.end > start {
			inFlight--
		}
	}
	return max(inFlight, 1)
}

// run returns the newest refusals between which nothing was accepted.
func (d *delivery) run() []refusal {
	i := len(d.list) - 1
	for i > 0 && d.list[i].seq-d.list[i-1].seq == 1 {
		i--
	}
	return d.list[max(i, 0):]
}

// adjacent reports whether the attempt before or after one was refused, too.
func (d *delivery) adjacent(seq int64) bool {
	i, _ := slices.BinarySearchFunc(d.list, seq, func(r refusal, seq int64) int { return int(r.seq - seq) })
	return i > 0 && d.list[i-1].seq == seq-1 || i+1 < len(d.list) && d.list[i+1].seq == seq+1
}

// longestRun returns how many attempts at most were refused one after another, after one.
func (d *delivery) longestRun(after int64) (most int) {
	run, last := 0, int64(0)
	for i := range d.list {
		seq := d.list[i].seq
		if seq <= after {
			continue
		}
		if seq != last+1 {
			run = 0
		}
		run, last = run+1, seq
		most = max(most, run)
	}
	return most
}

// bound returns what a service's rate is at most, if its bucket was never full since a
// time; what was paused does not count. Of an episode of refusals only the beginning counts: what comes close together
// says little.
func (d *delivery) bound(since float64) float64 {
	most := math.Inf(1)
	last := len(d.list) - 1
	if last < 0 {
		return most
	}
	newest, resumed := d.list[last], 0.0
	for i := last - 1; i >= 0 && d.list[i].start >= since; i-- {
		r := d.list[i]
		if over := r.over(); r.pause > 0 && over <= newest.start {
			resumed = max(resumed, over)
		}
		if open := newest.start - max(r.start, resumed); open > 0 && r.start <= d.episode {
			accepted := float64(newest.seq-r.seq) - float64(last-i)
			most = min(most, (accepted+1)/open)
		}
	}
	return most
}

// enoughAccepted is how many attempts make a rate of them that is worth believing, since
// jobs differ.
const enoughAccepted = 20

// between returns the least and the most that the service's rate can be, by what it
// accepted from a refusal that asked for a pause, since a time, to the one of a. In the
// pauses the bucket may have been full for any part of the time. ok is false if there was
// no such refusal.
func (d *delivery) between(a attempt, since, burst float64) (least, most, accepted float64, ok bool) {
	var past, pauses, began, ended float64 // earlier pauses, how many with the newest, and when that was
	for i := len(d.list) - 1; i >= 0 && d.list[i].start >= since; i-- {
		r := &d.list[i]
		if r.pause == 0 || r.seq >= a.seq || r.over() > a.start {
			continue
		}
		same := pauses > 0 && r.over() >= began && r.end <= ended // of those that are refused together, each asks for it
		switch {
		case same:
			began, ended = min(began, r.end), max(ended, r.over())
		case accepted >= enoughAccepted:
			return least, most, accepted, ok
		default:
			past += ended - began
			began, ended = r.end, r.over()
			pauses++
		}
		passed := a.start - r.start
		accepted = float64(d.accepted(r.seq, a.seq))
		least, most, ok = accepted/passed, math.Inf(1), true
		if open := passed - past - (ended - began); open > 0 {
			most = (accepted + 1) / open
			if burst > 0 {
				least = max(least, (accepted-pauses*burst)/open)
			}
		}
	}
	return least, most, accepted, ok
}

// before returns the newest refusal that asked for a pause and had been waited out when an
// attempt started.
func (d *delivery) before(a attempt) (refusal, bool) {
	for i := len(d.list) - 1; i >= 0; i-- {
		if r := d.list[i]; r.pause > 0 && r.seq < a.seq && r.over() <= a.start {
			return r, true
		}
	}
	return refusal{}, false
}

// solid reports whether nearly everything was refused since the episode began: that is no
// limit, of which some part gets through. Where refusals ask for a pause, few attempts start
// until it is heard of, and fewer are enough, if only the excess is to be refused by a limit.
func (d *delivery) solid(excess float64) bool {
	first := len(d.list)
	for first > 0 && d.list[first-1].start >= d.episode {
		first--
	}
	n := len(d.list) - first
	enough := n >= leastMisses || n > 0 && d.list[first].pause > 0 && math.Pow(excess, float64(n-1)) <= solidChance
	return enough && float64(n) >= solidShare*float64(d.list[len(d.list)-1].seq-d.list[first].seq+1)
}

const (
	solidShare  = 0.95  // share of refusals that no limit brings about, unless it falls to a twentieth
	solidChance = 0.011 // the likelihood that a limit refuses so many in a row, where that is unlikely
)

// accepted returns how many of the attempts after one and up to another were not
// refused.
func (d *delivery) accepted(after, upTo int64) int64 {
	n := upTo - after
	for i := len(d.list) - 1; i >= 0 && d.list[i].seq > after; i-- {
		if d.list[i].seq <= upTo {
			n--
		}
	}
	return n
}
