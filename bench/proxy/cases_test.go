package main

import (
	"math"
	"testing"
	"time"
)

func TestNoCaseAsksForMoreThanTheMachineCanDo(t *testing.T) {
	for _, p := range cases {
		share := 0.0
		for _, f := range p.phases {
			share += f.share
			if rate := p.perSecond(f); rate > 400 {
				t.Errorf("%s: room for %.0f requests a second, want a few hundred at most", p.name, rate)
			}
			if inFlight := p.perSecond(f) * mostWork.Seconds(); inFlight > mostWorkers/3 {
				t.Errorf("%s: room for %.0f in flight, want several times less than the %d workers", p.name, inFlight, mostWorkers)
			}
		}
		if math.Abs(share-1) > 1e-9 {
			t.Errorf("%s: the phases are %v of a run, want all of it", p.name, share)
		}
	}
}

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range cases {
		if seen[p.name] {
			t.Errorf("two cases are called %s", p.name)
		}
		seen[p.name] = true
	}
}

func TestAllows(t *testing.T) {
	steps := []phase{{share: 0.25, limit: 100}, {share: 0.5, limit: 20}, {share: 0.25, limit: 40}}
	outage := []phase{{share: 0.5, limit: 12}, {share: 0.25, limit: 12, away: true}, {share: 0.25, limit: 12}}
	for _, test := range []struct {
		name   string
		of     scenario
		length time.Duration
		want   float64
	}{
		{"a rate", scenario{window: time.Second, phases: constant(200)}, 20 * time.Second, 4000},
		{"a rate and a burst", scenario{window: time.Second, burst: 20, phases: constant(200)}, 20 * time.Second, 4020},
		{"a long window", scenario{window: 10 * time.Second, phases: constant(1500)}, 20 * time.Second, 3000},
		{"less than a window", scenario{window: 10 * time.Second, phases: constant(1500)}, 3 * time.Second, 1500},
		{"steps", scenario{window: time.Second, phases: steps}, 20 * time.Second, 500 + 200 + 200},
		{"concurrency", scenario{phases: constant(12)}, 20 * time.Second, 20 * 12 / 0.06},
		{"an outage", scenario{phases: outage}, 20 * time.Second, 15 * 12 / 0.06},
	} {
		if got := test.of.allows(test.length); math.Abs(got-test.want) > 1e-6 {
			t.Errorf("%s for %v: got %v requests, want %v", test.name, test.length, got, test.want)
		}
	}
}

func TestPhaseAt(t *testing.T) {
	p := scenario{phases: []phase{{share: 0.25, limit: 1}, {share: 0.5, limit: 2}, {share: 0.25, limit: 3}}}
	for at, want := range map[time.Duration]float64{
		-time.Second: 1, 0: 1, 4 * time.Second: 1, 6 * time.Second: 2, 14 * time.Second: 2, 16 * time.Second: 3, time.Hour: 3,
	} {
		if got := p.phaseAt(at, 20*time.Second).limit; got != want {
			t.Errorf("phase at %v of 20 s: got limit %v, want %v", at, got, want)
		}
	}
}
