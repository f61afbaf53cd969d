package pipeline_test

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/paceline-go/paceline/pipeline"
)

// A dictionary that was written for gentlify works as it is.
func ExampleConfigFromMap() {
	file := `{
		"max_concurrency": 10,
		"min_dispatch_interval": 0.2,
		"cooling_period": 30,
		"total_tasks": 1000,
		"token_budget": {"max_tokens": 50000, "window_seconds": 60.0},
		"circuit_breaker": {"consecutive_failures": 5, "open_duration": 30.0},
		"retry": {"max_attempts": 3, "backoff": "exponential_jitter"}
	}`
	var m map[string]any
	if err := json.Unmarshal([]byte(file), &m); err != nil {
		panic(err)
	}
	m["on_state_change"] = func(e pipeline.Event) { fmt.Println(e.Kind) }
	cfg, err := pipeline.ConfigFromMap(m)
	if err != nil {
		panic(err)
	}
	fmt.Println(cfg.MaxConcurrency, cfg.MinDispatchInterval, cfg.TotalJobs)
	fmt.Println(cfg.Budgets[0].Tokens, "tokens in", cfg.Budgets[0].Window)
	fmt.Println(cfg.Breaker.Failures, cfg.Breaker.OpenFor, cfg.Retry.Backoff)
	// Output:
	// 10 200ms 1000
	// 50000 tokens in 1m0s
	// 5 30s exponential_jitter
}

// Every fault is told at once, with the key as it was written.
func ExampleConfigFromMap_faults() {
	_, err := pipeline.ConfigFromMap(map[string]any{
		"max_concurency": 10,
		"jitter":         "half",
		"token_budget":   map[string]any{"max_tokens": 0, "window_seconds": 60},
	})
	fmt.Println(err)
	// Output:
	// max_concurency: got 10, no such key, did you mean max_concurrency?
	// jitter: got half, want a finite number
	// token_budget.max_tokens: got 0, want 1 to 1152921504606846976
}

// An environment that was made for gentlify works as it is, and so does what
// only paceline has.
func ExampleConfigFromEnv() {
	for name, value := range map[string]string{
		"MYAPP_MAX_CONCURRENCY":                      "10",
		"MYAPP_MIN_DISPATCH_INTERVAL":                "0.5",
		"MYAPP_TOKEN_BUDGET_MAX":                     "50000",
		"MYAPP_TOKEN_BUDGET_WINDOW":                  "60",
		"MYAPP_CIRCUIT_BREAKER_CONSECUTIVE_FAILURES": "5",
		"MYAPP_ATTEMPT_TIMEOUT":                      "30s",
		"MYAPP_RETRY_PARK":                           "true",
		"MYAPP_PORT":                                 "8080", // is left alone
	} {
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	cfg, err := pipeline.ConfigFromEnv("MYAPP")
	if err != nil {
		panic(err)
	}
	fmt.Println(cfg.MaxConcurrency, cfg.MinDispatchInterval, cfg.AttemptTimeout)
	fmt.Println(cfg.Budgets[0].Tokens, "tokens in", cfg.Budgets[0].Window)
	fmt.Println(cfg.Breaker.Failures, cfg.Retry.Park)
	// Output:
	// 10 500ms 30s
	// 50000 tokens in 1m0s
	// 5 true
}
