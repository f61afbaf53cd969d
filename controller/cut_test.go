package controller

import (
	"math"
	"testing"
	"time"
)

// accepts has a service accept so many attempts a second between two refusals, a second
// ago and now.
func (s *seek) accepts(rate int64) {
	s.delivery.episode = s.now
	s.delivery.add(refusal{1, s.now - 1, s.now - 1, 0, false})
	s.delivery.add(refusal{1 + rate, s.now, s.now, 0, false})
}

// refusesInARow has it refuse so many attempts one after another.
func (s *seek) refusesInARow(n int) {
	for i := range n {
		s.delivery.add(refusal{int64(i + 1), s.now - 1, s.now, 0, false})
	}
}

func TestWhatATrialHeldIsProvenAfterAHundredAttempts(t *testing.T) {
	for _, c := range []struct{ pace, paceHeld, slotsHeld, want float64 }{
		{100, 50, 40, 51},
		{100, 40, 60, 61},
		{1000, 50, 40, 50.2}, // and two round trips
	} {
		s := seekAtRest()
		s.pace.works, s.pace.held, s.slots.held = c.pace, c.paceHeld, c.slotsHeld
		if s.proven(c.want-0.001) || !s.proven(c.want) {
			t.Errorf("%+v: not proven just then", c)
		}
	}
}

func TestAServiceIsStalledThatAcceptsNextToNothingAfterAPause(t *testing.T) {
	for _, c := range []struct {
		name string
		but  func(*seek)
		seq  int64
		want bool
	}{
		{"two accepted", func(*seek) {}, 12, true},
		{"three accepted", func(*seek) {}, 13, true},
		{"four accepted", func(*seek) {}, 14, false},
		{"of a startup", func(s *seek) { s.startup.on = true }, 12, false},
		{"what was in force had not worked for long", func(s *seek) { s.outage.pressed.proven = false }, 12, false},
		{"the bucket got four", func(s *seek) { s.outage.pressed.rate = 2 }, 12, true},
		{"the bucket got three", func(s *seek) { s.outage.pressed.rate = 1.9 }, 12, false},
		{"so few in flight that it got three", func(s *seek) { s.trip.success, s.outage.pressed.slots = mean{64, 10}, 19 }, 12, false},
		{"so few in flight that it got four", func(s *seek) { s.trip.success, s.outage.pressed.slots = mean{64, 10}, 20 }, 12, true},
		{"the dearest job costs as many times as much", func(s *seek) { s.costs = costs{mean{1, 100}, 5100} }, 12, false},
		{"the dearest job costs a little less", func(s *seek) { s.costs = costs{mean{1, 100}, 4900} }, 12, true},
		{"a success since the pause began", func(s *seek) { s.outage.began = 90.5 }, 12, false},
		{"a success just before", func(s *seek) { s.outage.began = 90 }, 12, true},
		{"no pause", func(s *seek) { s.delivery.forget() }, 12, false},
	} {
		s := seekAtRest()
		s.outage.pressed = calm
		s.delivery.add(refusal{10, 90, 90, 2, false})
		c.but(s)
		if got := s.stalled(attempt{c.seq, 95}); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestARefusalWithAPauseConvincesWhateverChanceIs(t *testing.T) {
	s := seekAtRest()
	s.chance, s.startup.on = knownChance(0.05), true
	if !s.convincing(attempt{1, 99}, &Outcome{RetryAfter: 1}, 1) {
		t.Error("taken for chance")
	}
}

func TestARefusalIsWeighedWhereItsAttemptBelongs(t *testing.T) {
	for _, c := range []struct {
		name                     string
		pace, slots, start       float64
		inStartup                bool
		rest, trial, startupDoes float64
	}{
		{"outside of trials", 0, 0, 99, false, math.Log(6), 0, 0},
		{"a trial of the pace", 125, 0, 99, false, 0, math.Log(21), 0},
		{"as it began", 125, 0, 95, false, 0, math.Log(21), 0},
		{"from before it", 125, 0, 94, false, math.Log(6), 0, 0},
		{"a trial of the slots", 0, 20, 99, false, 0, math.Log(51), 0},
		{"as that began", 0, 20, 95, false, 0, math.Log(51), 0},
		{"from before that", 0, 20, 94, false, math.Log(6), 0, 0},
		{"in the startup", 0, 0, 99, true, 0, 0, math.Log(30)},
	} {
		s := seekAtRest()
		s.chance = knownChance(0.01)
		s.pace.trial, s.pace.begun, s.slots.trial, s.slots.begun = c.pace, 95, c.slots, 95
		s.startup.on = c.inStartup
		if s.convincing(attempt{7, c.start}, &Outcome{}, 1) {
			t.Errorf("%s: convincing", c.name)
		}
		if !about(s.chance.rest, c.rest) || !about(s.chance.trial, c.trial) || !about(s.startup.doubt, c.startupDoes) {
			t.Errorf("%s: weighs %v outside of trials, %v in one, %v in the startup; want %v, %v, %v",
				c.name, s.chance.rest, s.chance.trial, s.startup.doubt, c.rest, c.trial, c.startupDoes)
		}
	}
}

// Where it may be the limit of what is in flight that refuses, chance is not learned. But
// where refusals are heard of at once, what is in flight is known.
func TestChanceIsLearnedOfRefusalsThatComeAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		but   func(*seek)
		n     int
		learn bool
	}{
		{"alone", func(*seek) {}, 3, true},
		{"after another", func(s *seek) { s.refusesInARow(2) }, 3, false},
		{"with more in flight than ever", func(*seek) {}, 9, false},
		{"with more in flight than ever, heard of at once", func(s *seek) { s.trip.refusal = mean{1, 0.01} }, 9, true},
	} {
		s := seekAtRest()
		s.chance = chance{lowered: true, epoch: 100, attempts: 1000}
		s.recovery.most = 5
		s.refusesInARow(1)
		c.but(s)
		s.convincing(attempt{1, 99}, &Outcome{}, c.n)
		if learned := s.chance.refused > 0; learned != c.learn {
			t.Errorf("%s: learned %v", c.name, learned)
		}
	}
}

