package controller

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// press has a bracket try once against a limit, and returns whether that worked.
func (l *bracket) press(limit, most float64) bool {
	l.try(l.next(most), 0, 0)
	if l.trial <= limit {
		l.hold(0)
		return true
	}
	l.fail(l.trial)
	return false
}

// about reports whether two numbers are the same but for rounding.
func about(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*math.Abs(b) && !math.IsInf(b, 0)
}

func TestLeverGoesTwiceAsFarWithEachTrialThatSucceeds(t *testing.T) {
	l := newBracket(100, false)
	for _, want := range []float64{102, 102 * 1.04, 102 * 1.04 * 1.08, 102 * 1.04 * 1.08 * 1.16} {
		if !l.press(math.Inf(1), 1e6) || !about(l.works, want) {
			t.Errorf("got %v, want %v", l.works, want)
		}
	}
	for range 10 {
		l.press(math.Inf(1), 1e6)
	}
	if was := l.works; !l.press(math.Inf(1), 1e6) || !about(l.works, min(2*was, 1e6)) {
		t.Errorf("from %v to %v, want twice as much and no more", was, l.works)
	}
}

func TestLeverThatCountsGoesByOneAtLeast(t *testing.T) {
	l := newBracket(1, true)
	var got []float64
	for range 6 {
		l.press(math.Inf(1), 20)
		got = append(got, l.works)
	}
	for i, want := range []float64{2, 4, 8, 16, 20, 20} {
		if got[i] != want {
			t.Fatalf("got %v, want 2, 4, 8, 16, and the most there is", got)
		}
	}
}

func TestLeverComesBackWhenATrialFails(t *testing.T) {
	l := newBracket(100, false)
	l.press(math.Inf(1), 1e6)
	l.press(math.Inf(1), 1e6)
	value := l.works
	l.try(l.next(1e6), 0, 0)
	if l.inForce() <= value {
		t.Errorf("%v in force, want what is being tried, above %v", l.inForce(), value)
	}
	l.fail(l.trial)
	if l.inForce() != value || l.growth != 0 {
		t.Errorf("%v in force, growth %v; want %v as before", l.inForce(), l.growth, value)
	}
}

func TestLeverBisectsBetweenWhatWorksAndWhatDoesNot(t *testing.T) {
	l := newBracket(100, false)
	l.fail(400)
	if to := l.next(1e6); !about(to, 200) {
		t.Errorf("tries %v between 100 and 400, want 200", to)
	}
	l.fail(110)
	if to := l.next(1e6); !about(to, 100*math.Sqrt(1.1)) {
		t.Errorf("tries %v between 100 and 110, want %v", to, 100*math.Sqrt(1.1))
	}
	l.fail(100 * 1e6) // known, but far away
	l.works = 100
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
		l := newBracket(c.value, c.whole)
		l.fails = c.failed
		if l.close() != c.want {
			t.Errorf("%v works, %v does not, whole %v: close is %v, want %v", c.value, c.failed, c.whole, !c.want, c.want)
		}
	}
}

func TestLeverForgetsAFailureThatATrialHasOvertaken(t *testing.T) {
	l := newBracket(100, false)
	l.fail(101)
	l.press(math.Inf(1), 1e6) // close: grows beyond
	if !math.IsInf(l.fails, 1) || l.works <= 100 {
		t.Errorf("%v works, %v does not; want nothing that does not", l.works, l.fails)
	}
}

func TestLeverFailingLowerThanItIsComesDown(t *testing.T) {
	l := newBracket(100, false)
	l.fail(60)
	if l.works != 60 || l.fails != 60 {
		t.Errorf("%v works, %v does not; want 60", l.works, l.fails)
	}
	l.overtaken()
	if !math.IsInf(l.fails, 1) {
		t.Errorf("%v is in force and does not work", l.fails)
	}
	l.fail(70)
	l.overtaken()
	if l.fails != 70 {
		t.Errorf("what fails above 60 is forgotten: %v, want 70", l.fails)
	}
}

func TestLeverTrialThatShowsNothingLeavesItAsItWas(t *testing.T) {
	l := newBracket(10, true)
	l.fail(20)
	l.try(l.next(100), 1, 2)
	l.cancel(5)
	if l.inForce() != 10 || l.fails != 20 || l.rested != 5 {
		t.Errorf("%+v, want 10, 20, at rest since 5", l)
	}
}

