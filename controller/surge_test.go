package controller

import (
	"math"
	"testing"
)

func TestSurgeIsDoubtedWhenFarMoreFailThanUsual(t *testing.T) {
	for _, c := range []struct {
		name  string
		usual float64
		fails func(i int) bool
		after int // attempts; 0: never
	}{
		{"all, where none did", 0, func(int) bool { return true }, 6},
		{"every other one", 0, func(i int) bool { return i%2 == 0 }, 13},
		{"one of six, where none did", 0, func(i int) bool { return i%6 == 0 }, 0},
		{"all, where a third did", 1. / 3, func(int) bool { return true }, 11},
		{"half, where a third did", 1. / 3, func(i int) bool { return i%2 == 0 }, 0},
		{"all, where most did", 0.6, func(int) bool { return true }, 0}, // more can't be told
	} {
		s := surge{usual: c.usual, counted: surgeLong}
		n := 0
		for n < 1000 && !s.doubtful() {
			failed := 0.0
			if c.fails(n) {
				failed = 1
			}
			s.add(0, failed)
			n++
		}
		if !s.doubtful() {
			n = 0
		}
		if n != c.after {
			t.Errorf("%s: doubted after %d attempts, want %d", c.name, n, c.after)
		}
	}
}

// What fails from the beginning on is usual: nobody has seen it otherwise.
func TestSurgeIsNoneBeforeMuchIsKnown(t *testing.T) {
	for _, known := range []float64{surgeKnown - 1, surgeKnown} {
		s := surge{counted: known}
		for range 6 {
			s.add(0, 1)
		}
		if s.doubtful() != (known == surgeKnown) {
			t.Errorf("six failures after %v attempts: %+v", known, s)
		}
	}
}

func TestSurgeLearnsWhatIsUsualFromFailuresThatCameToNothing(t *testing.T) {
	var s surge
	for i := range 6000 {
		failed := 0.0
		if i%8 == 0 {
			failed = 1
		}
		s.add(0, failed)
	}
	if s.usual < 0.12 || s.usual > 0.13 || s.counted != surgeLong || s.always < 0.12 || s.always > 0.13 || s.ended != surgeLong {
		t.Errorf("%+v, want an eighth to be usual", s)
	}
}

// A surge for which the pressure was halved at 10, after 60% of everything had failed.
func halved() surge {
	return surge{usual: 0.05, counted: 1000, experiment: experiment{before: 0.6, began: 10, halved: 1, from: pressure{rate: 100, slots: 10}}}
}

func TestSurgeComparesWhatStartedAfterThePressureWasHalved(t *testing.T) {
	s := halved()
	s.add(9.9, 1)
	if s.evident != 0 || s.counted != 1000 {
		t.Errorf("%+v: one from before was counted", s)
	}
	if s.add(10, 1); s.evident <= 0 {
		t.Errorf("%+v: a failure with half of the pressure, want it to speak for as many as before", s)
	}
	before := s.evident
	if s.add(11, 0); s.evident >= before {
		t.Errorf("%+v: a success with half of the pressure, want it to speak for the pressure", s)
	}
}

// surging is a seek with a surge of which a share fails, as it doubts.
func surging(share float64) *seek {
	s := seekAtRest()
	s.surge = surge{counted: 1000, doubt: surgeDoubt, run: 10, failed: 10 * share}
	s.newest = attempt{200, 99}
	s.pace.try(100, 98, 200)
	s.slots.try(12, 98, 200)
	s.delivery.add(refusal{seq: 190, start: 98, end: 98.1})
	s.surged(attempt{200, 99}, &Outcome{Seq: 200, Verdict: Failed, Attempt: 1, InFlight: 10})
	return s
}

func TestHalfOfThePressureIsTriedInASurge(t *testing.T) {
	s := surging(0.6)
	if was := s.surge.from; was.rate != 100 || was.slots != 10 || s.surge.bank != 50 || s.surge.before != 0.6 {
		t.Errorf("%+v, want what was in force", s.surge)
	}
	if s.pace.works != 50 || s.slots.works != 5 || s.reason != ReasonFailures || !s.surge.comparing() || s.surge.doubtful() ||
		s.pace.trial != 0 || s.slots.trial != 0 || s.recovery.began != s.now {
		t.Errorf("pace %v, limit %v, %v: want half of 100 and 10, for failures", s.pace.works, s.slots.works, s.reason)
	}
	s.surged(attempt{201, 99.5}, &Outcome{Seq: 201, Verdict: Failed, Attempt: 1, InFlight: 5})
	if s.try(); s.pace.works != 50 || s.pace.trial != 0 || s.slots.trial != 0 {
		t.Errorf("pace %v, trials of %v and %v: want nothing else to change meanwhile", s.pace.works, s.pace.trial, s.slots.trial)
	}
}

// outcomes has attempts end in the experiment until it goes on, of which so many of ten fail.
func (s *seek) outcomes(failing int) (n int) {
	began := s.surge.began
	for ; s.surge.comparing() && s.surge.began == began && n < 100; n++ {
		failed := 0.0
		if n%10 < failing {
			failed = 1
		}
		s.now += 0.01
		s.surge.add(s.now, failed)
		s.compare()
	}
	return n
}