// The refusal that makes chance known takes back what was lowered for those before it.
func TestARefusalThatMakesChanceKnownIsAcquitted(t *testing.T) {
	for _, descended := range []bool{true, false} {
		s := seekAtRest()
		s.chance = chance{lowered: true, epoch: 200, attempts: 199, refused: 2}
		s.chance.add(0)
		s.refusesInARow(1)
		s.recovery.most = 10
		if descended {
			s.descent = descent{from: pressure{rate: 200, slots: 20}, sent: 200}
		}
		convincing := s.convincing(attempt{1, 99}, &Outcome{}, 1)
		if convincing == descended {
			t.Errorf("descended %v: convincing %v", descended, convincing)
		}
		if descended && (s.slots.works != 20 || s.reason != ReasonChance) {
			t.Errorf("%v in flight for %v, want all back for chance", s.slots.works, s.reason)
		}
	}
}

func TestRefusalsInForceOfQuickOnesAreHeardOfLongBeforeSuccesses(t *testing.T) {
	for _, c := range []struct {
		refusal mean
		want    bool
	}{{mean{}, false}, {mean{1, 0.024}, true}, {mean{1, 0.025}, false}, {mean{1, 0.2}, false}} {
		s := seekAtRest()
		s.trip.refusal = c.refusal
		if s.trip.quickRefusals() != c.want {
			t.Errorf("refusals %+v, successes %+v: quick is %v", c.refusal, s.trip.success, !c.want)
		}
	}
}

func TestAcceptedAttemptsAreWeighedWhereTheyBelong(t *testing.T) {
	for _, c := range []struct {
		name                  string
		but                   func(*seek)
		passed                int64
		start                 float64
		verdict               Verdict
		epoch, tried, counted float64
	}{
		{"outside of trials", func(*seek) {}, 5, 99, Succeeded, 5, 0, 5},
		{"one of them was not accepted", func(*seek) {}, 5, 99, Overload, 4, 0, 4},
		{"none was", func(*seek) {}, 1, 99, Overload, 0, 0, 0},
		{"no more than could be sent since", func(s *seek) { s.recovery.began, s.delivery.episode = 98.98, 98.97 }, 9, 99, Succeeded, 3, 0, 4},
		{"from before the episode", func(s *seek) { s.delivery.episode = 99.5 }, 5, 99, Succeeded, 5, 0, 0},
		{"in a trial of the pace", func(s *seek) { s.pace.trial, s.pace.begun = 200, 95 }, 5, 99, Succeeded, 0, 5, 5},
		{"as that began", func(s *seek) { s.pace.trial, s.pace.begun = 200, 99 }, 5, 99, Succeeded, 0, 1, 5},
		{"before that", func(s *seek) { s.pace.trial, s.pace.begun = 200, 99.5 }, 5, 99, Succeeded, 5, 0, 5},
		{"in a trial of the slots", func(s *seek) { s.slots.trial, s.slots.begun = 20, 95 }, 5, 99, Succeeded, 0, 5, 5},
		{"as this began", func(s *seek) { s.slots.trial, s.slots.begun = 20, 99 }, 5, 99, Succeeded, 0, 1, 5},
		{"before this", func(s *seek) { s.slots.trial, s.slots.begun = 20, 99.5 }, 5, 99, Succeeded, 5, 0, 5},
		{"while it is down", func(s *seek) { s.outage.is = true }, 5, 99, Succeeded, 0, 0, 0},
		{"from before a cut", func(s *seek) { s.recovery.began = 99.5 }, 5, 99, Succeeded, 0, 0, 5},
		{"as it was cut", func(s *seek) { s.recovery.began = 99 }, 5, 99, Succeeded, 1, 0, 5},
	} {
		s := seekAtRest()
		s.passed = c.passed
		c.but(s)
		s.weigh(attempt{50, c.start}, &Outcome{Verdict: c.verdict})
		if !about(s.chance.epoch, c.epoch) || !about(s.chance.tried, c.tried) || float64(s.recovery.accepted) != c.counted {
			t.Errorf("%s: %v outside of trials, %v in one, %v accepted; want %v, %v, %v",
				c.name, s.chance.epoch, s.chance.tried, s.recovery.accepted, c.epoch, c.tried, c.counted)
		}
	}
}

func TestAcceptedAttemptsWeighByHowFarATrialGoes(t *testing.T) {
	for _, but := range []func(*seek){
		func(s *seek) { s.pace.trial, s.pace.begun = 125, 95 },
		func(s *seek) { s.slots.trial, s.slots.begun = 12.5, 95 },
	} {
		s := seekAtRest()
		s.passed, s.chance = 1, knownChance(0.05)
		but(s)
		if s.weigh(attempt{50, 99}, &Outcome{Verdict: Succeeded}); !about(s.chance.trial, math.Log(0.75/0.95)) {
			t.Errorf("a success of a quarter more weighs %v, want log(0.75/0.95)", s.chance.trial)
		}
	}
}

func TestAcceptedAttemptsSpeakForTheStartupAndForLateOnes(t *testing.T) {
	s := seekAtRest()
	s.passed, s.startup.on, s.startup.doubt = 2, true, 5
	if s.weigh(attempt{50, 99}, &Outcome{Verdict: Succeeded}); !about(s.startup.doubt, 5+2*math.Log(0.7/0.99)) {
		t.Errorf("a doubt of %v after two were accepted", s.startup.doubt)
	}
	s = seekAtRest()
	s.passed, s.chance.late, s.recovery.began = 3, 5, 99.5
	if s.weigh(attempt{50, 99}, &Outcome{Verdict: Succeeded}); !about(s.chance.late, 5+3*math.Log(0.78/0.98)) {
		t.Errorf("a weight of %v after three late ones were accepted", s.chance.late)
	}
}

