package controller

import (
	"container/heap"
	"math"
	"testing"
	"time"
)

func TestARefusalIsSilentWhereOthersSayWhenToComeAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Outcome
		asks bool // others do
		want bool
	}{
		{"others ask for a pause, this one does not", Outcome{}, true, true},
		{"this one does, too", Outcome{RetryAfter: time.Second}, true, false},
		{"nobody does", Outcome{}, false, false},
		{"nobody does, and much is left of each quota", Outcome{Trouble: true}, false, true},
		{"this one does, though much is left", Outcome{Trouble: true, RetryAfter: 1}, false, false},
	} {
		s := seekAtRest()
		if c.asks {
			s.price.pause.add(1)
		}
		if got := s.silent(&c.o); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// quietly has the service refuse quickly, and have asked for a pause before.
func quietly() *seek {
	s := seekAtRest()
	s.trip.refusal = mean{10, 0.01}
	s.price.pause.add(1)
	return s
}

func TestABrownoutIsSuspectedOfSilentRefusalsAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		but  func(*seek, *Outcome)
		want bool
	}{
		{"silent", func(*seek, *Outcome) {}, true},
		{"says when to come again", func(_ *seek, o *Outcome) { o.RetryAfter = 1 }, false},
		{"in the startup", func(s *seek, _ *Outcome) { s.startup.on, s.startup.doubt = true, 7 }, true},
		{"in a trial of the pace", func(s *seek, _ *Outcome) { s.pace.trial = 110 }, false},
		{"in a trial of the limit", func(s *seek, _ *Outcome) { s.slots.trial = 11 }, false},
		{"as slow as successes", func(s *seek, _ *Outcome) { s.trip.refusal = mean{10, 0.09} }, false},
		{"five minutes after one that was none", func(s *seek, _ *Outcome) { s.now, s.brownout.refuted = 400, 100 }, true},
		{"just before", func(s *seek, _ *Outcome) { s.now, s.brownout.refuted = 399, 100 }, false},
	} {
		s, o := quietly(), new(Outcome)
		c.but(s, o)
		if got := s.suspectBrownout(o); got != c.want || (s.chance.share() == silentShare) != c.want || s.startup.doubt != 0 {
			t.Errorf("%s: %v, %v taken for chance, doubt %v", c.name, got, s.chance.share(), s.startup.doubt)
		}
	}
}

func TestASuspectedBrownoutIsBelievedForHalfAMinute(t *testing.T) {
	s := quietly()
	s.suspectBrownout(new(Outcome))
	for i := range 30 { // all is refused
		s.now = 100 + float64(i) + 1
		if s.weighBrownout(attempt{int64(i + 1), s.now}, new(Outcome), 1, 1); s.brownout.share == 0 {
			t.Fatalf("not any more after %v s", i+1)
		}
	}
	s.now = 130.1
	s.weighBrownout(attempt{31, s.now}, new(Outcome), 1, 1)
	if s.brownout.share != 0 || s.brownout.refuted != s.now || s.suspectBrownout(new(Outcome)) {
		t.Errorf("%+v after half a minute; want it to be none, and none suspected", s.brownout)
	}
	s.brownout.begin(calm, 1, attempt{40, 135})
	if s.brownout.refuted != 130.1 {
		t.Error("forgotten when something is lowered")
	}
}

func TestNothingDoublesInABrownout(t *testing.T) {
	for share, want := range map[float64]float64{0: 20, 0.3: 10} {
		s := quietly()
		s.startup = newStartup()
		s.startup.began, s.startup.acks, s.brownout.share = 95, 7, share
		s.constraint.seen = 50
		s.double(attempt{60, 99}, &Outcome{Verdict: Succeeded, InFlight: 10, Took: 100 * ms})
		if s.slots.works != want {
			t.Errorf("with a share of %v: %v in flight, want %v", share, s.slots.works, want)
		}
	}
}

func TestASuspectedBrownoutEndsWithSuccesses(t *testing.T) {
	s := quietly()
	s.suspectBrownout(new(Outcome))
	n := 0
	for ; s.brownout.share > 0 && n < 100; n++ {
		s.weighBrownout(attempt{int64(n + 1), s.now}, new(Outcome), 1, 0)
	}
	if n < 5 || n > 25 || s.brownout.refuted != 0 {
		t.Errorf("over after %d successes, %+v", n, s.brownout)
	}
}

