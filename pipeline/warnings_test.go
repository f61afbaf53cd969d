package pipeline_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestWhatCanHardlyBeMeantIsAWarning(t *testing.T) {
	for want, cfg := range map[string]pipeline.Config{
		"attempt_timeout: got 30ns, want a time with its unit, such as 30 * time.Second": {AttemptTimeout: 30},
		"min_dispatch_interval: got 5ns":                                                 {MinDispatchInterval: 5},
		"max_pause: got 60ns":                                                            {MaxPause: 60},
		"budgets[0].window: got 60ns":                                                    {Budgets: []pipeline.Budget{{Tokens: 1, Window: 60}}},
		"breaker.open_for: got 30ns":                                                     {Breaker: &pipeline.Breaker{OpenFor: 30}},
		"rate.per_second: got 50, which is never reached: min_dispatch_interval, 100ms, allows 10": {Rate: &pipeline.Rate{PerSecond: 50}, MinDispatchInterval: 100 * time.Millisecond},
		"retry.give_up_after: got 1ms, want at least base_delay, 1s":                               {Retry: &pipeline.Retry{GiveUpAfter: time.Millisecond}},
		"retry.max_attempts: got 1, want at least 2":                                               {Retry: &pipeline.Retry{MaxAttempts: 1, BaseDelay: time.Second}},
	} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: got the fault %v, want none", want, err)
		}
		if got := cfg.Warnings(); len(got) != 1 || !strings.HasPrefix(got[0].Error(), want) {
			t.Errorf("got %v, want %s", got, want)
		}
		var said bytes.Buffer
		cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
		newThrottle(t, cfg)
		if !strings.Contains(said.String(), strings.SplitN(want, ",", 2)[0]) || strings.Count(said.String(), "\n") != 1 {
			t.Errorf("got %q, want one line with %s", &said, want)
		}
	}
}

func TestWhatIsMeantIsNoWarning(t *testing.T) {
	for _, cfg := range []pipeline.Config{
		{}, everything(),
		{AttemptTimeout: time.Minute, MaxPause: -1, Retry: &pipeline.Retry{GiveUpAfter: -1}, Breaker: &pipeline.Breaker{}},
		{Retry: &pipeline.Retry{MaxAttempts: 1}},
		{Rate: &pipeline.Rate{PerSecond: 10}, MinDispatchInterval: 100 * time.Millisecond},
	} {
		if got := cfg.Warnings(); got != nil {
			t.Errorf("%+v: got %v, want nothing", cfg, got)
		}
	}
}
