package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

type object = map[string]any

func TestConfigFromMapKnowsEachKey(t *testing.T) {
	half, minute := time.Second/2, time.Minute
	for name, test := range map[string]struct {
		in   object
		want pipeline.Config
	}{
		"nothing":  {nil, pipeline.Config{}},
		"empty":    {object{}, pipeline.Config{}},
		"nil keys": {object{"max_concurrency": nil, "retry": nil, "budgets": nil, "policy": nil}, pipeline.Config{}},
		"plain fields": {
			object{
				"max_concurrency": 8, "initial_concurrency": 2, "min_dispatch_interval": "200ms", "max_dispatch_interval": 10,
				"jitter": 0.5, "attempt_timeout": 0.5, "total_jobs": 100, "seed": 7,
			},
			pipeline.Config{
				MaxConcurrency: 8, InitialConcurrency: 2, MinDispatchInterval: 200 * time.Millisecond,
				MaxDispatchInterval: 10 * time.Second, Jitter: 0.5, AttemptTimeout: half, TotalJobs: 100, Seed: 7,
			},
		},
		"groups": {
			object{
				"rate":    object{"per_second": 2.5, "burst": 4},
				"breaker": object{"failures": 3, "open_for": 0.5, "probes": 2, "wait": true},
				"retry": object{
					"max_attempts": 4, "backoff": "fixed", "base_delay": 0.5, "max_delay": "1m", "multiplier": 1.5,
					"park": true, "give_up_after": -1, "budget": 0.1,
				},
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
		"empty groups": {
			object{"breaker": object{}, "retry": object{}, "budgets": []any{}},
			pipeline.Config{Breaker: &pipeline.Breaker{}, Retry: &pipeline.Retry{}},
		},
		"budgets": {
			object{"budgets": []any{object{"name": 7, "tokens": "9007199254740993", "window": 60}, object{"tokens": 1e6, "window": "24h"}}},
			pipeline.Config{Budgets: []pipeline.Budget{{Name: "7", Tokens: 1<<53 + 1, Window: minute}, {Tokens: 1e6, Window: 24 * time.Hour}}},
		},
		"budgets by name": {
			object{"budgets": []any{object{"counts": "output", "tokens": 10, "window": "1m"}, object{"counts": "money", "tokens": 10, "window": "forever"}}},
			pipeline.Config{Budgets: []pipeline.Budget{{Counts: "output", Tokens: 10, Window: minute}, {Counts: "money", Tokens: 10, Window: pipeline.Forever}}},
		},
		"typed lists and maps": {
			object{
				"budgets": []map[string]int{{"tokens": 10, "window": 60}},
				"retry":   map[any]any{"max_attempts": 4},
				"rate":    map[string]string{"per_second": "2.5"},
			},
			pipeline.Config{
				Budgets: []pipeline.Budget{{Tokens: 10, Window: minute}},
				Retry:   &pipeline.Retry{MaxAttempts: 4},
				Rate:    &pipeline.Rate{PerSecond: 2.5},
			},
		},
		"whole values": {
			object{
				"rate": pipeline.Rate{PerSecond: 2}, "breaker": pipeline.Breaker{Failures: 3}, "retry": pipeline.Retry{Park: true},
				"budgets": []pipeline.Budget{{Tokens: 10, Window: minute}},
			},
			pipeline.Config{
				Rate: &pipeline.Rate{PerSecond: 2}, Breaker: &pipeline.Breaker{Failures: 3}, Retry: &pipeline.Retry{Park: true},
				Budgets: []pipeline.Budget{{Tokens: 10, Window: minute}},
			},
		},
		"pointers to whole values": {
			object{
				"rate": &pipeline.Rate{PerSecond: 2}, "circuit_breaker": &pipeline.Breaker{Failures: 3}, "retry": &pipeline.Retry{},
				"token_budget": pipeline.Budget{Tokens: 1, Window: 1}, "budgets": []any{pipeline.Budget{Tokens: 2, Window: 2}},
			},
			pipeline.Config{
				Rate: &pipeline.Rate{PerSecond: 2}, Breaker: &pipeline.Breaker{Failures: 3}, Retry: &pipeline.Retry{},
				Budgets: []pipeline.Budget{{Tokens: 1, Window: 1}, {Tokens: 2, Window: 2}},
			},
		},
		"nil pointers": {
			object{"rate": (*pipeline.Rate)(nil), "retry": object(nil), "budgets": []any(nil), "classify": (func(error) pipeline.Verdict)(nil)},
			pipeline.Config{},
		},
		"policy vegas":        {object{"policy": "vegas"}, pipeline.Config{Policy: pipeline.Vegas{}}},
		"policy seek":         {object{"policy": "seek"}, pipeline.Config{Policy: pipeline.Seek{}}},
		"a Seek as it is":     {object{"policy": pipeline.Seek{Refusals: 0.01}}, pipeline.Config{Policy: pipeline.Seek{Refusals: 0.01}}},
		"policy aimd":         {object{"policy": "aimd"}, pipeline.Config{Policy: pipeline.AIMD{}}},
		"policy static":       {object{"policy": "static"}, pipeline.Config{Policy: pipeline.Static{}}},
		"policy as it is":     {object{"policy": pipeline.AIMD{FailureThreshold: 2}}, pipeline.Config{Policy: pipeline.AIMD{FailureThreshold: 2}}},
		"a field of an AIMD":  {object{"cooling_period": 30}, pipeline.Config{Policy: pipeline.AIMD{CoolingPeriod: minute / 2}}},
		"policy and its keys": {object{"policy": "aimd", "failure_threshold": 2}, pipeline.Config{Policy: pipeline.AIMD{FailureThreshold: 2}}},
		"all fields of an AIMD": {
			object{"failure_threshold": 2, "failure_window": 30, "cooling_period": "1m", "safe_ceiling_decay": 1.5},
			pipeline.Config{Policy: pipeline.AIMD{FailureThreshold: 2, FailureWindow: minute / 2, CoolingPeriod: minute, SafeCeilingDecay: 1.5}},
		},
		"a zero that means zero": {
			object{
				"min_dispatch_interval": 0, "jitter": 0, "attempt_timeout": "0s", "total_jobs": "0", "seed": 0,
				"retry": object{"budget": math.Copysign(0, -1)},
			},
			pipeline.Config{Retry: &pipeline.Retry{}},
		},
		"a zero that is as short as can be": {
			object{
				"max_dispatch_interval": 0,
				"breaker":               object{"open_for": 0},
				"retry":                 object{"base_delay": 0.0, "max_delay": "0"},
			},
			pipeline.Config{
				MaxDispatchInterval: 1, Breaker: &pipeline.Breaker{OpenFor: 1}, Retry: &pipeline.Retry{BaseDelay: 1, MaxDelay: 1},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pipeline.ConfigFromMap(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// gentlifyMap has all that a dictionary of gentlify's can have but callbacks.
var gentlifyMap = object{
	"max_concurrency":               10,
	"initial_concurrency":           3,
	"min_dispatch_interval":         0.5,
	"max_dispatch_interval":         15.0,
	"failure_threshold":             5,
	"failure_window":                30.0,
	"cooling_period":                120.0,
	"safe_ceiling_decay_multiplier": 3.0,
	"jitter_fraction":               0.3,
	"total_tasks":                   100,
	"token_budget":                  object{"max_tokens": 5000, "window_seconds": 60.0},
	"circuit_breaker":               object{"consecutive_failures": 5, "open_duration": 0, "half_open_max_calls": 2},
	"retry":                         object{"max_attempts": 4, "backoff": "exponential", "base_delay": 0, "max_delay": 10.0},
}

var gentlifyConfig = pipeline.Config{
	MaxConcurrency:      10,
	InitialConcurrency:  3,
	MinDispatchInterval: time.Second / 2,
	MaxDispatchInterval: 15 * time.Second,
	Jitter:              0.3,
	TotalJobs:           100,
	Budgets:             []pipeline.Budget{{Tokens: 5000, Window: time.Minute}},
	Breaker:             &pipeline.Breaker{Failures: 5, OpenFor: 1, Probes: 2},
	Retry:               &pipeline.Retry{MaxAttempts: 4, Backoff: pipeline.Exponential, BaseDelay: 1, MaxDelay: 10 * time.Second},
	Policy: pipeline.AIMD{
		FailureThreshold: 5, FailureWindow: 30 * time.Second, CoolingPeriod: 2 * time.Minute, SafeCeilingDecay: 3,
	},
}

func TestDictionaryOfGentlifyNeedsNoChange(t *testing.T) {
	text, err := json.Marshal(gentlifyMap)
	if err != nil {
		t.Fatal(err)
	}
	var decoded object
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]object{"as it is": gentlifyMap, "through JSON": decoded} {
		before := fmt.Sprint(m)
		got, err := pipeline.ConfigFromMap(m)
		if err != nil || !reflect.DeepEqual(got, gentlifyConfig) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, gentlifyConfig)
		}
		if after := fmt.Sprint(m); after != before {
			t.Errorf("%s: the map was changed to %s", name, after)
		}
	}
}

func TestTokenBudgetIsTheFirstBudget(t *testing.T) {
	got, err := pipeline.ConfigFromMap(object{
		"budgets":      []any{object{"name": "day", "tokens": 100, "window": "24h"}},
		"token_budget": object{"max_tokens": 5, "window_seconds": 60},
	})
	want := []pipeline.Budget{{Tokens: 5, Window: time.Minute}, {Name: "day", Tokens: 100, Window: 24 * time.Hour}}
	if err != nil || !slices.Equal(got.Budgets, want) {
		t.Errorf("got %v, %v, want %v", got.Budgets, err, want)
	}
}

func TestGoValuesOfAMapAreTakenAsTheyAre(t *testing.T) {
	type predicate func(error) bool
	logger, mock := slog.New(slog.DiscardHandler), clock.NewMock()
	dived := &dive{}
	called := make(map[string]bool)
	cfg, err := pipeline.ConfigFromMap(object{
		"classify":    func(error) pipeline.Verdict { called["classify"] = true; return pipeline.Ignored },
		"on_event":    func(pipeline.Event) { called["on_event"] = true },
		"on_progress": func(pipeline.Snapshot) { called["on_progress"] = true },
		"logger":      logger,
		"clock":       mock,
		"policy":      dived,
		"breaker":     object{"counts": predicate(func(error) bool { called["counts"] = true; return true })},
		"retry":       object{"retryable": func(error) bool { called["retryable"] = true; return true }, "base_delay": time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Logger != logger || cfg.Clock != clock.Clock(mock) || cfg.Policy != pipeline.Policy(dived) || cfg.Retry.BaseDelay != time.Minute {
		t.Errorf("%+v", cfg)
	}
	cfg.Classify(nil)
	cfg.OnEvent(pipeline.Event{})
	cfg.OnProgress(pipeline.Snapshot{})
	cfg.Breaker.Counts(nil)
	cfg.Retry.Retryable(nil)
	if len(called) != 5 {
		t.Errorf("only %v", slices.Sorted(maps.Keys(called)))
	}
}

// TestFailurePredicateSparesWhatItSays: it takes from the failures, and leaves
// marks what they are.
func TestFailurePredicateSparesWhatItSays(t *testing.T) {
	var seen []pipeline.Event
	cfg, err := pipeline.ConfigFromMap(object{
		"failure_predicate": func(err error) bool { return !errors.Is(err, errBusy) },
		"on_state_change":   func(e pipeline.Event) { seen = append(seen, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.OnEvent(pipeline.Event{}); len(seen) != 1 {
		t.Error("on_state_change is not told")
	}
	for _, test := range []struct {
		err  error
		want pipeline.Verdict
	}{
		{nil, pipeline.Succeeded},
		{errService, pipeline.Failed},
		{errBusy, pipeline.Ignored},
		{pipeline.Transient(errBusy), pipeline.Ignored},
		{pipeline.Overloaded(errService, 0), pipeline.Overload},
		{pipeline.Overloaded(errBusy, 0), pipeline.Ignored},
		{pipeline.Fatal(errService), pipeline.Ignored},
		{context.Canceled, pipeline.Ignored},
	} {
		if got := cfg.Classify(test.err); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}

func TestFailurePredicateIsNoneBesideClassify(t *testing.T) {
	_, err := pipeline.ConfigFromMap(object{
		"failure_predicate": func(error) bool { return true },
		"classify":          func(error) pipeline.Verdict { return pipeline.Failed },
	})
	fault := faultsOf(err)["failure_predicate"]
	if fault == nil || fault.Reason != "want none beside classify" {
		t.Errorf("got %v", err)
	}
}

func TestValuesMayBeWrittenInManyWays(t *testing.T) {
	for _, test := range []struct {
		key  string
		want any
		ways []any
	}{
		{"max_concurrency", 8, []any{8, "8", 8.0, float32(8), int8(8), uint64(8), json.Number("8"), json.Number("8.0"), "8e0", " 8\r"}},
		{"total_jobs", 1_000_000, []any{1e6, "1e6", "+1000000"}},
		{"seed", uint64(1<<53 + 1), []any{int64(1<<53 + 1), "9007199254740993", json.Number("9007199254740993")}},
		{"seed", uint64(math.MaxUint64), []any{uint64(math.MaxUint64), "18446744073709551615"}},
		{"seed", uint64(1 << 63), []any{float64(1 << 63), "9.223372036854775808e18"}},
		{"jitter", 0.25, []any{0.25, "0.25", float32(0.25), json.Number("2.5e-1")}},
		{"jitter", 1.0, []any{1, "1", uint8(1)}},
		{"attempt_timeout", 200 * time.Millisecond, []any{"200ms", 0.2, "0.2", float32(0.2), json.Number("0.2"), 200 * time.Millisecond, "0.2s"}},
		{"attempt_timeout", 1100 * time.Millisecond, []any{1.1, "1.1", "1.1s"}},
		{"attempt_timeout", 10_000 * time.Hour, []any{36_000_000, "3.6e7", "10000h"}},
		{"retry.park", true, []any{true, "true", "1", 1, "T"}},
		{"retry.park", false, []any{false, "false", 0, "FALSE"}},
		{"retry.backoff", pipeline.Exponential, []any{"exponential", pipeline.Exponential}},
		{"retry.backoff", pipeline.ExponentialJitter, []any{"exponential_jitter"}},
		{"policy", pipeline.Static{}, []any{"static", pipeline.Static{}}},
	} {
		for _, way := range test.ways {
			cfg, err := pipeline.ConfigFromMap(nest(test.key, way))
			if err != nil {
				t.Errorf("%s: %T %v: %v", test.key, way, way, err)
				continue
			}
			if got := fieldOf(cfg, test.key); got != test.want {
				t.Errorf("%s: %T %v: got %v, want %v", test.key, way, way, got, test.want)
			}
		}
	}
}

// nest returns the map in which the path of keys leads to the value.
func nest(path string, value any) object {
	key, rest, nested := strings.Cut(path, ".")
	if nested {
		return object{key: nest(rest, value)}
	}
	return object{key: value}
}

// fieldOf returns the field that a path of keys leads to.
func fieldOf(cfg pipeline.Config, path string) any {
	v := reflect.ValueOf(cfg)
	for key := range strings.SplitSeq(path, ".") {
		v = reflect.Indirect(v).FieldByNameFunc(func(name string) bool {
			return strings.EqualFold(name, strings.ReplaceAll(key, "_", ""))
		})
	}
	return v.Interface()
}

func TestConfigFromMapNamesEachFault(t *testing.T) {
	const (
		notWhole    = "want a whole number within 64 bits"
		notDuration = "want a duration such as 200ms, or a number of seconds, within 10000h0m0s"
		notWindow   = "want 1ns to 10000h0m0s"
		notTokens   = "want 1 to 1152921504606846976"
	)
	for _, test := range []struct {
		in   object
		want []string
	}{
		// keys
		{object{"max_concurency": 8}, []string{"max_concurency: got 8, no such key, did you mean max_concurrency?"}},
		{object{"maxConcurrency": 8}, []string{"maxConcurrency: got 8, no such key, did you mean max_concurrency?"}},
		{object{"Jitter": 0.1}, []string{"Jitter: got 0.1, no such key, did you mean jitter?"}},
		{object{"jitter_": 0.1}, []string{"jitter_: got 0.1, no such key, did you mean jitter?"}},
		{object{"circuit_braker": object{}}, []string{"circuit_braker: got map[], no such key, did you mean circuit_breaker?"}},
		{object{"colour": nil}, []string{"colour: got nothing, no such key"}},
		{object{"": object{}}, []string{": got map[], no such key"}},
		{object{strings.Repeat("x", 100): 1}, []string{strings.Repeat("x", 100) + ": got 1, no such key"}},
		{object{"budgets[0]": object{}}, []string{"budgets[0]: got map[], no such key, did you mean budgets?"}},
		{object{"retry": map[any]any{7: 1}}, []string{"retry.7: got 1, no such key"}},
		{object{"retry": object{"attempts": 1}}, []string{"retry.attempts: got 1, no such key"}},
		{object{"breaker": object{"open_duration": 1}}, []string{"breaker.open_duration: got 1, no such key"}},
		{object{"circuit_breaker": object{"failures": 1}}, []string{"circuit_breaker.failures: got 1, no such key"}},
		{
			object{"budgets": []any{object{"tokens": 1, "window": 1, "tokns": 1}}},
			[]string{"budgets[0].tokns: got 1, no such key, did you mean tokens?"},
		},
		{
			object{"total_jobs": 1, "total_tasks": 2},
			[]string{"total_tasks: got 2, want none beside total_jobs, which is the same"},
		},
		{
			object{"jitter": 0, "jitter_fraction": 0, "safe_ceiling_decay": 1, "safe_ceiling_decay_multiplier": 1},
			[]string{
				"jitter_fraction: got 0, want none beside jitter, which is the same",
				"safe_ceiling_decay_multiplier: got 1, want none beside safe_ceiling_decay, which is the same",
			},
		},
		{
			object{"breaker": object{}, "circuit_breaker": object{}},
			[]string{"circuit_breaker: got map[], want none beside breaker, which is the same"},
		},
		{
			object{"failure_predicate": (func(error) bool)(nil), "on_event": 1, "on_state_change": 2},
			[]string{
				"on_state_change: got 2, want none beside on_event, which is the same",
				"on_event: got 1, want a func(controller.Event)",
			},
		},
		{
			object{"policy": "static", "cooling_period": 1, "failure_threshold": 2},
			[]string{"failure_threshold: got 2, want none beside policy static", "cooling_period: got 1, want none beside policy static"},
		},
		{
			object{"policy": pipeline.AIMD{FailureThreshold: 1}, "failure_threshold": 2},
			[]string{"failure_threshold: got 2, want none beside policy {1 0s 0s 0}"},
		},

		// types
		{object{"max_concurrency": 2.5}, []string{"max_concurrency: got 2.5, " + notWhole}},
		{object{"max_concurrency": "many"}, []string{"max_concurrency: got many, " + notWhole}},
		{object{"max_concurrency": ""}, []string{"max_concurrency: got , " + notWhole}},
		{object{"max_concurrency": true}, []string{"max_concurrency: got true, " + notWhole}},
		{object{"max_concurrency": object{}}, []string{"max_concurrency: got map[], " + notWhole}},
		{object{"max_concurrency": []any{1}}, []string{"max_concurrency: got [1], " + notWhole}},
		{object{"total_jobs": 1e19}, []string{"total_jobs: got 1e+19, " + notWhole}},
		{object{"total_jobs": uint64(1 << 63)}, []string{"total_jobs: got 9223372036854775808, " + notWhole}},
		{object{"total_jobs": math.NaN()}, []string{"total_jobs: got NaN, " + notWhole}},
		{object{"seed": -1}, []string{"seed: got -1, " + notWhole + ", at least 0"}},
		{object{"seed": 1e20}, []string{"seed: got 1e+20, " + notWhole + ", at least 0"}},
		{object{"jitter": math.NaN()}, []string{"jitter: got NaN, want a finite number"}},
		{object{"jitter": "inf"}, []string{"jitter: got inf, want a finite number"}},
		{object{"safe_ceiling_decay": math.Inf(1)}, []string{"safe_ceiling_decay: got +Inf, want a finite number"}},
		{object{"safe_ceiling_decay": "1e999"}, []string{"safe_ceiling_decay: got 1e999, want a finite number"}},
		{object{"attempt_timeout": "soon"}, []string{"attempt_timeout: got soon, " + notDuration}},
		{object{"attempt_timeout": math.NaN()}, []string{"attempt_timeout: got NaN, " + notDuration}},
		{object{"attempt_timeout": 1e300}, []string{"attempt_timeout: got 1e+300, " + notDuration}},
		{object{"retry": object{"give_up_after": -1e300}}, []string{"retry.give_up_after: got -1e+300, " + notDuration}},
		{object{"retry": object{"park": "perhaps"}}, []string{"retry.park: got perhaps, want true or false"}},
		{object{"retry": object{"backoff": "linear"}}, []string{"retry.backoff: got linear, want fixed, exponential or exponential_jitter"}},
		{object{"retry": object{"backoff": 1}}, []string{"retry.backoff: got 1, want fixed, exponential or exponential_jitter"}},
		{object{"retry": 3}, []string{"retry: got 3, want a map"}},
		{object{"retry": pipeline.Rate{}}, []string{"retry: got {0 0}, want a map"}},
		{object{"rate": "fast"}, []string{"rate: got fast, want a map"}},
		{object{"budgets": object{}}, []string{"budgets: got map[], want a list"}},
		{object{"budgets": []any{object{"name": object{}, "tokens": 1, "window": 1}}}, []string{"budgets[0].name: got map[], want a string"}},
		{object{"budgets": []any{5}}, []string{"budgets[0]: got 5, want a map"}},
		{object{"policy": "fast"}, []string{"policy: got fast, want seek, aimd, vegas, static or a Policy"}},
		{object{"policy": object{}}, []string{"policy: got map[], want seek, aimd, vegas, static or a Policy"}},
		{object{"policy": &pipeline.Static{}}, []string{"policy: got *controller.Static, want a value, not a pointer"}},
		{object{"logger": object{}}, []string{"logger: got map[], want a *slog.Logger"}},
		{object{"clock": 12}, []string{"clock: got 12, want a clock.Clock"}},
		{object{"on_event": "log"}, []string{"on_event: got log, want a func(controller.Event)"}},
		{object{"failure_predicate": "all"}, []string{"failure_predicate: got all, want a func(error) bool"}},

		// values
		{object{"max_concurrency": 0}, []string{"max_concurrency: got 0, want at least 1"}},
		{object{"initial_concurrency": "0"}, []string{"initial_concurrency: got 0, want at least 1"}},
		{object{"initial_concurrency": 9}, []string{"initial_concurrency: got 9, want at most max_concurrency, 5"}},
		{object{"failure_threshold": 0}, []string{"failure_threshold: got 0, want at least 1"}},
		{object{"failure_window": "0s"}, []string{"failure_window: got 0s, want above 0"}},
		{object{"cooling_period": math.Copysign(0, -1)}, []string{"cooling_period: got -0, want above 0"}},
		{object{"safe_ceiling_decay_multiplier": "-0"}, []string{"safe_ceiling_decay_multiplier: got -0, want above 0"}},
		{object{"min_dispatch_interval": -1}, []string{"min_dispatch_interval: got -1, want 0s to 10000h0m0s"}},
		{
			object{"min_dispatch_interval": 5, "max_dispatch_interval": 0},
			[]string{"max_dispatch_interval: got 0, want at least min_dispatch_interval, 5s"},
		},
		{object{"min_dispatch_interval": "20000h"}, []string{"min_dispatch_interval: got 20000h, want 0s to 10000h0m0s"}},
		{object{"jitter_fraction": 1.5}, []string{"jitter_fraction: got 1.5, want 0 to 1"}},
		{object{"rate": object{}}, []string{"rate.per_second: got nothing, want above 0, at most 1e9"}},
		{object{"rate": object{"per_second": 1, "burst": 0}}, []string{"rate.burst: got 0, want at least 1"}},
		{object{"breaker": object{"failures": 0}}, []string{"breaker.failures: got 0, want at least 1"}},
		{
			object{"circuit_breaker": object{"consecutive_failures": 0, "half_open_max_calls": -1, "open_duration": -2}},
			[]string{
				"circuit_breaker.consecutive_failures: got 0, want at least 1",
				"circuit_breaker.open_duration: got -2, " + notWindow,
				"circuit_breaker.half_open_max_calls: got -1, want at least 1",
			},
		},
		{object{"retry": object{"multiplier": 0}}, []string{"retry.multiplier: got 0, want at least 1"}},
		{object{"retry": object{"give_up_after": 0}}, []string{"retry.give_up_after: got 0, want above 0, or below 0 for never"}},
		{object{"retry": object{"budget": 2}}, []string{"retry.budget: got 2, want 0 to 1"}},
		{object{"retry": object{"max_delay": 0}}, []string{"retry.max_delay: got 0, want at least base_delay, 1s"}},
		{object{"retry": pipeline.Retry{MaxAttempts: -1}}, []string{"retry.max_attempts: got -1, want at least 1"}},
		{object{"circuit_breaker": pipeline.Breaker{Failures: -1}}, []string{"circuit_breaker.consecutive_failures: got -1, want at least 1"}},
		{object{"policy": pipeline.Seek{Refusals: 2}}, []string{"policy.refusals: got 2, want above 0, at most 1"}},
		{object{"policy": "seek", "cooling_period": 1}, []string{"cooling_period: got 1, want none beside policy seek"}},
		{object{"policy": pipeline.AIMD{FailureThreshold: -1}}, []string{"failure_threshold: got -1, want 1 to 1048576"}},
		{object{"token_budget": object{"max_tokens": 5}}, []string{"token_budget.window_seconds: got nothing, " + notWindow}},
		{
			object{"token_budget": object{}, "budgets": []any{nil, object{"tokens": 0, "window": nil}}},
			[]string{
				"token_budget.max_tokens: got nothing, " + notTokens,
				"token_budget.window_seconds: got nothing, " + notWindow,
				"budgets[0].tokens: got nothing, " + notTokens,
				"budgets[0].window: got nothing, " + notWindow,
				"budgets[1].tokens: got 0, " + notTokens,
				"budgets[1].window: got nothing, " + notWindow,
			},
		},
		{
			object{"budgets": []any{object{"name": "a", "tokens": 1, "window": 1}, object{"name": "a", "tokens": 1, "window": 1}}},
			[]string{"budgets[1].name: got a, want a name that no other budget has"},
		},
		{
			object{"budgets": []any{object{"tokens": 1, "window": 1, "requests": true, "counts": "output"}}, "attempt_timeout": "forever"},
			[]string{"attempt_timeout: got forever, want 0s to 10000h0m0s", "budgets[0].counts: got output, want none beside requests"},
		},
		{object{"token_budget": object{"max_tokens": "x", "window_seconds": 1}, "budgets": 5}, []string{
			"budgets: got 5, want a list", "token_budget.max_tokens: got x, " + notWhole,
		}},

		// all at once
		{
			object{"max_concurrency": 0, "jitter": 2, "seed": "x", "colour": "red", "retry": object{"max_attempts": 0, "budget": -1}},
			[]string{
				"colour: got red, no such key",
				"max_concurrency: got 0, want at least 1",
				"retry.max_attempts: got 0, want at least 1",
				"seed: got x, " + notWhole + ", at least 0",
				"jitter: got 2, want 0 to 1",
				"retry.budget: got -1, want 0 to 1",
			},
		},
	} {
		cfg, err := pipeline.ConfigFromMap(test.in)
		if want := strings.Join(test.want, "\n"); err == nil || err.Error() != want {
			t.Errorf("%v: got\n%v\nwant\n%s", test.in, err, want)
		}
		if !reflect.DeepEqual(cfg, pipeline.Config{}) {
			t.Errorf("%v: refused, and yet %+v", test.in, cfg)
		}
		if named := faultsOf(err); len(named) != len(test.want) {
			t.Errorf("%v: %d faults by *ConfigError, want %d", test.in, len(named), len(test.want))
		}
	}
}

// configFaults returns the fields that an error names, and fails if any part of
// it is no *ConfigError.
func configFaults(t rapid.TB, err error) []string {
	var fields []string
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		fault, ok := one.(*pipeline.ConfigError)
		if !ok || fault.Reason == "" {
			t.Fatalf("%T is no ConfigError with a reason: %v", one, one)
		}
		fields = append(fields, fault.Field)
	}
	return fields
}

// addKeys adds the paths of all keys of a value, as a fault writes them.
func addKeys(keys map[string]bool, path string, value any) {
	keys[path] = true
	switch value := value.(type) {
	case object:
		for key, v := range value {
			addKeys(keys, strings.TrimPrefix(path+"."+key, "."), v)
		}
	case []any:
		for i, v := range value {
			addKeys(keys, fmt.Sprintf("%s[%d]", path, i), v)
		}
	}
}

// checkMap checks what holds for every map: what is accepted is valid, and a
// refusal names keys that were given, or miss beside one that was.
func checkMap(t rapid.TB, m object) {
	cfg, err := pipeline.ConfigFromMap(m)
	if err == nil {
		if err := cfg.Validate(); err != nil {
			t.Fatalf("%v: accepted, and yet %v", m, err)
		}
		return
	}
	if _, again := pipeline.ConfigFromMap(m); again == nil || again.Error() != err.Error() {
		t.Fatalf("%v: got\n%v\nand then\n%v", m, err, again)
	}
	given := make(map[string]bool)
	addKeys(given, "", m)
	seen := make(map[string]bool)
	for _, field := range configFaults(t, err) {
		dot := strings.LastIndexByte(field, '.')
		required := dot > 0 && given[field[:dot]] &&
			slices.Contains([]string{"tokens", "window", "max_tokens", "window_seconds", "per_second"}, field[dot+1:])
		if !given[field] && !required {
			t.Fatalf("%v: %q was not given: %v", m, field, err)
		}
		if seen[field] {
			t.Fatalf("%v: %q is named twice: %v", m, field, err)
		}
		seen[field] = true
	}
}

// TestConfigFromMapHoldsItsPromisesForAnyMap of keys that are known in one
// place or another, with values that are likely to be in one.
func TestConfigFromMapHoldsItsPromisesForAnyMap(t *testing.T) {
	plain := rapid.SampledFrom([]any{
		nil, 0, 1, 2, 5, 100, -1, 0.5, 2.5, -0.5, 1e9, 1e19, 1e300, math.NaN(), math.Inf(-1), true, false, []any{}, object{},
		"", "0", "1", "0.5", "x", "1s", "0s", "20000h", "-1ns", "fixed", "aimd", "static", "true", json.Number("3"), json.Number("x"),
	})
	group := rapid.MapOfN(rapid.SampledFrom([]string{
		"name", "tokens", "window", "max_tokens", "window_seconds", "per_second", "burst", "failures", "open_for", "probes", "wait",
		"counts", "consecutive_failures", "open_duration", "half_open_max_calls", "max_attempts", "backoff", "base_delay", "max_delay",
		"multiplier", "retryable", "park", "give_up_after", "budget", "x",
	}), plain, 0, 6)
	groups := rapid.Custom(func(t *rapid.T) any { return group.Draw(t, "group") })
	lists := rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.OneOf(groups, plain), 0, 3).Draw(t, "list") })
	maps := rapid.MapOfN(rapid.SampledFrom([]string{
		"max_concurrency", "initial_concurrency", "min_dispatch_interval", "max_dispatch_interval", "jitter", "jitter_fraction",
		"attempt_timeout", "total_jobs", "total_tasks", "seed", "budgets", "token_budget", "rate", "breaker", "circuit_breaker", "retry",
		"policy", "failure_threshold", "failure_window", "cooling_period", "safe_ceiling_decay", "safe_ceiling_decay_multiplier",
		"classify", "failure_predicate", "on_event", "on_state_change", "on_progress", "logger", "clock", "x",
	}), rapid.OneOf(plain, groups, lists), 0, 8)
	rapid.Check(t, func(rt *rapid.T) {
		for range 20 {
			checkMap(rt, maps.Draw(rt, "map"))
		}
	})
}

func FuzzConfigFromMap(f *testing.F) {
	for _, seed := range []any{
		gentlifyMap,
		object{"budgets": []any{object{"tokens": 0}, nil, 3}, "rate": object{}, "retry": object{"max_delay": 0, "base_delay": "1ms"}},
		object{"policy": "static", "cooling_period": -1, "total_jobs": 1, "total_tasks": 1, "seed": 1e19, "jitter": "NaN"},
		object{"breaker": object{"open_for": "1h", "wait": "true"}, "attempt_timeout": "9e9", "min_dispatch_interval": 1e300},
	} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, numbers bool) {
		var m object
		decoder := json.NewDecoder(bytes.NewReader(text))
		if numbers {
			decoder.UseNumber()
		}
		if decoder.Decode(&m) != nil {
			return
		}
		checkMap(t, m)
	})
}
