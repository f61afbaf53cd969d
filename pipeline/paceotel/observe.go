package paceotel

import (
	"context"
	"iter"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/paceline-go/paceline/pipeline"
)

// Observe makes t's metrics, which the package comment lists, part of what the
// MeterProvider collects, until the registration that it returns is told to
// Unregister. Each collection takes one Snapshot; between collections it costs
// nothing. t stays in memory for as long as it is observed.
//
// The error is that of the MeterProvider. Observe panics if t is nil.
func Observe(cfg Config, t *pipeline.Throttle) (metric.Registration, error) {
	if t == nil {
		panic("paceotel: Observe: throttle is nil")
	}
	return observe(cfg, func(yield func(string, *pipeline.Throttle) bool) { yield(cfg.Name, t) })
}

// ObserveKeyed is Observe for all throttles that k has at the time of a collection.
// name returns the attribute paceline.throttle.name of a key's throttle, which
// Config.Name is not used for. A throttle that k has forgotten and makes again
// counts from 0 again.
//
// ObserveKeyed panics if k or name is nil.
func ObserveKeyed[K comparable](cfg Config, k *pipeline.Keyed[K], name func(K) string) (metric.Registration, error) {
	if k == nil {
		panic("paceotel: ObserveKeyed: keyed is nil")
	}
	if name == nil {
		panic("paceotel: ObserveKeyed: name is nil")
	}
	return observe(cfg, func(yield func(string, *pipeline.Throttle) bool) {
		for key, t := range k.All() {
			if !yield(name(key), t) {
				return
			}
		}
	})
}

func observe(cfg Config, throttles iter.Seq2[string, *pipeline.Throttle]) (metric.Registration, error) {
	meter := cfg.meter()
	in, err := newInstruments(meter)
	if err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		for name, t := range throttles {
			in.report(to, throttleName.String(name), t.Snapshot())
		}
		return nil
	}, in.all...)
}

// instruments are those that are read from a snapshot.
type instruments struct {
	throttle, circuit                     metric.Int64ObservableUpDownCounter
	limit, maximum, ceiling, usage        metric.Int64ObservableUpDownCounter
	waiting                               metric.Int64ObservableUpDownCounter
	interval, pause                       metric.Float64ObservableGauge
	attempts, retries, jobs, tokens, used metric.Int64ObservableCounter
	held                                  metric.Float64ObservableCounter
	allowance, remaining, budgetUsed      metric.Int64ObservableUpDownCounter
	dropped                               metric.Int64ObservableCounter

	all []metric.Observable
}

// newInstruments makes them all, or tells of the first that it could not make.
func newInstruments(meter metric.Meter) (*instruments, error) {
	m := maker{meter: meter}
	in := &instruments{
		throttle: m.current("paceline.throttle.status", "1", "1 for the state that the throttle is in, 0 for the others."),
		circuit:  m.current("paceline.circuit.status", "1", "1 for the state that the circuit is in, 0 for the others."),
		limit:    m.current("paceline.concurrency.limit", "{attempt}", "Attempts that may be in flight."),
		maximum:  m.current("paceline.concurrency.max", "{attempt}", "The highest that the limit may get."),
		ceiling:  m.current("paceline.concurrency.ceiling", "{attempt}", "Where the limit stops to grow for now."),
		usage:    m.current("paceline.concurrency.usage", "{attempt}", "Attempts in flight."),
		waiting:  m.current("paceline.job.waiting", "{job}", "Jobs that were taken and wait for an attempt, their first or another."),
		interval: m.seconds("paceline.dispatch.interval", "Least time between the starts of two attempts."),
		pause:    m.seconds("paceline.pause.remaining", "For how long nothing will start because a server asked for that."),
		attempts: m.count("paceline.attempts", "{attempt}", "Attempts that have ended."),
		retries:  m.count("paceline.retries", "{attempt}", "Attempts beyond the first of their job that have ended."),
		jobs:     m.count("paceline.jobs", "{job}", "Jobs that are done with."),
		tokens:   m.count("paceline.tokens", "{token}", "Tokens that attempts have recorded."),
		used:     m.count("paceline.usage", "{unit}", "What attempts have recorded by name."),
		held:     m.time("paceline.hold.time", "Time in which jobs waited and something held up the next attempt."),

		allowance:  m.current("paceline.budget.limit", "{token}", "What a budget allows within its window."),
		budgetUsed: m.current("paceline.budget.usage", "{token}", "What was used or reserved of a budget within its window."),
		remaining:  m.current("paceline.budget.remaining", "{token}", "What is left of a budget, as far as we and the server know."),
		dropped:    m.count("paceline.event.dropped", "{event}", "Events that came faster than they were taken."),
	}
	in.all = m.all
	return in, m.err
}

