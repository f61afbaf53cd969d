package controller

import (
	"math"
	"testing"
)

// atTwo has a limit of one, of which two were refused so often, with a pace that nobody sends.
func atTwo(failed int) *seek {
	s := seekAtRest()
	s.trip.success = mean{10, 0.1}
	s.trip.refusal = mean{10, 0.1}
	s.pace.works, s.pace.fails = 1000, math.Inf(1)
	s.slots.works, s.slots.fails = 1, 2
	s.spacing.failed = failed
	return s
}

func TestALimitThatFailsAgainAndAgainIsTriedSpacedOut(t *testing.T) {
	for failed, spaced := range map[int]bool{0: false, 1: false, 2: false, 3: false, 4: true, 5: false, 7: false, 8: true, 12: false, 16: true} {
		s := atTwo(failed)
		s.trySlots()
		if want := map[bool]float64{false: 1000, true: 1.2 * 2 / 0.1}[spaced]; !about(s.pace.works, want) || s.slots.trial != 2 {
			t.Errorf("after %d: %v/s and %v at once are tried, want %v/s and 2", failed, s.pace.works, s.slots.trial, want)
		}
	}
	s := atTwo(4)
	s.pace.works = 47
	if s.trySlots(); s.pace.works != 47 {
		t.Errorf("%v/s, want the pace left alone that is hardly more than is needed", s.pace.works)
	}
}

func TestThePaceComesBackIfItWasTheLimit(t *testing.T) {
	s := atTwo(4)
	s.trySlots()
	s.now += 0.05
	s.lower(attempt{60, s.now}, &Outcome{InFlight: 2, Verdict: Overload}, 2)
	if s.pace.works != 1000 || s.spacing.failed != 5 || s.spacing.pace != 0 || s.slots.works != 1 {
		t.Errorf("%v/s, %+v, %v at once; want 1000/s again", s.pace.works, s.spacing, s.slots.works)
	}
	s = atTwo(4)
	s.trySlots()
	s.now = s.slots.until + 1
	if s.endSlotsTrial(); s.pace.works != 1000 || s.spacing != (spacing{failed: 4}) || s.reason != ReasonTrialEnded {
		t.Errorf("%v/s, %+v, %v; want 1000/s again where nobody wanted two", s.pace.works, s.spacing, s.reason)
	}
}

func TestThePaceStaysLowIfItWasThePace(t *testing.T) {
	s := atTwo(4)
	s.trySlots()
	s.now, s.constraint.peak = s.slots.until+0.01, 2
	if s.endSlotsTrial(); !about(s.pace.works, 24) || s.spacing != (spacing{}) || s.slots.works != 2 {
		t.Errorf("%v/s, %+v, %v at once; want 24/s and 2", s.pace.works, s.spacing, s.slots.works)
	}
}

// TestABucketOfOneIsNoLimitOfOne: a service that takes 1,600 a second but never two within
// 600 us, of which two at once were refused for long.
func TestABucketOfOneIsNoLimitOfOne(t *testing.T) {
	for seed := range seedsOf(4) {
		r := startRun(Seek{}, ample(200))
		p := &bucketPlant{manners: politely(seed), rate: constant(1600), burst: 1}
		s := r.law.(*seek)
		r.against(p, 5)
		s.slots.works, s.slots.fails, s.pace.works, s.pace.fails = 1, 2, 1700, math.Inf(1)
		s.slots.cancel(s.now)
		s.pace.cancel(s.now)
		r.against(p, 60)
		r.forget()
		r.against(p, 120)
		if got := float64(r.successes) / (60 * 1600); got < 0.5 {
			t.Errorf("seed %d: %.1f%% of what could be had after a minute, want half", seed, 100*got)
		}
	}
}
