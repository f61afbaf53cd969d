package controller

import (
	"testing"
	"time"
)

// starting is a seek in its startup, with so many in flight that take 0.1 s, which has
// doubled at 99.
func starting(works float64, most int) *seek {
	s := seekAtRest()
	s.bound(ample(most))
	s.startup = newStartup()
	s.startup.began = 99
	s.slots.works = works
	return s
}

func TestStartupBeginsToDoubleWhenTheFirstHaveSaidHowLongTheyTake(t *testing.T) {
	for _, c := range []struct {
		name          string
		initial, most int
		n             float64 // that succeeded
		limit, pace   float64
	}{
		{"one alone, then a tenth of the most", 1005, 1005, 1, 100, 1200},
		{"one at least", 5, 5, 1, 1, 12},
		{"half of a few", 6, 1000, 3, 6, 72},
		{"fewer than half", 6, 1000, 2, 6, 100},
		{"four of many", 50, 1000, 4, 50, 600},
		{"three of many", 50, 1000, 3, 50, 100},
	} {
		s := starting(float64(c.initial), c.most)
		if c.initial == c.most {
			s.slots.works = 1
		}
		s.bounds.InitialLimit = c.initial
		s.startup.began, s.trip.success.n = -1, c.n
		s.double(attempt{5, 95}, &Outcome{InFlight: 1})
		if began := c.pace != 100; s.slots.works != c.limit || !about(s.pace.works, c.pace) || began != (s.startup.began == 100) {
			t.Errorf("%s: %v in flight, %v/s, began %v; want %v, %v/s", c.name, s.slots.works, s.pace.works, s.startup.began, c.limit, c.pace)
		}
	}
}

func TestStartupDoublesEachRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name        string
		works       float64
		start       float64
		inFlight    int
		paced       bool
		acks        int
		limit, gain float64
		counts      bool
	}{
		{"at the end of one", 40, 99, 40, false, 9, 80, 1.2, true},
		{"before the end of one", 40, 99, 40, false, 8, 40, 1.2, true},
		{"not with attempts from before", 40, 98.9, 40, false, 9, 40, 1.2, false},
		{"not if fewer than half are in flight", 40, 99, 19, false, 9, 40, 1.2, false},
		{"if half are", 40, 99, 20, false, 9, 80, 1.2, true},
		{"if the pace holds the others back", 40, 99, 1, true, 9, 80, 1.2, true},
		{"up to the most", 60, 99, 60, false, 14, 100, 1.2, true},
		{"the pace alone, at the most", 100, 99, 100, false, 24, 100, 2.4, true},
	} {
		s := starting(c.works, 100)
		s.startup.acks = c.acks
		s.queueing.recent.n = 7
		s.double(attempt{50, c.start}, &Outcome{InFlight: c.inFlight, Paced: c.paced})
		doubled := c.limit != c.works || c.gain != 1.2
		pace, acks, recent, began := 100.0, c.acks, 7.0, 99.0
		if doubled {
			pace, acks, recent, began = c.gain*c.limit/0.1, 0, 0, 100
		} else if c.counts {
			acks++
		}
		if s.slots.works != c.limit || s.startup.gain != c.gain || !about(s.pace.works, pace) {
			t.Errorf("%s: %v in flight, %v/s, gain %v; want %v, %v/s, %v", c.name, s.slots.works, s.pace.works, s.startup.gain, c.limit, pace, c.gain)
		}
		if s.startup.acks != acks || s.queueing.recent.n != recent || s.startup.began != began {
			t.Errorf("%s: %d counted, %v compared, began %v; want %d, %v, %v", c.name, s.startup.acks, s.queueing.recent.n, s.startup.began, acks, recent, began)
		}
	}
}

func TestStartupsPaceIsWithinBounds(t *testing.T) {
	s := starting(100, 100)
	s.startup.acks, s.startup.gain = 24, 15
	if s.double(attempt{50, 99}, &Outcome{InFlight: 100}); s.startup.gain != 20 || !about(s.pace.works, 20_000) {
		t.Errorf("gain %v, %v/s; want a gain of 20 at most", s.startup.gain, s.pace.works)
	}
	s = starting(100, 100)
	s.bound(Bounds{InitialLimit: 100, MaxLimit: 100, MinInterval: time.Millisecond, MaxInterval: time.Second})
	s.startup.acks = 24
	if s.double(attempt{50, 99}, &Outcome{InFlight: 100}); s.pace.works != 1000 {
		t.Errorf("%v/s, want no more than one a millisecond", s.pace.works)
	}
	s = starting(10, 1000)
	s.startup.acks, s.trip.success.value, s.fastest = 24, 0, 1e9
	if s.double(attempt{50, 99}, &Outcome{InFlight: 10}); !about(s.pace.works, 1.2*20/1e-6) {
		t.Errorf("%v/s where attempts take no time, want as if they took a microsecond", s.pace.works)
	}
}

