package controller

import (
	"math"
	"math/rand/v2"
	"testing"
)

// watch has so many attempts take a lognormal time, and returns how many times longer
// they take than is usual.
func (q *queueing) watch(random *rand.Rand, n int, limit, mean, sigma float64) float64 {
	for range n {
		q.add(0, mean*math.Exp(sigma*random.NormFloat64()-sigma*sigma/2))
	}
	return q.longer(limit, 1)
}

func TestQueueingDoesNotTakeNoiseForAQueue(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		var q queueing
		for i := range 10_000 / 64 {
			if longer := q.watch(random, 64, float64(10+i%5), 0.1, 0.5); longer != 1 {
				t.Errorf("seed %d, sample %d: %.2f times longer, though nothing has changed", seed, i, longer)
			}
		}
	}
}

func TestQueueingNoticesThatAttemptsTakeLonger(t *testing.T) {
	for _, c := range []struct{ sigma, times float64 }{{0, 1.3}, {0.2, 1.4}, {0.5, 2}, {0.5, 10}} {
		for seed := range uint64(10) {
			random := rand.New(rand.NewPCG(seed, 0))
			var q queueing
			for range 10 {
				q.watch(random, 64, 10, 0.1, c.sigma)
			}
			if longer := q.watch(random, 64, 20, 0.1*c.times, c.sigma); longer < 0.75*c.times || longer > 1.35*c.times {
				t.Errorf("sigma %v, seed %d: %.2f times longer, want about %v", c.sigma, seed, longer, c.times)
			}
		}
	}
}

func TestQueueingDoesNotMindALittleMore(t *testing.T) {
	var q queueing
	random := rand.New(rand.NewPCG(1, 0))
	q.watch(random, 64, 10, 0.1, 0)
	if longer := q.watch(random, 64, 20, 0.124, 0); longer != 1 {
		t.Errorf("%v times longer, want it not noticed below a quarter", longer)
	}
	if longer := q.watch(random, 64, 20, 0.126, 0); !about(longer, 1.26) {
		t.Errorf("%v times longer, want 1.26", longer)
	}
}

// If attempts take as long with less in flight, it is not for the queue.
func TestQueueingASlowerServiceBecomesUsual(t *testing.T) {
	var q queueing
	random := rand.New(rand.NewPCG(1, 0))
	q.watch(random, 64, 20, 0.1, 0.2)
	if q.watch(random, 64, 20, 0.3, 0.2) == 1 {
		t.Fatal("that they take three times as long is not noticed")
	}
	for i := range 20 { // from the first on, with half as many in flight
		if longer := q.watch(random, 64, 10, 0.3, 0.2); longer != 1 {
			t.Fatalf("sample %d: %v times longer, want that usual", i, longer)
		}
	}
	if q.watch(random, 64, 20, 0.6, 0.2) == 1 {
		t.Error("that they take longer than what is usual now is not noticed")
	}
}

func TestQueueingThatShrinksIsStillAQueue(t *testing.T) {
	var q queueing
	random := rand.New(rand.NewPCG(1, 0))
	q.watch(random, 64, 20, 0.1, 0)
	for _, took := range []float64{0.4, 0.2} {
		if longer := q.watch(random, 64, 20, took, 0); !about(longer, took/0.1) {
			t.Errorf("%v times longer, want %v", longer, took/0.1)
		}
	}
	q.watch(random, 64, 20, 0.1, 0)
	if q.waited != 0 {
		t.Error("the queue has gone, and is not forgotten")
	}
}

// What is usual does not creep up with the limit.
func TestQueueingKeepsWhatWasUsualWithLessInFlight(t *testing.T) {
	var q queueing
	random := rand.New(rand.NewPCG(1, 0))
	q.watch(random, 64, 10, 0.1, 0)
	took := 0.1
	for limit := 11.0; q.watch(random, 64, limit, took, 0) == 1; limit++ {
		if took *= 1.02; took > 0.127 {
			t.Fatalf("attempts take %v, and it is not noticed", took)
		}
	}
}

// One sample alone may be of a moment in which the service was busy with others.
func TestQueueingBelievesInWhatLasts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	var q queueing
	look := func(took float64) float64 {
		for range 64 {
			q.add(0, took*(1+0.1*random.Float64()))
		}
		return q.longer(20, 2)
	}
	for i, c := range []struct {
		took   float64
		notice bool
	}{{0.1, false}, {0.2, false}, {0.1, false}, {0.2, false}, {0.2, true}, {0.1, false}, {0.2, false}, {0.3, true}} {
		if longer := look(c.took); longer > 1 != c.notice {
			t.Errorf("sample %d, %v s: %v times longer, want it noticed: %v", i, c.took, longer, c.notice)
		}
	}
}

func TestQueueingCountsSinceTheFirst(t *testing.T) {
	var q queueing
	q.add(5, 0.1)
	q.add(7, 0.1)
	if q.since != 5 || q.recent.n != 2 {
		t.Errorf("%v since %v, want two since 5", q.recent.n, q.since)
	}
	q.longer(1, 1)
	q.add(9, 0.1)
	if q.since != 9 || q.recent.n != 1 {
		t.Errorf("%v since %v, want one since 9", q.recent.n, q.since)
	}
}

func TestQueueingTakesForUsualOnlyWhatIsSeenWithNoMoreInFlight(t *testing.T) {
	for limit, want := range map[float64]float64{9: 128, 10: 128, 11: 64} {
		var q queueing
		random := rand.New(rand.NewPCG(1, 0))
		q.watch(random, 64, 10, 0.1, 0.1)
		q.watch(random, 64, limit, 0.1, 0.1)
		if q.usual.n != want {
			t.Errorf("with %v in flight: %v are usual, want %v", limit, q.usual.n, want)
		}
	}
}
