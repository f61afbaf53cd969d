package controller

import "testing"

func TestAttemptCountsAreByVerdict(t *testing.T) {
	var got AttemptCounts
	for v, n := range map[Verdict]int{Succeeded: 1, Failed: 2, Overload: 3, Ignored: 4} {
		for range n {
			got.Add(v)
		}
	}
	if want := (AttemptCounts{Succeeded: 1, Failed: 2, Overloaded: 3, Ignored: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
