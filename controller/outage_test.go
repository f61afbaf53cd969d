package controller

import (
	"math"
	"testing"
)

// calm is what was in force when all was well: 100 a second, ten in flight.
var calm = pressure{rate: 100, slots: 10, proven: true}

// missed returns a outage that has seen so many misses, one each 10 ms from a time on.
func missed(n int, from float64) *outage {
	d := &outage{}
	d.succeed(1)
	for i := range n {
		d.miss(attempt{int64(i + 1), from + 0.01*float64(i)}, calm)
	}
	return d
}

func TestDowntimeIsSilentWhenNothingIsAcceptedWhereTwentyShouldHaveBeen(t *testing.T) {
	unproven := calm
	unproven.proven = false
	for _, c := range []struct {
		misses       int
		now, latency float64
		pressed      pressure
		want         bool
	}{
		{4, 10.21, 0.01, calm, true},
		{4, 10.19, 0.01, calm, false}, // not yet twenty
		{3, 10.21, 0.01, calm, false}, // too few to say
		{4, 10.39, 0.2, calm, false},  // not yet twice as long as one takes
		{4, 10.41, 0.2, calm, true},
		{4, 12.99, 0.01, unproven, false},
		{4, 13.01, 0.01, unproven, true},
	} {
		d := missed(c.misses, 10)
		d.pressed = c.pressed
		if got := d.silent(c.now, c.latency); got != c.want {
			t.Errorf("%d misses since 10, now %v, latency %v, %+v: %v, want %v", c.misses, c.now, c.latency, c.pressed, got, c.want)
		}
	}
}

func TestDowntimeIsNotSilentAfterASuccess(t *testing.T) {
	d := missed(10, 10)
	d.succeed(9) // of an attempt that started before them
	if !d.silent(11, 0.01) {
		t.Error("a success from before counts")
	}
	d.succeed(10.5)
	d.miss(attempt{20, 10.6}, calm)
	if d.silent(11, 0.01) {
		t.Error("a success from after them does not count")
	}
}

func TestDowntimeSilenceBeginsWithTheOldestMiss(t *testing.T) {
	d := missed(4, 10)
	d.miss(attempt{0, 9}, calm) // is heard of late
	if d.began != 9 || d.newest != 10.03 {
		t.Errorf("from %v to %v, want 9 to 10.03", d.began, d.newest)
	}
}

// It takes more in a row, the more are in flight; fewer, if they started one right
// after another.
func TestDowntimeIsFailingAfterAFewInARow(t *testing.T) {
	for _, c := range []struct {
		inFlight, gap, want int
	}{{1, 1, 4}, {1, 2, 5}, {3, 1, 4}, {3, 2, 6}, {127, 1, 7}, {127, 2, 11}, {1023, 1, 8}, {1023, 2, 14}} {
		var d outage
		d.succeed(1)
		n := 0
		for ; !d.failing(c.inFlight); n++ {
			d.miss(attempt{int64(n*c.gap + 1), 10}, calm)
		}
		if n != c.want {
			t.Errorf("%d in flight, each %dth fails: down after %d, want %d", c.inFlight, c.gap, n, c.want)
		}
		d.succeed(11)
		if d.failing(c.inFlight) {
			t.Errorf("%d in flight: still down after a success", c.inFlight)
		}
	}
}

func TestDowntimeKeepsWhatWasInForceAtTheFirstMiss(t *testing.T) {
	d := missed(1, 10)
	d.miss(attempt{2, 10.1}, pressure{rate: 1, slots: 1})
	if d.pressed != calm {
		t.Errorf("%+v, want %+v", d.pressed, calm)
	}
	d.succeed(11)
	d.miss(attempt{3, 12}, pressure{rate: 50, slots: 5})
	if d.pressed.rate != 50 {
		t.Errorf("%+v, want what was in force when all was well last", d.pressed)
	}
}

func TestDowntimePatienceDoublesAndIsCapped(t *testing.T) {
	for _, c := range []struct{ rate, most float64 }{{100, 4}, {10, 10}, {1, 60}, {0.01, 60}} {
		d := missed(5, 10)
		d.pressed.rate = c.rate
		d.start(attempt{5, 10.04})
		if !d.is || d.since != 10 {
			t.Fatalf("%+v, want it down since 10", d)
		}
		last := 0.0
		for now := 10.0; now < 1000; now += last {
			wait := d.patience(now, now)
			if wait < last || wait > max(2*last, 0.001)+1e-9 && last > 0.001 || wait > c.most || wait <= 0 {
				t.Fatalf("%v/s, %v s down: waits %v after %v", c.rate, now-10, wait, last)
			}
			last = wait
		}
		if last != c.most {
			t.Errorf("%v/s: waits %v at last, want %v", c.rate, last, c.most)
		}
	}
}

func TestDowntimeIsOverWithASuccessFromAfterTheLastMiss(t *testing.T) {
	d := missed(5, 10)
	d.start(attempt{5, 10.04})
	d.lastMiss = 20
	for start, want := range map[float64]bool{9: false, 10: false, 15: false, 19.9: false, 20: true, 21: true} {
		if got := d.over(start); got != want {
			t.Errorf("a success that started at %v: over is %v, want %v", start, got, want)
		}
	}
}

