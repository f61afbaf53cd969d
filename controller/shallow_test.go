package controller

import (
	"testing"
	"time"
)

// Hints by when the attempt started, in seconds, how many had started before it, and what was left.
func TestShallowTellsABucketFromAWindow(t *testing.T) {
	type hint struct {
		start     float64
		before    int64
		remaining int64
	}
	for name, test := range map[string]struct {
		hints []hint
		want  bool
	}{
		"a bucket that is soon full again":    {[]hint{{0, 0, 4}, {0.1, 2, 3}, {0.2, 6, 4}, {0.3, 7, 4}}, true},
		"a bucket of which little was used":   {[]hint{{0, 0, 4}, {0.1, 2, 4}, {0.2, 4, 4}}, false},
		"as much, but slowly":                 {[]hint{{0, 0, 4}, {0.6, 4, 4}, {1.2, 8, 4}}, false},
		"a small bucket after each reset":     {[]hint{{0, 0, 19}, {1.1, 20, 19}, {2.2, 40, 19}}, true},
		"other clients take the rest":         {[]hint{{0, 0, 19}, {1.1, 20, 35}, {2.2, 40, 17}, {3.3, 60, 22}}, false},
		"a window":                            {[]hint{{0, 0, 399}, {0.1, 100, 299}, {0.4, 390, 9}, {1.1, 400, 399}}, false},
		"a window that is whole early":        {[]hint{{0, 300, 99}, {0.3, 350, 399}, {0.4, 390, 359}}, false},
		"places that come back one by one":    {[]hint{{0, 0, 1}, {0.1, 5, 1}, {0.2, 10, 1}, {0.3, 15, 1}}, false},
		"it has turned out to be a window":    {[]hint{{0, 0, 4}, {0.1, 2, 3}, {0.2, 6, 4}, {0.3, 7, 4}, {1.4, 8, 399}}, false},
		"a large bucket that flows back fast": {[]hint{{0, 0, 399}, {0.1, 40, 390}, {0.2, 100, 380}, {0.3, 160, 399}}, false},
	} {
		var s shallow
		at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		for _, h := range test.hints {
			s.hear(Hint{Limit: 400, Remaining: h.remaining, Reset: time.Second}, at.Add(time.Duration(h.start*float64(time.Second))), h.before)
		}
		if s.is != test.want {
			t.Errorf("%s: got %v, want %v", name, s.is, test.want)
		}
	}
}