func TestALateRefusalTellsHowManyTheServiceWorksOn(t *testing.T) {
	for _, c := range []struct {
		n, most      int
		works, fails float64
	}{
		{8, 3, 7, 8},
		{8, 7, 7, 8},
		{4, 6, 6, 7}, // so many were accepted since
		{1, 0, 1, 2},
		{11, 0, 10, math.Inf(1)}, // no fewer than are allowed
		{30, 0, 10, math.Inf(1)},
	} {
		s := seekAtRest()
		s.recovery.suspect, s.recovery.most = &s.slots, c.most
		s.accepts(50)
		if s.late(attempt{}, c.n); s.slots.works != c.works || s.slots.fails != c.fails || s.pace.works != 100 {
			t.Errorf("%d at work, %d accepted: %v works, %v fails, %v/s; want %v, %v, 100/s",
				c.n, c.most, s.slots.works, s.slots.fails, s.pace.works, c.works, c.fails)
		}
		if s.recovery.review != 100.15 {
			t.Errorf("looks again at %v, want after one and a half round trips", s.recovery.review)
		}
	}
}

func TestALateRefusalTellsAtMostWhatTheServiceGives(t *testing.T) {
	for _, c := range []struct {
		accepts int64
		raised  float64
		want    float64
	}{{60, 0, 60}, {200, 0, 100}, {60, 99.5, 100}} {
		s := seekAtRest()
		s.accepts(c.accepts)
		s.recovery.suspect, s.trip.raised = &s.pace, c.raised
		if s.late(attempt{}, 5); s.pace.works != c.want || s.slots.works != 10 {
			t.Errorf("%v accepted a second, raised at %v: %v/s, %v in flight; want %v/s, 10", c.accepts, c.raised, s.pace.works, s.slots.works, c.want)
		}
	}
}

// One stall refuses all that is in flight: a pace of 10/s had fallen to 1/s with each.
func TestALateRefusalThatAsksForAPauseSaysNothingOfTheRate(t *testing.T) {
	for _, c := range []struct {
		name string
		but  func(*seek)
		want float64
	}{
		{"asks for a pause", func(*seek) {}, 100},
		{"asks for none", func(s *seek) { s.delivery.list[1].pause = 0 }, 60},
		{"just after the startup, which went too far", func(s *seek) { s.startup.ended = 99 }, 60},
	} {
		s := seekAtRest()
		s.accepts(60)
		s.recovery.suspect, s.delivery.list[1].pause = &s.pace, 2
		c.but(s)
		if s.late(attempt{}, 5); s.pace.works != c.want || s.recovery.review != 100.15 {
			t.Errorf("%s: %v/s, looks again at %v; want %v/s, 100.15", c.name, s.pace.works, s.recovery.review, c.want)
		}
	}
}

func TestALateRefusalWithFewerAtWorkLowersTheCrowd(t *testing.T) {
	for _, c := range []struct{ crowd, n, most, want int }{{10, 8, 5, 8}, {10, 12, 5, 10}, {10, 5, 5, 10}, {0, 8, 5, 0}} {
		s := seekAtRest()
		s.recovery.crowd, s.recovery.most = c.crowd, c.most
		if s.late(attempt{}, c.n); s.recovery.crowd != c.want {
			t.Errorf("%+v: a crowd of %d", c, s.recovery.crowd)
		}
	}
}

