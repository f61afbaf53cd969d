package controller

import (
	"slices"
	"testing"
)

// slidingPlant counts as HAProxy's http_req_rate(1s) does: what came in this second, and of
// the one before the share that a window as long as a second still sees. The first second
// begins with the first attempt.
type slidingPlant struct {
	manners
	most      float64
	second    int
	now, past float64
}

func (p *slidingPlant) arrive(now float64) answer {
	for ; p.second < int(now); p.second++ {
		p.past, p.now = p.now, 0
	}
	if p.now+p.past*(1-(now-float64(p.second))) >= p.most {
		return p.refuse(Overload)
	}
	p.now++
	return p.succeed()
}

// TestSeekIsQuickAtASlidingWindow: of ten seconds from a cold start.
func TestSeekIsQuickAtASlidingWindow(t *testing.T) {
	var all []float64
	for seed := range max(*seeds, 20) {
		m := politely(seed)
		m.latency, m.refusal = 0.06, 0.001
		p := &slidingPlant{manners: m, most: 50 * float64(1+seed%8)}
		r := startRun(Seek{}, ample(64))
		r.against(p, 10)
		got := float64(r.successes) / (10 * p.most)
		t.Logf("%.0f a second, seed %d: %.1f%%, %.2f%% wasted", p.most, seed, 100*got, 100*r.wasted())
		all = append(all, got)
		if r.fault != "" {
			t.Error(r.fault)
		}
	}
	slices.Sort(all)
	if median := all[len(all)/2]; median < 0.88 {
		t.Errorf("%.1f%% of the limit at the median, want 88%%", 100*median)
	}
	if all[len(all)/10] < 0.7 {
		t.Errorf("%.1f%% of the limit in one of ten, want 70%%", 100*all[len(all)/10])
	}
}

// Each line is a second: so many attempts in it, and which of them were refused.
func TestLean(t *testing.T) {
	for name, c := range map[string]struct {
		refused []int64 // of 100 attempts in the first second
		pause   float64
		seq     int64 // attempts after ten slow ones, …
		start   float64
		works   float64
		want    float64
	}{
		"a window was used up":          {[]int64{98, 99, 100}, 0, 104, 2, 5, 101.0 / 2},
		"nothing was refused":           {nil, 0, 104, 2, 5, 0},
		"refused by chance":             {[]int64{50, 70, 100}, 0, 104, 2, 5, 0},
		"refused just now":              {[]int64{98, 99, 100}, 0, 104, 1.2, 5, 0},
		"hardly anything accepted":      {[]int64{98, 99, 100}, 0, 102, 2, 5, 0},
		"not much more than what works": {[]int64{98, 99, 100}, 0, 104, 2, 40, 0},
		"asked for a pause":             {[]int64{98, 99, 100}, 1, 104, 2, 5, 0},
		"long ago":                      {[]int64{98, 99, 100}, 0, 104, 21, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var d delivery
			for _, seq := range c.refused {
				start := float64(seq) / 100
				d.add(refusal{seq, start, start, c.pause})
			}
			var l lean
			if got := l.rate(attempt{c.seq, c.start}, &d, c.works, 0.05); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if c.want > 0 {
				if got := l.rate(attempt{c.seq + 1, c.start + 0.01}, &d, c.works, 0.05); got != 0 {
					t.Errorf("got %v at once afterwards, want 0", got)
				}
			}
		})
	}
}

func TestLongestRun(t *testing.T) {
	var d delivery
	for _, seq := range []int64{1, 2, 3, 5, 7, 8} {
		d.add(refusal{seq: seq})
	}
	for after, want := range map[int64]int{0: 3, 1: 2, 3: 2, 7: 1, 8: 0} {
		if got := d.longestRun(after); got != want {
			t.Errorf("after %d: got %d, want %d", after, got, want)
		}
	}
}
