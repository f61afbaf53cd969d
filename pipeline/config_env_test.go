package pipeline_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

type variables = map[string]string

func setenv(t *testing.T, vars variables) {
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

func TestConfigFromEnvKnowsEachVariable(t *testing.T) {
	half, minute := time.Second/2, time.Minute
	for name, test := range map[string]struct {
		in   variables
		want pipeline.Config
	}{
		"nothing": {nil, pipeline.Config{}},
		"plain fields": {
			variables{
				"MYAPP_MAX_CONCURRENCY": "8", "MYAPP_INITIAL_CONCURRENCY": "2", "MYAPP_MIN_DISPATCH_INTERVAL": "0.2",
				"MYAPP_MAX_DISPATCH_INTERVAL": "10s", "MYAPP_JITTER": "0.5", "MYAPP_ATTEMPT_TIMEOUT": "500ms",
				"MYAPP_TOTAL_JOBS": "100", "MYAPP_SEED": "18446744073709551615",
			},
			pipeline.Config{
				MaxConcurrency: 8, InitialConcurrency: 2, MinDispatchInterval: 200 * time.Millisecond,
				MaxDispatchInterval: 10 * time.Second, Jitter: 0.5, AttemptTimeout: half, TotalJobs: 100, Seed: 1<<64 - 1,
			},
		},
		"groups": {
			variables{
				"MYAPP_RATE_PER_SECOND": "2.5", "MYAPP_RATE_BURST": "4",
				"MYAPP_BREAKER_FAILURES": "3", "MYAPP_BREAKER_OPEN_FOR": "0.5", "MYAPP_BREAKER_PROBES": "2", "MYAPP_BREAKER_WAIT": "true",
				"MYAPP_RETRY_MAX_ATTEMPTS": "4", "MYAPP_RETRY_BACKOFF": "fixed", "MYAPP_RETRY_BASE_DELAY": "0.5",
				"MYAPP_RETRY_MAX_DELAY": "1m", "MYAPP_RETRY_MULTIPLIER": "1.5", "MYAPP_RETRY_PARK": "1",
				"MYAPP_RETRY_GIVE_UP_AFTER": "-1", "MYAPP_RETRY_BUDGET": "0.1",
			},
			pipeline.Config{
				Rate:    &pipeline.Rate{PerSecond: 2.5, Burst: 4},
				Breaker: &pipeline.Breaker{Failures: 3, OpenFor: half, Probes: 2, Wait: true},
				Retry: &pipeline.Retry{
					MaxAttempts: 4, Backoff: pipeline.Fixed, BaseDelay: half, MaxDelay: minute, Multiplier: 1.5,
					Park: true, GiveUpAfter: -time.Second, Budget: 0.1,
				},
			},
		},
		"one variable makes a group": {
			variables{"MYAPP_BREAKER_WAIT": "false", "MYAPP_RETRY_PARK": "true"},
			pipeline.Config{Breaker: &pipeline.Breaker{}, Retry: &pipeline.Retry{Park: true}},
		},
		"budgets": {
			variables{
				"MYAPP_BUDGETS_0_NAME": "minute", "MYAPP_BUDGETS_0_TOKENS": "10", "MYAPP_BUDGETS_0_WINDOW": "60",
				"MYAPP_BUDGETS_1_TOKENS": "100", "MYAPP_BUDGETS_1_WINDOW": "24h",
				"MYAPP_TOKEN_BUDGET_MAX": "5", "MYAPP_TOKEN_BUDGET_WINDOW": "1",
			},
			pipeline.Config{Budgets: []pipeline.Budget{
				{Tokens: 5, Window: time.Second}, {Name: "minute", Tokens: 10, Window: minute}, {Tokens: 100, Window: 24 * time.Hour},
			}},
		},
		"budgets by name": {
			variables{"MYAPP_BUDGETS_0_COUNTS": "money", "MYAPP_BUDGETS_0_TOKENS": "10", "MYAPP_BUDGETS_0_WINDOW": "forever"},
			pipeline.Config{Budgets: []pipeline.Budget{{Counts: "money", Tokens: 10, Window: pipeline.Forever}}},
		},
		"policy seek":   {variables{"MYAPP_POLICY": "seek"}, pipeline.Config{Policy: pipeline.Seek{}}},
		"policy aimd":   {variables{"MYAPP_POLICY": "aimd"}, pipeline.Config{Policy: pipeline.AIMD{}}},
		"policy static": {variables{"MYAPP_POLICY": "static"}, pipeline.Config{Policy: pipeline.Static{}}},
		"all fields of an AIMD": {
			variables{
				"MYAPP_POLICY": "aimd", "MYAPP_FAILURE_THRESHOLD": "2", "MYAPP_FAILURE_WINDOW": "30", "MYAPP_COOLING_PERIOD": "1m",
				"MYAPP_SAFE_CEILING_DECAY": "1.5",
			},
			pipeline.Config{Policy: pipeline.AIMD{FailureThreshold: 2, FailureWindow: minute / 2, CoolingPeriod: minute, SafeCeilingDecay: 1.5}},
		},
		"zeros": {
			variables{"MYAPP_CIRCUIT_BREAKER_OPEN_DURATION": "0", "MYAPP_RETRY_BASE_DELAY": "0", "MYAPP_JITTER_FRACTION": "0"},
			pipeline.Config{Breaker: &pipeline.Breaker{OpenFor: 1}, Retry: &pipeline.Retry{BaseDelay: 1}},
		},
		"an empty variable is not set": {
			variables{
				"MYAPP_MAX_CONCURRENCY": "", "MYAPP_RETRY_PARK": "", "MYAPP_TOKEN_BUDGET_MAX": "", "MYAPP_BUDGETS_0_NAME": "",
				"MYAPP_TOTAL_JOBS": "3", "MYAPP_TOTAL_TASKS": "",
			},
			pipeline.Config{TotalJobs: 3},
		},
		"other variables are left alone": {
			variables{
				"MYAPP_PORT": "http", "MYAPP_RETRY": "yes", "MYAPP_RETRY_COLOUR": "red", "MYAPP_LOGGER": "json", "MYAPP_CLASSIFY": "x",
				"MYAPP_BUDGETS": "two", "MYAPP_BUDGETS_0_NOTE": "none", "MYAPP_BUDGETS_X_TOKENS": "1", "MYAPP_BUDGETS_00_TOKENS": "1",
				"MYAPP_TOKEN_BUDGET_MAX_TOKENS": "1", "MYAPPMAX_CONCURRENCY": "x", "XMYAPP_JITTER": "x", "myapp_jitter": "x", "SEED": "x",
			},
			pipeline.Config{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, test.in)
			for _, prefix := range []string{"MYAPP", "MYAPP_"} {
				got, err := pipeline.ConfigFromEnv(prefix)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("%s: got %+v\nwant %+v", prefix, got, test.want)
				}
			}
		})
	}
}

