package controller

import (
	"math"
	"testing"
)

// settledPrice is of a service whose rate is what it was, and that asks for no pause.
func settledPrice() price { return price{changed: math.Inf(-1), noticed: math.Inf(-1)} }

func TestPriceEarnsMoreOfAServiceThatChangedAndLessOfOneThatAsksForPauses(t *testing.T) {
	for _, c := range []struct {
		changed, now float64
		pauses       float64
		want         float64
	}{
		{math.Inf(-1), 0, 0, 0.006},
		{100, 299.9, 0, 0.009}, // for 200 seconds
		{100, 300, 0, 0.006},
		{math.Inf(-1), 0, 1, 0.002},
		{100, 299.9, 1, 0.009},
		{100, 300, 1, 0.002},
	} {
		p := price{changed: c.changed, pause: mean{n: c.pauses}}
		if p.earn(0.006, c.now); !about(p.bank, c.want) {
			t.Errorf("changed at %v, now %v, %v pauses: earned %v, want %v", c.changed, c.now, c.pauses, p.bank, c.want)
		}
	}
}

func TestPriceSavesUpAHundredAndOwesNothing(t *testing.T) {
	p := settledPrice()
	p.bank = 99.999
	if p.earn(0.006, 0); p.bank != 100 {
		t.Errorf("%v in the bank, want 100", p.bank)
	}
	if p.spend(30); p.bank != 70 {
		t.Errorf("%v in the bank, want 70", p.bank)
	}
	if p.spend(80); p.bank != 0 {
		t.Errorf("%v in the bank, want nothing", p.bank)
	}
}

func TestPriceCountsRefusalsWithoutAPauseOnlyAmongThoseWithOne(t *testing.T) {
	var p price
	if p.asked(0); p.pause.n != 0 {
		t.Errorf("%+v after a refusal without a pause, want nothing known", p.pause)
	}
	p.asked(10)
	p.asked(0)
	if p.pause != (mean{2, 5}) {
		t.Errorf("%+v after pauses of 10 and 0, want 5, of two", p.pause)
	}
}

func TestPriceBelievesOnlyAnHourOfAPause(t *testing.T) {
	var p price
	if p.asked(1e6); p.pause.value != 3600 {
		t.Errorf("a pause of %v, want an hour", p.pause.value)
	}
}

func TestPriceLearnsTheBurstFromWhatWasSentUntilARefusal(t *testing.T) {
	p := price{}
	p.overrun(0)
	p.overrun(-3)
	if p.burst.n != 0 {
		t.Errorf("%+v of nothing sent, want nothing known", p.burst)
	}
	p.overrun(0.5)
	if p.burst != (mean{1, 0.5}) {
		t.Errorf("got %+v, want half an attempt", p.burst)
	}
	p.burst = mean{}
	if p.overrun(1e9); p.burst.value != 1000 {
		t.Errorf("a burst of %v, want no more than 1000", p.burst.value)
	}
}

// Two attempts beyond what works are enough to try it. A burst may hide that it is too much,
// so where a refusal costs much, the attempts of a burst are added.
func TestPriceAsksForMoreProofWhereARefusalIsDear(t *testing.T) {
	for _, c := range []struct{ burst, pause, rate, want float64 }{
		{0, 0, 100, 2},
		{40, 0, 100, 2}, // a refusal costs nothing else
		{40, 1, 5, 22},  // five attempts
		{40, 1, 10, 42},
		{40, 1, 500, 42},
		{40, 0.02, 100, 10},
	} {
		p := price{burst: mean{1, c.burst}, pause: mean{1, c.pause}}
		if got := p.proof(c.rate); !about(got, c.want) {
			t.Errorf("%+v: %v attempts, want %v", c, got, c.want)
		}
	}
}

func TestPriceLeavesAloneForLongerTheDearerARefusalIs(t *testing.T) {
	for _, c := range []struct {
		name                string
		bank, pause, period float64
		want                float64
		changed             float64 // so many seconds ago; 0: long ago
	}{
		{"rich", 100, 0, 0, 1, 0},
		{"half a minute for one refusal", 1, 0, 0, 30, 0},
		{"half of that for two", 2, 0, 0, 15, 0},
		{"poor", 0, 0, 0, 100, 0},
		{"so that a pause takes a hundredth of the time", 100, 0.5, 0, 50, 0},
		{"a quota is not used up by it twice", 100, 0, 60, 150, 0},
		{"the rate changed a while ago", 1, 0, 0, 10, 29.9},
		{"half of that for two, then", 2, 0, 0, 5, 29.9},
		{"poor, then", 0, 0, 0, 100, 29.9},
		{"the rate changed before", 1, 0, 0, 30, 30},
	} {
		p := price{bank: c.bank, pause: mean{1, c.pause}}
		if c.changed > 0 {
			p.noticed, p.rate = 1000-c.changed, 20
		}
		if got := p.rest(c.period, 1000); got != c.want {
			t.Errorf("%s: %v s, want %v s", c.name, got, c.want)
		}
	}
}

func TestPriceNotesThatTheServicesRateIsAnother(t *testing.T) {
	for _, c := range []struct {
		was, rate, now float64
		want           float64
		changed        bool
	}{
		{0, 100, 50, 100, false}, // the first
		{100, 10, 29, 10, false}, // it is not known yet
		{100, 124, 30, 100, false},
		{100, 125, 30, 100, false},
		{100, 126, 30, 126, true},
		{100, 81, 30, 100, false},
		{100, 80, 30, 100, false},
		{100, 79, 30, 79, true},
	} {
		p := settledPrice()
		p.rate = c.was
		p.compare(c.rate, c.now)
		if changed := p.changed == c.now; p.rate != c.want || changed != c.changed {
			t.Errorf("from %v to %v after %v s: taken for %v, changed %v; want %v, %v",
				c.was, c.rate, c.now, p.rate, changed, c.want, c.changed)
		}
	}
}

func TestARefusalIsDearIfItsPauseCostsManyAttempts(t *testing.T) {
	for _, c := range []struct {
		pause, rate float64
		want        bool
	}{{1, 11, true}, {1, 10, false}, {0, 1000, false}, {0.1, 101, true}} {
		p := price{pause: mean{1, c.pause}}
		if p.costly(c.rate) != c.want {
			t.Errorf("a pause of %v s at %v/s: costly is %v", c.pause, c.rate, !c.want)
		}
	}
}

// What is found out after a change may itself look like one, so it is not followed up for ever.
func TestPriceIsUnsettledForHalfAMinuteAfterAChangeAndNotSoonAgain(t *testing.T) {
	p := settledPrice()
	for _, c := range []struct {
		now, rate float64
		want      bool
	}{
		{29.9, 100, true}, // it is not known yet
		{30, 100, false},
		{100, 200, true},
		{129.9, 200, true},
		{130, 100, false},
		{219.9, 200, false},
		{220, 100, true},
		{250, 100, false},
	} {
		p.compare(c.rate, c.now)
		if p.unsettled(c.now) != c.want {
			t.Errorf("%v a second after %v s: unsettled is %v", c.rate, c.now, !c.want)
		}
		if slow := (price{rate: 19.9, noticed: p.noticed}); slow.unsettled(c.now) {
			t.Errorf("%v s: unsettled, but too slow to find out", c.now)
		}
	}
}