// A maker makes instruments, up to the first error.
type maker struct {
	meter metric.Meter
	all   []metric.Observable
	err   error
}

func (m *maker) made(instrument metric.Observable, err error) {
	m.all = append(m.all, instrument)
	if m.err == nil {
		m.err = err
	}
}

func (m *maker) current(name, unit, description string) metric.Int64ObservableUpDownCounter {
	i, err := m.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.made(i, err)
	return i
}

func (m *maker) count(name, unit, description string) metric.Int64ObservableCounter {
	i, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.made(i, err)
	return i
}

func (m *maker) seconds(name, description string) metric.Float64ObservableGauge {
	i, err := m.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description))
	m.made(i, err)
	return i
}

func (m *maker) time(name, description string) metric.Float64ObservableCounter {
	i, err := m.meter.Float64ObservableCounter(name, metric.WithUnit("s"), metric.WithDescription(description))
	m.made(i, err)
	return i
}

// states that a throttle or a circuit can be in.
var (
	throttleStates = []pipeline.State{pipeline.Running, pipeline.Cooling, pipeline.CircuitOpen, pipeline.Down, pipeline.Draining, pipeline.Closed}
	circuitStates  = []pipeline.CircuitState{pipeline.BreakerClosed, pipeline.BreakerOpen, pipeline.BreakerHalfOpen}
)

func (in *instruments) report(to metric.Observer, throttle attribute.KeyValue, s pipeline.Snapshot) {
	of := func(more ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, throttle)...))
	}
	for _, state := range throttleStates {
		to.ObserveInt64(in.throttle, oneIf(s.State == state), of(throttleState.String(state.String())))
	}
	for _, state := range circuitStates {
		to.ObserveInt64(in.circuit, oneIf(s.Circuit == state), of(circuitState.String(state.String())))
	}

	only := of()
	to.ObserveInt64(in.limit, int64(s.Concurrency), only)
	to.ObserveInt64(in.maximum, int64(s.MaxConcurrency), only)
	to.ObserveInt64(in.ceiling, int64(s.SafeCeiling), only)
	to.ObserveInt64(in.usage, int64(s.InFlight), only)
	to.ObserveInt64(in.waiting, int64(s.Waiting), only)
	to.ObserveFloat64(in.interval, s.DispatchInterval.Seconds(), only)
	to.ObserveFloat64(in.pause, s.PausedFor.Seconds(), only)
	to.ObserveInt64(in.retries, s.Retries, only)
	to.ObserveInt64(in.tokens, s.Tokens, only)
	for name, n := range s.Used {
		to.ObserveInt64(in.used, n, of(usageName.String(name)))
	}
	to.ObserveInt64(in.dropped, s.DroppedEvents, only)

	to.ObserveInt64(in.attempts, s.Attempts.Succeeded, of(outcome(pipeline.Succeeded)))
	to.ObserveInt64(in.attempts, s.Attempts.Failed, of(outcome(pipeline.Failed)))
	to.ObserveInt64(in.attempts, s.Attempts.Overloaded, of(outcome(pipeline.Overload)))
	to.ObserveInt64(in.attempts, s.Attempts.Ignored, of(outcome(pipeline.Ignored)))
	to.ObserveInt64(in.jobs, s.Completed, of(jobResult.String("succeeded")))
	to.ObserveInt64(in.jobs, s.Failed, of(jobResult.String("failed")))

	to.ObserveFloat64(in.held, s.Held.Limit.Seconds(), of(holdCause.String(pipeline.HeldByLimit.String())))
	to.ObserveFloat64(in.held, s.Held.Pace.Seconds(), of(holdCause.String(pipeline.HeldByPace.String())))
	to.ObserveFloat64(in.held, s.Held.Budget.Seconds(), of(holdCause.String(pipeline.HeldByBudget.String())))
	to.ObserveFloat64(in.held, s.Held.Rate.Seconds(), of(holdCause.String(pipeline.HeldByRate.String())))
	to.ObserveFloat64(in.held, s.Held.Circuit.Seconds(), of(holdCause.String(pipeline.HeldByCircuit.String())))
	to.ObserveFloat64(in.held, s.Held.Server.Seconds(), of(holdCause.String(pipeline.HeldByServer.String())))

	for i, b := range s.Budgets {
		name := b.Name
		if name == "" {
			name = strconv.Itoa(i) // two of them may have none
		}
		budget := of(budgetName.String(name))
		to.ObserveInt64(in.allowance, b.Tokens, budget)
		to.ObserveInt64(in.budgetUsed, b.Used, budget)
		to.ObserveInt64(in.remaining, b.Remaining, budget)
	}
}

func oneIf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
