package controller

import (
	"testing"
	"time"
)

func TestHeldTimesAddUpByWhatHeld(t *testing.T) {
	var got HeldTimes
	for h := HeldByNothing; h <= HeldByServer+1; h++ {
		got.Add(h, time.Hour)
		got.Add(h, time.Duration(h))
	}
	want := HeldTimes{
		Limit: time.Hour + 1, Pace: time.Hour + 2, Budget: time.Hour + 3,
		Rate: time.Hour + 4, Circuit: time.Hour + 5, Server: time.Hour + 6,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