func TestLeverKeepsToOtherBounds(t *testing.T) {
	l := newBracket(50, true)
	l.try(60, 0, 0)
	l.clamp(1, 55) // no longer to be tried
	if l.inForce() != 50 {
		t.Errorf("%v in force, want 50", l.inForce())
	}
	l.clamp(1, 20)
	if l.inForce() != 20 {
		t.Errorf("%v in force, want at most 20", l.inForce())
	}
	l.try(25, 0, 0)
	l.clamp(22, 30)
	if l.works != 22 || l.inForce() != 25 {
		t.Errorf("%v works, %v in force, want at least 22 and the trial of 25", l.works, l.inForce())
	}
}

// Whatever the limit is, it is found, from below, with few refusals; and again when
// it is another.
func TestLeverFindsAnyLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Bool().Draw(t, "whole")
		most := math.Floor(math.Exp(rapid.Float64Range(0, 9).Draw(t, "log most")))
		l := newBracket(rapid.Float64Range(0.5, 1).Draw(t, "part")*most, whole)
		if whole {
			l.works = max(math.Floor(l.works), 1)
		}
		for range 3 {
			limit := max(rapid.Float64Range(0, 1).Draw(t, "limit")*most, 1)
			if l.works > limit { // somebody notices and cuts
				l.fail(limit)
				if whole {
					l.works = max(math.Floor(limit), 1)
				}
			}
			near := func() bool {
				return l.works <= limit && limit <= l.works*(1+1.25*l.step())+1.5*float64(btoi(whole)) || l.works == most
			}
			trials, refused := 0, 0
			for ; trials < 60 && !near(); trials++ {
				was := l.works
				worked := l.press(limit, most)
				if !worked {
					refused++
				}
				switch {
				case l.inForce() > most || l.inForce() < was:
					t.Fatalf("from %v to %v, want at most %v", was, l.inForce(), most)
				case worked && l.works <= was && was < most:
					t.Fatalf("no step beyond %v", was)
				case whole && l.works != math.Trunc(l.works):
					t.Fatalf("%v in flight", l.works)
				case l.works > limit:
					t.Fatalf("%v works, which is above %v", l.works, limit)
				}
			}
			if trials == 60 || refused > 12 {
				t.Fatalf("%v after %d trials, of which %d were refused; the limit is %v", l.works, trials, refused, limit)
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

func TestBracketsStepIsWhatCanBeTold(t *testing.T) {
	for _, c := range []struct {
		whole              bool
		works, noise, want float64
	}{
		{true, 10, 0, 0.1}, // one
		{true, 100, 0, 0.03},
		{false, 100, 0, 0.02},
		{false, 10, 0, 0.03},
		{false, 1, 0, 0.1},       // at most
		{false, 100, 0.02, 0.04}, // twice what chance refuses
		{false, 100, 0.001, 0.02},
		{false, 100, 0.2, 0.1},
	} {
		b := newBracket(c.works, c.whole)
		b.noise = c.noise
		if got := b.step(); !about(got, c.want) {
			t.Errorf("%+v: a step of %v", c, got)
		}
	}
}

func TestBracketIsFarIfWhatFailsIsKnownToBeManyTimesWhatWorks(t *testing.T) {
	for fails, want := range map[float64]bool{401: true, 400: false, 120: false, math.Inf(1): false} {
		b := newBracket(100, false)
		if b.fails = fails; b.far() != want {
			t.Errorf("100 works, %v fails: far is %v", fails, !want)
		}
	}
}

func TestBracketTriesWhatIsAimedForOnce(t *testing.T) {
	for _, c := range []struct{ aim, most, want, then float64 }{
		{150, 1000, 150, 102},
		{150, 120, 120, 102},
		{100, 1000, 102, 104}, // works already
		{0, 1000, 102, 104},
	} {
		b := newBracket(100, false)
		b.aim = c.aim
		if got, then := b.next(c.most), b.next(c.most); !about(got, c.want) || !about(then, c.then) {
			t.Errorf("%+v: %v, then %v", c, got, then)
		}
	}
}

func TestBracketsNextTrial(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name                 string
		whole                bool
		works, fails, growth float64
		want, gain           float64
	}{
		{"one step", false, 100, inf, 0, 102, 0.02},
		{"twice as far", false, 100, inf, 0.04, 108, 0.08},
		{"twice at most", false, 100, inf, 0.8, 200, 1},
		{"a low rate goes up quickly", false, 1, inf, 0, 1.3, 0.1},
		{"a very low rate, too", false, 0.1, inf, 0, 0.2, 0.1},
		{"but not near what fails", false, 1, 1.1, 0, 1.1, 0.1},
		{"half-way", false, 100, 121, 0.5, 110, 0.1},
		{"half-way, twice at most", false, 100, 1e6, 0, 200, 1},
		{"a count", true, 10, inf, 0, 11, 0.1},
		{"a count, three in a hundred", true, 200, inf, 0, 206, 0.03},
		{"a count, half-way", true, 10, 40, 0, 20, 1},
		{"a count, no less than half a step", true, 400, 409, 0, 406, 0.015},
	} {
		b := newBracket(c.works, c.whole)
		b.fails, b.growth = c.fails, c.growth
		if gain := b.gain(); !about(gain, c.gain) {
			t.Errorf("%s: would gain %v, want %v", c.name, gain, c.gain)
		}
		if got := b.next(1e9); !about(got, c.want) {
			t.Errorf("%s: tries %v, want %v", c.name, got, c.want)
		}
	}
}

func TestBracketKeepsWhatFailsIfATrialBelowItHolds(t *testing.T) {
	for _, c := range []struct{ fails, growth, want float64 }{
		{150, 0, 150},
		{110, 0, math.Inf(1)}, // it works
		{105, 0, math.Inf(1)},
		{150, 0.1, math.Inf(1)}, // who grows does not believe in it any more
	} {
		b := newBracket(100, false)
		b.fails, b.growth, b.trial = c.fails, c.growth, 110
		b.hold(7)
		if b.works != 110 || b.trial != 0 || b.held != 7 || !b.rising || b.fails != c.want {
			t.Errorf("%+v: %+v", c, b)
		}
	}
}

func TestBracketIsProvenByTheMostThatWorkedForLong(t *testing.T) {
	b := newBracket(100, false)
	b.prove()
	b.works = 80
	b.prove()
	if b.proven != 100 {
		t.Errorf("%v is proven, want 100", b.proven)
	}
}

func TestBracketsTrialEndsWithoutATrace(t *testing.T) {
	for name, end := range map[string]func(*bracket){
		"fails":         func(b *bracket) { b.fail(110) },
		"shows nothing": func(b *bracket) { b.cancel(5) },
		"is too much":   func(b *bracket) { b.clamp(1, 109) },
	} {
		b := newBracket(100, false)
		b.trial, b.growth, b.rising = 110, 0.1, true
		end(&b)
		if b.trial != 0 || b.growth != 0 || b.works != 100 {
			t.Errorf("%s: %+v, want 100 in force, and no trial", name, b)
		}
	}
	b := newBracket(100, false)
	b.trial = 110
	if b.clamp(1, 110); b.inForce() != 110 {
		t.Errorf("%v in force, want the trial to go on that is within the bounds", b.inForce())
	}
}

// Where a large step costs no more than a small one, it is the first.
func TestBracketGrowsByAsMuchAsCostsNothing(t *testing.T) {
	for _, c := range []struct{ reach, fails, want float64 }{
		{0.2, math.Inf(1), 120},
		{0.01, math.Inf(1), 102}, // a step at least
		{0.2, 102, 120},          // what failed may fail no more
		{0.2, 150, 100 * math.Sqrt(1.5)},
	} {
		b := newBracket(100, false)
		b.reach, b.fails = c.reach, c.fails
		if got := b.next(1e9); !about(got, c.want) {
			t.Errorf("%+v: tries %v", c, got)
		}
	}
}

func TestBracketLearnsNothingFromALargeStepThatFailsToo(t *testing.T) {
	for _, c := range []struct{ reach, known, growth, want float64 }{
		{0.2, 102, 0.2, 102},
		{0, 102, 0.02, 120},
		{0.2, math.Inf(1), 0.2, 120},
		{0.2, 150, 0, 120}, // half-way
		{0.2, 100, 0.2, 120},
	} {
		b := newBracket(100, false)
		b.reach, b.fails, b.growth = c.reach, c.known, c.growth
		b.try(120, 0, 1)
		b.fail(120)
		if b.fails != c.want || b.works != 100 {
			t.Errorf("%+v: %v works, %v fails", c, b.works, b.fails)
		}
	}
}

// Half-way is not worth the time after a trial that held, if a step that costs nothing goes
// beyond what is known to fail.
func TestBracketIsCloseWithinALargeStepWhileItRises(t *testing.T) {
	for _, c := range []struct {
		fails, reach float64
		rising, want bool
	}{
		{120, 0.2, true, true},
		{120.1, 0.2, true, false},
		{120, 0.2, false, false},
		{102.4, 0, true, true},
		{102.5, 0, true, false},
	} {
		b := newBracket(100, false)
		b.fails, b.reach, b.rising = c.fails, c.reach, c.rising
		if b.close() != c.want {
			t.Errorf("%+v: close is %v", c, !c.want)
		}
	}
}
