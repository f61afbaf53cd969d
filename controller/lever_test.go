package controller

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// press has a lever try once against a limit, and returns whether that worked.
func (l *lever) press(limit, most float64) bool {
	l.try(l.next(most), 0, 0)
	if l.trial <= limit {
		l.succeed()
		return true
	}
	l.fail(l.trial)
	return false
}

func about(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }

func TestLeverGoesTwiceAsFarWithEachTrialThatSucceeds(t *testing.T) {
	l := newLever(100, false)
	for _, want := range []float64{102, 102 * 1.04, 102 * 1.04 * 1.08, 102 * 1.04 * 1.08 * 1.16} {
		if !l.press(math.Inf(1), 1e6) || !about(l.value, want) {
			t.Errorf("got %v, want %v", l.value, want)
		}
	}
	for range 10 {
		l.press(math.Inf(1), 1e6)
	}
	if was := l.value; !l.press(math.Inf(1), 1e6) || !about(l.value, min(2*was, 1e6)) {
		t.Errorf("from %v to %v, want twice as much and no more", was, l.value)
	}
}

func TestLeverThatCountsGoesByOneAtLeast(t *testing.T) {
	l := newLever(1, true)
	var got []float64
	for range 6 {
		l.press(math.Inf(1), 20)
		got = append(got, l.value)
	}
	for i, want := range []float64{2, 4, 8, 16, 20, 20} {
		if got[i] != want {
			t.Fatalf("got %v, want 2, 4, 8, 16, and the most there is", got)
		}
	}
}

func TestLeverComesBackWhenATrialFails(t *testing.T) {
	l := newLever(100, false)
	l.press(math.Inf(1), 1e6)
	l.press(math.Inf(1), 1e6)
	value := l.value
	l.try(l.next(1e6), 0, 0)
	if l.now() <= value {
		t.Errorf("%v in force, want what is being tried, above %v", l.now(), value)
	}
	l.fail(l.trial)
	if l.now() != value || l.growth != 0 {
		t.Errorf("%v in force, growth %v; want %v as before", l.now(), l.growth, value)
	}
}

func TestLeverBisectsBetweenWhatWorksAndWhatDoesNot(t *testing.T) {
	l := newLever(100, false)
	l.fail(400)
	if to := l.next(1e6); !about(to, 200) {
		t.Errorf("tries %v between 100 and 400, want 200", to)
	}
	l.fail(110)
	if to := l.next(1e6); !about(to, 100*math.Sqrt(1.1)) {
		t.Errorf("tries %v between 100 and 110, want %v", to, 100*math.Sqrt(1.1))
	}
	l.fail(100 * 1e6) // known, but far away
	l.value = 100
	if to := l.next(1e12); !about(to, 200) {
		t.Errorf("tries %v, want twice as much and no more", to)
	}
}

func TestLeverKnowsWhenItIsClose(t *testing.T) {
	for _, c := range []struct {
		whole         bool
		value, failed float64
		want          bool
	}{
		{true, 10, 11, true},
		{true, 10, 12, false},
		{true, 1, 2, true},
		{false, 100, 102, true},
		{false, 100, 103, false},
		{false, 1, 1.1, true}, // it takes long to see a difference
		{false, 1, 1.2, false},
		{true, 10, math.Inf(1), false},
		{false, 10, math.Inf(1), false},
	} {
		l := newLever(c.value, c.whole)
		l.failed = c.failed
		if l.close() != c.want {
			t.Errorf("%v works, %v does not, whole %v: close is %v, want %v", c.value, c.failed, c.whole, !c.want, c.want)
		}
	}
}

func TestLeverForgetsAFailureThatATrialHasOvertaken(t *testing.T) {
	l := newLever(100, false)
	l.fail(101)
	l.press(math.Inf(1), 1e6) // close: grows beyond
	if !math.IsInf(l.failed, 1) || l.value <= 100 {
		t.Errorf("%v works, %v does not; want nothing that does not", l.value, l.failed)
	}
}

func TestLeverFailingLowerThanItIsComesDown(t *testing.T) {
	l := newLever(100, false)
	l.fail(60)
	if l.value != 60 || l.failed != 60 {
		t.Errorf("%v works, %v does not; want 60", l.value, l.failed)
	}
	l.sane()
	if !math.IsInf(l.failed, 1) {
		t.Errorf("%v is in force and does not work", l.failed)
	}
	l.fail(70)
	l.sane()
	if l.failed != 70 {
		t.Errorf("what fails above 60 is forgotten: %v, want 70", l.failed)
	}
}

func TestLeverTrialThatShowsNothingLeavesItAsItWas(t *testing.T) {
	l := newLever(10, true)
	l.fail(20)
	l.try(l.next(100), 1, 2)
	l.cancel(5)
	if l.now() != 10 || l.failed != 20 || l.rested != 5 {
		t.Errorf("%+v, want 10, 20, at rest since 5", l)
	}
}

func TestLeverKeepsToOtherBounds(t *testing.T) {
	l := newLever(50, true)
	l.try(60, 0, 0)
	l.limit(1, 55) // no longer to be tried
	if l.now() != 50 {
		t.Errorf("%v in force, want 50", l.now())
	}
	l.limit(1, 20)
	if l.now() != 20 {
		t.Errorf("%v in force, want at most 20", l.now())
	}
	l.try(25, 0, 0)
	l.limit(22, 30)
	if l.value != 22 || l.now() != 25 {
		t.Errorf("%v works, %v in force, want at least 22 and the trial of 25", l.value, l.now())
	}
}

// Whatever the limit is, it is found, from below, with few refusals; and again when
// it is another.
func TestLeverFindsAnyLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Bool().Draw(t, "whole")
		most := math.Floor(math.Exp(rapid.Float64Range(0, 9).Draw(t, "log most")))
		l := newLever(rapid.Float64Range(0.5, 1).Draw(t, "part")*most, whole)
		if whole {
			l.value = max(math.Floor(l.value), 1)
		}
		for range 3 {
			limit := max(rapid.Float64Range(0, 1).Draw(t, "limit")*most, 1)
			if l.value > limit { // somebody notices and cuts
				l.fail(limit)
				if whole {
					l.value = max(math.Floor(limit), 1)
				}
			}
			near := func() bool {
				return l.value <= limit && limit <= l.value*(1+1.25*l.step())+1.5*float64(btoi(whole)) || l.value == most
			}
			trials, refused := 0, 0
			for ; trials < 60 && !near(); trials++ {
				was := l.value
				worked := l.press(limit, most)
				if !worked {
					refused++
				}
				switch {
				case l.now() > most || l.now() < was:
					t.Fatalf("from %v to %v, want at most %v", was, l.now(), most)
				case worked && l.value <= was && was < most:
					t.Fatalf("no step beyond %v", was)
				case whole && l.value != math.Trunc(l.value):
					t.Fatalf("%v in flight", l.value)
				case l.value > limit:
					t.Fatalf("%v works, which is above %v", l.value, limit)
				}
			}
			if trials == 60 || refused > 12 {
				t.Fatalf("%v after %d trials, of which %d were refused; the limit is %v", l.value, trials, refused, limit)
			}
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
