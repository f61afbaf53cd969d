package controller

import (
	"math"
	"testing"
)

// A few attempts say little of how long they take; but one does not wait for more than a
// second's worth.
func TestStartupsRoundTripIsAQuarterOfWhatIsInFlight(t *testing.T) {
	for _, c := range []struct {
		limit, latency float64
		want           int
	}{
		{100, 0.1, 25},
		{16, 0.1, 8}, // at least
		{4, 0.1, 8},
		{4, 2, 2}, // two a second
		{4, 100, 1},
		{100, 100, 25},
	} {
		s := newStartup()
		for !s.enough(c.limit, c.latency) {
			s.acks++
		}
		if s.acks != c.want {
			t.Errorf("%v in flight that take %v s: over after %d, want %d", c.limit, c.latency, s.acks, c.want)
		}
	}
}

func TestStartupEndsWithRefusalsThatChanceDoesNotExplain(t *testing.T) {
	for _, c := range []struct {
		chance float64
		want   int // refusals in a row
	}{{0, 2}, {0.01, 2}, {0.04, 3}, {0.1, 6}} {
		s := newStartup()
		n := 1
		for ; !s.refusal(c.chance); n++ {
		}
		if n != c.want {
			t.Errorf("%v are refused by chance: it ends after %d, want %d", c.chance, n, c.want)
		}
	}
}

func TestStartupsSuccessesWeighAgainstRefusals(t *testing.T) {
	s := newStartup()
	s.success(0, 1000) // nothing is in doubt yet
	if s.doubt != 0 {
		t.Errorf("doubt of %v before any refusal", s.doubt)
	}
	s.refusal(0)
	was := s.doubt
	s.success(0, 3)
	if want := was + 3*math.Log(0.7/0.99); !about(s.doubt, want) {
		t.Errorf("doubt of %v after three successes, want %v", s.doubt, want)
	}
	if s.success(0, 7); s.doubt != 0 {
		t.Errorf("doubt of %v after ten successes, want none", s.doubt)
	}
	s.refusal(0.1)
	was = s.doubt
	s.success(0.1, 1)
	if want := was + math.Log(0.7/0.9); !about(s.doubt, want) {
		t.Errorf("doubt of %v where a tenth is refused by chance, want %v", s.doubt, want)
	}
}