func TestFailuresAreRefusalsOnceLessPressureHasShownIt(t *testing.T) {
	s := surging(0.6)
	if n := s.outcomes(0); n != 6 { // log((1-0.6)/(1-0.2)) each, until they are -4
		t.Errorf("decided after %d successes, want six", n)
	}
	if s.surge.proven || s.pace.works != 100 || s.slots.works != 10 || s.recovery.began != s.now {
		t.Fatalf("%+v, pace %v, limit %v: far fewer fail, want all of the pressure again", s.surge, s.pace.works, s.slots.works)
	}
	s.outcomes(6)
	if s.recovery.began != s.now {
		t.Errorf("lowered at %v, want %v", s.recovery.began, s.now)
	}
	if !s.surge.proven || s.surge.comparing() || s.pace.works != 50 || s.pace.fails != 100 || s.slots.works != 5 || s.slots.fails != 10 {
		t.Errorf("%+v, pace %+v: want it proven, and 50 of 100 to work", s.surge, s.pace)
	}
	s.failAgain(attempt{210, s.now}, &Outcome{Seq: 210, Verdict: Failed, Attempt: 2, InFlight: 5})
	if s.trip.refusal.n != 1 {
		t.Error("the failure of a retry is no refusal, though failures are known to be")
	}
}

// Many bad jobs one after another look like a surge, and are over when the pressure is halved.
func TestChanceIsNotTakenForThePressureSinceItIsOverSoon(t *testing.T) {
	s := surging(0.6)
	s.outcomes(0)
	s.outcomes(0)
	if s.surge.proven || s.surge.comparing() || s.pace.works != 100 || !about(s.surge.usual, 0.2) || s.surge.cured != 1 {
		t.Errorf("%+v, pace %v: want what was in force", s.surge, s.pace.works)
	}
}

// A window that is used up has room again soon after the pressure is halved, so all of it seems to work for a while.
func TestASurgeThatComesBackTwiceIsThePressures(t *testing.T) {
	for _, c := range []struct {
		between float64
		proven  bool
	}{{100, true}, {surgeSoon, false}} {
		s := surging(0.6)
		for range 2 {
			s.outcomes(0)
			s.outcomes(0)
			s.surge.doubt, s.surge.run, s.surge.failed = surgeDoubt, c.between, 0.6*c.between
			s.surged(attempt{200, s.now}, &Outcome{Seq: 200, Verdict: Failed, Attempt: 1, InFlight: 10})
		}
		s.outcomes(0)
		if s.surge.proven != c.proven {
			t.Errorf("%v attempts later: proven %v, want %v", c.between, s.surge.proven, c.proven)
		}
	}
}

func TestWhatWasInForceComesBackIfASurgeIsNotThePressures(t *testing.T) {
	s := surging(0.4)
	s.price.bank, s.outage.pressed = 1, pressure{rate: 3, slots: 3}
	s.pace.try(60, s.now, 200)
	s.slots.try(7, s.now, 200)
	s.outcomes(4)
	if s.pace.trial != 0 || s.slots.trial != 0 || len(s.delivery.list) != 0 || s.pace.growth != costlyGrowth/2 ||
		s.outage.pressed.rate != 100 || s.outage.pressed.slots != 10 {
		t.Errorf("pace %+v, limit %+v, pressed %+v: want all as it was, and a large step next", s.pace, s.slots, s.outage.pressed)
	}
	if s.pace.works != 100 || s.slots.works != 10 || s.pace.known() || s.price.bank != 50 || s.reason != ReasonChance {
		t.Errorf("pace %+v, %v in the bank, %v; want it as before", s.pace, s.price.bank, s.reason)
	}
	if s.surge.proven || s.surge.comparing() || s.surge.usual != 0.4 {
		t.Errorf("%+v, want so many to be usual", s.surge)
	}
}

// Where most fails, half of the pressure may still be far too much.
func TestAHeavySurgeIsHalvedTwice(t *testing.T) {
	s := surging(0.9)
	for want := 5.; want >= 2; want = math.Floor(want / 2) {
		if s.slots.works != want {
			t.Fatalf("limit %v, want %v", s.slots.works, want)
		}
		s.outcomes(10)
	}
	if s.pace.works != 100 || s.slots.works != 10 || s.surge.proven {
		t.Errorf("pace %v, limit %v: want it as before", s.pace.works, s.slots.works)
	}
}

func TestARetryThatFailsIsNoReasonToGoOnWhileItIsDoubted(t *testing.T) {
	for _, doubt := range []float64{0, 1} {
		s := seekAtRest()
		s.startup, s.surge.doubt = startup{on: true, began: 1, gain: firstGain}, doubt
		s.trip.success = mean{64, 0.001}
		limit := s.slots.works
		for range 20 {
			s.failAgain(attempt{50, 2}, &Outcome{Seq: 50, Verdict: Failed, Attempt: 2, InFlight: 10, Took: ms})
		}
		if grown := s.slots.works > limit; grown != (doubt == 0) {
			t.Errorf("doubt %v: limit %v of %v", doubt, s.slots.works, limit)
		}
	}
}

func TestAnOutageEndsTheExperiment(t *testing.T) {
	s := surging(0.6)
	s.outage.pressed = pressure{rate: 50, slots: 5}
	s.goDown(false)
	if s.surge.comparing() || s.outage.pressed.rate != 100 || s.outage.pressed.slots != 10 {
		t.Errorf("%+v, %+v: want what was in force before it", s.surge, s.outage.pressed)
	}
}

func TestAnOutageWithAllOfThePressureAgainIsThePressures(t *testing.T) {
	s := surging(0.6)
	s.outcomes(0)
	s.goDown(false)
	if !s.surge.proven || s.surge.comparing() || s.outage.pressed.rate != 50 || s.outage.pressed.slots != 5 {
		t.Errorf("%+v, %+v: want half of what was in force before it", s.surge, s.outage.pressed)
	}
}
