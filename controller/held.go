package controller

import (
	"fmt"
	"time"
)

// Hold is what keeps the next attempt from starting.
type Hold uint8

// What keeps the next attempt from starting.
const (
	HeldByNothing Hold = iota // it may start, or there is none
	HeldByLimit               // as many are in flight as may be, or hold their slots while backing off
	HeldByPace                // the interval
	HeldByBudget              // a budget
	HeldByRate                // the rate
	HeldByCircuit             // an open circuit, or a half-open one whose probes are out
	HeldByServer              // a pause that the server asked for, or what is left of a quota of its
)

var holdNames = [...]string{"nothing", "limit", "pace", "budget", "rate", "circuit", "server"}

func (h Hold) String() string {
	if int(h) < len(holdNames) {
		return holdNames[h]
	}
	return fmt.Sprintf("hold(%d)", int(h))
}

// HeldTimes say for how long, in all, each of them was what held up the next
// attempt while jobs waited for one.
type HeldTimes struct {
	Limit, Pace, Budget, Rate, Circuit, Server time.Duration
}

// Add counts a while in which h was it. Nothing is not counted.
func (t *HeldTimes) Add(h Hold, d time.Duration) {
	switch h {
	case HeldByLimit:
		t.Limit += d
	case HeldByPace:
		t.Pace += d
	case HeldByBudget:
		t.Budget += d
	case HeldByRate:
		t.Rate += d
	case HeldByCircuit:
		t.Circuit += d
	case HeldByServer:
		t.Server += d
	}
}