func TestEnvironmentOfGentlifyNeedsNoChange(t *testing.T) {
	setenv(t, variables{
		"GENTLIFY_MAX_CONCURRENCY":                      "10",
		"GENTLIFY_INITIAL_CONCURRENCY":                  "3",
		"GENTLIFY_FAILURE_THRESHOLD":                    "5",
		"GENTLIFY_TOTAL_TASKS":                          "100",
		"GENTLIFY_MIN_DISPATCH_INTERVAL":                "0.5",
		"GENTLIFY_MAX_DISPATCH_INTERVAL":                "15.0",
		"GENTLIFY_FAILURE_WINDOW":                       "30.0",
		"GENTLIFY_COOLING_PERIOD":                       "120",
		"GENTLIFY_SAFE_CEILING_DECAY_MULTIPLIER":        "3.0",
		"GENTLIFY_JITTER_FRACTION":                      "0.3",
		"GENTLIFY_TOKEN_BUDGET_MAX":                     "5000",
		"GENTLIFY_TOKEN_BUDGET_WINDOW":                  "60.0",
		"GENTLIFY_CIRCUIT_BREAKER_CONSECUTIVE_FAILURES": "5",
		"GENTLIFY_CIRCUIT_BREAKER_OPEN_DURATION":        "0",
		"GENTLIFY_CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS":  "2",
		"GENTLIFY_RETRY_MAX_ATTEMPTS":                   "4",
		"GENTLIFY_RETRY_BACKOFF":                        "exponential",
		"GENTLIFY_RETRY_BASE_DELAY":                     "0",
		"GENTLIFY_RETRY_MAX_DELAY":                      "10.0",
	})
	got, err := pipeline.ConfigFromEnv("GENTLIFY")
	if err != nil || !reflect.DeepEqual(got, gentlifyConfig) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, gentlifyConfig)
	}
}