func TestInATrialOneSilentRefusalDoesNotConvince(t *testing.T) {
	for _, trial := range []func(*seek){
		func(s *seek) { s.pace.trial, s.pace.begun = 110, 95 },
		func(s *seek) { s.slots.trial, s.slots.begun = 11, 95 },
	} {
		silent, told := quietly(), quietly()
		trial(silent)
		trial(told)
		told.price.pause = mean{}
		a, o := attempt{1, 99}, Outcome{InFlight: 5}
		if !told.convincing(a, &o, 5) {
			t.Error("one refusal does not convince where none says when to come again")
		}
		n := 1
		for ; !silent.convincing(a, &o, 5) && n < 100; n++ {
		}
		if n < 3 || n > 8 {
			t.Errorf("%d silent refusals convince, want a few", n)
		}
	}
}

// overloadPlant refuses a share by chance, and nearly half for ten seconds of each minute, without a
// word of when to come again.
type overloadPlant struct {
	plant
	manners
	by float64
}

func (p *overloadPlant) arrive(now float64) answer {
	share := p.by
	if into := int(now) % 60; into >= 40 && into < 50 {
		share = 0.4
	}
	if p.random.Float64() < share {
		return p.refuse(Overload)
	}
	return p.plant.arrive(now)
}

// TestSeekIsNotSlowedByOverloadsBesideAQuota that says when to come again. With answers of 8 s it had
// 70% of what could be had before.
func TestSeekIsNotSlowedByOverloadsBesideAQuota(t *testing.T) {
	sum, n := 0.0, seedsOf(5)
	for seed := range n {
		slow := manners{random: politely(seed).random, latency: 8, sigma: 0.5, refusal: 0.02}
		p := &overloadPlant{&bucketPlant{manners: slow, rate: constant(5), burst: 20, hints: true}, slow, 0.01}
		r := startRun(Seek{}, ample(100))
		r.against(p, 180)
		r.forget()
		r.against(p, 780)
		could := 5 * 600 * (1 - 0.4/6)
		got := float64(r.successes) / could
		t.Logf("seed %d: %.1f%%, %.1f%% wasted", seed, 100*got, 100*r.wasted())
		sum += got
		if r.fault != "" {
			t.Error(r.fault)
		}
	}
	if mean := sum / float64(n); mean < 0.92 {
		t.Errorf("%.1f%% of what could be had in the mean, want 92%%", 100*mean)
	}
}

// TestALimitOfWhichNobodyTellsIsFoundBesideOneThatIsTold: a proxy that refuses more than so many at
// once without a word, before a service whose refusals say when to come again.
func TestALimitOfWhichNobodyTellsIsFoundBesideOneThatIsTold(t *testing.T) {
	for seed := range seedsOf(5) {
		quick := politely(seed)
		quick.refusal = 0.005
		p := &twoLimits{
			quiet: &slotsPlant{manners: quick, most: func(now float64) float64 {
				if now < 300 {
					return 40
				}
				return 10
			}},
			polite: &bucketPlant{manners: quick, rate: constant(150), burst: 10, hints: true},
		}
		r := startRun(Seek{}, ample(100))
		r.against(p, 60)
		r.forget()
		r.against(p, 300)
		at150 := float64(r.successes) / (150 * 240)
		wasted := r.wasted()
		r.against(p, 340) // half a minute is taken for an overload
		r.forget()
		r.against(p, 600)
		at100 := float64(r.successes) / (100 * 260)
		if at150 < 0.95 || wasted > 0.03 || at100 < 0.85 || r.wasted() > 0.03 || r.fault != "" {
			t.Errorf("seed %d: %.1f%% of the rate, %.1f%% wasted; %.1f%% of a limit a quarter as high, %.1f%% wasted %s",
				seed, 100*at150, 100*wasted, 100*at100, 100*r.wasted(), r.fault)
		}
	}
}

// twoLimits are those of a proxy and of what is behind it.
type twoLimits struct {
	quiet  *slotsPlant
	polite *bucketPlant
}

func (p *twoLimits) arrive(now float64) answer {
	p.quiet.busy.until(now)
	if len(p.quiet.busy) >= int(p.quiet.most(now)) {
		return p.quiet.refuse(Overload)
	}
	a := p.polite.arrive(now)
	heap.Push(&p.quiet.busy, now+a.took)
	return a
}

func TestCostsAreAsFarApartAsTheDearestIsFromTheMean(t *testing.T) {
	var c costs
	if c.add(0); c.spread() != 1 {
		t.Errorf("spread of %v where nobody tells, want 1", c.spread())
	}
	for range 50 {
		c.add(100)
	}
	if !about(c.spread(), 1) {
		t.Errorf("spread of %v where all cost the same, want 1", c.spread())
	}
	c.add(1000)
	if got := c.spread(); got < 8 || got > 10 {
		t.Errorf("spread of %v with one that costs ten times as much", got)
	}
	for range 1000 {
		c.add(100)
	}
	if got := c.spread(); math.Abs(got-1) > 0.01 {
		t.Errorf("spread of %v long after that, want it forgotten", got)
	}
}
