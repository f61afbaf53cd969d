package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fixed is a latency of 100 ms.
func fixed() latency {
	return latency{rand.New(rand.NewPCG(1, 2)), 100 * time.Millisecond, 0}
}

func TestBadRowsStandWhereTheyAreSaidTo(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	seen := make(map[string]bool)
	for range 500 {
		n := 1 + random.IntN(50)
		bad := 1 + random.IntN(n)
		all, where := arrange(random, n, bad)
		seen[where] = true
		blocks, marked := 0, 0
		for i, b := range all {
			if b {
				marked++
			}
			if b && (i == 0 || !all[i-1]) {
				blocks++
			}
		}
		if len(all) != n || marked != bad {
			t.Fatalf("%s: got %d of %d bad, want %d of %d", where, marked, len(all), bad, n)
		}
		switch {
		case where == "as a block" && blocks != 1,
			where == "at the start" && (blocks != 1 || !all[0]),
			where == "at the end" && (blocks != 1 || !all[n-1]),
			where == "as several blocks" && blocks > 5:
			t.Fatalf("%s: got %d blocks of %v", where, blocks, all)
		}
	}
	if len(seen) != 5 {
		t.Errorf("got %v, want five ways", seen)
	}
}

func TestABadRowFailsWhateverItTakes(t *testing.T) {
	bucket := newBucket(manners{latency: fixed()}, constant(1), 2)
	p := &poison{service: bucket, manners: manners{latency: fixed()}, status: failed}
	want := []answer{
		{After: 100 * time.Millisecond, Status: failed, Fault: byJob},
		{After: 100 * time.Millisecond, Status: ok},
		{After: 100 * time.Millisecond, Status: refused}, // also a bad one takes what there is
	}
	for i, bad := range []bool{true, false, true} {
		if got := p.Arrive(0, job{bad: bad}); got != want[i] {
			t.Errorf("attempt %d: got %+v, want %+v", i, got, want[i])
		}
	}
	p.status = refused
	if got := p.Arrive(0, job{bad: true}); got.Status != refused || got.Fault != byJob {
		t.Errorf("got %+v, want that the job is refused, by its own fault", got)
	}
}

func TestChanceTakesItsShare(t *testing.T) {
	for _, as := range []status{refused, failed} {
		bucket := newBucket(manners{latency: fixed()}, constant(1), 10_000)
		share := func(now time.Duration) float64 { return now.Seconds() / 100 }
		c := &chance{service: bucket, manners: manners{latency: fixed()}, share: share, status: as}
		for _, at := range []time.Duration{0, 5 * time.Second, 10 * time.Second} {
			unlucky := 0
			before := bucket.tokens
			for range 2000 {
				a := c.Arrive(at, job{})
				if a.Status != ok && (a.Status != as || a.Fault != byChance) {
					t.Fatalf("got %+v, want %s by chance", a, as)
				}
				if a.Status == as {
					unlucky++
				}
			}
			if got, want := float64(unlucky)/2000, share(at); math.Abs(got-want) > 0.02 {
				t.Errorf("%s after %v: got %v, want %v", as, at, got, want)
			}
			took := 2000
			if as == refused {
				took -= unlucky // what is refused has not been worked on
			}
			if got := before - bucket.tokens; math.Abs(got-float64(took)) > 6 { // it fills meanwhile
				t.Errorf("%s after %v: the bucket gave %v, want %d", as, at, got, took)
			}
		}
	}
}

func TestAHostedModelHasTwoQuotas(t *testing.T) {
	h := &hosted{
		manners:  manners{latency: fixed(), hints: detailed},
		requests: quota{requests, 60, 60},
		tokens:   quota{tokens, 6000, 6000},
	}
	a := h.Arrive(0, job{tokens: 5900})
	if a.Status != ok || a.Hint.Remaining != 59 || !a.Hint.Requests || a.Other.Remaining != 100 || a.Other.Requests {
		t.Errorf("got %+v, want it accepted, 59 requests and 100 tokens left", a)
	}
	if a = h.Arrive(0, job{tokens: 200}); a.Status != refused || a.Hint.RetryAfter != time.Second {
		t.Errorf("got %+v, want it refused, and a second until there are 200 tokens", a)
	}
	if a = h.Arrive(time.Second, job{tokens: 200}); a.Status != ok {
		t.Errorf("got %+v, want it accepted when it was told", a)
	}
	now := time.Minute
	h.Arrive(now, job{})
	for range 59 {
		a = h.Arrive(now, job{tokens: 1})
	}
	if a.Status != ok || a.Hint.Remaining != 0 || a.Hint.Reset != time.Minute {
		t.Errorf("got %+v, want that the requests are used up until a minute later", a.Hint)
	}
	if a = h.Arrive(now, job{tokens: 1}); a.Status != refused || a.Hint.RetryAfter != time.Second {
		t.Errorf("got %+v, want it refused for a second", a)
	}
}