// blamed is a refusal for which the limit of slots is to be blamed: as many were in flight
// as may be, which is more than were ever accepted.
func TestBlame(t *testing.T) {
	slots := func(s *seek) *bracket { return &s.slots }
	pace := func(s *seek) *bracket { return &s.pace }
	for _, c := range []struct {
		name    string
		but     func(*seek, *Outcome)
		n       int
		want    func(*seek) *bracket
		overrun bool
	}{
		{"as many in flight as may be", func(*seek, *Outcome) {}, 10, slots, false},
		{"the startup", func(s *seek, _ *Outcome) { s.startup.on = true }, 10, pace, false},
		{"one at work", func(*seek, *Outcome) {}, 1, pace, false},
		{"one at work in a trial of the slots", func(s *seek, _ *Outcome) { s.slots.trial, s.slots.begun = 12, 95 }, 1, pace, true},
		{"held back by the pace", func(_ *seek, o *Outcome) { o.Paced = true }, 10, pace, false},
		{"fewer in flight than may be", func(_ *seek, o *Outcome) { o.InFlight = 9 }, 9, pace, false},
		{"a trial of the slots", func(s *seek, o *Outcome) { s.slots.trial, s.slots.begun, o.Paced = 12, 95, true }, 10, slots, false},
		{"as it began", func(s *seek, o *Outcome) { s.slots.trial, s.slots.begun, o.Paced = 12, 99, true }, 10, slots, false},
		{"from before it", func(s *seek, o *Outcome) { s.slots.trial, s.slots.begun, o.Paced = 12, 99.5, true }, 10, pace, false},
		{"a trial of the pace", func(s *seek, _ *Outcome) { s.pace.trial, s.pace.begun = 110, 95 }, 10, pace, false},
		{"as that began", func(s *seek, _ *Outcome) { s.pace.trial, s.pace.begun = 110, 99 }, 10, pace, false},
		{"from before that", func(s *seek, _ *Outcome) { s.pace.trial, s.pace.begun = 110, 99.5 }, 10, slots, false},
		{"the pace was blamed just now", func(s *seek, _ *Outcome) { s.recovery.suspect, s.recovery.began = &s.pace, 99.7 }, 10, pace, false},
		{"the pace was blamed long ago", func(s *seek, _ *Outcome) { s.recovery.suspect, s.recovery.began = &s.pace, 99.6 }, 10, slots, false},
		{"the slots were blamed just now", func(s *seek, o *Outcome) { s.recovery.suspect, s.recovery.began, o.Paced = &s.slots, 99.7, true }, 10, slots, false},
		{"the slots were blamed long ago", func(s *seek, o *Outcome) { s.recovery.suspect, s.recovery.began, o.Paced = &s.slots, 99.5, true }, 10, pace, false},
		{"the slots were blamed, but as many were accepted", func(s *seek, o *Outcome) {
			s.recovery.suspect, s.recovery.began, s.recovery.most, o.Paced = &s.slots, 99.7, 10, true
		}, 10, pace, false},
		{"more were accepted", func(s *seek, _ *Outcome) { s.recovery.most = 11 }, 10, pace, true},
		{"as many were accepted", func(s *seek, _ *Outcome) { s.recovery.most = 10 }, 10, slots, false},
		{"as many are always accepted, and it asks for a pause", func(s *seek, o *Outcome) {
			s.recovery.usual, s.recovery.accepted, s.recovery.most, o.RetryAfter = 9.9, 100, 10, 1
		}, 10, pace, true},
		{"it asks for none", func(s *seek, _ *Outcome) {
			s.recovery.usual, s.recovery.accepted, s.recovery.most = 9.9, 100, 10
		}, 10, slots, false},
		{"fewer are accepted mostly", func(s *seek, o *Outcome) {
			s.recovery.usual, s.recovery.accepted, s.recovery.most, o.RetryAfter = 9.8, 100, 10, 1
		}, 10, slots, false},
		{"not for long enough", func(s *seek, o *Outcome) {
			s.recovery.usual, s.recovery.accepted, s.recovery.most, o.RetryAfter = 9.9, 99, 10, 1
		}, 10, slots, false},
		{"a crowd again", func(s *seek, o *Outcome) { s.recovery.crowd, s.recovery.accepted, o.Paced = 10, 20, true }, 10, slots, false},
		{"a small crowd again", func(s *seek, o *Outcome) {
			s.recovery.crowd, s.recovery.accepted, s.recovery.most, o.Paced = 3, 9, 2, true
		}, 3, slots, false},
		{"a crowd again too soon", func(s *seek, o *Outcome) { s.recovery.crowd, s.recovery.accepted, o.Paced = 10, 19, true }, 10, pace, false},
		{"a small crowd again too soon", func(s *seek, o *Outcome) {
			s.recovery.crowd, s.recovery.accepted, s.recovery.most, o.Paced = 3, 8, 2, true
		}, 3, pace, false},
		{"another crowd", func(s *seek, o *Outcome) { s.recovery.crowd, s.recovery.accepted, o.Paced = 7, 20, true }, 10, pace, false},
		{"a crowd of which as many were accepted", func(s *seek, o *Outcome) {
			s.recovery.crowd, s.recovery.accepted, s.recovery.most, o.Paced = 10, 20, 10, true
		}, 10, pace, false},
		{"no crowd", func(s *seek, o *Outcome) { s.recovery.accepted, s.recovery.most, o.Paced = 20, 0, true }, 2, pace, false},
	} {
		s := seekAtRest()
		s.recovery.most = 5
		o := &Outcome{InFlight: 10}
		c.but(s, o)
		if b, overrun := s.blame(attempt{50, 99}, o, c.n); b != c.want(s) || overrun != c.overrun {
			t.Errorf("%s: blames the slots %v, overrun %v", c.name, b == &s.slots, overrun)
		}
	}
}

func TestThePaceIsAtMostWhatWasSentIfItMayHaveOverrun(t *testing.T) {
	for sent, want := range map[float64]float64{0: 100, 40: 40, 200: 100} {
		s := seekAtRest()
		s.recovery.most = 11
		if sent > 0 {
			s.paced(sent)
		}
		if s.blame(attempt{50, 99}, &Outcome{InFlight: 10}, 10); !about(s.pace.works, want) {
			t.Errorf("%v/s sent: %v/s, want %v", sent, s.pace.works, want)
		}
	}
}

func TestLessIsOneBelowWhatWasWorkedOnAndTwiceAsFarWithEachRefusal(t *testing.T) {
	for _, c := range []struct {
		name         string
		limit, trial float64
		n, run       int
		works, fails float64
	}{
		{"below what was worked on", 10, 0, 8, 1, 7, 8},
		{"below what is in force", 10, 0, 12, 1, 9, 10},
		{"nothing is known of others", 10, 0, 12, 0, 9, 10},
		{"two in a row", 10, 0, 12, 2, 8, 10},
		{"three in a row", 10, 0, 12, 3, 6, 10},
		{"no more than half", 10, 0, 12, 5, 5, 21},
		{"no more than half, of few", 10, 0, 3, 1, 5, 6},
		{"ten in a row", 2000, 0, 2000, 10, 1488, 2000},
		{"no further", 2000, 0, 2000, 30, 1488, 2000},
		{"never nothing", 1, 0, 1, 3, 1, 5},
		{"a trial", 10, 12, 12, 1, 11, 12},
		{"a trial, few at work", 10, 12, 5, 1, 6, 10}, // what worked before is not known to fail
		{"a trial, two in a row", 10, 12, 5, 2, 6, 8},
	} {
		s := seekAtRest()
		s.slots.works, s.slots.trial = c.limit, c.trial
		s.refusesInARow(c.run)
		s.less(c.n)
		if s.slots.works != c.works || s.slots.fails != c.fails || s.slots.trial != 0 {
			t.Errorf("%s: %v works, %v fails, trial %v; want %v, %v", c.name, s.slots.works, s.slots.fails, s.slots.trial, c.works, c.fails)
		}
	}
}

