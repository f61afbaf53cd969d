package controller

import (
	"math"
	"testing"
)

// A quotaRun is a service with a quota, as far as an outage and a quota know it.
type quotaRun struct {
	outage
	quota
	seq int64
}

// turn has it be closed from a time on and come back later; the attempt that missed last
// started miss before that. It returns what back does.
func (r *quotaRun) turn(closes, back, miss float64) (rate float64, window bool) {
	for i := range 5 {
		r.seq++
		r.miss(attempt{r.seq, closes + 0.01*float64(i)}, calm)
	}
	before := r.since
	r.start(attempt{r.seq, closes + 0.04}, true)
	r.quota.down(&r.outage, attempt{r.seq, closes + 0.04}, before)
	r.lastMiss = back - miss
	r.seq++
	r.succeed(back)
	rate, window = r.quota.back(&r.outage, attempt{r.seq, back})
	r.end()
	return rate, window
}

func TestQuotaLearnsAWindowFromTwoTurns(t *testing.T) {
	var d quotaRun
	d.succeed(1)
	d.seq += 3000
	if rate, window := d.turn(40, 60.5, 1); rate != calm.rate || window || d.is {
		t.Errorf("after the first turn: %v/s, window %v, down %v; want what was in force, and nothing else known", rate, window, d.is)
	}
	d.seq += 3000 - 1
	rate, window := d.turn(100, 120.5, 1)
	if want := 3000.0 / 60 * (1 - margin); !window || math.Abs(rate-want) > 0.1 || d.period != 60 {
		t.Errorf("after the second turn: %v/s, window %v of %v s; want %v/s, 60 s", rate, window, d.period, want)
	}
	if next := d.nextTurn(125); next != 180.5 {
		t.Errorf("next turn at %v, want 180.5", next)
	}
	d.seq += 3000 - 1
	rate, window = d.turn(170, 180.5, 1) // jobs differ, so it is not taken at its word
	if want := (3*calm.rate + 3000.0/60*(1-margin)) / 4; !window || math.Abs(rate-want) > 0.1 || d.period != 60 {
		t.Errorf("after the third turn: %v/s, window %v of %v s; want %v/s, 60 s", rate, window, d.period, want)
	}
}

// windowed has come back at 120.5, with a window of a minute known.
func windowed() *quotaRun {
	d := &quotaRun{}
	d.succeed(1)
	d.seq += 3000
	d.turn(40, 60.5, 1)
	d.seq += 3000
	d.turn(100, 120.5, 1)
	return d
}

func TestQuotaWaitsForTheTurnOfAWindow(t *testing.T) {
	d := windowed()
	d.seq += 3000
	d.miss(attempt{d.seq, 160}, calm)
	d.start(attempt{d.seq, 160}, true)
	if wait := d.quota.patience(&d.outage, 160.1, 160); math.Abs(wait-20.5/8) > 1e-9 {
		t.Errorf("after one miss: waits %v, want an eighth of the 20.5 s that are left", wait)
	}
	d.miss(attempt{d.seq + 1, 160.1}, calm)
	if wait := d.quota.patience(&d.outage, 160.2, 160.1); math.Abs(wait-20.4) > 1e-9 {
		t.Errorf("waits %v, want the 20.4 s that are left", wait)
	}
	if wait := d.quota.patience(&d.outage, 160+67, 160+67); wait != 0 {
		t.Errorf("the window should have turned, and it waits for it: %v", wait)
	}
}

func TestQuotaForgetsAWindowThatWasWrong(t *testing.T) {
	d := windowed()
	d.seq += 3000
	if rate, window := d.turn(140, 150, 1); d.period != 0 || window {
		t.Errorf("came back at 150 and not at 180.5: period %v, %v/s, window %v; want nothing known", d.period, rate, window)
	}
}

func TestQuotaGoesSlowerWhenAWindowWasNotLongEnough(t *testing.T) {
	d := windowed()
	d.seq += 6000
	rate, window := d.turn(235, 240.5, 1) // it lasted for one, not for two
	if want := calm.rate * (1 - margin); rate != want || window || d.period != 60 {
		t.Errorf("%v/s, window %v, period %v; want %v/s, and the window known", rate, window, d.period, want)
	}
	if next := d.nextTurn(241); next != 300.5 {
		t.Errorf("next turn at %v, want 300.5", next)
	}
}

