package controller

import "testing"

// A bucket is empty when it refuses, so from then on it gives no more than its rate.
func TestBrownoutCountsWhatIsAcceptedFromARefusalOn(t *testing.T) {
	p := brownout{}
	p.begin(calm, 5, attempt{100, 10})
	p.add(attempt{107, 10.1}, 10.1, 100, 7, 1)
	if p.given != 0 {
		t.Fatalf("%v a second by six attempts, want eight at least", p.given)
	}
	p.add(attempt{110, 10.2}, 10.2, 100, 3, 1)
	if !about(p.given, 40) {
		t.Fatalf("%v a second, want eight in 0.2 s", p.given)
	}
	p.add(attempt{120, 11}, 11, 100, 10, 1)
	p.add(attempt{150, 11.1}, 11.1, 100, 30, 0)
	if !about(p.given, 40) || p.since != 0 || p.low.attempts != 0 {
		t.Errorf("%v a second, since %v: want the most until a refusal", p.given, p.since)
	}
}

func TestBrownoutIsJudgedByLittleOfWhatWasAccepted(t *testing.T) {
	p := brownout{from: calm, first: attempt{100, 10}, accepted: 8, given: 40}
	p.add(attempt{120, 11}, 11, 10.1, 1, 1)
	if p.since != 0 {
		t.Fatalf("since %v at a little more than a quarter", p.since)
	}
	p.add(attempt{121, 11.9}, 12, 10, 1, 1)
	if p.since != 12 || p.low.attempts != 0 {
		t.Fatalf("%+v, want it to begin at 12", p)
	}
	p.add(attempt{123, 12}, 12.5, 10, 2, 1)
	if p.low != (seen{2, 1}) {
		t.Fatalf("%+v, want one of two refused", p.low)
	}
	if p.add(attempt{124, 13}, 13, 10.1, 1, 1); p.since != 0 || p.low.attempts != 2 {
		t.Errorf("%+v, want it over when more is sent", p)
	}
}

func TestBrownoutRemembersWhatWasInForceWhileItFalls(t *testing.T) {
	high, low := pressure{rate: 100, slots: 10}, pressure{rate: 50, slots: 10}
	p := brownout{share: 0.4, began: 7, over: 2}
	p.begin(high, 5, attempt{100, 10})
	p.add(attempt{132, 11}, 11, 100, 31, 0)
	p.begin(low, 4, attempt{133, 20})
	if p.from.rate != 100 || p.calm != 31 || p.share != 0.4 || p.began != 7 || p.over != 2 {
		t.Errorf("after 31 accepted: %+v, want 100/s", p)
	}
	p.add(attempt{133, 11}, 11, 100, 5, 1)
	if p.add(attempt{150, 12}, 12, 100, 31, 0); p.calm != 31 {
		t.Errorf("%v are calm: what was accepted before a refusal was counted", p.calm)
	}
}

func TestAFallIsOverWhenItIsCalm(t *testing.T) {
	for name, c := range map[string]struct {
		pace, calm, sent float64
		over, known      bool
	}{
		"31 accepted":               {40, 30, 40, false, true},
		"32 accepted":               {40, 31, 40, true, false},
		"not half of it was lost":   {60, 31, 60, true, true},
		"at little, to be judged":   {10, 31, 10, false, true},
		"it is as fast as it was":   {100, 31, 100, true, true},
		"it is a little below half": {49.9, 31, 49.9, true, false},
	} {
		s := seekAtRest()
		s.trip.refusal = mean{10, 0.01}
		s.pace.works, s.pace.fails = c.pace, 1.1*c.pace
		s.brownout = brownout{from: pressure{rate: 100, slots: 10}, first: attempt{50, 98}, accepted: 8, given: 60, calm: c.calm}
		s.weighBrownout(attempt{60, 99}, new(Outcome), 1, 0)
		if over := s.brownout.from.rate == 0; over != c.over || s.pace.known() != c.known {
			t.Errorf("%s: over %v, fails %v; want over %v, and that it is known what fails: %v", name, over, s.pace.fails, c.over, c.known)
		}
		if next := s.pace.next(1000); !c.known && next != 2*c.pace {
			t.Errorf("%s: tries %v next, want twice %v", name, next, c.pace)
		}
	}
}