// turn has a service be closed from a time on and come back later; the attempt that
// missed last started miss before that. It returns what end does.
func (d *outage) turn(seq *int64, closes, back, miss float64) (rate float64, window bool) {
	for i := range 5 {
		*seq++
		d.miss(attempt{*seq, closes + 0.01*float64(i)}, calm)
	}
	d.start(attempt{*seq, closes + 0.04})
	d.lastMiss = back - miss
	*seq++
	d.succeed(back)
	return d.end(attempt{*seq, back})
}

func TestDowntimeLearnsAWindowFromTwoTurns(t *testing.T) {
	var d outage
	seq := int64(0)
	d.succeed(1)
	seq += 3000
	if rate, window := d.turn(&seq, 40, 60.5, 1); rate != calm.rate || window || d.is {
		t.Errorf("after the first turn: %v/s, window %v, down %v; want what was in force, and nothing else known", rate, window, d.is)
	}
	seq += 3000 - 1
	rate, window := d.turn(&seq, 100, 120.5, 1)
	if want := 3000.0 / 60 * (1 - margin); !window || math.Abs(rate-want) > 0.1 || d.period != 60 {
		t.Errorf("after the second turn: %v/s, window %v of %v s; want %v/s, 60 s", rate, window, d.period, want)
	}
	if next := d.nextTurn(125); next != 180.5 {
		t.Errorf("next turn at %v, want 180.5", next)
	}
	seq += 3000 - 1
	rate, window = d.turn(&seq, 170, 180.5, 1) // jobs differ, so it is not taken at its word
	if want := (3*calm.rate + 3000.0/60*(1-margin)) / 4; !window || math.Abs(rate-want) > 0.1 || d.period != 60 {
		t.Errorf("after the third turn: %v/s, window %v of %v s; want %v/s, 60 s", rate, window, d.period, want)
	}
}

// windowed has come back at 120.5, with a window of a minute known.
func windowed() (*outage, *int64) {
	d, seq := &outage{}, int64(0)
	d.succeed(1)
	seq += 3000
	d.turn(&seq, 40, 60.5, 1)
	seq += 3000
	d.turn(&seq, 100, 120.5, 1)
	return d, &seq
}

func TestDowntimeWaitsForTheTurnOfAWindow(t *testing.T) {
	d, seq := windowed()
	*seq += 3000
	d.miss(attempt{*seq, 160}, calm)
	d.start(attempt{*seq, 160})
	if wait := d.patience(160.1, 160); math.Abs(wait-20.5/8) > 1e-9 {
		t.Errorf("after one miss: waits %v, want an eighth of the 20.5 s that are left", wait)
	}
	d.miss(attempt{*seq + 1, 160.1}, calm)
	if wait := d.patience(160.2, 160.1); math.Abs(wait-20.4) > 1e-9 {
		t.Errorf("waits %v, want the 20.4 s that are left", wait)
	}
	if wait := d.patience(160+67, 160+67); wait > 4 {
		t.Errorf("the window should have turned, and it waits %v", wait)
	}
}

func TestDowntimeForgetsAWindowThatWasWrong(t *testing.T) {
	d, seq := windowed()
	*seq += 3000
	if rate, window := d.turn(seq, 140, 150, 1); d.period != 0 || window {
		t.Errorf("came back at 150 and not at 180.5: period %v, %v/s, window %v; want nothing known", d.period, rate, window)
	}
}

func TestDowntimeGoesSlowerWhenAWindowWasNotLongEnough(t *testing.T) {
	d, seq := windowed()
	*seq += 6000
	rate, window := d.turn(seq, 235, 240.5, 1) // it lasted for one, not for two
	if want := calm.rate * (1 - margin); rate != want || window || d.period != 60 {
		t.Errorf("%v/s, window %v, period %v; want %v/s, and the window known", rate, window, d.period, want)
	}
	if next := d.nextTurn(241); next != 300.5 {
		t.Errorf("next turn at %v, want 300.5", next)
	}
}

func TestDowntimeThatComesBackForNextToNothingIsSlower(t *testing.T) {
	var d outage
	seq := int64(0)
	d.succeed(1)
	d.turn(&seq, 40, 50, 1)
	seq += 4
	rate, window := d.turn(&seq, 51, 60, 1)
	if window || rate >= 1 || rate <= 0 {
		t.Errorf("%v/s, window %v; want the handful that it took in 11 s", rate, window)
	}
}

func TestPeopleCountByMinutesHoursAndDays(t *testing.T) {
	for _, c := range []struct{ lo, hi, want float64 }{
		{59, 61, 60}, {50, 69, 60}, {60, 60, 60}, {45, 66, 0}, {61, 70, 0}, {10, 20, 0}, {50, 59, 0},
		{3500, 3700, 3600}, {2000, 4000, 0}, {80_000, 90_000, 86_400}, {1, 1e6, 0}, {62, 58, 0},
	} {
		if got := byWhichPeopleCount(c.lo, c.hi); got != c.want {
			t.Errorf("between %v and %v: %v, want %v", c.lo, c.hi, got, c.want)
		}
	}
}
