package controller

import (
	"math"
	"testing"
)

func TestAStretchUnderLessPressureThatIsRefusedSoonerIsAStall(t *testing.T) {
	long := stretch{rate: 100, accepted: 1000, least: 90}
	for _, c := range []struct {
		name    string
		before  []stretch
		now     stretch
		pressed bool
	}{
		{"the first", nil, stretch{100, 50, 0}, true},
		{"as soon, with as much", []stretch{long}, stretch{100, 600, 0}, true},
		{"much sooner, with as much", []stretch{long}, stretch{100, 499, 0}, false},
		{"much sooner, with hardly more", []stretch{long}, stretch{101, 499, 0}, false},
		{"much sooner, with more", []stretch{long}, stretch{102, 10, 0}, true},
		{"with less than was given", []stretch{long}, stretch{89, 5000, 0}, false},
		{"with about what was given", []stretch{long}, stretch{89.5, 5000, 0}, true},
		{"sooner than a few", []stretch{{100, 19, 150}}, stretch{100, 1, 0}, true},
		{"sooner than some", []stretch{{100, 20, 0}}, stretch{100, 1, 0}, false},
		{"three back", []stretch{long, {100, 10, 0}, {100, 10, 0}}, stretch{100, 10, 0}, false},
		{"four back", []stretch{long, {100, 10, 0}, {100, 10, 0}, {100, 10, 0}}, stretch{100, 10, 0}, true},
	} {
		var s stretches
		for _, before := range c.before {
			s.refused(before)
		}
		if got := s.refused(c.now); got != c.pressed {
			t.Errorf("%s: pressed %v, want %v", c.name, got, c.pressed)
		}
		if s.last[0] != c.now {
			t.Errorf("%s: does not remember it", c.name)
		}
	}
}

// A stall moves nothing but a trial, which it ends, and what may not have failed.
func TestAStallIsSatOut(t *testing.T) {
	for _, tried := range []bool{false, true} {
		s := seekAtRest()
		s.pace.fails, s.pace.trial, s.price.pause, s.stretches.tried = 120, 110, mean{1, 30}, tried
		was := s.pace.works
		s.sitOut(attempt{100, 99})
		if s.pace.works != was || s.pace.trial != 0 || s.recovery.floor != was || s.recovery.began != s.now {
			t.Errorf("%v/s, trial of %v, floor %v; want %v/s, none, and that", s.pace.works, s.pace.trial, s.recovery.floor, was)
		}
		if known := s.pace.known(); known != tried {
			t.Errorf("tried %v: known to fail %v", tried, known)
		}
		if next := s.pace.next(1e5) / was; !tried && next != 1+costlyGrowth {
			t.Errorf("next is %v times as much, want a long step where a short one costs as much", next)
		}
	}
}

// A bucket whose refusals ask for seconds, at a service that refuses everything for a while
// now and then: the stalls cost their pauses and no more.
func TestSeekIsNotSlowedByStallsThatAskForLongPauses(t *testing.T) {
	for pause, least := range map[float64]float64{2: 0.93, 10: 0.88, 30: 0.70} {
		sum, n := 0.0, seedsOf(3)
		for seed := range n {
			stalls := &stallsPlant{
				plant:   &bucketPlant{manners: politely(seed), rate: constant(50), burst: 10, pause: pause},
				manners: politely(seed + 100), every: 120, lasts: 2, pause: pause,
			}
			r := startRun(Seek{}, ample(60))
			r.against(stalls, 600)
			r.forget()
			r.against(stalls, 1800)
			could := 50 * (1200 - 10*(pause+1)) // one is noticed by its first refusal, and the last probe may just miss its end
			got := float64(r.successes) / could
			t.Logf("pauses of %v s, seed %d: %.1f%%, %.2f%% wasted", pause, seed, 100*got, 100*r.wasted())
			sum += got
		}
		if mean := sum / float64(n); mean < least {
			t.Errorf("pauses of %v s: %.1f%% of what could be had in the mean, want %.0f%%", pause, 100*mean, 100*least)
		}
	}
}

// stallsPlant refuses everything for a while now and then, and asks for a pause.
type stallsPlant struct {
	plant
	manners
	every, lasts, pause float64
}

func (p *stallsPlant) arrive(now float64) answer {
	if now > p.every && math.Mod(now, p.every) < p.lasts {
		a := p.refuse(Overload)
		a.retryAfter = p.pause
		return a
	}
	return p.plant.arrive(now)
}
