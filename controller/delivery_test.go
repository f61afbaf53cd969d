package controller

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// told returns the delivery of these numbers, each a second after the one before.
func told(seqs ...int64) *delivery {
	rs := &delivery{}
	for _, seq := range seqs {
		rs.add(refusal{seq, float64(seq), float64(seq) + 0.5, 0, false})
	}
	return rs
}

func TestRefusalsAreInTheOrderOfTheirStarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := &delivery{}
		seqs := rapid.SliceOfN(rapid.Int64Range(1, 2000), 0, 600).Draw(t, "seqs")
		for _, seq := range seqs {
			rs.add(refusal{seq, float64(seq), 2000, 0, false})
			if len(rs.list) > memory {
				t.Fatalf("%d are kept, want at most %d", len(rs.list), memory)
			}
		}
		slices.Sort(seqs)
		want := seqs[max(len(seqs)-memory, 0):]
		for i, r := range rs.list {
			if r.seq != want[i] || r.start != float64(want[i]) {
				t.Fatalf("the %dth is %+v, want number %d", i, r, want[i])
			}
		}
		if len(rs.list) != len(want) {
			t.Fatalf("%d are kept, want %d", len(rs.list), len(want))
		}
	})
}

func TestRefusalsStayWithinTheirMemory(t *testing.T) {
	rs := &delivery{}
	for seq := range int64(100_000) {
		rs.add(refusal{seq, 0, 0, 0, false})
	}
	if cap(rs.list) > 4*memory {
		t.Errorf("room for %d, want about %d", cap(rs.list), memory)
	}
}

func TestRefusalsRunEndsWithWhatWasAccepted(t *testing.T) {
	for _, c := range []struct {
		seqs []int64
		want int
	}{
		{nil, 0}, {[]int64{7}, 1}, {[]int64{7, 8, 9}, 3}, {[]int64{1, 2, 4, 5, 6}, 3},
		{[]int64{4, 3}, 2}, // whatever the order in which they are heard of
		{[]int64{1, 3}, 1},
	} {
		if got := told(c.seqs...).run(); len(got) != c.want {
			t.Errorf("refused are %v: a run of %d, want %d", c.seqs, len(got), c.want)
		}
	}
}

func TestRefusalsSayWhatWasAccepted(t *testing.T) {
	rs := told(3, 5, 6, 9)
	for _, c := range []struct{ after, upTo, want int64 }{
		{0, 10, 6}, {3, 9, 3}, {3, 10, 4}, {2, 6, 1}, {5, 6, 0}, {9, 9, 0}, {20, 30, 10},
	} {
		if got := rs.accepted(c.after, c.upTo); got != c.want {
			t.Errorf("after %d up to %d: %d accepted, want %d", c.after, c.upTo, got, c.want)
		}
	}
}

// Of those in flight when an attempt came, the service works on all but those that
// it has refused already.
func TestRefusalsSayWhatTheServiceWorkedOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		type try struct {
			refusal
			refused bool
			workOn  int // by the service when it came, itself included
			flying  int
		}
		var all []try
		now := 0.0
		for seq := range int64(rapid.IntRange(1, 200).Draw(t, "attempts")) {
			now += random.ExpFloat64()
			a := try{refusal: refusal{seq + 1, now, now + 20*random.Float64(), 0, false}, refused: random.IntN(3) == 0, workOn: 1, flying: 1}
			for _, b := range all {
				if b.end > now {
					a.flying++
					if !b.refused {
						a.workOn++
					}
				}
			}
			all = append(all, a)
		}
		slices.SortFunc(all, func(a, b try) int { return cmp.Compare(a.end, b.end) })
		rs := &delivery{}
		for i, a := range all {
			unheard := 0 // refused before it came, but not heard of yet
			for _, b := range all[i:] {
				if b.refused && b.seq < a.seq {
					unheard++
				}
			}
			if got, want := rs.atWork(a.seq, a.start, a.flying), a.workOn+unheard; got != want {
				t.Fatalf("number %d: %d worked on, want %d of %d in flight", a.seq, got, want, a.flying)
			}
			if a.refused {
				rs.add(a.refusal)
			}
		}
	})
}

