package main

import (
	"time"
)

// An outcome is how well a contestant did at one service.
type outcome struct {
	Number   int // of the service
	About    string
	Goodput  float64         // as a share of the oracle's
	Wasted   float64         // attempts that were refused or failed, as a share of all
	Beyond   float64         // of these, those that neither chance nor the job is to blame for, as a share of all
	Lost     int             // good jobs
	TooOften int             // jobs that failed more often than they may be tried
	Good     float64         // how long good jobs took, as a multiple of what they need; 0: jobs without end
	All      float64         // the same of all jobs
	Slow     float64         // the 99th percentile of the latency, as a multiple of that without a queue
	Jain     float64         // fairness between the clients
	Down, Up []time.Duration // how long it took to adapt to each change of the service's limit
}

func assess(s scenario, t *tally) outcome {
	o := outcome{
		About:    s.about,
		Goodput:  float64(t.succeeded) / s.oracle,
		Lost:     t.lost,
		TooOften: t.tooOften,
		Slow:     float64(t.took.quantile(0.99)) / float64(s.latency.p99()),
		Jain:     jain(t.each),
	}
	if wasted := t.refused + t.failed; wasted > 0 {
		o.Wasted = float64(wasted) / float64(wasted+t.succeeded)
		o.Beyond = float64(wasted-t.excused) / float64(wasted+t.succeeded)
	}
	if s.rows != nil {
		o.Good = multipleOf(s.reference.lastGood, t.back.lastGood, t.back.good, s.rows.good(), s.length)
		o.All = multipleOf(s.reference.lastAll, t.back.lastAll, t.back.all, s.rows.total(), s.length)
		o.Goodput = min(1/o.Good, 1) * (1 - float64(t.lost)/float64(s.rows.good()))
	}
	o.Down, o.Up = adaptations(s, t.beats)
	return o
}

// multipleOf is how many times as long as the reference it took until the last of so many jobs was back. Where not all
// are back by the end, the others are taken to come as fast as those did.
func multipleOf(reference, took time.Duration, back, total int, length time.Duration) float64 {
	if back < total {
		took = time.Duration(float64(length) * float64(total) / max(float64(back), 0.5))
	}
	return float64(took) / float64(reference)
}

// jain is Jain's fairness index: 1 if all get the same, 1/n if one gets everything.
func jain(shares []int) float64 {
	sum, squares := 0.0, 0.0
	for _, n := range shares {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// A change is a moment at which the service's limit becomes another one, all at once.
type change struct {
	beat int
	up   bool
	rate float64 // from then on; 0: it is down
}

// sudden is the least factor that makes a change.
const sudden = 1.4

func changes(s scenario, beats int) []change {
	rate := func(i int) float64 {
		now := time.Duration(i) * beat
		if s.service.Truth(now).Down {
			return 0
		}
		return s.rate(now)
	}
	var found []change
	before := rate(0)
	for i := 1; i < beats; i++ {
		now := rate(i)
		if now > before*sudden || now < before/sudden {
			found = append(found, change{beat: i, up: now > before, rate: now})
		}
		before = now
	}
	return found
}

// adaptations returns how long it took until, after each change down, at most a tenth of the attempts of some seconds
// were wasted, or, after each change up, attempts succeeded for some seconds at nine tenths of the rate that the service
// allows. If they never did, it took until the next change.
func adaptations(s scenario, beats []counts) (down, up []time.Duration) {
	all := changes(s, len(beats))
	for i, c := range all {
		end := len(beats)
		if i+1 < len(all) {
			end = all[i+1].beat
		}
		if c.rate == 0 {
			continue // while it is down, there is nothing to adapt to
		}
		span := int(max(time.Second, time.Duration(30/c.rate*float64(time.Second)), 2*s.latency.mean) / beat)
		if c.beat+span+int(10*time.Second/beat) > end {
			continue // too short to tell
		}
		after := beats[c.beat:end]
		if c.up {
			want := int(0.9 * c.rate * float64(span) * beat.Seconds())
			up = append(up, settled(after, span, func(c counts) bool { return int(c.succeeded) >= want }))
		} else {
			down = append(down, settled(after, span, func(c counts) bool { return c.wasted*10 <= c.succeeded+c.wasted }))
		}
	}
	return down, up
}

// settled returns how long it took until a span began whose counts are as they should be.
func settled(beats []counts, span int, good func(counts) bool) time.Duration {
	var sum counts
	for i, b := range beats {
		sum.succeeded += b.succeeded
		sum.wasted += b.wasted
		if i >= span {
			sum.succeeded -= beats[i-span].succeeded
			sum.wasted -= beats[i-span].wasted
		}
		if i >= span-1 && good(sum) {
			return time.Duration(i-span+1) * beat
		}
	}
	return time.Duration(len(beats)) * beat
}