func TestEmptyPrefixIsNone(t *testing.T) {
	setenv(t, variables{"MAX_CONCURRENCY": "7", "RETRY_PARK": "true", "BUDGETS_0_TOKENS": "x", "BUDGETS_0_WINDOW": "1"})
	_, err := pipeline.ConfigFromEnv("")
	if want := "BUDGETS_0_TOKENS: got x, want a whole number within 64 bits"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	t.Setenv("BUDGETS_0_TOKENS", "5")
	got, err := pipeline.ConfigFromEnv("")
	want := pipeline.Config{
		MaxConcurrency: 7, Retry: &pipeline.Retry{Park: true}, Budgets: []pipeline.Budget{{Tokens: 5, Window: time.Second}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestConfigFromEnvNamesTheVariable(t *testing.T) {
	const notWindow = "want 1ns to 10000h0m0s"
	for _, test := range []struct {
		in   variables
		want []string
	}{
		{variables{"MYAPP_MAX_CONCURRENCY": "0"}, []string{"MYAPP_MAX_CONCURRENCY: got 0, want at least 1"}},
		{variables{"MYAPP_MAX_CONCURRENCY": "-3"}, []string{"MYAPP_MAX_CONCURRENCY: got -3, want 1 to 1048576"}},
		{variables{"MYAPP_JITTER": "NaN"}, []string{"MYAPP_JITTER: got NaN, want a finite number"}},
		{variables{"MYAPP_JITTER_FRACTION": "2"}, []string{"MYAPP_JITTER_FRACTION: got 2, want 0 to 1"}},
		{
			variables{"MYAPP_TOTAL_JOBS": "1", "MYAPP_TOTAL_TASKS": "1"},
			[]string{"MYAPP_TOTAL_TASKS: got 1, want none beside total_jobs, which is the same"},
		},
		{
			variables{
				"MYAPP_BREAKER_WAIT": "true", "MYAPP_CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS": "1", "MYAPP_CIRCUIT_BREAKER_OPEN_DURATION": "2",
			},
			[]string{
				"MYAPP_CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS: got 1, want none beside breaker, which is the same",
				"MYAPP_CIRCUIT_BREAKER_OPEN_DURATION: got 2, want none beside breaker, which is the same",
			},
		},
		{
			variables{"MYAPP_CIRCUIT_BREAKER_CONSECUTIVE_FAILURES": "-1"},
			[]string{"MYAPP_CIRCUIT_BREAKER_CONSECUTIVE_FAILURES: got -1, want at least 1"},
		},
		{variables{"MYAPP_TOKEN_BUDGET_MAX": "5"}, []string{"MYAPP_TOKEN_BUDGET_WINDOW: got nothing, " + notWindow}},
		{variables{"MYAPP_TOKEN_BUDGET_WINDOW": "5"}, []string{"MYAPP_TOKEN_BUDGET_MAX: got nothing, want 1 to 1152921504606846976"}},
		{
			variables{"MYAPP_TOKEN_BUDGET_MAX": "0", "MYAPP_TOKEN_BUDGET_WINDOW": "0"},
			[]string{"MYAPP_TOKEN_BUDGET_MAX: got 0, want 1 to 1152921504606846976", "MYAPP_TOKEN_BUDGET_WINDOW: got 0, " + notWindow},
		},
		{variables{"MYAPP_RATE_BURST": "5"}, []string{"MYAPP_RATE_PER_SECOND: got nothing, want above 0, at most 1e9"}},
		{
			variables{"MYAPP_BUDGETS_1_TOKENS": "x", "MYAPP_BUDGETS_1_WINDOW": "1"}, // not looked at before 0 is there
			[]string{
				"MYAPP_BUDGETS_0_TOKENS: got nothing, want 1 to 1152921504606846976",
				"MYAPP_BUDGETS_0_WINDOW: got nothing, " + notWindow,
			},
		},
		{
			variables{
				"MYAPP_BUDGETS_0_TOKENS": "1", "MYAPP_BUDGETS_0_WINDOW": "1",
				"MYAPP_BUDGETS_99999999999999999999_TOKENS": "1",
				"MYAPP_TOKEN_BUDGET_MAX":                    "1", "MYAPP_TOKEN_BUDGET_WINDOW": "1",
			},
			[]string{
				"MYAPP_BUDGETS_1_TOKENS: got nothing, want 1 to 1152921504606846976",
				"MYAPP_BUDGETS_1_WINDOW: got nothing, " + notWindow,
			},
		},
		{
			variables{"MYAPP_POLICY": "static", "MYAPP_COOLING_PERIOD": "1"},
			[]string{"MYAPP_COOLING_PERIOD: got 1, want none beside policy static"},
		},
		{
			variables{"MYAPP_MAX_CONCURRENCY": "many", "MYAPP_RETRY_BACKOFF": "linear", "MYAPP_RETRY_BUDGET": "2"},
			[]string{
				"MYAPP_MAX_CONCURRENCY: got many, want a whole number within 64 bits",
				"MYAPP_RETRY_BACKOFF: got linear, want fixed, exponential or exponential_jitter",
				"MYAPP_RETRY_BUDGET: got 2, want 0 to 1",
			},
		},
	} {
		t.Run(test.want[0], func(t *testing.T) {
			setenv(t, test.in)
			cfg, err := pipeline.ConfigFromEnv("MYAPP")
			if want := strings.Join(test.want, "\n"); err == nil || err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
			if !reflect.DeepEqual(cfg, pipeline.Config{}) {
				t.Errorf("refused, and yet %+v", cfg)
			}
		})
	}
}

func FuzzConfigFromEnv(f *testing.F) {
	f.Add("MAX_CONCURRENCY=8\nINITIAL_CONCURRENCY=9\nRETRY_PARK=1\nRETRY_MAX_DELAY=0")
	f.Add("TOKEN_BUDGET_MAX=1\nBUDGETS_0_TOKENS=5\nBUDGETS_0_WINDOW=1s\nBUDGETS_2_NAME=x\nPORT=80")
	f.Add("CIRCUIT_BREAKER_OPEN_DURATION=0\nBREAKER_WAIT=x\nTOTAL_JOBS=1\nTOTAL_TASKS=1\nRATE_BURST=2")
	f.Add("POLICY=static\nFAILURE_WINDOW=1\nSEED=-1\nJITTER=NaN\nATTEMPT_TIMEOUT=1e300\nSAFE_CEILING_DECAY_MULTIPLIER=0")
	name := regexp.MustCompile("^[A-Z0-9_]+$")
	required := regexp.MustCompile("^FUZZ_(TOKEN_BUDGET_(MAX|WINDOW)|BUDGETS_[0-9]+_(TOKENS|WINDOW)|RATE_PER_SECOND)$")
	f.Fuzz(func(t *testing.T, lines string) {
		given := make(map[string]bool)
		for line := range strings.Lines(lines) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if name.MatchString(key) && !strings.Contains(value, "\x00") {
				t.Setenv("FUZZ_"+key, value)
				given["FUZZ_"+key] = value != ""
			}
		}
		cfg, err := pipeline.ConfigFromEnv("FUZZ")
		if err == nil {
			if err := cfg.Validate(); err != nil {
				t.Fatalf("accepted, and yet %v", err)
			}
			return
		}
		for _, field := range configFaults(t, err) {
			if !given[field] && !required.MatchString(field) {
				t.Fatalf("%q was not given: %v", field, err)
			}
		}
	})
}
