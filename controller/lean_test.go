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
	most      func(now float64) float64
	length    float64 // of a window, if it is not a second
	second    int
	now, past float64
}

func (p *slidingPlant) arrive(now float64) answer {
	most := p.most(now)
	now /= max(p.length, 1)
	for ; p.second < int(now); p.second++ {
		p.past, p.now = p.now, 0
	}
	if p.now+p.past*(1-(now-float64(p.second))) >= most {
		return p.refuse(Overload)
	}
	p.now++
	return p.succeed()
}

// TestSeekIsQuickAtASlidingWindow: of ten seconds from a cold start, at one limit, and at one
// that falls to two fifths after three seconds and is 1.2 after six.
func TestSeekIsQuickAtASlidingWindow(t *testing.T) {
	for _, c := range []struct {
		name        string
		levels      [3]float64
		mean        float64 // of the limit
		median, low float64 // goodput as a share, the second in one of ten
	}{
		{"one limit", [3]float64{1, 1, 1}, 1, 0.94, 0.85},
		{"steps", [3]float64{1, 0.4, 1.2}, 0.9, 0.8, 0.68},
	} {
		var all []float64
		for seed := range uint64(40) { // also under the race detector: of ten, one of ten is the worst but one
			m := politely(seed)
			m.latency, m.refusal = 0.06, 0.001
			first := 50 * float64(1+seed%8)
			p := &slidingPlant{manners: m, most: func(now float64) float64 { return first * c.levels[min(int(now/3), 2)] }}
			r := startRun(Seek{}, ample(64))
			r.against(p, 10)
			got := float64(r.successes) / (10 * first * c.mean)
			t.Logf("%s, %.0f a second, seed %d: %.1f%%, %.2f%% wasted", c.name, first, seed, 100*got, 100*r.wasted())
			all = append(all, got)
			if r.fault != "" {
				t.Error(r.fault)
			}
		}
		slices.Sort(all)
		t.Logf("%s: %.1f%% in one of ten, %.1f%% at the median", c.name, 100*all[len(all)/10], 100*all[len(all)/2])
		if median := all[len(all)/2]; median < c.median {
			t.Errorf("%s: %.1f%% of the limit at the median, want %.0f%%", c.name, 100*median, 100*c.median)
		}
		if low := all[len(all)/10]; low < c.low {
			t.Errorf("%s: %.1f%% of the limit in one of ten, want %.0f%%", c.name, 100*low, 100*c.low)
		}
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
				d.add(refusal{seq, start, start, c.pause, false})
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

// A hundred and four are sent in two seconds, of which three were refused one after
// another a second ago.
func TestLeanNeedsEnoughToGoBy(t *testing.T) {
	for _, c := range []struct {
		name        string
		since       attempt
		seqs        []int64 // refused at 51
		a           attempt
		works, echo float64
		want        float64
	}{
		{"enough", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 52}, 5, 0.05, 50.5},
		{"twenty seconds", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 70}, 1, 0.05, 5.05},
		{"more than twenty seconds", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 70.1}, 1, 0.05, 0},
		{"twenty sent", attempt{184, 50}, []int64{198, 199, 200}, attempt{204, 52}, 5, 0.05, 8.5},
		{"nineteen sent", attempt{185, 50}, []int64{198, 199, 200}, attempt{204, 52}, 5, 0.05, 0},
		{"quiet for 0.3 s", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 51.3125}, 5, 0.05, 101 / 1.3125},
		{"quiet for less", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 51.25}, 5, 0.05, 0},
		{"quiet for three round trips", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 51.75}, 5, 0.25, 101 / 1.75},
		{"quiet for less than three round trips", attempt{100, 50}, []int64{198, 199, 200}, attempt{204, 51.6875}, 5, 0.25, 0},
		{"three since the last refusal", attempt{100, 50}, []int64{198, 199, 200}, attempt{203, 52}, 5, 0.05, 50},
		{"two since the last refusal", attempt{100, 50}, []int64{198, 199, 200}, attempt{202, 52}, 5, 0.05, 0},
		{"half as much again as what works", attempt{100, 50}, []int64{198, 199, 200}, attempt{205, 52}, 34, 0.05, 0},
		{"more than that", attempt{100, 50}, []int64{198, 199, 200}, attempt{205, 52}, 33.9, 0.05, 51},
		{"two in a row", attempt{100, 50}, []int64{197, 199, 200}, attempt{204, 52}, 5, 0.05, 0},
	} {
		var d delivery
		for _, seq := range c.seqs {
			d.add(refusal{seq, 51, 51, 0, false})
		}
		l := lean{since: c.since}
		if got := l.rate(c.a, &d, c.works, c.echo); got != c.want {
			t.Errorf("%s: %v/s, want %v", c.name, got, c.want)
		}
		if anew := l.since == c.a; anew != (c.want > 0 || c.a.start > 70) {
			t.Errorf("%s: the mean begins anew: %v", c.name, anew)
		}
	}
}

