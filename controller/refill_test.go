package controller

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A quota of 300, of which so much is missing so long after t0, and which is whole at a
// time after t0.
type sight struct {
	missing      int64
	after, whole time.Duration
}

func see(r *refill, all ...sight) {
	for _, s := range all {
		r.hear(s.missing, t0.Add(s.after), t0.Add(s.whole))
	}
}

func TestRefillIsKnownByOneRateThroughout(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name   string
		sights []sight
		known  bool
	}{
		{"nothing", nil, false},
		{"one says little", []sight{{100, 0, 20 * s}}, false},
		{"a bucket of 5/s", []sight{{100, 0, 20 * s}, {200, s, 41 * s}}, true},
		{"whatever the order", []sight{{200, s, 41 * s}, {100, 0, 20 * s}}, true},
		{"a bucket that fills", []sight{{200, 0, 40 * s}, {100, 21 * s, 41 * s}}, true},
		{"a bucket that is idle tells nothing", []sight{{200, 0, 40 * s}, {100, 20 * s, 40 * s}, {50, 30 * s, 40 * s}}, false},
		{"a bucket in seconds", []sight{{101, 0, 21 * s}, {203, s, 42 * s}, {290, 2 * s, 60 * s}}, true},
		{"a window", []sight{{100, 0, 60 * s}, {200, 10 * s, 60 * s}, {299, 20 * s, 60 * s}, {50, 61 * s, 120 * s}}, false},
		{"one that always says the same", []sight{{100, 0, 60 * s}, {101, s, 61 * s}, {102, 2 * s, 62 * s}, {103, 3 * s, 63 * s}}, false},
		{"nothing missing", []sight{{0, 0, s}, {0, s, 40 * s}}, false},
		{"a moment that is over", []sight{{100, 0, 20 * s}, {200, 20 * s, 60 * s}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r refill
			see(&r, test.sights...)
			rate := r.rate()
			if (rate > 0) != test.known || test.known && (rate < 4.6 || rate > 5) {
				t.Errorf("rate %v, want %v", rate, test.known)
			}
		})
	}
}

func TestRefillFollowsAnotherRate(t *testing.T) {
	const s = time.Second
	var r refill
	see(&r, sight{100, 0, 20 * s}, sight{200, s, 41 * s})
	odd := sight{200, 10 * s, 110 * s} // 2/s
	see(&r, odd, odd)
	if r.rate() < 4.9 {
		t.Error("given up for two that contradict")
	}
	see(&r, sight{200, s, 41 * s}, odd, odd)
	if r.rate() < 4.9 {
		t.Error("given up though one between agreed")
	}
	see(&r, odd)
	if r.rate() != 0 {
		t.Error("not given up for three in a row")
	}
	see(&r, sight{100, 70 * s, 120 * s}, sight{250, 71 * s, 196 * s})
	if got := r.rate(); got < 1.9 || got > 2 {
		t.Errorf("rate %v, want 2", got)
	}
}

// A window is never taken for a bucket, however it is used and rounded, and a bucket's
// rate is never taken for more than it is.
func TestRefillIsNeverOverrated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		round := rapid.SampledFrom([]time.Duration{1, ms, time.Second}).Draw(t, "rounding")
		limit := rapid.Int64Range(10, 10_000).Draw(t, "limit")
		isWindow := rapid.Bool().Draw(t, "window")
		var server quotaServer = &continuousBucket{limit: limit, rate: float64(limit) / 60, left: float64(limit), at: t0}
		if isWindow {
			server = &fixedWindow{limit: limit, left: limit, length: time.Minute, turn: t0}
		}
		var r refill
		now := t0
		gap := 60e9 / float64(limit) * rapid.Float64Range(0.3, 3).Draw(t, "gap")
		for range 1000 {
			now = now.Add(time.Duration(random.ExpFloat64() * gap))
			_, h := server.arrive(now, 1)
			h.Reset = (h.Reset + round - 1).Truncate(round)
			r.hear(limit-h.Remaining, now, now.Add(h.Reset))
			if rate := r.rate(); isWindow && rate > 0 || rate > float64(limit)/60*(1+1e-6) {
				t.Fatalf("rate %v after %v", rate, now.Sub(t0))
			}
			if math.IsNaN(r.lowest) {
				t.Fatal("no number")
			}
		}
	})
}

// Ten are missing, or nine and a bit, for five seconds, to within a fiftieth.
func TestRefillsBoundsOfOneHint(t *testing.T) {
	var r refill
	lowest, highest := r.bounds(10, 5)
	if !about(lowest, 9./5) || !about(highest, 10/(5-0.102)) {
		t.Errorf("from %v to %v, want %v to %v", lowest, highest, 9./5, 10/(5-0.102))
	}
	if _, highest := r.bounds(10, 0.002); !math.IsInf(highest, 1) {
		t.Errorf("up to %v where the time says nothing, want no bound", highest)
	}
	r.rounded = true
	lowest, highest = r.bounds(10, 5)
	if !about(lowest, 9./6) || !about(highest, 10/(5-1.102)) {
		t.Errorf("in seconds, from %v to %v, want %v to %v", lowest, highest, 9./6, 10/(5-1.102))
	}
}

func TestRefillTakesNoNoteOfNothing(t *testing.T) {
	for _, c := range []sight{{0, 0, time.Second}, {-5, 0, time.Second}, {5, time.Second, time.Second}, {5, 2 * time.Second, time.Second}} {
		var r refill
		if see(&r, c); r != (refill{}) {
			t.Errorf("%+v: %+v, want nothing", c, r)
		}
	}
}
