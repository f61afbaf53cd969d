package controller

import (
	"math"
	"testing"
)

func TestDescentKeepsWhatWasInForceBeforeItsFirstCut(t *testing.T) {
	var d descent
	d.begin(pressure{rate: 100, slots: 10}, 80, attempt{seq: 50})
	d.begin(pressure{rate: 90, slots: 9}, 70, attempt{seq: 3050})
	if want := (descent{from: pressure{rate: 100, slots: 10}, sent: 80, first: 50}); d != want {
		t.Errorf("after the second cut %+v, want %+v", d, want)
	}
	d.begin(pressure{rate: 20, slots: 2}, 15, attempt{seq: 3051})
	if want := (descent{from: pressure{rate: 20, slots: 2}, sent: 15, first: 3051}); d != want {
		t.Errorf("after three thousand attempts %+v, want another one, %+v", d, want)
	}
}

func TestDescentIsFarWithLessThanFourFifthsOfWhatWasSentOrInFlight(t *testing.T) {
	d := descent{from: pressure{rate: 100, slots: 10}, sent: 50}
	for _, c := range []struct {
		pace, slots float64
		far, over   bool
	}{
		{100, 10, false, true},
		{50, 10, false, true},
		{49, 10, false, false},
		{50, 9, false, false},
		{40, 8, false, false},
		{39, 10, true, false},
		{100, 7, true, false},
	} {
		if d.far(c.pace, c.slots) != c.far || d.over(c.pace, c.slots) != c.over {
			t.Errorf("%v/s, %v in flight: far %v, over %v; want %v, %v", c.pace, c.slots, !c.far, !c.over, c.far, c.over)
		}
	}
	if (&descent{sent: 50}).far(0, 0) {
		t.Error("far below, but there is no descent")
	}
}

// seekAtRest is a seek whose startup is over since the beginning, with ten in flight and a
// hundred a second.
func seekAtRest() *seek {
	s := &seek{Seek: Seek{}.withDefaults(), slots: newBracket(10, true), pace: newBracket(100, false), price: settledPrice()}
	s.bound(ample(1000))
	s.now = 100
	s.price.bank = 50
	s.trip.success = mean{64, 0.1}
	s.trip.worked = true
	s.constraint.begin(90)
	return s
}

// paced has so many attempts a second be sent, all of them held back by the pace.
func (s *seek) paced(rate float64) {
	for i := range 100 {
		s.constraint.add(90+float64(i)/rate, &Outcome{Seq: int64(i + 1), InFlight: 1, Paced: true})
	}
}

// Others may be at the same service, which began at the same moment and fall, too.
func TestDescentBeginsFiveSecondsAfterTheStartup(t *testing.T) {
	for now, want := range map[float64]float64{54: 0, 55: 0, 55.1: 100} {
		s := seekAtRest()
		s.startup.ended, s.now = 50, now
		s.descend(attempt{seq: 7})
		if s.descent.from.rate != want {
			t.Errorf("at %v, of a startup that ended at 50: from %v, want %v", now, s.descent.from.rate, want)
		}
		if want > 0 && (s.descent.from.slots != 10 || s.descent.first != 7 || s.descent.sent != 100) {
			t.Errorf("%+v, want ten in flight, a hundred a second, from the seventh on", s.descent)
		}
	}
}

func TestDescentIsDeepOnlyWhenItIsFarAndTheStartupLongOver(t *testing.T) {
	for _, c := range []struct {
		ended, works, trial float64
		want                bool
	}{{50, 70, 0, true}, {50, 70, 90, false}, {50, 90, 0, false}, {96, 70, 0, false}} {
		s := seekAtRest()
		s.descent = descent{from: pressure{rate: 100, slots: 10}, sent: 100}
		s.startup.ended, s.pace.works, s.pace.trial = c.ended, c.works, c.trial
		if s.deep() != c.want {
			t.Errorf("%+v: deep is %v", c, !c.want)
		}
	}
}

func TestSeekTakesWhatTheSlotsWouldSendWhereTooFewWereSent(t *testing.T) {
	s := seekAtRest()
	s.pace.works = 1000
	if got := s.sent(); got != 100 {
		t.Errorf("%v/s, want ten that take 0.1 s each", got)
	}
	s.trip.success.value = 1e-9
	if got := s.sent(); got != 1000 {
		t.Errorf("%v/s of attempts that take no time, want the pace", got)
	}
	s.pace.works = 1e9
	if got := s.sent(); !about(got, 1e6) {
		t.Errorf("%v/s of attempts that take no time, want as if they took ten microseconds", got)
	}
	s.pace.works = 1000
	s.trip.success = mean{64, 0.1}
	for i := range 8 {
		if got := s.sent(); got != 100 {
			t.Errorf("%v/s after %d, want what the slots would send", got, i)
		}
		s.constraint.add(90+float64(i)/4, &Outcome{Seq: int64(i + 1)})
	}
	if got := s.sent(); got != 4 {
		t.Errorf("%v/s, want 4 as they are", got)
	}
	if s.pace.works = 3; s.sent() != 3 {
		t.Errorf("%v/s, want no more than the pace", s.sent())
	}
	s.constraint.begin(99)
	for i := range 9 { // all at the same moment
		s.constraint.add(99, &Outcome{Seq: int64(i + 1)})
	}
	if s.pace.works = 1000; s.sent() != 100 {
		t.Errorf("%v/s where a rate cannot be told, want what the slots would send", s.sent())
	}
}

