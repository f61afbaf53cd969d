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
		s.add(0)
	}
	n := 0
	for ; !s.is(); n++ {
		s.add(1)
	}
	if n != 15 {
		t.Errorf("after %d failures in a row, want 15", n)
	}
}

// The first failure is all that is known, so it is usual.
func TestSurgeIsNoneInAServiceThatNeverWorked(t *testing.T) {
	var s surge
	for i := range 1000 {
		if s.add(1); s.is() || s.always != 1 {
			t.Fatalf("after %d failures and no success: %+v, want failures to be usual", i+1, s)
		}
	}
}

func TestSurgeForgetsWhatWasUsualLongAgo(t *testing.T) {
	s := surge{ended: 1024}
	s.add(1)
	if s.ended != 1024 || s.always != 1./1024 || s.lately != 1./64 {
		t.Errorf("got %+v, want one of the last 1024 and one of the last 64", s)
	}
}