// Attempts take twice as long with twice as many in flight.
func TestStartupEndsWhenAttemptsWaitForOneAnother(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples int
		latency float64
		took    float64
		ends    bool
	}{
		{"eight say so", 8, 0.1, 0.2, true},
		{"seven say so", 7, 0.1, 0.2, false},
		{"it is the scheduler's", 8, 0.00009, 0.2, false},
		{"just not", 8, 0.0001, 0.2, true},
		{"they take as long", 8, 0.1, 0.1, false},
	} {
		s := starting(20, 1000)
		for range 64 {
			s.queueing.add(90, 0.1)
		}
		s.queueing.longer(10, 1)
		for range c.samples {
			s.queueing.add(99, c.took)
		}
		s.startup.acks, s.trip.success.value, s.pace.works = 100, c.latency, 30
		s.bounds.MaxLimit = 1000
		s.double(attempt{50, 99}, &Outcome{InFlight: 20})
		if s.startup.on == c.ends {
			t.Errorf("%s: goes on: %v", c.name, s.startup.on)
		}
		if !c.ends {
			continue
		}
		// half of it for the queue, and half of that to see how long they take alone; ten a
		// second for each of the twenty, four times over
		if s.slots.works != 5 || s.slots.rested != 100 || !about(s.pace.works, 4*10*2/0.2) || s.reason != ReasonQueueing {
			t.Errorf("%s: %v in flight, rested %v, %v/s, %v", c.name, s.slots.works, s.slots.rested, s.pace.works, s.reason)
		}
		if s.startup.ended != 100 || s.trip.settled != 100+c.latency || s.queueing != (queueing{}) {
			t.Errorf("%s: ended %v, settled %v, %+v", c.name, s.startup.ended, s.trip.settled, s.queueing)
		}
	}
	s := starting(2, 1000)
	for range 64 {
		s.queueing.add(90, 0.1)
	}
	s.queueing.longer(1, 1)
	for range 8 {
		s.queueing.add(99, 0.2)
	}
	s.startup.acks, s.pace.works = 100, 5000
	if s.double(attempt{50, 99}, &Outcome{InFlight: 2}); s.slots.works != 1 || s.pace.works != 5000 {
		t.Errorf("%v in flight, %v/s; want one at least, and no less of a pace", s.slots.works, s.pace.works)
	}
}

// tells has so many attempts a second been sent over ten seconds.
func (s *seek) tells(sent float64, peak int, paced float64) {
	s.constraint = constraint{
		since: 90, first: attempt{1, 90}, newest: attempt{1 + int64(10*sent), 100}, seen: 50, peak: peak, paced: paced,
	}
}

