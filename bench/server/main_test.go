package main

import (
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// measured is how much of it tests measure.
var measured = plan{seeds: 1, length: time.Minute}

func TestPacelineHoldsUnderAFlood(t *testing.T) {
	for _, d := range doors() {
		if d.name != "paceline, Vegas" {
			continue
		}
		for _, spread := range spreads {
			got := measured.flood(spread, 1).pour(t, d)
			if got.goodput() < 0.9 || got.slowest > 2 || got.urgent() < 0.985 {
				t.Errorf("sigma %v: goodput %.3f, p99 %.2f times that without load, %.3f of what is urgent was served", spread, got.goodput(), got.slowest, got.urgent())
			}
		}
	}
}

func TestPacelineAtBothEndsRefusesNextToNothing(t *testing.T) {
	for _, clients := range []int{1, 3, 10} {
		got := measured.meeting(0.3, clients, pipeline.Vegas{}, 1).hold(t)
		if got.goodput() < 0.93 || got.refusals > 0.02 || got.lost > 0 {
			t.Errorf("%d clients: goodput %.3f, %.4f refused, %d jobs lost", clients, got.goodput(), got.refusals, got.lost)
		}
	}
}

// Each request is counted once, and who stands in front of the server does not change how many come.
func TestFloodsAreCountedRight(t *testing.T) {
	came := 0
	for _, d := range doors() {
		f := plan{length: 10 * time.Second}.flood(0.3, 1)
		got := f.pour(t, d)
		if got.came != got.served+got.refused+got.gone || got.served != len(got.waits) || got.urgentServed > got.urgentCame {
			t.Errorf("%s: %+v", d.name, got)
		}
		if came == 0 {
			came = got.came
		}
		if got.came != came || got.goodput() > 1.2 {
			t.Errorf("%s: %d came, want %d; goodput %.2f", d.name, got.came, came, got.goodput())
		}
	}
}
