package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
)

// collectEvery is a hundred times as often as one would, so that runs this short are collected at all.
const collectEvery = 10 * time.Millisecond

const telemetryCaption = `## Telemetry

What pipeline/paceotel costs a job, beside paceline on without it, with work that adds 1; %d workers, %s jobs; median (min–max)
of %d rounds, the contestants taking turns; ratios are medians of the ratios of each round. Metrics are collected every %v, a
hundred times as often as one would. Providers that do nothing are those that a program has without an SDK. Sampled spans go through
the SDK's batch processor to an exporter that drops them.

`

// telemetry shows what it costs to be seen.
func telemetry(w io.Writer, size sizes) error {
	fmt.Fprintf(w, telemetryCaption, overheadWorkers, count(size.jobs), size.rounds, collectEvery)
	cs := observed()
	all, err := measureRounds(cs, size.rounds, overheadWorkers, size.jobs, func() work { return addOne })
	if err != nil {
		return err
	}
	base := all[cs[0].name]
	t := newTable("", "ns per job", "ns more", "allocations per job", "× without")
	for _, c := range cs {
		m := all[c.name]
		t.addFor(c.name, spread(m.ns), fmt.Sprintf("%.0f", quantile(m.ns.less(base.ns), 0.5)),
			fmt.Sprintf("%.2f", quantile(m.allocs, 0.5)), fmt.Sprintf("%.2f", m.ns.over(base.ns)))
	}
	t.print(w)
	return nil
}

// less subtracts round by round.
func (s series) less(base series) series {
	more := make(series, len(s))
	for i := range s {
		more[i] = s[i] - base[i]
	}
	return more
}

// observed are the contestants, the one without telemetry first.
func observed() []contestant {
	return []contestant{
		{name: oursOnName, run: paceline(everythingOn)},
		{name: "work that looks at its context", run: looking},
		{name: "metrics of the throttle", run: seen{metrics: true}.run},
		{name: "attempts, providers that do nothing", run: seen{attempts: true}.run},
		{name: "attempts, durations", run: seen{attempts: true, metrics: true}.run},
		{name: "attempts, durations, spans not sampled", run: seen{attempts: true, metrics: true, spans: sdktrace.NeverSample()}.run},
		{name: "attempts, durations, spans sampled", run: seen{attempts: true, metrics: true, spans: sdktrace.AlwaysSample()}.run},
	}
}

// looking is paceline on without telemetry, but for what any work with a context in it costs.
func looking(workers int, do work, jobs <-chan int) tally {
	p, err := pipeline.New(func(ctx context.Context, j int) (int, error) {
		pipeline.SlotFrom(ctx)
		return do(j), nil
	}, everythingOn(workers))
	if err != nil {
		panic(err) // the configurations are ours
	}
	return readAll(p.Cost(func(int) int64 { return 1 }), jobs)
}

// seen is how much of a run is seen.
type seen struct {
	attempts bool             // one by one
	metrics  bool             // collected
	spans    sdktrace.Sampler // nil: none
}

func (s seen) run(workers int, do work, jobs <-chan int) tally {
	meters, tracers, stop := s.providers()
	defer stop()
	cfg := paceotel.Config{Name: "bench", MeterProvider: meters, TracerProvider: tracers}
	attempt := func(_ context.Context, j int) (int, error) { return do(j), nil }
	if s.attempts {
		attempt = paceotel.Work(cfg, attempt, nil)
	}
	p, err := pipeline.New(attempt, everythingOn(workers))
	if err != nil {
		panic(err) // the configurations are ours
	}
	metrics, err := paceotel.Observe(cfg, p.Throttle())
	if err != nil {
		panic(err)
	}
	defer metrics.Unregister()
	return readAll(p.Cost(func(int) int64 { return 1 }), jobs)
}

// providers are the SDK's, where anything is to be seen.
func (s seen) providers() (meters metric.MeterProvider, tracers trace.TracerProvider, stop func()) {
	var stops []func(context.Context) error
	meters, tracers = metricnoop.NewMeterProvider(), tracenoop.NewTracerProvider()
	if s.metrics {
		sdk := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(nowhere{}, sdkmetric.WithInterval(collectEvery))))
		meters, stops = sdk, append(stops, sdk.Shutdown)
	}
	if s.spans != nil {
		sdk := sdktrace.NewTracerProvider(sdktrace.WithSampler(s.spans), sdktrace.WithBatcher(spansNowhere{}))
		tracers, stops = sdk, append(stops, sdk.Shutdown)
	}
	return meters, tracers, func() {
		for _, stop := range stops {
			if err := stop(context.Background()); err != nil {
				panic(err) // nowhere is always there
			}
		}
	}
}

// nowhere drops metrics, spansNowhere spans.
type nowhere struct{}

func (nowhere) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}
func (nowhere) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (nowhere) Export(context.Context, *metricdata.ResourceMetrics) error { return nil }
func (nowhere) ForceFlush(context.Context) error                          { return nil }
func (nowhere) Shutdown(context.Context) error                            { return nil }

type spansNowhere struct{}

func (spansNowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (spansNowhere) Shutdown(context.Context) error                             { return nil }