func TestSlower(t *testing.T) {
	inf := math.Inf(1)
	proven := func(s *seek) { s.recovery.accepted = 8 }
	recent := func(s *seek) { s.recovery.accepted, s.pace.held = 8, 99 }
	for _, c := range []struct {
		name         string
		but          func(*seek)
		works, fails float64
	}{
		{"had worked for long: gives way to others", proven, 95, 100},
		{"had not, and nothing says how much is accepted", recent, 99.5, 100},
		{"had not, and less is accepted", func(s *seek) { recent(s); s.accepts(98) }, 98, 100},
		{"had not, and far less is accepted", func(s *seek) { recent(s); s.accepts(50) }, 97, 100},
		{"had not, and more is accepted", func(s *seek) { recent(s); s.accepts(150) }, 99.5, 100},
		{"only what was accepted since it was raised counts", func(s *seek) { recent(s); s.accepts(98); s.trip.raised = 99.5 }, 99.5, 100},
		{"again at once", func(s *seek) { s.recovery.accepted = 7 }, 70, inf},
		{"again at once, and something is accepted", func(s *seek) { s.accepts(60) }, 60, inf},
		{"again at once, and more is accepted", func(s *seek) { s.accepts(150) }, 99.5, inf},
		{"again at once keeps what failed", func(s *seek) { s.pace.fails = 150 }, 70, 150},
		{"nothing but misses", func(s *seek) { proven(s); s.outage.misses = 3; s.pace.fails = 120 }, 70, 120},
		{"hardly anything but misses", func(s *seek) { proven(s); s.outage.misses = 2 }, 95, 100},
		{"a known failure is kept from the first miss on", func(s *seek) { s.pace.fails, s.recovery.known, s.outage.misses = 120, 200, 2 }, 70, 200},
		{"and not from before", func(s *seek) { s.pace.fails, s.recovery.known, s.outage.misses = 120, 200, 1 }, 70, 120},
		{"a trial", func(s *seek) { s.pace.trial = 110 }, 100, 110},
		{"a trial, and less is accepted", func(s *seek) { s.pace.trial = 110; s.accepts(90) }, 90, 110},
		{"a trial where chance refuses", func(s *seek) { s.pace.trial, s.chance = 110, knownChance(0.01); s.accepts(90) }, 100 / 1.02, 110},
		{"nothing is given", func(s *seek) { s.refusesInARow(2); s.delivery.list[0].seq, s.delivery.list[1].seq = 63361, 63362 }, 80, inf},
		{"nothing is given in a trial", func(s *seek) {
			s.pace.trial, s.chance = 110, knownChance(0.01)
			s.refusesInARow(2)
			s.delivery.list[0].seq, s.delivery.list[1].seq = 79201, 79202
		}, 100 / 1.02, 110},
	} {
		s := seekAtRest()
		s.lean.since = attempt{1, 0}
		c.but(s)
		if s.slower(attempt{50, 99.9}); !about(s.pace.works, c.works) || s.pace.fails != c.fails || s.pace.trial != 0 {
			t.Errorf("%s: %v works, %v fails, trial %v; want %v, %v", c.name, s.pace.works, s.pace.fails, s.pace.trial, c.works, c.fails)
		}
	}
}

func TestSlowerTellsThePriceThatTheServiceIsAnother(t *testing.T) {
	s := seekAtRest()
	s.price.rate = 100
	if s.slower(attempt{50, 99.9}); s.price.rate != 70 || s.price.changed != 100 {
		t.Errorf("%+v, want another rate", s.price)
	}
}

// A pause of 2 s is over; forty are accepted in 10 s: between 4 and 5.125 a second.
func TestThePaceIsBracketedByWhatIsAcceptedBetweenPauses(t *testing.T) {
	const longAgo, justNow = 0, 99
	for _, c := range []struct {
		name            string
		failing, proven float64
		began           float64
		accepted        int64
		works, fails    float64
	}{
		{"between the bounds", 100, 0, justNow, 40, math.Sqrt(4 * 5.125), 5.125},
		{"no faster than what failed", 4.9, 0, justNow, 40, math.Sqrt(4 * 4.9), 4.9},
		{"what failed is not above", 4, 0, justNow, 40, 100, math.Inf(1)},
		{"after a calm it may be a stall", 100, 0, longAgo, 40, 97, 97},
		{"a calm is four pauses", 100, 0, 92, 40, 97, 97},
		{"less is none", 100, 0, 92.1, 40, math.Sqrt(4 * 5.125), 5.125},
		{"above what is proven", 100, 30, justNow, 40, 30, 30},
		{"below it all is open", 30, 30, justNow, 40, math.Sqrt(4 * 5.125), 5.125},
		{"at least a step down", 30.1, 30, justNow, 40, 30.1 * 0.98, 30.1 * 0.98},
		{"no more than half by a few", 100, 30, justNow, 19, 50, 50},
		{"no more than half by a few, or what is proven", 100, 60, justNow, 19, 60, 60},
		{"twenty are enough", 100, 30, justNow, 20, 30, 30},
		{"nothing is accepted", 100, 30, justNow, 0, 100, math.Inf(1)},
	} {
		s := seekAtRest()
		s.delivery.add(refusal{1, 90, 90, 2, false})
		s.price.pause = mean{1, 2}
		s.recovery.began, s.pace.proven = c.began, c.proven
		s.bracketPaused(attempt{1 + c.accepted, 100}, c.failing)
		if !about(s.pace.works, c.works) || !about(s.pace.fails, c.fails) {
			t.Errorf("%s: %v works, %v fails; want %v, %v", c.name, s.pace.works, s.pace.fails, c.works, c.fails)
		}
		if c.failing <= c.proven && s.pace.proven != 0 {
			t.Errorf("%s: %v is proven, but failed", c.name, s.pace.proven)
		}
	}
	s := seekAtRest()
	s.delivery.add(refusal{1, 90, 90, 2, false})
	s.trip.raised = 91
	if s.bracketPaused(attempt{41, 100}, 100); s.pace.works != 100 {
		t.Errorf("%v/s by what was accepted before the pace was raised", s.pace.works)
	}
}