func TestRefusalsNeverSayThatNothingWasWorkedOn(t *testing.T) {
	rs := &delivery{}
	for seq := range int64(10) {
		rs.add(refusal{seq, 0, 10, 0, false})
	}
	if got := rs.atWork(20, 5, 3); got != 1 {
		t.Errorf("%d worked on, want the attempt itself", got)
	}
}

// What a bucket is given is below the bound, whatever its burst and whenever attempts
// are sent and heard of. It must not have been full, though, since what it is given
// then is lost.
func TestRefusalsBoundAnyBucketsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := math.Exp(rapid.Float64Range(-2, 7).Draw(t, "log rate"))
		burst := math.Exp(rapid.Float64Range(0, 4).Draw(t, "log burst"))
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		press := rapid.Float64Range(0.7, 5).Draw(t, "press") // so many times as fast as it allows
		latency := rapid.Float64Range(0, 30).Draw(t, "latency")
		now, tokens := 0.0, burst
		var heard []refusal
		for seq := range int64(rapid.SampledFrom([]int{3, 30, 600}).Draw(t, "attempts")) {
			gap := random.ExpFloat64() / rate / press
			if len(heard) > 0 {
				gap = min(gap, (burst-tokens)/rate)
			}
			now += gap
			tokens = min(tokens+gap*rate, burst)
			if tokens >= 1 {
				tokens--
				continue
			}
			heard = append(heard, refusal{seq, now, now + latency/rate*random.Float64(), 0, false})
		}
		slices.SortFunc(heard, func(a, b refusal) int { return cmp.Compare(a.end, b.end) })
		rs := &delivery{episode: math.Inf(1)}
		for _, r := range heard {
			rs.add(r)
			if bound := rs.bound(0); bound < rate*(1-1e-9) {
				t.Fatalf("at most %v/s, but it is %v/s", bound, rate)
			}
		}
	})
}

func TestRefusalsBoundComesCloseToTheRate(t *testing.T) {
	rs, tokens := &delivery{episode: math.Inf(1)}, 5.0
	for seq := range int64(2000) { // 55 a second where there are 50
		if tokens = min(tokens+50.0/55, 5); tokens >= 1 {
			tokens--
			continue
		}
		rs.add(refusal{seq, float64(seq) / 55, float64(seq) / 55, 0, false})
	}
	if bound := rs.bound(0); bound < 50 || bound > 50.1 {
		t.Errorf("at most %v/s, want hardly more than 50", bound)
	}
}

func TestRefusalsBoundIsOnlyOfTheRateThatHolds(t *testing.T) {
	rs := told(1, 11, 21) // nine accepted in between, in ten seconds
	rs.episode = 21
	if bound := rs.bound(0); bound != 19.0/20 {
		t.Errorf("at most %v/s, want 18 and one in 20 s", bound)
	}
	if bound := rs.bound(2); bound != 1 {
		t.Errorf("since 2 s at most %v/s, want 9 and one in 10 s", bound)
	}
	if bound := rs.bound(12); !math.IsInf(bound, 1) {
		t.Errorf("since 12 s at most %v/s, want nothing known of one refusal", bound)
	}
	rs.episode = 5 // the second belongs to the storm that has begun then
	if bound := rs.bound(0); bound != 19.0/20 {
		t.Errorf("at most %v/s, want 18 and one in 20 s", bound)
	}
	rs.episode = 0
	if bound := rs.bound(0); !math.IsInf(bound, 1) {
		t.Errorf("within a storm at most %v/s, want nothing known", bound)
	}
}

// given returns the delivery of these refusals.
func given(rs ...refusal) *delivery {
	d := &delivery{}
	for _, r := range rs {
		d.add(r)
	}
	return d
}