// descended is down to a tenth by a descent.
func descended() *seek {
	s := seekAtRest()
	s.startup.ended, s.startup.gain = 50, 5
	s.descend(attempt{seq: 7})
	s.pace.works, s.slots.works = 10, 1
	s.chance.lowered = true
	s.pace.fails, s.slots.fails = 11, 2
	s.startup.doubt, s.startup.acks = 3, 4
	return s
}

func TestAcquittedSeekGoesBackByAFactorOfTwoWhereThePaceHoldsNothingUp(t *testing.T) {
	s := descended()
	s.chance.epoch = 30
	s.constraint.seen = 3
	if !s.acquit() || s.pace.works != 20 || s.slots.works != 10 {
		t.Errorf("%v/s, %v in flight; want twice the pace, and all slots", s.pace.works, s.slots.works)
	}
	if s.pace.known() || s.slots.known() || s.pace.rested != 100 || s.slots.rested != 100 {
		t.Errorf("%+v, %+v; want nothing known to fail, and both at rest", s.pace, s.slots)
	}
	if s.descent != (descent{}) || s.reason != ReasonChance || s.chance != (chance{}) || s.constraint != (constraint{since: 100}) {
		t.Errorf("%+v, %v, %+v, %+v; want all begun anew", s.descent, s.reason, s.chance, s.constraint)
	}
	if s.startup != (startup{ended: 50, gain: 5}) {
		t.Errorf("%+v, want the startup as it was, without doubt", s.startup)
	}
	if s.acquit() {
		t.Error("acquitted without a descent")
	}
}

func TestAcquittedSeekTriesAFasterPaceWhereThePaceHoldsAttemptsUp(t *testing.T) {
	for _, c := range []struct{ from, works, growth float64 }{
		{100, 10, 0.5}, // it doubles: others may have taken the place
		{15, 10, 0.25},
		{8, 10, 0},
		{10_000, 10, 0.5}, // that is a pace, too
	} {
		s := descended()
		s.descent.from.rate = c.from
		s.paced(c.works)
		s.acquit()
		if s.pace.works != c.works || s.pace.growth != c.growth {
			t.Errorf("from %v: %v/s, growth %v; want %v and %v", c.from, s.pace.works, s.pace.growth, c.works, c.growth)
		}
		to := s.pace.next(1e6)
		if want := min(c.from, 20); c.from > c.works && !about(to, want) {
			t.Errorf("from %v: tries %v next, want %v", c.from, to, want)
		}
	}
}

func TestAcquittedSeekGoesBackToNoPace(t *testing.T) {
	for from, want := range map[float64]float64{unpaced: 20, 10_001: 20, 10_000: 10} {
		s := descended()
		s.descent.from.rate = from
		s.paced(10)
		s.acquit()
		if s.pace.works != want {
			t.Errorf("from %v: %v/s, want %v at once", from, s.pace.works, want)
		}
	}
	for sent, want := range map[float64]float64{8: 20, 9: 10} { // it holds up what is near it
		s := descended()
		s.paced(sent)
		s.acquit()
		if s.pace.works != want {
			t.Errorf("%v/s sent: %v/s, want %v at once", sent, s.pace.works, want)
		}
	}
}

func TestAcquittedSeekNeverGoesDown(t *testing.T) {
	s := descended()
	s.descent.from = pressure{rate: 5, slots: 0.5}
	s.acquit()
	if s.pace.works != 10 || s.slots.works != 1 {
		t.Errorf("%v/s, %v in flight; want no less than before", s.pace.works, s.slots.works)
	}
}

func TestAcquittedSeekDoublesAgainIfItWasStillStarting(t *testing.T) {
	for began, want := range map[float64]float64{-1: -1, 60: 60, 200: 100} {
		s := descended()
		s.descent.from.startup = startup{on: true, began: began, doubt: 5, acks: 6}
		s.acquit()
		if s.startup != (startup{on: true, began: want}) {
			t.Errorf("began at %v: %+v, want it on since %v, without doubt", began, s.startup, want)
		}
	}
}

func TestDescentIsOverWhenATrialHoldsAsMuchAsBefore(t *testing.T) {
	for works, want := range map[float64]bool{99: false, 100: true, math.Inf(1): true} {
		s := descended()
		s.pace.works, s.slots.works = works, 10
		s.endTrial(ReasonTrialHeld)
		if over := s.descent == (descent{}); over != want {
			t.Errorf("%v/s: over is %v", works, over)
		}
	}
	s := descended()
	s.pace.works, s.slots.works = 100, 10
	if s.endTrial(ReasonTrialEnded); s.descent == (descent{}) {
		t.Error("over with a trial that showed nothing")
	}
}