func TestARefusalThatSaysWhenToComeAgainIsNoBrownout(t *testing.T) {
	s := inBrownout()
	s.brownout.low = seen{15, 9}
	if s.weighBrownout(attempt{60, 99}, &Outcome{RetryAfter: 1}, 1, 1); s.pace.works != 10 || s.brownout.from.rate != 0 {
		t.Errorf("pace %v, %+v", s.pace.works, s.brownout)
	}
	s = inBrownout()
	s.price.pause, s.brownout.low = mean{1, 1}, seen{15, 9}
	if s.weighBrownout(attempt{60, 99}, new(Outcome), 1, 1); s.pace.works != calm.rate {
		t.Errorf("pace %v: one that says nothing may be by chance, though others say when to come again", s.pace.works)
	}
}

func TestBrownoutIsOverAfterAFewSuccesses(t *testing.T) {
	p := brownout{share: 0.5}
	n := 0
	for !p.ends(0.01, 1, 0) {
		n++
	}
	if n < 6 || n > 12 {
		t.Errorf("over after %d successes in a row, want eight or so", n+1)
	}
	p = brownout{share: 0.5}
	for i := range 10000 {
		if p.ends(0.01, 2, 1) {
			t.Fatalf("over after %d attempts of which half are refused", 2*i)
		}
	}
	if p.share < 0.45 || p.share > 0.55 {
		t.Errorf("a share of %v, want a half", p.share)
	}
	p = brownout{share: 1}
	for range 1000 {
		p.ends(0.01, 1, 1)
	}
	if p.share != 0.95 || p.over != 0 {
		t.Errorf("%+v when all are refused, want a share of 0.95 that a success can end", p)
	}
	p = brownout{share: 0.021}
	if p.ends(0.01, 1, 1) || !p.ends(0.03, 1, 1) {
		t.Error("want it over at twice the usual share")
	}
}

// inBrownout has a pace of 100/s that was lowered to 20 in the last second.
func inBrownout() *seek {
	s := seekAtRest()
	s.trip.refusal = mean{10, 0.01}
	s.pace.works, s.pace.fails, s.price.bank = 10, 11, 1
	s.brownout = brownout{from: calm, bank: 30, first: attempt{50, 98}, accepted: 8, given: 60, since: 98.5}
	return s
}

func TestWhatWasInForceComesBackInABrownout(t *testing.T) {
	s := inBrownout()
	for i := range 16 {
		if s.pace.works != 10 {
			t.Fatalf("after %d attempts: pace %v", i, s.pace.works)
		}
		s.weighBrownout(attempt{int64(60 + i), 99}, new(Outcome), 1, float64(i%8/7)) // two of sixteen
	}
	if s.pace.works != calm.rate || s.pace.known() || s.price.bank != 30 || s.reason != ReasonChance {
		t.Errorf("pace %+v, %v in the bank, %v; want it as before", s.pace, s.price.bank, s.reason)
	}
	if s.brownout.share != 0.125 || s.chance.share() != 0.125 || s.brownout.began != 100 || s.brownout.from.rate != 0 {
		t.Errorf("%+v, chance %v; want an eighth", s.brownout, s.chance.share())
	}
	s.chance.attempts, s.chance.refused = 500, 5
	for range 100 {
		s.chance.refuse(true)
		s.chance.accept(10)
	}
	if s.chance.attempts != 500 || s.chance.refused != 5 {
		t.Errorf("%+v: a brownout is not what is usual", s.chance)
	}
	s.constraint.seen = 50
	if s.try(); s.pace.trial != 0 || s.slots.trial != 0 {
		t.Error("a trial in a brownout")
	}
	s.now = 160.1
	if s.weighBrownout(attempt{200, 160}, new(Outcome), 1, 1); s.brownout.share != 0 || s.chance.share() > 0.02 {
		t.Errorf("after a minute: %+v, chance %v; want it to be shown anew", s.brownout, s.chance.share())
	}
}

