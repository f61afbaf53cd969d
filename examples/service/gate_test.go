package service

import (
	"math"
	"net/http"
	"testing"
	"time"
)

var noon = time.Date(2026, 6, 21, 12, 0, 0, 0, time.UTC)

// offer sends calls of one token to g every gap from one offset to another,
// each of which is over at once, and counts the statuses.
func offer(g *gate, from, to, gap time.Duration) map[int]int {
	got := map[int]int{}
	for at := from; at < to; at += gap {
		v := g.admit(noon.Add(at), 1)
		got[v.status]++
		if v.accepted() {
			g.release(v, true)
		}
	}
	return got
}

func TestAServiceWithoutLimitsAcceptsEverything(t *testing.T) {
	got := offer(newGate(Config{}), 0, time.Second, time.Millisecond)
	if got[http.StatusOK] != 1000 {
		t.Errorf("got %v, want 1000 answers", got)
	}
}

func TestRequestsPerSecondAndBurst(t *testing.T) {
	g := newGate(Config{Limits: Limits{PerSecond: 100, Burst: 20}})
	if got := offer(g, 0, 1, 1)[200]; got != 1 {
		t.Fatalf("first call: got %d answered, want it to be", got)
	}
	for i := range 30 { // all in the same instant: the burst, less the first
		want := http.StatusOK
		if i >= 19 {
			want = http.StatusTooManyRequests
		}
		if v := g.admit(noon, 1); v.status != want {
			t.Fatalf("call %d of the burst: got %d, want %d", i+2, v.status, want)
		}
	}
	// Ten seconds at ten times the rate: one call in ten.
	if got := offer(g, time.Millisecond, 10*time.Second+time.Millisecond, time.Millisecond)[200]; got < 999 || got > 1001 {
		t.Errorf("in ten seconds: got %d answered, want 1000", got)
	}
	if s := g.stats; s.RefusedRequests != s.Requests-s.Served-19 { // 19 were never released
		t.Errorf("got %+v, want every other call refused for its rate", s)
	}
}

func TestRefusalTellsWhenToComeBack(t *testing.T) {
	g := newGate(Config{Limits: Limits{PerSecond: 10}})
	g.admit(noon, 1)
	v := g.admit(noon.Add(40*time.Millisecond), 1)
	if v.status != http.StatusTooManyRequests || (v.retryAfter-60*time.Millisecond).Abs() > time.Microsecond {
		t.Fatalf("got status %d and retry after %v, want 429 and 60ms", v.status, v.retryAfter)
	}
	if v := g.admit(noon.Add(101*time.Millisecond), 1); v.status != http.StatusOK {
		t.Errorf("after that time: got %d, want 200", v.status)
	}
}

func TestQuotaOfTokensInEachWindow(t *testing.T) {
	g := newGate(Config{Limits: Limits{Tokens: 100}})
	at := func(offset time.Duration, tokens int64) verdict { return g.admit(noon.Add(offset), tokens) }

	if v := at(0, 60); v.status != http.StatusOK {
		t.Fatalf("first 60 of 100 tokens: got %d, want 200", v.status)
	}
	v := at(20*time.Second, 50)
	if v.status != http.StatusTooManyRequests || v.retryAfter != 40*time.Second {
		t.Fatalf("50 of the 40 left: got status %d and retry after %v, want 429 and 40s", v.status, v.retryAfter)
	}
	if v := at(20*time.Second, 40); v.status != http.StatusOK {
		t.Fatalf("40 of the 40 left: got %d, want 200", v.status)
	}
	if v := at(60*time.Second-1, 1); v.status != http.StatusTooManyRequests {
		t.Fatalf("at the window's very end: got %d, want 429", v.status)
	}
	if v := at(60*time.Second, 100); v.status != http.StatusOK {
		t.Errorf("in the next window: got %d, want 200", v.status)
	}
	if s := g.stats; s.RefusedTokens != 2 || s.Tokens != 200 {
		t.Errorf("got %+v, want 2 refused and 200 tokens charged", s)
	}
}

func TestARefusedCallUsesUpNothing(t *testing.T) {
	g := newGate(Config{Limits: Limits{PerSecond: 1, Burst: 2, Tokens: 100, Concurrency: 2}})
	g.admit(noon, 10)
	for range 5 {
		g.admit(noon, 1000) // beyond the quota
	}
	v := g.admit(noon, 10)
	if v.status != http.StatusOK {
		t.Fatalf("got %d for the second of a burst of 2, want 200", v.status)
	}
	g.admit(noon, 10) // beyond the concurrency
	g.release(v, true)
	g.admit(noon, 10) // beyond the rate
	s := g.stats
	if s.RefusedTokens != 5 || s.RefusedConcurrency != 1 || s.RefusedRequests != 1 || s.Tokens != 20 {
		t.Errorf("got %+v, want 5, 1 and 1 refused, and 20 tokens charged", s)
	}
	if g.inFlight != 1 {
		t.Errorf("got %d in flight, want 1", g.inFlight)
	}
}

func TestConcurrencyCountsCallsUntilTheyEnd(t *testing.T) {
	g := newGate(Config{Limits: Limits{Concurrency: 3}})
	var held []verdict
	for range 3 {
		held = append(held, g.admit(noon, 1))
	}
	if v := g.admit(noon.Add(time.Hour), 1); v.status != http.StatusTooManyRequests {
		t.Fatalf("fourth of three places: got %d, want 429", v.status)
	}
	g.release(held[0], false)
	if v := g.admit(noon.Add(time.Hour), 1); v.status != http.StatusOK {
		t.Errorf("after one left: got %d, want 200", v.status)
	}
	if g.stats.Abandoned != 1 {
		t.Errorf("got %d abandoned, want 1", g.stats.Abandoned)
	}
}

