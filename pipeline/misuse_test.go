package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func containsAll(s string, all ...string) bool {
	for _, one := range all {
		if !strings.Contains(s, one) {
			return false
		}
	}
	return true
}

func TestMisuseIsToldAtTheCall(t *testing.T) {
	work := func(context.Context, int) (int, error) { return 0, nil }
	throttle := newThrottle(t, pipeline.Config{})
	var none context.Context
	fresh := func() *line { return pipeline.Attach(throttle, work) }
	used := fresh()
	collect(used.Run(t.Context(), feed(1)))
	looped := fresh()
	looped.Each(t.Context(), func(func(int) bool) {})
	for name, misuse := range map[string]func(){
		"Attach: throttle is nil":                      func() { pipeline.Attach(nil, work) },
		"Attach: work is nil":                          func() { pipeline.Attach[int, int](throttle, nil) },
		"Run: context is nil":                          func() { fresh().Run(none, feed(1)) },
		"Run: jobs channel is nil":                     func() { fresh().Run(t.Context(), nil) },
		"Each: context is nil":                         func() { fresh().Each(none, func(func(int) bool) {}) },
		"Each: jobs is nil":                            func() { fresh().Each(t.Context(), nil) },
		"Cost: function is nil":                        func() { fresh().Cost(nil) },
		"Cost: must be called before Run and Each":     func() { used.Cost(func(int) int64 { return 0 }) },
		"Ordered: must be called before Run and Each":  func() { used.Ordered() },
		"Ordered: must be called before Run and Each ": func() { looped.Ordered() },
		"RecordTokens: got -1, want at least 0":        func() { pipeline.SlotFrom(t.Context()).RecordTokens(-1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got, want := fmt.Sprint(recover()), "paceline: "+strings.TrimSpace(name); got != want {
					t.Errorf("panic with %q, want %q", got, want)
				}
			}()
			misuse()
		})
	}
}

// faultsOf returns the fields that an error names, each by a *ConfigError.
func faultsOf(err error) map[string]*pipeline.ConfigError {
	named := make(map[string]*pipeline.ConfigError)
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *pipeline.ConfigError:
			named[e.Field] = e
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				walk(one)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	return named
}

func TestEveryFaultOfAConfigIsNamed(t *testing.T) {
	cfg := pipeline.Config{
		MaxConcurrency: -1,
		Jitter:         2,
		TotalJobs:      -5,
		Budgets:        []pipeline.Budget{{Tokens: 0, Window: time.Second}},
		Retry:          &pipeline.Retry{MaxAttempts: -3},
	}
	want := []string{"max_concurrency", "jitter", "total_jobs", "budgets[0].tokens", "retry.max_attempts"}
	_, err := pipeline.New[int, int](nil, cfg)
	named := faultsOf(err)
	for _, field := range append(want, "work") {
		if named[field] == nil {
			t.Errorf("New does not name %s: %v", field, err)
		}
	}
	named = faultsOf(cfg.Validate())
	for _, field := range want {
		if named[field] == nil || !strings.Contains(cfg.Validate().Error(), field+": got ") {
			t.Errorf("Validate does not name %s: %v", field, cfg.Validate())
		}
	}
	var one *pipeline.ConfigError
	if !errors.As(err, &one) {
		t.Errorf("%v is no ConfigError", err)
	}
}

