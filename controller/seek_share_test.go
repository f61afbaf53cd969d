package controller

import (
	"container/heap"
	"math"
	"testing"
)

// next returns when something happens next in a run: an attempt starts, or one ends.
func (r *run) next() (at float64, starts, paced bool) {
	due := max(r.started+r.setting.Interval.Seconds(), r.paused)
	switch {
	case len(r.inFlight) >= r.setting.Limit:
		due = math.Inf(1)
	case due <= r.now:
		return r.now, true, false
	default:
		paced = r.started+r.setting.Interval.Seconds() >= r.paused
	}
	if len(r.inFlight) > 0 && r.inFlight[0].end <= due {
		return r.inFlight[0].end, false, false
	}
	return due, true, paced
}

// share runs several runs against one plant until a time.
func share(runs []*run, p plant, until float64) {
	for {
		var next *run
		at, starts, paced := math.Inf(1), false, false
		for _, r := range runs {
			if t, s, p := r.next(); t < at {
				next, at, starts, paced = r, t, s, p
			}
		}
		for _, r := range runs {
			r.now = max(r.now, min(at, until))
		}
		switch {
		case at > until:
			return
		case starts:
			next.start(p.arrive(at), paced)
		default:
			next.end(heap.Pop(&next.inFlight).(flight))
		}
	}
}

// TestSeekSharesABucketWithOthers: five minutes after two or three began at a bucket at the
// same moment, the least of two gets half of what the most does, or more, in most cases,
// and of three in some. One that has fallen far behind is refused nearly as often as one at
// full speed, and may stay there.
func TestSeekSharesABucketWithOthers(t *testing.T) {
	for clients, unlucky := range map[int]float64{2: 0.5, 3: 0.75} {
		unfair := 0
		const enough = 24 // to tell a share of them from chance; with fewer, each for itself is looked at
		all := seedsOf(enough)
		for seed := range all {
			p := &bucketPlant{manners: politely(seed), rate: constant(100), burst: 20}
			var runs []*run
			for i := range clients {
				r := startRun(Seek{}, ample(64))
				r.paused = 0.3 * float64(i)
				runs = append(runs, r)
			}
			share(runs, p, 300)
			for _, r := range runs {
				r.forget()
			}
			share(runs, p, 600)
			least, most, sum := math.Inf(1), 0.0, 0.0
			for _, r := range runs {
				got := float64(r.successes)
				least, most, sum = min(least, got), max(most, got), sum+got
				if r.fault != "" {
					t.Error(r.fault)
				}
			}
			t.Logf("%d clients, seed %d: %.1f%% of what could be had, the least %.0f%% of the most", clients, seed, sum/300, 100*least/most)
			if least < 0.5*most {
				unfair++
			}
			if sum < 0.9*300*100 {
				t.Errorf("%d clients, seed %d: %.1f%% of what could be had, want 90%%", clients, seed, sum/300)
			}
		}
		if most := unlucky * float64(all); all >= enough && float64(unfair) > most {
			t.Errorf("%d clients: the least gets less than half of the most in %d of %d cases, want at most %.0f", clients, unfair, all, most)
		}
	}
}