func TestQuotaThatComesBackForNextToNothingIsSlower(t *testing.T) {
	var d quotaRun
	d.succeed(1)
	d.turn(40, 50, 1)
	d.seq += 4
	rate, window := d.turn(51, 60, 1)
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

// It came back at 10 with number 100.
func TestQuotaIsGivenWhatWasAcceptedSinceItCameBack(t *testing.T) {
	for _, c := range []struct {
		name        string
		seq         int64
		misses      int
		since       float64
		given, rate float64
	}{
		{"all but the misses", 203, 4, 30, 100, 100},
		{"twenty", 123, 4, 30, 20, 100},
		{"hardly any: it is slower", 122, 4, 30, 0, 1},
		{"none: it is slower yet", 103, 4, 30, 0, 0.1},
		{"hardly any, at once", 122, 4, 10.1, 0, 100}, // no slower than it was
		{"hardly any, since nobody knows", 122, 4, 10, 19, 100},
	} {
		q := quota{turned: 10, first: 100}
		d := &outage{misses: c.misses, since: c.since, pressed: calm, refusing: true}
		q.down(d, attempt{c.seq, c.since}, 10)
		if q.given != c.given || !about(d.pressed.rate, c.rate) {
			t.Errorf("%s: given %v, %v/s; want %v, %v/s", c.name, q.given, d.pressed.rate, c.given, c.rate)
		}
	}
	var q quota
	if q.down(&outage{pressed: calm, refusing: true}, attempt{50, 30}, 10); q.given != 0 {
		t.Errorf("given %v since it never came back, want nothing known", q.given)
	}
}

// It was back at 10 and gave 100, was down from 30 on, and let a small job in at 50.
func TestAWindowThatIsUsedUpMayHaveRoomForASmallJob(t *testing.T) {
	for _, c := range []struct {
		before, given float64
		want          quota
		since, rate   float64
	}{
		{100, 1, quota{turned: 10, turnMiss: 9, first: 5, given: 100, last: turn{10, 9, 5, 100}, lucky: 1}, 30, 100},
		{100, 19, quota{turned: 10, turnMiss: 9, first: 5, given: 100, last: turn{10, 9, 5, 100}, lucky: 1}, 30, 100},
		{100, 20, quota{turned: 50, turnMiss: 49, first: 106, given: 20, last: turn{10, 9, 5, 100}}, 60, 100},
		{99, 1, quota{turned: 50, turnMiss: 49, first: 106, given: 0, last: turn{10, 9, 5, 99}}, 60, 2. / 30},
	} {
		q := quota{turned: 10, turnMiss: 9, first: 5, given: c.before}
		d := &outage{misses: 4, since: 30, lastMiss: 49, pressed: calm, refusing: true}
		q.back(d, attempt{106, 50})
		d.since = 60
		q.down(d, attempt{106 + 3 + int64(c.given), 60}, 30)
		if q != c.want || d.since != c.since || !about(d.pressed.rate, c.rate) {
			t.Errorf("%v, then %v: %+v, down since %v, %v/s; want %+v, %v, %v/s", c.before, c.given, q, d.since, d.pressed.rate, c.want, c.since, c.rate)
		}
		if q.lucky == 0 {
			continue
		}
		q.lucky = 3
		q.back(d, attempt{120, 70})
		d.since = 80
		if q.down(d, attempt{124, 80}, 60); !about(d.pressed.rate, 0.1) {
			t.Errorf("%v, then %v, and again hardly any: %v/s, want it slower", c.before, c.given, d.pressed.rate)
		}
		q.back(d, attempt{130, 90})
		d.since = 100
		if q.down(d, attempt{330, 100}, 80); q.lucky != 0 {
			t.Error("it gave much, and the next small job may be one again")
		}
	}
}

// The second window of a minute began at 60.5; the third is due at 120.5.
func TestQuotaAtTheTurnOfAWindow(t *testing.T) {
	for _, c := range []struct {
		name               string
		since, back        float64
		period, rate, turn float64
	}{
		{"just then", 110, 120.5, 60, 100, 120.5},
		{"a tenth early", 110, 114.5, 60, 100, 114.5},
		{"earlier: it was something else", 110, 114, 0, 100, 114},
		{"half a window late", 110, 150.5, 60, 100, 150.5},
		{"more than that: it was not enough for one", 110, 151, 60, 99.5, 120.5},
		{"after two: it was not enough for both", 130, 180.5, 60, 99.5, 180.5},
		{"a bit late after two", 130, 182, 60, 99.5, 180.5},
	} {
		q := quota{turned: 60.5, period: 60}
		rate, window := q.back(&outage{since: c.since, pressed: calm}, attempt{500, c.back})
		if q.period != c.period || !about(rate, c.rate) || q.turned != c.turn || window || q.first != 500 {
			t.Errorf("back %s: %v/s, window %v, %+v; want %v/s, a period of %v, turned at %v", c.name, rate, window, q, c.rate, c.period, c.turn)
		}
	}
}

// A service that refuses for longer than it gave has a window that is used up: what it gave in the
// mean is the rate to come back with. One that gave for longer was stalled.
func TestAWindowThatIsUsedUpIsComeBackToWithWhatItGives(t *testing.T) {
	for _, test := range []struct{ closes, back, want float64 }{
		{22, 30, 700. / 10},   // gave for 2 s, refused for 8
		{28, 32, calm.rate},   // gave for 8 s, refused for 4
		{22, 30, 20. / 10},    // gave little
		{20.3, 21, calm.rate}, // gave more in the mean than what was in force
		{22, 41, calm.rate},   // a longer window is the quota's to find out
	} {
		var d quotaRun
		d.succeed(1)
		d.seq += 3000
		d.turn(10, 20, 0.5)
		given := test.want * (test.back - 20)
		if test.want == calm.rate {
			given = 2 * calm.rate * (test.back - 20)
		}
		d.seq += int64(given) - 1
		if rate, window := d.turn(test.closes, test.back, 0.5); math.Abs(rate-test.want) > 0.03*test.want || window {
			t.Errorf("closed at %v and back at %v: got %v/s, window %v, want %v/s", test.closes, test.back, rate, window, test.want)
		}
	}
}

// What was given says nothing if it is next to nothing: 1 in 24 s, and the pace would be 0.04 a second.
func TestNextToNothingIsNoMean(t *testing.T) {
	for given, want := range map[float64]float64{1: calm.rate, fewGiven - 1: calm.rate, fewGiven: fewGiven / 10.} {
		q := quota{turned: 20, turnMiss: 19, given: given}
		d := outage{since: 22, lastMiss: 29, refusing: true, pressed: calm}
		if rate, window := q.back(&d, attempt{500, 30}); rate != want || window {
			t.Errorf("given %v in 10 s: got %v/s, window %v, want %v/s", given, rate, window, want)
		}
	}
}

// A service that was down for longer than it has been back, and fails again, was pressed too much: what it has given
// since it was back the time before, in the mean, is the rate to come back with.
func TestAServiceThatSoonFailsAgainIsComeBackToWithWhatItGaveInTheMean(t *testing.T) {
	for _, c := range []struct {
		name         string
		since        float64 // that it fails again; it was back at 20
		given        int64
		refusing     bool
		rate, failed float64
	}{
		{"soon", 21, 9, false, (50 + 9 + 1) / 21., 100},
		{"after as long as it was down", 30, 9, false, 100, 0},
		{"with much given", 21, 100, false, 100, 0},
		{"and refuses", 21, 40, true, 100, 0},
	} {
		q := quota{turned: 20, first: 60, last: turn{first: 1, given: 50}}
		d := &outage{misses: 4, since: c.since, pressed: calm, refusing: c.refusing}
		q.down(d, attempt{60 + c.given + 3, c.since}, 10)
		if !about(d.pressed.rate, c.rate) || q.failed != c.failed {
			t.Errorf("%s: comes back with %v/s, %v failed; want %v/s, %v", c.name, d.pressed.rate, q.failed, c.rate, c.failed)
		}
	}
}

// What it gave before it failed for the first time counts, too.
func TestWhatWasGivenBeforeTheFirstFailuresIsKnown(t *testing.T) {
	var q quota
	q.down(&outage{misses: 4, since: 5, pressed: calm}, attempt{54, 5}, 0)
	if q.last.given != 50 || q.last.start != 0 || q.given != 0 {
		t.Errorf("%+v, want 50 since the beginning", q)
	}
	if q.back(&outage{misses: 4, since: 5, pressed: calm}, attempt{60, 12}); q.last.given != 50 || q.turned != 12 {
		t.Errorf("%+v, back at 12: want the 50 from before kept", q)
	}
}

// What it began to fail with when it was just back is what fails.
func TestARateThatFailsAgainSoonIsNotTriedAtOnce(t *testing.T) {
	s := seekAtRest()
	s.quota = quota{failed: 100}
	s.outage = outage{is: true, since: 80, pressed: pressure{rate: 10, slots: 5}}
	s.revive(attempt{300, 99})
	if s.pace.works != 10 || s.pace.fails != 100 {
		t.Errorf("pace %+v, want 10 to work and 100 to fail", s.pace)
	}
}