func TestScheduleOfPhases(t *testing.T) {
	g := newGate(Config{
		Limits: Limits{PerSecond: 100},
		Phases: []Phase{
			{At: 10 * time.Second, Limits: Limits{PerSecond: 50}},
			{At: 20 * time.Second, Down: true},
			{At: 25 * time.Second, Limits: Limits{PerSecond: 200}},
		},
	})
	for _, c := range []struct {
		from, to time.Duration
		answered int
		refused  int // its status
	}{
		{0, 10 * time.Second, 1000, http.StatusTooManyRequests},
		{10 * time.Second, 20 * time.Second, 500, http.StatusTooManyRequests},
		{20 * time.Second, 25 * time.Second, 0, http.StatusServiceUnavailable},
		{25 * time.Second, 30 * time.Second, 1000, http.StatusTooManyRequests},
	} {
		got := offer(g, c.from, c.to, time.Millisecond)
		if d := got[http.StatusOK] - c.answered; d < -2 || d > 2 {
			t.Errorf("%v to %v: got %d answered, want %d", c.from, c.to, got[http.StatusOK], c.answered)
		}
		if total := got[http.StatusOK] + got[c.refused]; total != int((c.to-c.from)/time.Millisecond) {
			t.Errorf("%v to %v: got %v, want all others to be %d", c.from, c.to, got, c.refused)
		}
	}
}

func TestScheduleStartsWithTheFirstCall(t *testing.T) {
	g := newGate(Config{Phases: []Phase{{At: time.Second, Down: true}, {At: time.Minute}}})
	late := noon.Add(48 * time.Hour)
	if v := g.admit(late, 1); v.status != http.StatusOK {
		t.Fatalf("first call: got %d, want 200", v.status)
	}
	if v := g.admit(late.Add(time.Second), 1); v.status != http.StatusServiceUnavailable {
		t.Errorf("a second later: got %d, want 503", v.status)
	}
}

func TestFailShareAndLatencyFollowTheSeed(t *testing.T) {
	const calls = 5000
	cfg := Config{FailShare: 0.1, Latency: 20 * time.Millisecond, Spread: 0.5, Seed: 7}
	run := func(cfg Config) (failed, slower int, sum time.Duration) {
		g := newGate(cfg)
		for range calls {
			v := g.admit(noon, 1)
			if v.status == http.StatusInternalServerError {
				failed++
			}
			if v.latency > cfg.Latency {
				slower++
			}
			if v.latency <= 0 || v.latency > 10*cfg.Latency {
				t.Fatalf("got a latency of %v, want up to ten times %v", v.latency, cfg.Latency)
			}
			sum += v.latency
		}
		return failed, slower, sum
	}
	failed, slower, sum := run(cfg)
	if share := float64(failed) / calls; math.Abs(share-0.1) > 0.02 {
		t.Errorf("got a share of %v failed, want 0.1", share)
	}
	if share := float64(slower) / calls; math.Abs(share-0.5) > 0.03 {
		t.Errorf("got a share of %v above the median, want 0.5", share)
	}
	if _, _, again := run(cfg); again != sum {
		t.Errorf("same seed: got %v of latency and then %v, want the same", sum, again)
	}
	cfg.Seed = 8
	if _, _, other := run(cfg); other == sum {
		t.Errorf("another seed: got %v of latency again, want another", other)
	}
}

func TestEveryRequestIsCountedOnce(t *testing.T) {
	g := newGate(Config{
		FailShare: 0.05,
		Limits:    Limits{PerSecond: 500, Burst: 10, Tokens: 4000, Window: 10 * time.Second},
		Phases:    []Phase{{At: 12 * time.Second, Down: true}, {At: 15 * time.Second}},
	})
	offer(g, 0, 20*time.Second, time.Millisecond)
	s := g.stats
	if sum := s.Served + s.Failed + s.Abandoned + s.Refused() + s.Invalid; sum != s.Requests || s.Requests != 20000 {
		t.Errorf("got %+v: %d requests and %d outcomes, want 20000 of each", s, s.Requests, sum)
	}
	if s.Served == 0 || s.Failed == 0 || s.RefusedRequests == 0 || s.RefusedTokens == 0 || s.Unavailable == 0 {
		t.Errorf("got %+v, want some of every outcome", s)
	}
}

func TestQuotasShowWhatIsLeft(t *testing.T) {
	g := newGate(Config{Limits: Limits{PerSecond: 100, Burst: 50, Tokens: 1000, Window: 30 * time.Second}})
	g.admit(noon, 100)
	v := g.admit(noon.Add(10*time.Second), 200)
	want := []quota{
		{name: "requests", allowed: 100, window: time.Second, remaining: 49, reset: 10 * time.Millisecond},
		{name: "tokens", allowed: 1000, window: 30 * time.Second, remaining: 700, reset: 20 * time.Second},
	}
	if len(v.quotas) != len(want) || v.quotas[0] != want[0] || v.quotas[1] != want[1] {
		t.Errorf("got %+v, want %+v", v.quotas, want)
	}
}