func TestDeliveryKeepsTheNewestRefusals(t *testing.T) {
	d := &delivery{}
	for seq := range int64(300) {
		d.add(refusal{seq: seq})
	}
	if len(d.list) != 256 || d.list[0].seq != 44 || d.list[255].seq != 299 {
		t.Errorf("%d, from %d; want 256 from 44 on", len(d.list), d.list[0].seq)
	}
	if d.forget(); len(d.run()) != 0 || d.accepted(0, 1000) != 1000 {
		t.Error("something is left of them")
	}
}

func TestDeliverysBoundCountsOnlyTheTimeThatWasOpen(t *testing.T) {
	newest := refusal{41, 0.75, 0.75, 0, false}
	for _, c := range []struct {
		name           string
		pause          float64
		since, episode float64
		want           float64
	}{
		{"no pause", 0, 0, 0.75, 80},
		{"paused for half of it", 0.25, 0, 0.75, 160},
		{"paused until now", 0.5, 0, 0.75, math.Inf(1)},
		{"nobody kept to the pause", 0.75, 0, 0.75, 80},
		{"from before what counts", 0, 0.3, 0.75, math.Inf(1)},
		{"since just then", 0, 0.25, 0.75, 80},
		{"the beginning of an episode", 0, 0, 0.25, 80},
		{"the middle of an episode", 0, 0, 0.2, math.Inf(1)},
	} {
		d := given(refusal{1, 0.25, 0.25, c.pause, false}, newest)
		d.episode = c.episode
		if got := d.bound(c.since); got != c.want {
			t.Errorf("%s: at most %v/s, want %v", c.name, got, c.want)
		}
	}
}

func TestDeliveryBetweenPauses(t *testing.T) {
	for _, c := range []struct {
		name                  string
		of                    []refusal
		a                     attempt
		since                 float64
		least, most, accepted float64
	}{
		{"one pause", []refusal{{1, 90, 90, 2, false}}, attempt{41, 100}, 0, 4, 41. / 8, 40},
		{"a pause begins when it is heard of", []refusal{{1, 90, 91, 2, false}}, attempt{41, 100}, 0, 4, 41. / 8, 40},
		{"all of it a pause", []refusal{{1, 90, 90, 10, false}}, attempt{41, 100}, 0, 4, math.Inf(1), 40},
		{"two, if one says little", []refusal{{1, 80, 80, 2, false}, {11, 90, 90, 2, false}}, attempt{21, 100}, 0, 19. / 20, 20. / 16, 19},
		{"one, if that says enough", []refusal{{1, 80, 80, 2, false}, {11, 90, 90, 2, false}}, attempt{31, 100}, 0, 2, 21. / 8, 20},
		{"of pauses that overlap, each second counts once", []refusal{{1, 80, 80, 12, false}, {11, 90, 90, 2, false}}, attempt{21, 100}, 0, 19. / 20, 20. / 8, 19},
		{"one without a pause is only refused", []refusal{{1, 90, 90, 2, false}, {7, 95, 95, 0, false}}, attempt{41, 100}, 0, 3.9, 40. / 8, 39},
		{"since then", []refusal{{1, 90, 90, 2, false}}, attempt{41, 100}, 90, 4, 41. / 8, 40},
	} {
		least, most, accepted, ok := given(c.of...).between(c.a, c.since, math.Inf(1))
		if !ok || least != c.least || most != c.most || accepted != c.accepted {
			t.Errorf("%s: %v to %v/s by %v, %v; want %v to %v by %v", c.name, least, most, accepted, ok, c.least, c.most, c.accepted)
		}
	}
	for _, c := range []struct {
		name  string
		of    refusal
		since float64
	}{
		{"from before what counts", refusal{1, 90, 90, 2, false}, 90.1},
		{"without a pause", refusal{1, 90, 90, 0, false}, 0},
		{"of the attempt itself", refusal{41, 90, 90, 2, false}, 0},
		{"of a later one", refusal{42, 90, 90, 2, false}, 0},
		{"whose pause is not over", refusal{1, 90, 90, 10.1, false}, 0},
	} {
		if least, most, accepted, ok := given(c.of).between(attempt{41, 100}, c.since, math.Inf(1)); ok || least != 0 || most != 0 || accepted != 0 {
			t.Errorf("one %s: %v to %v/s by %v, want nothing known", c.name, least, most, accepted)
		}
	}
}

