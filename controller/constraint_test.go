package controller

import "testing"

func TestHoldupTellsTheRateFromTheFirstToTheNewest(t *testing.T) {
	var h constraint
	if h.rate() != 0 {
		t.Errorf("%v/s before anything has started", h.rate())
	}
	h.add(10, &Outcome{Seq: 100})
	if h.rate() != 0 {
		t.Errorf("%v/s after one", h.rate())
	}
	h.add(12, &Outcome{Seq: 120})
	h.add(11, &Outcome{Seq: 110}) // its end is told late
	if h.rate() != 10 {
		t.Errorf("%v/s, want 20 in 2 s", h.rate())
	}
	h.add(12, &Outcome{Seq: 121}) // at the same time as one before
	if h.rate() != 10.5 {
		t.Errorf("%v/s, want 21 in 2 s", h.rate())
	}
}

// One that started after the first that we hear of may have a lower number.
func TestHoldupRateIsNeverNegative(t *testing.T) {
	var h constraint
	h.add(10, &Outcome{Seq: 100})
	h.add(12, &Outcome{Seq: 90})
	h.add(9, &Outcome{Seq: 101})
	if h.rate() < 0 {
		t.Errorf("%v/s", h.rate())
	}
}

func TestHoldupLooksOnlyAtWhatStartedSinceItBegan(t *testing.T) {
	var h constraint
	h.add(1, &Outcome{Seq: 1, InFlight: 50, Paced: true})
	h.begin(5)
	h.add(4, &Outcome{Seq: 2, InFlight: 40, Paced: true})
	if h.seen != 0 || h.peak != 0 || h.paced != 0 {
		t.Errorf("%+v, want nothing seen", h)
	}
	h.add(5, &Outcome{Seq: 3, InFlight: 7})
	h.add(6, &Outcome{Seq: 4, InFlight: 9})
	h.add(7, &Outcome{Seq: 5, InFlight: 8})
	if h.seen != 3 || h.peak != 9 || h.rate() != 1 {
		t.Errorf("%+v, want three seen, nine at most, one a second", h)
	}
}

func TestHoldupTellsWhatShareIsPacedOfLate(t *testing.T) {
	var h constraint
	for i := range 8 {
		h.add(float64(i), &Outcome{Seq: int64(i), Paced: i%4 == 0})
	}
	if !about(h.paced, 0.25) {
		t.Errorf("%v are paced, want one in four", h.paced)
	}
	for i := range 100 {
		h.add(float64(i), &Outcome{Seq: int64(i), Paced: true})
	}
	if h.paced < 0.9 || h.paced > 1 {
		t.Errorf("%v are paced, want nearly all of late", h.paced)
	}
}
