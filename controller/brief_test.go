package controller

import (
	"testing"
	"time"
)

// TestAResetWithinItsRoundingIsDoubted: a bucket that is full again in 40 ms says 1 as a window of a
// second does. A window is told by each attempt taking one.
func TestAResetWithinItsRoundingIsDoubted(t *testing.T) {
	for _, c := range []struct {
		name  string
		told  []int64 // by one attempt after another
		reset time.Duration
		known time.Duration // longest reset before
		want  bool
	}{
		{"at first", []int64{15}, time.Second, 0, true},
		{"each took one", []int64{19, 18, 17, 16, 15, 14, 13, 12, 11, 10}, time.Second, 0, false},
		{"it comes back", []int64{19, 18, 17, 16, 18, 17, 16, 15, 17}, time.Second, 0, true},
		{"nothing is left", []int64{0}, time.Second, 0, false},
		{"a longer reset", []int64{15}, 2 * time.Second, 0, false},
		{"the end of a longer window", []int64{15}, time.Second, 5 * time.Second, false},
	} {
		l := &ledger{limit: 20, renewal: renewal{longest: c.known}}
		var got bool
		for i, left := range c.told {
			got = l.brief.doubt(l, Hint{Limit: 20, Remaining: left, Reset: c.reset, Rounding: time.Second}, Mark{number: int64(i + 1)})
		}
		if got != c.want {
			t.Errorf("%s: doubted %v, want %v", c.name, got, c.want)
		}
	}
	l := &ledger{limit: 20}
	if l.brief.doubt(l, Hint{Limit: 20, Remaining: 15, Reset: time.Second}, Mark{number: 1}) {
		t.Error("a reset that is exact is doubted")
	}
}