func TestATrialIsOfWhatHoldsAttemptsUp(t *testing.T) {
	for _, c := range []struct {
		name        string
		sent        float64
		peak        int
		paced       float64
		but         func(*seek)
		pace, slots float64
	}{
		{"the pace", 86, 5, 0, nil, 102, 0},
		{"not quite the pace", 85, 5, 0, nil, 0, 0},
		{"the slots", 50, 10, 0, nil, 0, 11},
		{"not quite the slots", 50, 9, 0, nil, 0, 0},
		{"both", 86, 10, 0, nil, 102, 0},
		{"the pace for some of those that have a slot", 50, 5, 0.21, nil, 102, 0},
		{"the pace for few of them", 50, 5, 0.2, nil, 0, 0},
		{"a pace that is far from what is sent", 25, 5, 0.5, nil, 0, 0},
		{"a pace that is not quite so far", 26, 5, 0.5, nil, 102, 0},
		{"the slots, which rest", 50, 10, 0, func(s *seek) { s.slots.rested = 99.9 }, 0, 0},
		{"the slots, which have rested just long enough", 50, 10, 0, func(s *seek) { s.slots.rested, s.trip.success.value = 99.75, 0.125 }, 0, 11},
		{"the slots, which rest, and the pace somewhat", 50, 10, 0.5, func(s *seek) { s.slots.rested = 99.9 }, 102, 0},
		{"the slots, of which there are no more", 50, 10, 0, func(s *seek) { s.bounds.MaxLimit = 10 }, 0, 0},
		{"the pace, which rests", 86, 5, 0, func(s *seek) { s.pace.rested = 99.9 }, 0, 0},
		{"the pace, which has rested just long enough", 86, 5, 0, func(s *seek) { s.pace.rested, s.trip.success.value = 99.75, 0.125 }, 102, 0},
		{"the pace, which may not be faster", 86, 5, 0, func(s *seek) { s.fastest = 100 }, 0, 0},
		{"too few to say", 86, 5, 0, func(s *seek) { s.constraint.seen = 2 }, 0, 0},
		{"just enough to say", 86, 5, 0, func(s *seek) { s.constraint.seen = 3 }, 102, 0},
	} {
		s := seekAtRest()
		s.tells(c.sent, c.peak, c.paced)
		if c.but != nil {
			c.but(s)
		}
		s.try()
		if !about(s.pace.trial, c.pace) || s.slots.trial != c.slots {
			t.Errorf("%s: tries %v/s, %v in flight; want %v/s, %v", c.name, s.pace.trial, s.slots.trial, c.pace, c.slots)
		}
	}
}

func TestATrialBeginsToLookAnew(t *testing.T) {
	s := seekAtRest()
	s.tells(86, 5, 0)
	s.chance = chance{trial: 1, tried: 5, trialMissed: 2}
	s.try()
	if s.reason != ReasonTrial || s.chance != (chance{}) || s.constraint != (constraint{since: 100}) {
		t.Errorf("%v, %+v, %+v", s.reason, s.chance, s.constraint)
	}
	if s.pace.begun != 100 || s.pace.from != 100 || s.pace.noise != leastChance {
		t.Errorf("%+v, want it begun now, from 100", s.pace)
	}
}

// A trial of the pace is to send two attempts more than before, or as many as prove it, and
// to be long enough to hear of a refusal.
func TestATrialOfThePaceLastsUntilItShows(t *testing.T) {
	for _, c := range []struct {
		name              string
		success, refusal  float64
		burst, pause      float64
		until             float64
		rested, provenNow float64
	}{
		{"two round trips and a second", 0.1, 0, 0, 0, 101.2, 0, 100},
		{"refusals are heard of soon", 0.05, 0.001, 0, 0, 101.05, 0, 100},
		{"but a tenth of a second at most", 10, 0.001, 0, 0, 101.1, 0, 100},
		{"two times a refusal's way", 0.1, 0.25, 0, 0, 101.5, 0, 100},
		{"a burst hides it", 0.1, 0, 40, 1, 121.2, 0, 100},
		{"the pace had worked for two pauses", 0.1, 0, 0, 1, 101.2, 50, 100},
		{"the pace had worked for less", 0.1, 0, 0, 1, 101.2, 50.1, 0},
	} {
		s := seekAtRest()
		s.trip.success.value, s.price.burst, s.price.pause = c.success, mean{1, c.burst}, mean{1, c.pause}
		if c.refusal > 0 {
			s.trip.refusal = mean{1, c.refusal}
		}
		if c.rested > 0 {
			s.pace.rested, s.price.pause.value = c.rested, 25
			s.pace.rising, s.pace.fails = true, 1000 // a step is no risk
			s.pace.aim = 102
		}
		s.tryPace()
		if !about(s.pace.until, c.until) || s.pace.proven != c.provenNow {
			t.Errorf("%s: until %v, %v proven; want %v, %v", c.name, s.pace.until, s.pace.proven, c.until, c.provenNow)
		}
	}
}

