package paceotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// scope is the name of the instrumentation, which is that of this package.
const scope = "github.com/paceline-go/paceline/pipeline/paceotel"

// Config says whose telemetry it is and where it goes. It is plain data, and
// every field may be left out.
type Config struct {
	Name           string               // of the throttle, the attribute paceline.throttle.name; differs among those of a program
	MeterProvider  metric.MeterProvider // nil: the global one
	TracerProvider trace.TracerProvider // nil: the global one

	Classify func(error) pipeline.Verdict // for work that is called outside an attempt, where no throttle judges; nil: pipeline.Classify
	Clock    clock.Clock                  // as in pipeline.Config, for the durations and spans of attempts; nil: real time
}

func (c Config) meter() metric.Meter {
	provider := c.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	return provider.Meter(scope)
}

func (c Config) tracer() trace.Tracer {
	provider := c.TracerProvider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return provider.Tracer(scope)
}

func (c Config) clock() clock.Clock {
	if c.Clock == nil {
		return clock.Real()
	}
	return c.Clock
}

func (c Config) classify() func(error) pipeline.Verdict {
	if c.Classify == nil {
		return pipeline.Classify
	}
	return c.Classify
}

// The attributes. What OpenTelemetry has a name for goes by that name: error.type.
const (
	throttleName   = attribute.Key("paceline.throttle.name")
	throttleState  = attribute.Key("paceline.throttle.state")
	circuitState   = attribute.Key("paceline.circuit.state")
	budgetName     = attribute.Key("paceline.budget.name")
	usageName      = attribute.Key("paceline.usage.name")
	holdCause      = attribute.Key("paceline.hold.cause")
	jobResult      = attribute.Key("paceline.job.result")
	attemptOutcome = attribute.Key("paceline.attempt.outcome")
	attemptNumber  = attribute.Key("paceline.attempt.number")
	attemptTokens  = attribute.Key("paceline.attempt.tokens")
)

// attemptUsage is the attribute for what an attempt has recorded by a name.
func attemptUsage(name string) attribute.Key { return attribute.Key("paceline.attempt.usage." + name) }
