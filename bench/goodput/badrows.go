package main

import (
	"fmt"
	"math"
	"time"
)

// fastestRows bounds how many rows a second there are, to keep runs short.
const fastestRows = 500

// enough bounds a run: a client may take so many times as long as one that is told everything.
const enough = 20

// badRows draws jobs that have an end and of which some always go wrong, at a service that has no limit but what the
// workers come to, or one that is below that.
func (d dice) badRows(s *scenario) {
	for {
		s.workers = int(logUniform(d.Rand, 1, 101))
		if float64(s.workers)/s.latency.mean.Seconds() <= fastestRows {
			break
		}
		s.latency = d.latency()
	}
	s.attempts, s.park = 3, d.IntN(2) == 0
	share := logUniform(d.Rand, 0.001, 0.4)
	m := d.manners(s, silent)
	could := d.below(s, m)

	attempts := 1 + float64(s.attempts-1)*share // of a row
	held := 1.5 * share                         // seconds of backoff of a row: shares of 1 s and 2 s of a bad one
	if s.park {
		held /= 4 // as many rows as there are workers, and some times more, are parked side by side
	}
	workers := attempts*s.latency.mean.Seconds() + held // seconds of a worker's time for a row
	each := max(attempts/could, workers/float64(s.workers))
	n := d.length.Seconds() * uniform(d.Rand, 0.1, 0.5) / each
	d.lay(s, m, max(int(n), 10), share)
}

// below draws no limit, or one below what the workers could do, and returns how many attempts a second there can be.
func (d dice) below(s *scenario, m manners) float64 {
	could := float64(s.workers) / s.latency.mean.Seconds()
	part := uniform(d.Rand, 0.2, 0.9)
	switch d.IntN(3) {
	case 1:
		burst := math.Floor(logUniform(d.Rand, 1, mostBurst+1))
		s.service = newBucket(m, constant(part*could), burst)
		s.about = fmt.Sprintf("%.3g/s, burst %.0f, %d workers, %s", part*could, burst, s.workers, m)
		return part * could
	case 2:
		most := max(math.Floor(part*float64(s.workers)), 1)
		s.service = &slots{manners: m, most: constant(most)}
		s.about = fmt.Sprintf("%.0f at once, %d workers, %s", most, s.workers, m)
		return most / s.latency.mean.Seconds()
	}
	s.service = &noise{manners: m}
	s.about = fmt.Sprintf("no limit, %d workers, %s", s.workers, m)
	return could
}

// fewRows is how many bad rows a breaker is to bear: less than the ten failures in a row that open it.
const fewRows = 9

// lay lays out n rows, and perhaps good jobs beside them.
func (d dice) lay(s *scenario, m manners, n int, share float64) {
	bad, as, where := max(int(math.Round(share*float64(n))), 1), failed, ""
	r := new(rows)
	if d.IntN(8) == 0 {
		bad, as = 1, refused
	}
	r.bad, where = arrange(d.Rand, n, bad)
	s.service = &poison{service: s.service, manners: m, status: as}
	s.rows = r
	s.about += fmt.Sprintf("; %d of %d rows always %s, %s", bad, n, as, where)
	if s.park {
		s.about += ", parked"
	}
	switch way(d.IntN(4)) {
	case pipelike:
		r.way, r.beside = pipelike, max(n/4, 1)
		s.about += fmt.Sprintf("; a second pipeline of %d good ones", r.beside)
	case calls:
		r.way = calls
		r.beside = max(min(n/4, int(0.05*d.length.Seconds()/s.latency.mean.Seconds())), 1)
		s.about += fmt.Sprintf("; %d good calls", r.beside)
	}
	if s.breaker = bad <= fewRows && d.IntN(2) == 0; s.breaker {
		s.about += "; with a breaker"
	}
}

// measuredBy is the scenario with what is known of how long the jobs take.
func (s scenario) measuredBy(reference finish) scenario {
	s.reference = reference
	s.length = max(enough*reference.lastGood, time.Minute)
	return s
}