// With a pause of 37 s a limit of 369 stood for twenty minutes at two thirds of a rate that a trial of
// the pace, which was not sent, had shown to work.
func TestALimitThatNeverFailedIsRaisedBeforeThePaceWhereARefusalIsDear(t *testing.T) {
	for _, c := range []struct {
		name   string
		but    func(*seek)
		slots  float64
		pace   float64
		growth float64
	}{
		{"by a quarter", func(*seek) {}, 13, 0, costlyGrowth},
		{"by twice as much as before", func(s *seek) { s.slots.growth = costlyGrowth }, 15, 0, 2 * costlyGrowth},
		{"not while it rests", func(s *seek) { s.slots.rested = 99 }, 0, 0, costlyGrowth / 2},
		{"a little, where it has failed", func(s *seek) { s.slots.fails, s.slots.rested = 11, -5000 }, 11, 0, 0.1},
		{"not where a refusal costs next to nothing", func(s *seek) { s.price.pause.value = 0.05 }, 11, 0, 0.1},
		{"nor where it does not hold attempts up", func(s *seek) { s.constraint.peak = 5 }, 0, 110, 0},
	} {
		s := seekAtRest()
		s.price.pause, s.trip.refusal = mean{1, 4}, mean{1, 0.05}
		s.slots.rested, s.pace.rested = 50, -5000
		for i := range 50 { // half of what the pace allows, now and then two at once
			s.constraint.add(90+float64(i)/50, &Outcome{Seq: int64(i + 1), InFlight: 10, Paced: i%2 == 0})
		}
		c.but(s)
		s.beginTrial()
		if s.slots.trial != c.slots || (s.pace.trial > 0) != (c.pace > 0) || !about(s.slots.growth, c.growth) {
			t.Errorf("%s: tries %v in flight, %v/s, growth %v; want %v, %v, %v", c.name, s.slots.trial, s.pace.trial, s.slots.growth, c.slots, c.pace, c.growth)
		}
	}
}

// Where one may be in flight, and no more, a pace that delays it was never raised after a long rest: 8.2 a second where 10
// were to be had.
func TestWhereOneMayBeInFlightThePaceIsRaised(t *testing.T) {
	for most, want := range map[int]bool{1: true, 2: false} {
		s := seekAtRest()
		s.bounds.MaxLimit = most
		s.slots.works, s.pace.works, s.pace.rested = 1, 8.2, 50
		s.constraint.add(117, &Outcome{Seq: 1, InFlight: 1}) // and then a rest
		for i := range 50 {
			s.constraint.add(120+float64(i)/8.2, &Outcome{Seq: int64(i + 2), InFlight: 1, Paced: true})
		}
		if s.beginTrial(); (s.pace.trial > 0) != want || (s.slots.trial > 0) == want {
			t.Errorf("at most %d: tries %v/s, %v in flight; want the pace %v", most, s.pace.trial, s.slots.trial, want)
		}
	}
}

func TestATrialOfTheSlotsLastsUntilARefusalOrAQueueShows(t *testing.T) {
	s := seekAtRest()
	s.trip.refusal = mean{1, 0.05}
	if s.trySlots(); s.slots.trial != 11 || !about(s.slots.until, 100.1) {
		t.Errorf("tries %v until %v, want 11 for two times a refusal's way", s.slots.trial, s.slots.until)
	}
	s = seekAtRest()
	if s.trySlots(); !about(s.slots.until, 100+0.1*(2+64./11)) {
		t.Errorf("until %v, want two round trips and as long as sixty-four attempts take", s.slots.until)
	}
}