func TestLowerEndsTheStartupWithHalfThePace(t *testing.T) {
	s := seekAtRest()
	s.startup.on, s.startup.ended, s.queueing.seen, s.trip.settled = true, 0, 1, 0
	s.lower(attempt{50, 99}, &Outcome{InFlight: 10}, 10)
	if s.pace.works != 50 || s.pace.fails != 100 || s.slots.works != 10 {
		t.Errorf("%v works, %v fails, %v in flight; want 50, 100, 10", s.pace.works, s.pace.fails, s.slots.works)
	}
	if s.startup.on || s.startup.ended != 100 || s.queueing != (queueing{}) || s.trip.settled != 100 {
		t.Errorf("%+v, %+v, settled at %v; want the startup over now, and what is usual forgotten", s.startup, s.queueing, s.trip.settled)
	}
	if s.reason != ReasonRefusedRate || s.recovery.suspect != &s.pace || s.pace.rested != 100 {
		t.Errorf("%v, %+v, rested %v; want the pace blamed", s.reason, s.recovery, s.pace.rested)
	}
}

func TestLower(t *testing.T) {
	for _, c := range []struct {
		name        string
		but         func(*seek, *Outcome)
		n           int
		reason      Reason
		pace, slots float64
		fails       float64 // of the pace
		descends    bool
		crowd       int
	}{
		{"the limit", func(*seek, *Outcome) {}, 10, ReasonRefusedLimit, 100, 9, math.Inf(1), true, 0},
		{"the rate", func(_ *seek, o *Outcome) { o.Paced = true }, 4, ReasonRefusedRate, 95, 10, 100, true, 0},
		{"the rate, with more at work than ever", func(_ *seek, o *Outcome) { o.Paced = true }, 8, ReasonRefusedRate, 95, 10, 100, true, 8},
		{"the rate, which may have overrun", func(s *seek, _ *Outcome) { s.recovery.most = 11 }, 10, ReasonRefusedRate, 95, 10, math.Inf(1), true, 0},
		{"a trial of the rate", func(s *seek, _ *Outcome) { s.pace.try(110, 95, 99) }, 4, ReasonTrialFailed, 100, 10, 110, false, 0},
		{"a trial of the limit", func(s *seek, _ *Outcome) { s.slots.try(12, 95, 99) }, 12, ReasonTrialFailed, 100, 11, math.Inf(1), false, 0},
		{"a rate between pauses", func(s *seek, o *Outcome) {
			o.Paced, o.RetryAfter = true, 2e9
			s.delivery.add(refusal{10, 90, 90, 2, false})
		}, 4, ReasonRefusedRate, 97, 10, 97, true, 0},
		{"a trial between pauses", func(s *seek, o *Outcome) {
			s.pace.try(110, 95, 99)
			o.RetryAfter = 2e9
			s.delivery.add(refusal{10, 90, 90, 2, false})
		}, 4, ReasonTrialFailed, 100, 10, 110, false, 0},
		{"a rate without pauses", func(s *seek, o *Outcome) {
			o.Paced = true
			s.delivery.add(refusal{10, 90, 90, 2, false})
		}, 4, ReasonRefusedRate, 95, 10, 100, true, 0},
	} {
		s := seekAtRest()
		s.recovery.most, s.recovery.accepted, s.recovery.crowd = 5, 8, 3
		o := &Outcome{InFlight: 10}
		c.but(s, o)
		s.lower(attempt{50, 99}, o, c.n)
		if !about(s.pace.works, c.pace) || s.slots.works != c.slots || s.pace.fails != c.fails || s.reason != c.reason {
			t.Errorf("%s: %v/s, fails at %v, %v in flight, %v; want %v/s, %v, %v, %v",
				c.name, s.pace.works, s.pace.fails, s.slots.works, s.reason, c.pace, c.fails, c.slots, c.reason)
		}
		if descends := s.descent.from.rate > 0; descends != c.descends || s.recovery.crowd != c.crowd {
			t.Errorf("%s: descends %v, a crowd of %d; want %v, %d", c.name, descends, s.recovery.crowd, c.descends, c.crowd)
		}
		if s.pace.trial != 0 || s.slots.trial != 0 || s.recovery.suspect.rested != 100 || s.recovery.began != 100 {
			t.Errorf("%s: trials %v and %v, rested %v, began %v", c.name, s.pace.trial, s.slots.trial, s.recovery.suspect.rested, s.recovery.began)
		}
	}
}

func TestATrialThatFailsTellsTheBurst(t *testing.T) {
	s := seekAtRest()
	s.pace.try(110, 95, 99)
	if s.lower(attempt{50, 99}, &Outcome{InFlight: 10}, 4); s.price.burst != (mean{1, 40}) {
		t.Errorf("%+v, want ten a second more for four seconds", s.price.burst)
	}
	for name, but := range map[string]func(*seek){
		"what works is refused": func(s *seek) { s.pace.from, s.pace.begun = 100, 95 },
		"there was no trial":    func(s *seek) { s.pace.from, s.pace.begun = 0, 95 },
	} {
		s := seekAtRest()
		but(s)
		if s.lower(attempt{50, 99}, &Outcome{InFlight: 4, Paced: true}, 4); s.price.burst.n != 0 {
			t.Errorf("%s: %+v, want nothing known", name, s.price.burst)
		}
	}
	s = seekAtRest()
	s.slots.try(12, 95, 99)
	s.pace.from, s.pace.begun = 50, 95
	if s.lower(attempt{50, 99}, &Outcome{InFlight: 10}, 12); s.price.burst.n != 0 {
		t.Errorf("a trial of the slots: %+v, want nothing known", s.price.burst)
	}
}