func TestEachRefusalAsksForThePause(t *testing.T) {
	b := newBucket(manners{latency: fixed(), hints: pausing, pause: 7 * time.Second}, constant(10), 1)
	if a := b.Arrive(0, job{}); a.Hint != nil {
		t.Errorf("got %+v, want that a success asks for nothing", a.Hint)
	}
	for range 3 {
		if a := b.Arrive(0, job{}); a.Hint == nil || a.Hint.RetryAfter != 7*time.Second {
			t.Errorf("got %+v, want that each refusal asks for 7 s", a)
		}
	}
}

func TestAStallRefusesEverything(t *testing.T) {
	s := &stalling{service: &noise{manners: manners{latency: fixed()}}, manners: manners{latency: fixed()},
		stalls: spells{{time.Second, 2 * time.Second}, {5 * time.Second, 6 * time.Second}}}
	for _, c := range []struct {
		at   float64 // seconds
		down bool
	}{{0, false}, {1, true}, {1.5, true}, {2, false}, {5.5, true}, {7, false}} {
		at := time.Duration(c.at * float64(time.Second))
		if got := s.Arrive(at, job{}).Status == refused; got != c.down || s.Truth(at).Down != c.down {
			t.Errorf("after %v: refused %v, down %v; want %v", at, got, s.Truth(at).Down, c.down)
		}
	}
}

func TestHowLongWhoObeysDoesNothing(t *testing.T) {
	second := time.Second
	stall := spells{{10 * second, 13 * second}}
	for _, c := range []struct{ heard, pause, want time.Duration }{
		{0, second, 3 * second},            // it asks after 1, 2 and 3 s
		{0, 2 * second, 4 * second},        // after 2 and 4 s
		{0, 60 * second, 60 * second},      // once
		{second, 10 * second, 12 * second}, // what was sent before the first was heard of is heard of a second later
		{5 * second, second, 7 * second},   // 3 s refused; then for as long as refusals are heard of, and the pause
	} {
		if got := stall.obeyed(c.heard, c.pause, 100*second); got != c.want {
			t.Errorf("heard of after %v, pause of %v: got %v, want %v", c.heard, c.pause, got, c.want)
		}
	}
	two := spells{{10 * second, 13 * second}, {20 * second, 23 * second}}
	if got := two.obeyed(0, 15*second, 100*second); got != 15*second {
		t.Errorf("got %v, want 15 s, since the second one is slept through", got)
	}
}

func TestASlidingWindow(t *testing.T) {
	const second = time.Second
	accepted := func(w *sliding, at time.Duration, attempts int) (n int) {
		for range attempts {
			if w.Arrive(at, job{}).Status == ok {
				n++
			}
		}
		return n
	}
	for _, counted := range []bool{false, true} {
		w := &sliding{manners: manners{latency: fixed()}, period: second, most: 100, deniedCount: counted}
		got := []int{
			accepted(w, 0, 150),                 // a whole window at once
			accepted(w, second, 150),            // all of it still seen
			accepted(w, second+second/2, 150),   // half of what was counted in the first
			accepted(w, 4*second, 150),          // long after
			accepted(w, 5*second+second/4, 150), // a quarter of a period later
		}
		want := []int{100, 0, 50, 100, 25}
		if counted { // 150 in the first period, 300 in the second
			want = []int{100, 0, 0, 100, 0}
		}
		if !slices.Equal(got, want) {
			t.Errorf("denied ones count %v: got %v accepted, want %v", counted, got, want)
		}
	}
}

func TestASteadyRateBelowTheLimitFitsASlidingWindow(t *testing.T) {
	for _, c := range []struct {
		rate  time.Duration // a second
		least int
		most  int
	}{{98, 0, 0}, {110, 100, 400}} {
		refusals := 0
		w := &sliding{manners: manners{latency: fixed()}, period: time.Second, most: 100}
		for i := range 3000 {
			if w.Arrive(time.Duration(i)*time.Second/c.rate, job{}).Status == refused {
				refusals++
			}
		}
		if refusals < c.least || refusals > c.most {
			t.Errorf("%d a second, where 100 are allowed: got %d of 3000 refused, want %d to %d", c.rate, refusals, c.least, c.most)
		}
	}
}
