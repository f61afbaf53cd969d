package main

import (
	"fmt"
	"math"
	"sort"
	"time"
)

// spells are stretches of time, one after another.
type spells []spell

type spell struct{ from, to time.Duration }

// spells draws what comes from time to time, a rest after the last one's end, and lasts so long, all in seconds.
func (d dice) spells(leastRest, mostRest, shortest, longest float64) spells {
	var all spells
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for now := time.Duration(0); ; {
		from := now + seconds(uniform(d.Rand, leastRest, mostRest))
		if from >= d.length {
			return all
		}
		now = from + seconds(logUniform(d.Rand, shortest, longest))
		all = append(all, spell{from, now})
	}
}

func (s spells) during(now time.Duration) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].to > now })
	return i < len(s) && s[i].from <= now
}

// stalling is a service that refuses everything now and then.
type stalling struct {
	service
	manners
	stalls spells
}

func (s *stalling) Arrive(now time.Duration, j job) answer {
	if s.stalls.during(now) {
		return s.refuse(0)
	}
	return s.service.Arrive(now, j)
}

func (s *stalling) Truth(now time.Duration) truth {
	t := s.service.Truth(now)
	t.Down = s.stalls.during(now)
	return t
}

// longPause is from where on a run with pauses takes longer, or there would be too few of them.
const longPause = 5 * time.Second

// pauses draws a bucket whose refusals all ask for the same pause.
func (d dice) pauses(s *scenario) {
	pause := time.Duration(logUniform(d.Rand, 0.01, 60) * float64(time.Second)).Round(time.Millisecond)
	if pause > longPause {
		d.length *= 3
		s.length = d.length
	}
	rate, burst := logUniform(d.Rand, 10, 500), math.Floor(logUniform(d.Rand, 1, 51))
	m := d.manners(s, pausing)
	m.pause = pause
	s.service = newBucket(m, constant(rate), burst)
	d.allow(s, rate*s.latency.mean.Seconds())
	s.oracle = burst + rate*(d.length-min(s.latency.mean, d.length)).Seconds()
	s.about = fmt.Sprintf("%.3g/s, burst %.0f, %s", rate, burst, m)
	if d.IntN(2) == 0 {
		return
	}
	stalls := d.spells(30, 120, 0.5, 10)
	s.service = &stalling{service: s.service, manners: m, stalls: stalls}
	heard := m.refusal
	if heard == 0 {
		heard = s.latency.mean
	}
	s.oracle -= rate * stalls.obeyed(heard, pause, d.length).Seconds()
	s.about += fmt.Sprintf("; %d stalls of 0.5 to 10 s", len(stalls))
}

// obeyed is how long a client that sends all the time does nothing because of the spells, if it hears of a refusal that
// much later, and then leaves the service alone for as long as it is asked to.
func (s spells) obeyed(heard, pause, length time.Duration) time.Duration {
	sum, free := time.Duration(0), time.Duration(0)
	for _, stall := range s {
		from := max(stall.from, free)
		if from >= min(stall.to, length) {
			continue
		}
		lasts := stall.to - from
		if lasts < heard { // it is over when it is heard of, and what is heard after that is of the past
			free = from + heard + lasts + pause
			sum += lasts + min(free, length) - min(from+heard, length)
			continue
		}
		free = from + 2*heard + pause // after the last one that was sent before the first was heard of
		for free < stall.to {
			free += heard + pause
		}
		sum += min(free, length) - from
	}
	return sum
}