func TestLeanAsksForAnEighthOfTheMeanWhileNothingIsGiven(t *testing.T) {
	l := lean{since: attempt{100, 50}}
	for start, want := range map[float64]float64{60: 1, 50: 0, 49: 0, 50.5: 20} {
		if got := l.floor(refusal{seq: 180, start: start}); got != want {
			t.Errorf("refused since %v: %v/s, want %v", start, got, want)
		}
	}
}

func TestSeekCatchesUpWithWhatTheServiceGaveInTheMean(t *testing.T) {
	for _, c := range []struct {
		name string
		but  func(*seek)
		aim  float64
	}{
		{"much less is sent", func(*seek) {}, 50.5},
		{"half of it held back by the pace", func(s *seek) { s.constraint.paced = 0.5 }, 50.5},
		{"the pace does not hold it up", func(s *seek) { s.constraint.paced = 0.49 }, 0},
		{"chance refuses", func(s *seek) { s.chance = knownChance(0.01) }, 0},
		{"not much less is sent", func(s *seek) { s.pace.works = 40 }, 0},
	} {
		s := seekAtRest()
		s.lean.since, s.constraint.paced = attempt{100, 50}, 1
		s.pace.works, s.pace.fails, s.pace.trial, s.pace.growth, s.pace.rested = 5, 120, 6, 0.1, 51
		for seq := range int64(3) {
			s.delivery.add(refusal{198 + seq, 51, 51, 0, false})
		}
		c.but(s)
		s.catchUp(attempt{204, 52})
		if s.pace.aim != c.aim {
			t.Errorf("%s: aims for %v, want %v", c.name, s.pace.aim, c.aim)
		}
		if c.aim > 0 && (s.pace.fails != 101 || s.pace.trial != 0 || s.pace.growth != 0 || s.pace.rested != 0) {
			t.Errorf("%s: %+v, want the trial ended, and another one at once, up to twice as much", c.name, s.pace)
		}
	}
}

// TestSeekHardlyAsksWhereAWindowSaysWhenToComeAgain: a pause is waited out, and nothing is
// sent just to notice its end.
func TestSeekHardlyAsksWhereAWindowSaysWhenToComeAgain(t *testing.T) {
	attempts, refused := 0, 0
	for seed := range seedsOf(10) {
		m := politely(seed)
		m.latency, m.refusal = 0.06, 0.001
		r := startRun(Seek{}, ample(200))
		r.against(&pausingPlant{&slidingPlant{manners: m, most: constant(1500), length: 10}, 1}, 30)
		attempts, refused = attempts+r.attempts, refused+r.attempts-len(r.inFlight)-r.successes
	}
	share := float64(refused) / float64(attempts)
	t.Logf("%.1f%% refused", 100*share)
	if share > 0.05 {
		t.Errorf("%.1f%% refused, want at most 5%%", 100*share)
	}
}