func TestLookRaisesThePaceToWhatWasAccepted(t *testing.T) {
	for _, c := range []struct {
		name string
		but  func(*seek)
		want float64
	}{
		{"more was accepted", func(*seek) {}, 150},
		{"just then", func(s *seek) { s.recovery.review = 100 }, 150},
		{"too soon", func(s *seek) { s.recovery.review = 100.1 }, 100},
		{"there is nothing to look at", func(s *seek) { s.recovery.review = 0 }, 100},
		{"less than that failed", func(s *seek) { s.pace.fails = 120 }, 120},
		{"less was accepted", func(s *seek) { s.delivery = delivery{}; s.accepts(50) }, 100},
		{"nothing is known of it", func(s *seek) { s.delivery = delivery{} }, 100},
		{"a trial", func(s *seek) { s.pace.trial = 110 }, 100},
		{"the slots were blamed", func(s *seek) { s.recovery.suspect = &s.slots }, 100},
		{"since it was raised nothing is known", func(s *seek) { s.trip.raised = 99.5 }, 100},
		{"between pauses", func(s *seek) { s.delivery.list[1].pause = 1 }, 100},
		{"nothing but refusals", func(s *seek) { s.delivery = delivery{}; s.refusesInARow(4) }, 100},
	} {
		s := seekAtRest()
		s.accepts(150)
		s.recovery.review = 99
		c.but(s)
		was := s.recovery.review
		if s.look(); s.pace.works != c.want {
			t.Errorf("%s: %v/s, want %v", c.name, s.pace.works, c.want)
		}
		if looked := s.recovery.review == 0; looked != (was <= s.now) {
			t.Errorf("%s: looks again at %v", c.name, s.recovery.review)
		}
	}
}

func TestLookTakesBackWhatWasLoweredForAStall(t *testing.T) {
	for _, c := range []struct {
		name        string
		but         func(*seek)
		pace, slots float64
	}{
		{"nothing but refusals", func(*seek) {}, 200, 20},
		{"no less than now", func(s *seek) { s.pace.works, s.slots.works = 300, 30 }, 300, 30},
		{"it had not worked for long", func(s *seek) { s.outage.pressed.proven = false }, 100, 10},
		{"some were accepted", func(s *seek) { s.delivery = delivery{}; s.accepts(50) }, 100, 10},
		{"a trial of the pace", func(s *seek) { s.pace.trial = 110 }, 100, 10},
		{"a trial of the slots", func(s *seek) { s.slots.trial = 11 }, 100, 10},
	} {
		s := seekAtRest()
		s.outage.pressed = pressure{rate: 200, slots: 20, proven: true}
		s.refusesInARow(4)
		s.pace.fails, s.slots.fails, s.recovery.review = 150, 15, 99
		c.but(s)
		s.look()
		back := c.pace > 100
		if s.pace.works != c.pace || s.slots.works != c.slots || back != (s.reason == ReasonBack) {
			t.Errorf("%s: %v/s, %v in flight, %v; want %v/s, %v", c.name, s.pace.works, s.slots.works, s.reason, c.pace, c.slots)
		}
		if back && (s.pace.known() || s.slots.known()) {
			t.Errorf("%s: %v and %v are still known to fail", c.name, s.pace.fails, s.slots.fails)
		}
	}
}

func TestLoweredBeginsARecovery(t *testing.T) {
	for _, c := range []struct {
		accepted      int
		episode, want float64
	}{{8, 50, 99}, {7, 50, 50}, {0, 0, 99}} {
		s := seekAtRest()
		s.recovery = recovery{accepted: c.accepted, most: 7, counted: 20, usual: 5, known: 120}
		s.delivery.episode = c.episode
		s.chance = chance{epoch: 30, missed: 3, lowered: true}
		s.constraint.seen = 9
		s.lowered(99)
		if s.delivery.episode != c.want {
			t.Errorf("%d accepted since the episode began at %v: now at %v, want %v", c.accepted, c.episode, s.delivery.episode, c.want)
		}
		if want := (recovery{began: 100, review: 100.15, usual: 5, known: 120}); s.recovery != want {
			t.Errorf("%+v, want %+v", s.recovery, want)
		}
		if s.chance != (chance{}) || s.constraint != (constraint{since: 100}) {
			t.Errorf("%+v, %+v; want both begun anew", s.chance, s.constraint)
		}
	}
}

// queued is a seek whose attempts took 0.1 s when ten were in flight.
func queued(times int, took float64) *seek {
	s := seekAtRest()
	s.trip.settled = 50
	for range 64 {
		s.queueing.add(60, 0.1)
	}
	s.queueing.longer(10, 2)
	for range times {
		s.queueing.recent = sample{}
		for range 63 {
			s.queueing.add(99, took)
		}
		if s.crowded(attempt{50, 99}, &Outcome{Took: seconds(took)}) {
			break
		}
	}
	return s
}

