package pipeline

import (
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/go-viper/mapstructure/v2"
)

// ConfigFromEnv makes a Config of environment variables: the keys of
// [ConfigFromMap] in capitals, after the prefix and an underscore. An empty
// prefix stands for none.
//
//	MYAPP_MAX_CONCURRENCY=20
//	MYAPP_ATTEMPT_TIMEOUT=30s
//	MYAPP_RETRY_MAX_ATTEMPTS=5
//	MYAPP_BUDGETS_0_TOKENS=90000
//	MYAPP_BUDGETS_0_WINDOW=1m
//
// Budgets are numbered from 0, without a gap. gentlify's variables do as well,
// as they are: MYAPP_TOTAL_TASKS, MYAPP_TOKEN_BUDGET_MAX and so on. Any variable
// of a group, such as MYAPP_RETRY_PARK, makes the group, with defaults for the
// rest.
//
// Values are read as they are from a map. A variable that is empty is not set,
// and one that is none of these is left alone. Every fault is told at once, each
// by a *ConfigError that has the variable for its Field.
func ConfigFromEnv(prefix string) (Config, error) {
	if prefix != "" && !strings.HasSuffix(prefix, "_") {
		prefix += "_"
	}
	var vars variables
	m := make(map[string]any)
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: &m, MapFieldName: snake, Deep: true})
	if err == nil {
		err = vars.parse(prefix)
	}
	if err == nil {
		err = decoder.Decode(vars)
	}
	if err != nil {
		return Config{}, err // cannot be: what a variable holds is not looked at yet
	}
	name := strings.NewReplacer("max_tokens", "max", "window_seconds", "window", ".", "_", "[", "_", "]", "")
	return readConfig(m, func(key string) string { return prefix + strings.ToUpper(name.Replace(key)) })
}

// variables has a field for each variable, in camel case: its text, or nil.
type variables struct {
	MaxConcurrency, InitialConcurrency             any
	MinDispatchInterval, MaxDispatchInterval       any
	Jitter, JitterFraction, Spread                 any
	AttemptTimeout, MaxPause                       any
	TotalJobs, TotalTasks                          any
	Seed                                           any
	Policy                                         any
	FailureThreshold, FailureWindow, CoolingPeriod any
	SafeCeilingDecay, SafeCeilingDecayMultiplier   any

	Budgets []budgetVariables `envPrefix:"BUDGETS_"`

	TokenBudget struct {
		Max    any `mapstructure:"max_tokens"`
		Window any `mapstructure:"window_seconds"`
	} `envPrefix:"TOKEN_BUDGET_" mapstructure:",omitzero"`

	Rate struct {
		PerSecond, Burst any
	} `envPrefix:"RATE_" mapstructure:",omitzero"`

	Breaker struct {
		Failures, Share, MinJobs, Window, OpenFor, Probes, Wait any
	} `envPrefix:"BREAKER_" mapstructure:",omitzero"`

	CircuitBreaker struct {
		ConsecutiveFailures, OpenDuration, HalfOpenMaxCalls any
	} `envPrefix:"CIRCUIT_BREAKER_" mapstructure:",omitzero"`

	Retry struct {
		MaxAttempts, Backoff, BaseDelay, MaxDelay, Multiplier, Park, GiveUpAfter, Budget any
	} `envPrefix:"RETRY_" mapstructure:",omitzero"`
}

type budgetVariables struct{ Name, Tokens, Window, Requests, Counts any }

// parse makes as many budgets as there are numbers: if these have a gap, a
// budget in it is missing, and will be said to be.
func (v *variables) parse(prefix string) error {
	budget := regexp.MustCompile("^" + regexp.QuoteMeta(prefix) + "BUDGETS_(0|[1-9][0-9]*)_(NAME|TOKENS|WINDOW|REQUESTS|COUNTS)$")
	numbers := make(map[string]bool)
	environment := env.ToMap(os.Environ())
	for name, value := range environment {
		if match := budget.FindStringSubmatch(name); match != nil && value != "" {
			numbers[match[1]] = true
		} else if strings.HasPrefix(name, prefix+"BUDGETS") {
			delete(environment, name) // env would take it for a budget
		}
	}
	v.Budgets = make([]budgetVariables, len(numbers))
	return env.ParseWithOptions(v, env.Options{
		Environment:           environment,
		Prefix:                prefix,
		UseFieldNameByDefault: true,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[any](): func(text string) (any, error) { return text, nil },
		},
	})
}
