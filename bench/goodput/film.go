package main

import (
	"math"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// frames is how many moments a film shows.
const frames = 300

// A film is a run over time, for the pictures. All slices are in the order of the frames.
type film struct {
	scenario scenario
	outcome  outcome
	every    time.Duration

	rate, concurrency []float64   // the service's true limits; NaN: none
	pace              []float64   // attempts a second that the interval allows, of all clients; NaN: not paced
	limit, inFlight   []float64   // of all clients
	goodput, wasted   []float64   // attempts a second
	clients           [][]float64 // goodput of each
}

// shoot runs a contestant with throttles at a service and films it.
func shoot(t *testing.T, c contestant, s scenario) film {
	f := film{scenario: s, every: s.length / frames}
	taken := make([][frames]pipeline.Snapshot, s.clients)
	tally := play(t, c, s, func(client int, throttle *pipeline.Throttle) {
		go func() {
			for i := range frames {
				time.Sleep(f.every)
				taken[client][i] = throttle.Snapshot()
			}
		}()
	})
	f.outcome = assess(s, tally)
	f.develop(tally, taken)
	return f
}

// develop turns what was seen into lines.
func (f *film) develop(t *tally, taken [][frames]pipeline.Snapshot) {
	perSecond := 1 / f.every.Seconds()
	f.clients = make([][]float64, len(taken))
	for i := range frames {
		now := time.Duration(i+1) * f.every
		truth := f.scenario.service.Truth(now)
		rate := f.scenario.rate(now)
		if truth.Down {
			rate = 0
		}
		f.rate = append(f.rate, rate)
		f.concurrency = append(f.concurrency, orNone(truth.Concurrency))

		limit, inFlight, pace := 0, 0, 0.0
		for n := range taken {
			s := taken[n][i]
			limit += s.Concurrency
			inFlight += s.InFlight
			pace += 1 / s.DispatchInterval.Seconds() // infinite without one
			done := s.Completed
			if i > 0 {
				done -= taken[n][i-1].Completed
			}
			f.clients[n] = append(f.clients[n], float64(done)*perSecond)
		}
		f.limit = append(f.limit, float64(limit))
		f.inFlight = append(f.inFlight, float64(inFlight))
		if math.IsInf(pace, 0) {
			pace = 0
		}
		f.pace = append(f.pace, orNone(pace))

		var sum counts
		for _, b := range t.beats[time.Duration(i)*f.every/beat : now/beat] {
			sum.succeeded += b.succeeded
			sum.wasted += b.wasted
		}
		f.goodput = append(f.goodput, float64(sum.succeeded)*perSecond)
		f.wasted = append(f.wasted, float64(sum.wasted)*perSecond)
	}
}

// orNone makes a limit of 0 none.
func orNone(f float64) float64 {
	if f == 0 {
		return math.NaN()
	}
	return f
}