func TestATrialIsUndecidedForThreeTimesAsLongAtMost(t *testing.T) {
	for _, c := range []struct {
		name   string
		chance chance
		weight float64
		now    float64
		want   bool
	}{
		{"nothing was refused", chance{}, 0, 95, false},
		{"something was", chance{}, 0.1, 95, true},
		{"and it takes too long", chance{}, 0.1, 105, false},
		{"and it does not quite", chance{}, 0.1, 104.9, true},
		{"chance refuses, and it is not shown", knownChance(0.01), -1.4, 95, true},
		{"chance refuses, and it is shown", knownChance(0.01), -1.5, 95, false},
	} {
		s := seekAtRest()
		s.now, s.chance, s.chance.trial = c.now, c.chance, c.weight
		if got := s.undecided(&bracket{begun: 90, until: 95}); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestAttemptsOfATrialInFlightCountWhereRefusalsAreQuick(t *testing.T) {
	for _, c := range []struct {
		name    string
		refusal mean
		trial   float64
		tried   float64
		counted float64
	}{
		{"they are", mean{9, 0.01}, 200, 10, heldUp*200*(1-0.02) - 10},
		{"more were heard of", mean{9, 0.01}, 200, 190, 0},
		{"they are slow", mean{9, 0.09}, 200, 10, 0},
		{"it is no trial of the pace", mean{9, 0.01}, 0, 10, 0},
	} {
		s := seekAtRest()
		s.trip.success, s.trip.refusal = mean{9, 0.1}, c.refusal
		s.now, s.chance = 100, knownChance(0.01)
		s.pace.works, s.pace.trial, s.pace.begun = 100, c.trial, 99
		s.chance.tried, s.chance.trial = c.tried, -1
		if want := -1 + c.counted*s.chance.success(0.5); !about(s.trialWeight(), want) {
			t.Errorf("%s: weight %v, want %v", c.name, s.trialWeight(), want)
		}
	}
}

func TestATrialOfThePaceEnds(t *testing.T) {
	for _, c := range []struct {
		name          string
		now           float64
		chance        chance
		weight        float64
		reason        Reason
		works, trying float64
	}{
		{"when it is over", 95, chance{}, 0, ReasonTrialHeld, 110, 0},
		{"not before", 94.9, chance{}, 0, NoReason, 100, 110},
		{"not while something was refused in it", 95, chance{}, 1, NoReason, 100, 110},
		{"where chance refuses, when it has shown", 95, knownChance(0.01), -1.5, ReasonTrialHeld, 110, 0},
		{"where chance refuses, with nothing when it has not", 105, knownChance(0.01), -1.4, ReasonTrialEnded, 100, 0},
		{"after three times as long in any case", 105, chance{}, 1, ReasonTrialHeld, 110, 0},
	} {
		s := seekAtRest()
		s.tells(100, 10, 1)
		s.pace.try(110, 90, 95)
		s.now, s.chance, s.chance.trial, s.price.rate = c.now, c.chance, c.weight, 50
		s.try()
		if s.reason != c.reason || s.pace.works != c.works || s.pace.trial != c.trying {
			t.Errorf("%s: %v, %v works, %v tried; want %v, %v, %v", c.name, s.reason, s.pace.works, s.pace.trial, c.reason, c.works, c.trying)
		}
		if held := c.reason == ReasonTrialHeld; held != (s.trip.raised == c.now) || held != (s.price.rate == 110) {
			t.Errorf("%s: raised %v, the price's rate %v", c.name, s.trip.raised, s.price.rate)
		}
		if over := c.trying == 0; over != (s.pace.rested == c.now) || over != (s.constraint == constraint{since: c.now}) {
			t.Errorf("%s: rested %v, %+v", c.name, s.pace.rested, s.constraint)
		}
	}
}

func TestATrialOfTheSlotsEnds(t *testing.T) {
	for _, c := range []struct {
		name          string
		now           float64
		weight        float64
		peak          int
		reason        Reason
		works, trying float64
	}{
		{"when it is over", 95, 0, 11, ReasonTrialHeld, 12, 0},
		{"not before", 94.9, 0, 11, NoReason, 10, 12},
		{"not while something was refused in it", 95, 1, 11, NoReason, 10, 12},
		{"not while nobody wanted them", 95, 0, 10, NoReason, 10, 12},
		{"not quite yet", 95.19, 0, 10, NoReason, 10, 12},
		{"with nothing when nobody did", 95.25, 0, 10, ReasonTrialEnded, 10, 0},
	} {
		s := seekAtRest()
		s.tells(50, c.peak, 0)
		s.slots.try(12, 90, 95)
		s.now, s.chance.trial, s.trip.success.value = c.now, c.weight, 0.125
		if c.now == 95.19 {
			s.trip.success.value = 0.1
		}
		s.try()
		if s.reason != c.reason || s.slots.works != c.works || s.slots.trial != c.trying {
			t.Errorf("%s: %v, %v works, %v tried; want %v, %v, %v", c.name, s.reason, s.slots.works, s.slots.trial, c.reason, c.works, c.trying)
		}
		if held := c.reason == ReasonTrialHeld; held != (s.slots.held == c.now) {
			t.Errorf("%s: held %v", c.name, s.slots.held)
		}
	}
}

func TestATrialIsPaidForWhenItEnds(t *testing.T) {
	for _, why := range []Reason{ReasonTrialHeld, ReasonTrialEnded} {
		s := seekAtRest()
		s.descent = descent{from: pressure{rate: 400, slots: 40}, sent: 400}
		s.chance = chance{trialMissed: 3, epoch: 50}
		s.endTrial(why)
		held := why == ReasonTrialHeld
		if s.price.bank != 47 || s.reason != why || (s.chance.epoch == 0) != held || s.chance.lowered != held {
			t.Errorf("%v: %v in the bank, %v, %+v; want three spent, and weights begun anew if it held", why, s.price.bank, s.reason, s.chance)
		}
		if s.constraint != (constraint{since: 100}) {
			t.Errorf("%v: %+v", why, s.constraint)
		}
	}
}

func TestABracketRests(t *testing.T) {
	chancy := knownChance(0.01)
	for _, c := range []struct {
		name        string
		works       float64
		fails       float64 // 0: not known
		rising      bool
		pause, bank float64
		chance      chance
		period      float64
		want        float64 // from 50 on
	}{
		{"two round trips", 100, 0, false, 0, 50, chance{}, 0, 0.2},
		{"four attempts", 10, 0, false, 0, 50, chance{}, 0, 0.4},
		{"not at all while it rises", 100, 0, true, 0, 50, chance{}, 0, 0},
		{"nor if a pause is short", 100, 0, true, 0.09, 50, chance{}, 0, 0},
		{"so long that a pause costs no more than a step gains", 100, 0, true, 0.1, 50, chance{}, 0, 5},
		{"not at all if a step is no risk", 100, 1000, true, 10, 50, chance{}, 0, 0},
		{"as far, but it fell", 100, 1000, false, 10, 50, chance{}, 0, 0.2},
		{"what is close", 100, 102, false, 0, 25, chance{}, 0, 1.2},
		{"what is close, with a quota", 100, 102, false, 0, 50, chance{}, 60, 150},
		{"what is not close, with a quota", 100, 121, false, 0, 50, chance{}, 60, 0.2},
		{"no refusal to spare where chance refuses", 100, 0, true, 0, 0.5, chancy, 0, 60},
		{"one to spare", 100, 0, true, 0, 1, chancy, 0, 0},
		{"none to spare, but no risk", 100, 1000, true, 0, 0.5, chancy, 0, 0},
		{"none to spare, no risk, but it fell", 100, 1000, false, 0, 0.5, chancy, 0, 0.2},
		{"none to spare, but chance refuses nothing", 100, 0, true, 0, 0.5, chance{}, 0, 0},
	} {
		s := seekAtRest()
		s.pace.works, s.pace.rising, s.pace.rested = c.works, c.rising, 50
		if c.fails > 0 {
			s.pace.fails = c.fails
		}
		s.price.pause, s.price.bank, s.chance, s.quota.period = mean{1, c.pause}, c.bank, c.chance, c.period
		if got := s.rests(&s.pace) - 50; !about(got+50, c.want+50) {
			t.Errorf("%s: for %v s, want %v", c.name, got, c.want)
		}
	}
}

func TestAFirstStepIsLargeWhereThatCostsNothing(t *testing.T) {
	for _, c := range []struct {
		name           string
		refusal, pause float64
		changed        float64 // seconds ago
		want           float64
	}{
		{"refusals are heard of at once", 0.001, 0, 10, 0.2},
		{"half of one is sent meanwhile", 0.05, 0, 10, 0.1},
		{"they are heard of late", 1, 0, 10, 0.005},
		{"they ask for short pauses", 0.001, 0.099, 10, 0.2},
		{"they ask for pauses", 0.001, 0.1, 10, 0},
		{"the rate has been the same for long", 0.001, 0, 30, 0},
	} {
		s := seekAtRest()
		s.trip.refusal, s.price.pause, s.price.noticed, s.price.rate = mean{1, c.refusal}, mean{1, c.pause}, s.now-c.changed, 100
		if got := s.reach(); !about(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		s.pace.rested = 0
		if s.tryPace(); !about(s.pace.reach, c.want) {
			t.Errorf("%s: the trial's is %v, want %v", c.name, s.pace.reach, c.want)
		}
	}
	s := seekAtRest()
	s.trip.refusal, s.price.rate = mean{1, 0.001}, 100
	for now, want := range map[float64]float64{29.9: 0.2, 30: 0} {
		if s.now = now; s.reach() != want {
			t.Errorf("%v s after the start: %v, want %v", now, s.reach(), want)
		}
	}
}
