package controller

import (
	"math"
	"testing"
)

func TestRecoveryKnowsTheMostThatWasWorkedOnAndWhatIsUsual(t *testing.T) {
	var r recovery
	for _, n := range []int{2, 4, 3} {
		r.count(n)
	}
	if r.most != 4 || !about(r.usual, 3) || r.counted != 3 {
		t.Errorf("got %+v, want 4 at most and 3 as usual, of three", r)
	}
}

func TestRecoveryForgetsWhatIsNoLongerUsual(t *testing.T) {
	r := recovery{counted: 64, usual: 36, spread: 64}
	r.count(100)
	if r.counted != 64 || r.usual != 37 || r.spread != 64+(64*64-64)/64 {
		t.Errorf("got %+v, want each to count a sixty-fourth", r)
	}
	r = recovery{counted: 64, usual: 5, spread: 1e-9}
	if r.count(5); r.spread != 0 {
		t.Errorf("a variance of %v where all are alike, want 0", r.spread)
	}
}

// A count is off by those refusals that were not heard of yet, so where many are in
// flight, hardly fewer than the most will do, if it is unusual.
func TestRecoverysAboveIsMoreThanWasAcceptedOrNearlyAndUnusual(t *testing.T) {
	for _, c := range []struct {
		n, most       int
		usual, spread float64
		want          bool
	}{
		{6, 5, 3, 0, true},
		{5, 5, 3, 0, false}, // as many were accepted, and few are easily counted
		{100, 100, 80, 100, true},
		{97, 100, 80, 100, true},
		{96, 100, 80, 100, false}, // clearly fewer
		{97, 100, 82, 100, false}, // that is usual
		{97, 100, 70, 400, false},
		{21, 21, 10, 0, true},
		{20, 20, 10, 0, false}, // few
	} {
		r := recovery{most: c.most, usual: c.usual, spread: c.spread}
		if got := r.above(c.n); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestCountsAreNearThatMayBeOfTheSameLimit(t *testing.T) {
	for _, c := range []struct {
		a, b int
		want bool
	}{{5, 5, true}, {5, 6, true}, {6, 5, true}, {5, 7, false}, {7, 5, false}, {95, 100, true}, {105, 100, true}, {94, 100, false}, {106, 100, false}} {
		if got := near(c.a, c.b); got != c.want {
			t.Errorf("%d and %d: got %v", c.a, c.b, got)
		}
	}
	if near(0, math.MaxInt32) {
		t.Error("nothing is near everything")
	}
}
