package service

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBestTime(t *testing.T) {
	phases := []Phase{
		{At: 10 * time.Second, Limits: Limits{PerSecond: 50}},
		{At: 20 * time.Second, Down: true},
		{At: 25 * time.Second, Limits: Limits{PerSecond: 200}},
	}
	for _, c := range []struct {
		name   string
		cfg    Config
		calls  int
		tokens float64
		want   time.Duration
	}{
		{"no call", Config{Latency: time.Second}, 0, 1, 0},
		{"no limit", Config{Latency: 20 * time.Millisecond}, 1000, 1, 20 * time.Millisecond},
		{"rate", Config{Limits: Limits{PerSecond: 100, Burst: 100}}, 1100, 1, 10 * time.Second},
		{"failures are repeated", Config{FailShare: 0.5, Limits: Limits{PerSecond: 100}}, 500, 1, 10 * time.Second},
		{"before the outage", Config{Limits: Limits{PerSecond: 100}, Phases: phases}, 1500, 1, 20 * time.Second},
		{"across the outage", Config{Limits: Limits{PerSecond: 100}, Phases: phases}, 2500, 1, 30 * time.Second},
		{"quota", Config{Limits: Limits{Tokens: 1000}}, 250, 10, 2 * time.Minute},
		{"failures are not charged", Config{FailShare: 0.5, Limits: Limits{Tokens: 1000}}, 250, 10, 2 * time.Minute},
		{"concurrency", Config{Latency: 100 * time.Millisecond, Limits: Limits{Concurrency: 10}}, 1000, 1, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.cfg.BestTime(c.calls, c.tokens)
			if off := got - c.want; off.Abs() > c.want/50+10*time.Millisecond {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestBestTimeWithinABudget(t *testing.T) {
	rate := Config{Limits: Limits{PerSecond: 100}}
	windows := Config{Limits: Limits{PerSecond: 100, Tokens: 500, Window: 10 * time.Second}, Phases: []Phase{
		{At: 1 * time.Second, Down: true}, {At: 6 * time.Second},
	}}
	windows.Phases[1].Limits, windows.Phases[0].Limits = windows.Limits, windows.Limits
	for name, c := range map[string]struct {
		cfg    Config
		calls  int
		budget Budget
		want   time.Duration
	}{
		"none":           {rate, 1000, Budget{}, 10 * time.Second},
		"not used up":    {rate, 1000, Budget{Tokens: 10_000, Window: time.Second}, 10 * time.Second},
		"twice":          {rate, 700, Budget{Tokens: 500, Window: 10 * time.Second}, 12 * time.Second},
		"fixed windows":  {windows, 1000, Budget{}, 15 * time.Second},
		"in any span":    {windows, 1000, Budget{Tokens: 500, Window: 10 * time.Second}, 20 * time.Second},
		"failures count": {Config{FailShare: 0.5, Limits: Limits{PerSecond: 100}}, 350, Budget{Tokens: 500, Window: 10 * time.Second}, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.cfg.BestTimeWithin(c.calls, 1, c.budget)
			if off := got - c.want; off.Abs() > c.want/50 {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// No caller, however it times its calls, must beat the oracle.
func TestNobodyBeatsBestTime(t *testing.T) {
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		cfg := Config{
			Limits: Limits{PerSecond: 50 + 200*random.Float64(), Burst: 1 + float64(random.IntN(50)), Tokens: 1000, Window: 10 * time.Second},
			Phases: []Phase{
				{At: 3 * time.Second, Down: true},
				{At: 5 * time.Second, Limits: Limits{PerSecond: 20 + 100*random.Float64()}},
			},
		}
		g := newGate(cfg)
		var at time.Duration
		const calls = 800
		for g.stats.Served < calls {
			if v := g.admit(noon.Add(at), 2); v.accepted() {
				g.release(v, true)
			}
			at += time.Duration(random.Int64N(int64(5 * time.Millisecond)))
		}
		if best := cfg.BestTime(calls, 2); at < best-10*time.Millisecond {
			t.Errorf("seed %d: a caller took %v, and the best possible time is said to be %v", seed, at, best)
		}
	}
}
