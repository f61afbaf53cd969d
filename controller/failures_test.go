package controller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// t0 is when the tests of the machines begin. None of them looks at a clock.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestFailureWindowCountsWhatIsYoungerThanTheWindow(t *testing.T) {
	f := newFailureWindow(3, time.Minute)
	f.add(t0)
	f.add(t0.Add(30 * time.Second))
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{30 * time.Second, 2}, {time.Minute - 1, 2}, {time.Minute, 1}, {90 * time.Second, 0}} {
		if got := f.count(t0.Add(c.at)); got != c.want {
			t.Errorf("after %v: got %d failures, want %d", c.at, got, c.want)
		}
	}
}

// The reference remembers every failure there ever was.
func TestFailureWindowAgreesWithAListOfAllFailures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 5).Draw(t, "most")
		f, now := newFailureWindow(most, time.Second), t0
		var all []time.Time
		t.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				f.add(now)
				all = append(all, now)
			},
			"clear": func(*rapid.T) {
				f.clear()
				all = nil
			},
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "quarters")) * time.Second / 4)
			},
			"": func(t *rapid.T) {
				want := 0
				for _, at := range all {
					if now.Sub(at) < time.Second {
						want++
					}
				}
				if got := f.count(now); got != min(want, most) {
					t.Fatalf("got %d failures, want %d", got, min(want, most))
				}
			},
		})
	})
}