// A pause is from the first refusal that is heard of, whichever started first, to the end of the last one's. A
// rate of 27/s was taken for 16 where four were refused before the first of them was heard of.
func TestDeliveryCountsEachPauseOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		of   []refusal
		want float64 // seconds of 20 that were open
	}{
		{"one after the other's is over", []refusal{{11, 90, 90, 2, false}, {1, 80, 95, 2, false}}, 16},
		{"heard of in their order", []refusal{{11, 90, 91, 2, false}, {1, 80, 90, 2, false}}, 17},
		{"heard of in another order", []refusal{{11, 90, 90, 2, false}, {1, 80, 91, 2, false}}, 17},
		{"within the other's", []refusal{{11, 90, 90, 4, false}, {1, 80, 91, 2, false}}, 16},
		{"at once", []refusal{{11, 90, 90, 2, false}, {1, 80, 90, 2, false}}, 18},
	} {
		if _, most, _, _ := given(c.of...).between(attempt{21, 100}, 0, math.Inf(1)); !about(most, 20/c.want) {
			t.Errorf("%s: at most %v/s, want 20 in the %v s that were open", c.name, most, c.want)
		}
	}
}

func TestDeliveryFindsTheNewestPauseThatWasWaitedOut(t *testing.T) {
	d := given(refusal{1, 70, 70, 1, false}, refusal{10, 80, 80, 5, false}, refusal{20, 90, 90, 0, false}, refusal{30, 95, 95, 2, false})
	for _, c := range []struct {
		a    attempt
		want int64
	}{
		{attempt{50, 100}, 30},
		{attempt{50, 97}, 30},
		{attempt{50, 96.9}, 10},
		{attempt{30, 97}, 10}, // not its own
		{attempt{31, 97}, 30},
		{attempt{10, 85}, 1},
		{attempt{1, 100}, 0},
		{attempt{50, 70.9}, 0},
	} {
		r, ok := d.before(c.a)
		if r.seq != c.want || ok != (c.want > 0) {
			t.Errorf("%+v: number %d, %v; want %d", c.a, r.seq, ok, c.want)
		}
	}
}

func TestDeliveryIsSolidIfNextToNothingGetsThrough(t *testing.T) {
	but := func(n int, accepted ...int64) (seqs []int64) {
		for seq := range int64(n) {
			if !slices.Contains(accepted, seq) {
				seqs = append(seqs, seq)
			}
		}
		return seqs
	}
	for _, c := range []struct {
		name    string
		seqs    []int64
		episode float64
		want    bool
	}{
		{"nothing", nil, 0, false},
		{"four", but(4), 0, true},
		{"three", but(3), 0, false},
		{"nineteen of twenty", but(20, 7), 0, true},
		{"eighteen of nineteen", but(19, 7), 0, false},
		{"four since the episode began", but(20, 3, 5, 7, 9, 11), 16, true},
		{"three since the episode began", but(20, 3, 5, 7, 9, 11), 17, false},
	} {
		d := told(c.seqs...)
		d.episode = c.episode
		if d.solid(0.1) != c.want {
			t.Errorf("%s: solid is %v", c.name, !c.want)
		}
	}
}

// Where refusals ask for a pause, few attempts start until that is heard of.
func TestDeliveryIsSolidSoonerWhereRefusalsAskForAPause(t *testing.T) {
	for _, c := range []struct {
		n      int
		pause  float64
		excess float64
		want   bool
	}{
		{3, 1, 0.1, true}, {3, 0, 0.1, false}, {2, 1, 0.1, false}, {3, 1, 0.11, false}, {4, 1, 0.9, true}, {1, 1, 0.01, false},
	} {
		var d delivery
		for i := range c.n {
			d.add(refusal{int64(i + 1), float64(i), float64(i), c.pause, false})
		}
		if d.solid(c.excess) != c.want {
			t.Errorf("%d in a row that ask for %v s, %v too much: solid is %v", c.n, c.pause, c.excess, !c.want)
		}
	}
}
