package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A job is what a contestant is given to do, perhaps in several attempts.
type job struct {
	row    int   // its number
	tokens int64 // that it uses
	bad    bool  // no attempt of it succeeds
	member int   // of several services, from 1: which this attempt is for; 0: any
}

// rows are the jobs of a run that has an end.
type rows struct {
	bad    []bool // of those that a pipeline is given
	beside int    // good ones that come another way
	way    way
}

// A way is how good jobs come into the same throttle, beside those that a pipeline is given.
type way uint8

const (
	noWay    way = iota
	pipelike     // a second pipeline
	calls        // one call after another
)

func (r *rows) total() int { return len(r.bad) + r.beside }

// good is how many of the jobs can succeed.
func (r *rows) good() int {
	n := r.total()
	for _, bad := range r.bad {
		if bad {
			n--
		}
	}
	return n
}

// arrange draws where the bad ones stand among n rows, and says it.
func arrange(random *rand.Rand, n, bad int) ([]bool, string) {
	all := make([]bool, n)
	mark := func(from, to int) {
		for i := from; i < to; i++ {
			all[i] = true
		}
	}
	switch random.IntN(5) {
	case 0:
		for _, i := range random.Perm(n)[:bad] {
			all[i] = true
		}
		return all, "by chance"
	case 1:
		from := random.IntN(n - bad + 1)
		mark(from, from+bad)
		return all, "as a block"
	case 2:
		blocks := min(2+random.IntN(4), bad)
		starts := random.Perm(n - bad + 1)[:min(blocks, n-bad+1)]
		slices.Sort(starts)
		done := 0
		for i, start := range starts { // a block moves by what stands before it
			size := bad * (i + 1) / len(starts)
			mark(start+done, start+size)
			done = size
		}
		return all, "as several blocks"
	case 3:
		mark(0, bad)
		return all, "at the start"
	}
	mark(n-bad, n)
	return all, "at the end"
}

// poison is a service at which bad jobs go wrong.
type poison struct {
	service
	manners
	status status // of a bad job's answer: failed, after as long as a success takes, or refused
}

// Arrive lets a bad job that fails take what a good one takes of the service.
func (p *poison) Arrive(now time.Duration, j job) answer {
	if !j.bad {
		return p.service.Arrive(now, j)
	}
	if p.status == refused {
		a := p.refuse(0)
		a.Fault = byJob
		return a
	}
	a := p.service.Arrive(now, j)
	if a.Status == ok {
		a.Status, a.Fault = failed, byJob
	}
	return a
}
