package controller

import "testing"

func TestSurgeIsWhenFailuresAreManyAndManyTimesWhatIsUsual(t *testing.T) {
	for _, c := range []struct {
		lately, always float64
		want           bool
	}{
		{0.21, 0, true},
		{0.2, 0, false}, // not many
		{0.21, 0.06, true},
		{0.21, 0.08, false}, // it is usual here
		{0.75, 0.25, false}, // three times, and not more
		{0.76, 0.25, true},
	} {
		s := surge{ended: surgeLong, lately: c.lately, always: c.always}
		if got := s.is(); got != c.want {
			t.Errorf("%v failed lately, %v always: got %v, want %v", c.lately, c.always, got, c.want)
		}
	}
}

func TestSurgeShowsAfterFifteenFailuresWhereNoneIsUsual(t *testing.T) {
	var s surge
	for range 1000 {
		s.add(0, 0)
	}
	n := 0
	for ; !s.is(); n++ {
		s.add(0, 1)
	}
	if n != 15 {
		t.Errorf("after %d failures in a row, want 15", n)
	}
}

// The first failure is all that is known, so it is usual.
func TestSurgeIsNoneInAServiceThatNeverWorked(t *testing.T) {
	var s surge
	for i := range 1000 {
		if s.add(0, 1); s.is() || s.always != 1 {
			t.Fatalf("after %d failures and no success: %+v, want failures to be usual", i+1, s)
		}
	}
}

func TestSurgeForgetsWhatWasUsualLongAgo(t *testing.T) {
	s := surge{ended: 1024}
	s.add(0, 1)
	if s.ended != 1024 || s.always != 1./1024 || s.lately != 1./64 {
		t.Errorf("got %+v, want one of the last 1024 and one of the last 64", s)
	}
}

// A surge for which the pressure was halved at 10, after half of everything had failed.
func halved() surge {
	return surge{ended: 1000, lately: 0.5, before: 0.5, halved: 10, from: pressure{rate: 100, slots: 10}}
}

func TestSurgeIsNotThePressuresIfAsManyFailWithHalfOfIt(t *testing.T) {
	for failed, want := range map[int]bool{11: false, 12: true, 32: true} {
		s := halved()
		for i := range 32 {
			if s.unmoved() {
				t.Fatalf("after %d attempts: decided, want 32", i)
			}
			if i < failed {
				s.add(11, 1)
			} else {
				s.add(11, 0)
			}
		}
		if s.unmoved() != want {
			t.Errorf("%d of 32 fail where half did: %v, want %v", failed, !want, want)
		}
	}
}

func TestSurgeComparesWhatStartedAfterThePressureWasHalved(t *testing.T) {
	s := halved()
	s.add(9.9, 1)
	if s.since != 0 || s.before != 0.5 {
		t.Errorf("%+v: one from before was counted", s)
	}
	if s.add(10, 1); s.since != 1 || s.failed != 1 || s.before != 0.5 {
		t.Errorf("%+v, want one that failed", s)
	}
	var b surge
	if b.add(9, 1); b.before != 1./16 || b.since != 0 {
		t.Errorf("%+v, want one of the sixteen before", b)
	}
}

func TestSurgeComparesNoLongerOnceItIsDecidedOrOver(t *testing.T) {
	s := halved()
	for range 127 {
		s.add(11, 1)
	}
	if s.since != 127 || s.from.rate == 0 {
		t.Fatalf("%+v, want 127 compared", s)
	}
	if s.add(11, 1); s.since != 0 || s.from.rate != 0 || s.halved != 0 || s.failed != 0 {
		t.Errorf("%+v, want nothing compared any more", s)
	}
	s = halved()
	s.cleared = true
	for range 102 { // 0.5 falls to 0.1
		s.add(11, 0)
	}
	if s.from.rate == 0 || !s.cleared {
		t.Fatalf("%+v: over too soon", s)
	}
	if s.add(11, 0); s.from.rate != 0 || s.cleared {
		t.Errorf("%+v: it is over, the next one is another", s)
	}
}

func TestSurgeThatIsNotThePressuresIsNone(t *testing.T) {
	if (&surge{ended: surgeLong, lately: 0.5, cleared: true}).is() {
		t.Error("failures are taken for refusals after less pressure has changed nothing")
	}
}

// With the pressure halved twice over, half of what was sent fails as before.
func TestWhatWasInForceComesBackIfASurgeIsNotThePressures(t *testing.T) {
	s := seekAtRest()
	s.paced(90)
	s.surge = surge{ended: surgeLong, lately: 0.5, before: 0.5}
	s.newest = attempt{200, 99}
	s.surged(attempt{200, 99}, &Outcome{Seq: 200, Verdict: Failed, Attempt: 1, InFlight: 10, Paced: true})
	if was := s.surge; was.from.rate != 100 || was.from.slots != 10 || was.bank != 50 || !about(was.sent, 90) {
		t.Errorf("%+v, want what was in force", was)
	}
	if s.surge.halved != 0 || s.pace.works >= 100 {
		t.Errorf("pace %v, halved at %v: want a first cut", s.pace.works, s.surge.halved)
	}
	for _, c := range []struct{ pace, halved float64 }{{46, 0}, {45, 100}} {
		s.surge.halved, s.pace.works = 0, c.pace
		s.surged(attempt{150, 50}, &Outcome{Seq: 150, Verdict: Failed, Attempt: 1, InFlight: 10, Paced: true})
		if s.surge.halved != c.halved {
			t.Errorf("at %v: halved at %v, want %v", c.pace, s.surge.halved, c.halved)
		}
	}
	s.surge.halved, s.pace.works, s.slots.works, s.price.bank, s.outage.pressed.rate = 99, 20, 10, 1, 20
	s.pace.try(25, 100, 101)
	for i := range 32 {
		s.clear()
		if s.pace.works != 20 {
			t.Fatalf("after %d attempts: pace %v", i, s.pace.works)
		}
		s.surge.add(99.5, 1)
	}
	s.clear()
	if s.pace.works != 100 || s.pace.trial != 0 || s.pace.known() || s.price.bank != 50 || s.outage.pressed.rate != 100 {
		t.Errorf("pace %+v, %v in the bank, pressed %+v; want it as before", s.pace, s.price.bank, s.outage.pressed)
	}
	if !s.surge.cleared || s.reason != ReasonChance || len(s.delivery.list) != 0 {
		t.Errorf("%+v, %v, %d refusals; want none of it the pressure's", s.surge, s.reason, len(s.delivery.list))
	}
}