func TestWhatFailedIsForgottenIfNothingIsRefusedAtLittle(t *testing.T) {
	s := inBrownout()
	for i := range 16 {
		s.weighBrownout(attempt{int64(60 + i), 99}, new(Outcome), 1, float64(i/15)) // one
	}
	if s.pace.works != 10 || s.pace.known() || s.pace.next(1000) != 20 || s.brownout.from.rate != 0 || s.brownout.share != 0 {
		t.Errorf("pace %+v, %+v; want it to double", s.pace, s.brownout)
	}
}

func TestABrownoutIsNotJudgedWhereItIsNotKnownWhatWasAccepted(t *testing.T) {
	for name, change := range map[string]func(*seek){
		"slow refusals":  func(s *seek) { s.trip.refusal = mean{10, 0.09} },
		"down":           func(s *seek) { s.outage.is = true },
		"nothing passed": func(s *seek) { s.brownout.low = seen{15, 9} },
	} {
		s := inBrownout()
		change(s)
		for range 16 {
			if name == "nothing passed" {
				s.weighBrownout(attempt{60, 99}, new(Outcome), 0, 0)
			} else {
				s.weighBrownout(attempt{60, 99}, new(Outcome), 1, 1)
			}
		}
		if s.pace.works != 10 || s.brownout.share != 0 {
			t.Errorf("%s: pace %v, %+v", name, s.pace.works, s.brownout)
		}
	}
}

func TestABrownoutIsNotAWindowThatIsUsedUp(t *testing.T) {
	s := inBrownout()
	for i := range 7 {
		s.delivery.add(refusal{int64(60 + i), 99, 99, 0, false})
	}
	s.brownout.low = seen{15, 9}
	if s.weighBrownout(attempt{66, 99}, new(Outcome), 1, 1); s.pace.works != 10 || s.brownout.low.attempts != 0 {
		t.Errorf("pace %v, %+v after seven in a row; want it to be judged anew", s.pace.works, s.brownout.low)
	}
}

// burstPlant refuses half of everything for ten seconds of each minute.
type burstPlant struct {
	plant
	manners
}

func (p *burstPlant) arrive(now float64) answer {
	if into := int(now) % 60; into >= 40 && into < 50 && p.random.Float64() < 0.5 {
		return p.refuse(Overload)
	}
	return p.plant.arrive(now)
}

// TestSeekIsNotSlowedByBurstsInWhichHalfIsRefused of a service with quick refusals: it took more
// than a minute to climb back from each.
func TestSeekIsNotSlowedByBurstsInWhichHalfIsRefused(t *testing.T) {
	sum, n := 0.0, seedsOf(5)
	for seed := range n {
		quick := manners{random: politely(seed).random, latency: 1, sigma: 0.3, refusal: 0.02}
		p := &burstPlant{&bucketPlant{manners: quick, rate: constant(100), burst: 100}, quick}
		r := startRun(Seek{}, ample(300))
		r.against(p, 60)
		r.forget()
		r.against(p, 660)
		got := float64(r.successes) / 60000
		t.Logf("seed %d: %.1f%%, %.1f%% wasted", seed, 100*got, 100*r.wasted())
		sum += got
		if r.fault != "" {
			t.Error(r.fault)
		}
	}
	if mean := sum / float64(n); mean < 0.77 {
		t.Errorf("%.1f%% of what could be had in the mean, want 77%%", 100*mean)
	}
}

func TestWhatIsRestoredLaterIsWithinNewBounds(t *testing.T) {
	s := seekAtRest()
	before := pressure{rate: 100, slots: 50}
	s.descent.from, s.outage.pressed, s.surge.from, s.brownout.from = before, before, before, before
	s.Update(Seek{}, ample(20))
	for name, p := range map[string]pressure{
		"descent": s.descent.from, "outage": s.outage.pressed, "surge": s.surge.from, "brownout": s.brownout.from,
	} {
		if p.slots != 20 || p.rate != 100 {
			t.Errorf("%s: %+v, want 20 at once at most", name, p)
		}
	}
}