func TestWhatOnlyWaitsIsTakenOutOfFlight(t *testing.T) {
	for _, c := range []struct {
		times       int
		took        float64
		works, fail float64
	}{
		{1, 0.16, 10, math.Inf(1)}, // once is not enough
		{2, 0.16, 6.25, 10},
		{2, 0.5, 5, 10}, // no more than half
		{2, 0.11, 10, math.Inf(1)},
	} {
		s := queued(c.times, c.took)
		if !about(s.slots.works, c.works) || !about(s.slots.fails, c.fail) {
			t.Errorf("%v s, %d times: %v works, %v fails; want %v, %v", c.took, c.times, s.slots.works, s.slots.fails, c.works, c.fail)
		}
		if c.works < 10 && (s.reason != ReasonQueueing || s.recovery.suspect != &s.slots || s.recovery.began != 100 ||
			s.slots.rested != 120 || s.trip.settled != 100.1) {
			t.Errorf("%v, %+v, rested %v, settled %v; want the slots lowered and left alone for twenty times as long as it took to see",
				s.reason, s.recovery, s.slots.rested, s.trip.settled)
		}
	}
	s := seekAtRest()
	s.slots.works, s.pace.trial = 1, 110
	if s.crowd(1.5); s.slots.works != 1 || s.pace.trial != 0 {
		t.Errorf("%v in flight, trial %v; want one at least, and no trial", s.slots.works, s.pace.trial)
	}
}

func TestHowLongAttemptsTakeIsComparedOnlyWhereItSaysSomething(t *testing.T) {
	for _, c := range []struct {
		name    string
		start   float64
		latency float64
		counts  bool
	}{
		{"settled", 50, 0.1, true},
		{"from before", 49.9, 0.1, false},
		{"so short that it is the scheduler's", 60, 0.00009, false},
		{"just long enough", 60, 0.0001, true},
	} {
		s := seekAtRest()
		s.trip.settled, s.trip.success.value = 50, c.latency
		s.crowded(attempt{50, c.start}, &Outcome{Took: seconds(0.1)})
		if counts := s.queueing.recent.n == 1; counts != c.counts {
			t.Errorf("%s: counts %v", c.name, counts)
		}
	}
	for _, c := range []struct {
		n     int
		since float64
		want  bool
	}{{63, 99, true}, {62, 99, false}, {63, 99.8, true}, {63, 99.9, false}} {
		s := seekAtRest()
		for range c.n {
			s.queueing.add(c.since, 0.1)
		}
		s.crowded(attempt{50, 99}, &Outcome{Took: seconds(0.1)})
		if compared := s.queueing.recent.n == 0; compared != c.want {
			t.Errorf("%d before, since %v: compared %v, want sixty-four and two round trips", c.n, c.since, compared)
		}
	}
}

// What was refused of a trial's attempts after it had failed says nothing of what worked
// before it, and is paid for.
func TestLateRefusalsOfATrialLeaveWhatWorkedBefore(t *testing.T) {
	s := seekAtRest()
	s.accepts(10)
	s.recovery.suspect, s.recovery.floor, s.pace.begun, s.price.bank = &s.pace, 98, 95, 3
	if s.late(attempt{1, 96}, 5); s.pace.works != 98 || s.price.bank != 2 {
		t.Errorf("of the trial: %v/s, %v in the bank; want 98/s, as before it, and one refusal paid", s.pace.works, s.price.bank)
	}
	if s.late(attempt{1, 94}, 5); s.price.bank != 2 {
		t.Errorf("from before the trial: %v in the bank, want no more to be paid", s.price.bank)
	}
	s.recovery.floor = 0
	if s.late(attempt{1, 96}, 5); s.pace.works > 11 || s.price.bank != 2 {
		t.Errorf("not of a trial: %v/s, %v in the bank; want what was accepted, and nothing paid", s.pace.works, s.price.bank)
	}
}

// After a change the quick attempts end first, so nothing is compared for three times as long
// as they usually take.
func TestNothingIsComparedSoonAfterAChange(t *testing.T) {
	s := seekAtRest()
	s.trip.settled = s.now - 2.9*s.trip.success.value
	o := &Outcome{Verdict: Succeeded, Took: seconds(s.trip.success.value)}
	if s.crowded(attempt{1, s.now}, o); s.queueing.recent.n != 0 {
		t.Error("an attempt was counted that ended soon after the change")
	}
	s.trip.settled = s.now - 3.1*s.trip.success.value
	if s.crowded(attempt{1, s.now}, o); s.queueing.recent.n != 1 {
		t.Error("an attempt was not counted that ended long after the change")
	}
}

// A refusal that asks for a pause is put down to the limit, though the service had long accepted as
// many at once: it may have been a stall, so more is tried soon, and in a large step.
func TestALimitThatHadLongBeenAcceptedIsDoubted(t *testing.T) {
	for _, c := range []struct {
		name            string
		accepted, most  int
		since           float64 // of the last cut
		pause           time.Duration
		doubted, costly bool
	}{
		{"accepted as many for long", 100, 10, 50, 10 * time.Second, true, true},
		{"accepted too few", 99, 10, 50, 10 * time.Second, false, false},
		{"never accepted as many", 100, 9, 50, 10 * time.Second, false, false},
		{"soon after the last cut", 100, 10, 61, 10 * time.Second, false, false},
		{"asks for no pause", 100, 10, 50, 0, false, false},
		{"a pause that costs nothing", 100, 10, 50, 10 * time.Millisecond, true, false},
	} {
		s := seekAtRest()
		s.pace.works = 990 // no attempt is held back by it
		s.price.pause = mean{10, c.pause.Seconds()}
		s.recovery = recovery{began: c.since, accepted: c.accepted, most: c.most, counted: 64, usual: 9}
		s.lower(attempt{500, 100}, &Outcome{Verdict: Overload, InFlight: 10, RetryAfter: c.pause}, 10)
		doubted := math.IsInf(s.slots.fails, 1)
		if s.slots.works != 9 || doubted != c.doubted || (s.slots.growth > 0) != c.costly {
			t.Errorf("%s: limit %v, known to fail %v, step %v; want 9, doubted %v, a large step %v",
				c.name, s.slots.works, s.slots.fails, s.slots.growth, c.doubted, c.costly)
		}
	}
}
