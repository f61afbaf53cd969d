package controller

import (
	"math"
	"slices"
)

// A refusal is an attempt that was refused. Times are in seconds.
type refusal struct {
	seq        int64
	start, end float64
}

// memory is how many refusals are kept.
const memory = 256

// refusals are those of late, in the order in which the attempts started, which is
// not that in which they were heard of.
type refusals struct {
	list    []refusal
	longest float64 // that one took
	heard   float64 // when the newest was
	storm   float64 // start of the first of those close together
}

func (rs *refusals) add(r refusal) {
	rs.heard, rs.longest = r.end, max(rs.longest, r.end-r.start)
	i, _ := slices.BinarySearchFunc(rs.list, r, func(a, b refusal) int { return int(a.seq - b.seq) })
	rs.list = slices.Insert(rs.list, i, r)
	if len(rs.list) > memory {
		rs.list = slices.Delete(rs.list, 0, len(rs.list)-memory)
	}
}

// worked returns how many attempts the service was working on when one came: those
// in flight, itself included, but for those that it had refused and we had not
// heard of yet.
func (rs *refusals) worked(seq int64, start float64, inFlight int) int {
	if start >= rs.heard {
		return inFlight
	}
	for i := len(rs.list) - 1; i >= 0; i-- {
		r := &rs.list[i]
		if r.start < start-rs.longest {
			break // those before had all been heard of
		}
		if r.seq < seq && r.end > start {
			inFlight--
		}
	}
	return max(inFlight, 1)
}

// run returns the newest refusals between which nothing was accepted.
func (rs *refusals) run() []refusal {
	i := len(rs.list) - 1
	for i > 0 && rs.list[i].seq-rs.list[i-1].seq == 1 {
		i--
	}
	return rs.list[max(i, 0):]
}

// bound returns what a service's rate is at most. Whatever burst it allows, it had
// nothing left at one refusal and nothing left at another, so what it accepted in
// between is what it was given in that time, but for less than one. Of a storm only
// the beginning counts: what comes close together says little. Refusals before
// since are of another rate.
func (rs *refusals) bound(since float64) float64 {
	most := math.Inf(1)
	last := len(rs.list) - 1
	for i := last - 1; i >= 0 && rs.list[i].start >= since; i-- {
		r, newest := rs.list[i], rs.list[last]
		if passed := newest.start - r.start; passed > 0 && r.start <= rs.storm {
			accepted := float64(newest.seq-r.seq) - float64(last-i)
			most = min(most, (accepted+1)/passed)
		}
	}
	return most
}

// since returns the rate at which attempts were accepted from the refusal before a
// pause of so many seconds to the one of a. +Inf: there was none.
func (rs *refusals) since(a attempt, pause float64) float64 {
	for i := len(rs.list) - 1; i >= 0; i-- {
		if r := rs.list[i]; r.start < a.start-pause/2 {
			return float64(rs.accepted(r.seq, a.seq)) / (a.start - r.start)
		}
	}
	return math.Inf(1)
}

// accepted returns how many of the attempts after one and up to another were not
// refused.
func (rs *refusals) accepted(after, upTo int64) int64 {
	n := upTo - after
	for i := len(rs.list) - 1; i >= 0 && rs.list[i].seq > after; i-- {
		if rs.list[i].seq <= upTo {
			n--
		}
	}
	return n
}