func TestValidateChecksEachField(t *testing.T) {
	second := time.Second
	budget := func(b pipeline.Budget) pipeline.Config { return pipeline.Config{Budgets: []pipeline.Budget{b}} }
	rate := func(r pipeline.Rate) pipeline.Config { return pipeline.Config{Rate: &r} }
	breaker := func(b pipeline.Breaker) pipeline.Config { return pipeline.Config{Breaker: &b} }
	retry := func(r pipeline.Retry) pipeline.Config { return pipeline.Config{Retry: &r} }
	seek := func(refusals float64) pipeline.Config {
		return pipeline.Config{Policy: pipeline.Seek{Refusals: refusals}}
	}
	aimd := func(a pipeline.AIMD) pipeline.Config { return pipeline.Config{Policy: a} }
	for field, bad := range map[string][]pipeline.Config{
		"max_concurrency":       {{MaxConcurrency: -1}, {MaxConcurrency: math.MaxInt}},
		"initial_concurrency":   {{InitialConcurrency: -1}, {InitialConcurrency: 6}, {MaxConcurrency: 2, InitialConcurrency: 3}},
		"min_dispatch_interval": {{MinDispatchInterval: -1}},
		"max_dispatch_interval": {{MinDispatchInterval: second, MaxDispatchInterval: 1}, {MaxDispatchInterval: -1}},
		"jitter":                {{Jitter: -0.1}, {Jitter: 1.1}, {Jitter: math.NaN()}, {Jitter: math.Inf(1)}},
		"attempt_timeout":       {{AttemptTimeout: -1}},
		"total_jobs":            {{TotalJobs: -1}},
		"budgets[0].tokens":     {budget(pipeline.Budget{Window: second}), budget(pipeline.Budget{Tokens: -1, Window: second})},
		"budgets[0].window":     {budget(pipeline.Budget{Tokens: 1}), budget(pipeline.Budget{Tokens: 1, Window: -1})},
		"budgets[1].name":       {{Budgets: []pipeline.Budget{{Name: "a", Tokens: 1, Window: 1}, {Name: "a", Tokens: 1, Window: 1}}}},
		"rate.per_second":       {rate(pipeline.Rate{}), rate(pipeline.Rate{PerSecond: -1}), rate(pipeline.Rate{PerSecond: math.NaN()})},
		"rate.burst":            {rate(pipeline.Rate{PerSecond: 1, Burst: -1}), rate(pipeline.Rate{PerSecond: 1, Burst: math.NaN()})},
		"breaker.failures":      {breaker(pipeline.Breaker{Failures: -1})},
		"breaker.open_for":      {breaker(pipeline.Breaker{OpenFor: -1})},
		"breaker.probes":        {breaker(pipeline.Breaker{Probes: -1})},
		"retry.max_attempts":    {retry(pipeline.Retry{MaxAttempts: -1})},
		"retry.backoff":         {retry(pipeline.Retry{Backoff: -1}), retry(pipeline.Retry{Backoff: 4})},
		"retry.base_delay":      {retry(pipeline.Retry{BaseDelay: -1})},
		"retry.max_delay":       {retry(pipeline.Retry{MaxDelay: 1}), retry(pipeline.Retry{MaxDelay: -1})},
		"retry.multiplier":      {retry(pipeline.Retry{Multiplier: 0.5}), retry(pipeline.Retry{Multiplier: math.NaN()})},
		"retry.budget":          {retry(pipeline.Retry{Budget: -0.1}), retry(pipeline.Retry{Budget: 1.1}), retry(pipeline.Retry{Budget: math.NaN()})},
		"failure_threshold":     {aimd(pipeline.AIMD{FailureThreshold: -1})},
		"failure_window":        {aimd(pipeline.AIMD{FailureWindow: -1})},
		"cooling_period":        {aimd(pipeline.AIMD{CoolingPeriod: -1})},
		"policy":                {{Policy: &pipeline.Seek{}}, {Policy: &pipeline.AIMD{}}, {Policy: &pipeline.Static{}}},
		"policy.refusals":       {seek(-0.1), seek(1.1), seek(math.NaN()), seek(math.Inf(1))},
		"safe_ceiling_decay":    {aimd(pipeline.AIMD{SafeCeilingDecay: -1}), aimd(pipeline.AIMD{SafeCeilingDecay: math.NaN()})},
	} {
		for _, cfg := range bad {
			err := cfg.Validate()
			fault := faultsOf(err)[field]
			if fault == nil || fault.Reason == "" {
				t.Errorf("%s: got %v for %+v", field, err, cfg)
			}
			if _, err := pipeline.NewThrottle(cfg); err == nil {
				t.Errorf("%s: NewThrottle took %+v", field, cfg)
			}
		}
	}
}

func TestOneFaultIsNamedOnce(t *testing.T) {
	for _, cfg := range []pipeline.Config{
		{MaxConcurrency: -1}, {Jitter: 2}, {MinDispatchInterval: -1}, {Retry: &pipeline.Retry{BaseDelay: -1}},
		{MinDispatchInterval: math.MaxInt64}, {Retry: &pipeline.Retry{BaseDelay: math.MaxInt64}},
	} {
		if named := faultsOf(cfg.Validate()); len(named) != 1 {
			t.Errorf("%d faults of one: %v", len(named), cfg.Validate())
		}
	}
}

func TestZeroConfigIsValid(t *testing.T) {
	if err := (pipeline.Config{}).Validate(); err != nil {
		t.Error(err)
	}
	cfg := pipeline.Config{
		Breaker: &pipeline.Breaker{}, Retry: &pipeline.Retry{}, Rate: &pipeline.Rate{PerSecond: 1}, Policy: pipeline.AIMD{},
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if err := (pipeline.Config{Policy: pipeline.Seek{Refusals: 1}}).Validate(); err != nil {
		t.Error(err)
	}
	if snap := newThrottle(t, pipeline.Config{}).Snapshot(); snap.Concurrency < 1 || snap.Concurrency > 5 || snap.MaxConcurrency != 5 ||
		snap.TokensRemaining != -1 || snap.ETA >= 0 || snap.Percentage != 0 {
		t.Errorf("%+v", snap)
	}
}

func TestLaterChangesOfAConfigDoNothing(t *testing.T) {
	cfg := pipeline.Config{
		Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}},
		Retry:   &pipeline.Retry{MaxAttempts: 2, BaseDelay: 1},
	}
	s := always(answer{ending: fails})
	p := newLine(t, s, cfg)
	cfg.Budgets[0].Tokens = 0
	cfg.Retry.MaxAttempts = 100
	if r := collect(p.Run(t.Context(), feed(1)))[0]; r.Attempts != 2 {
		t.Errorf("%d attempts", r.Attempts)
	}
	if got := p.Throttle().Snapshot().Budgets[0].Tokens; got != 10 {
		t.Errorf("budget %d", got)
	}
}
