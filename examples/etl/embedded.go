package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/service"
)

// quotaWindow is the minute of the embedded service, cut short so that a run of
// half a minute meets its quota.
const quotaWindow = 10 * time.Second

// grant is the quota of tokens in each window: 330,000 a minute.
const grant = 55_000

// embedded is the service that a run asks by default. It knows nothing of its
// caller's pace, and its caller nothing of this schedule.
func embedded(seed uint64) service.Config {
	limits := func(perSecond float64) service.Limits {
		return service.Limits{
			PerSecond: perSecond, Burst: 50,
			Tokens: grant, Window: quotaWindow,
		}
	}
	return service.Config{
		Latency:   25 * time.Millisecond,
		Spread:    0.4,
		FailShare: 0.01,
		Seed:      seed,
		Limits:    limits(500),
		Phases: []service.Phase{
			{At: 6 * time.Second, Limits: limits(250)},
			{At: 11 * time.Second, Down: true, Limits: limits(250)},
			{At: 13 * time.Second, Limits: limits(250)},
			{At: 16 * time.Second, Limits: limits(600)},
		},
	}
}

// schedule tells what cfg allows, and when.
func schedule(cfg service.Config) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%.0f/s", cfg.Limits.PerSecond)
	for _, p := range cfg.Phases {
		allowed := fmt.Sprintf("%.0f/s", p.Limits.PerSecond)
		if p.Down {
			allowed = "nothing"
		}
		fmt.Fprintf(&text, ", from %v %s", p.At, allowed)
	}
	fmt.Fprintf(&text, "; %s tokens per %v", thousands(cfg.Limits.Tokens), cfg.Limits.Window)
	return text.String()
}
