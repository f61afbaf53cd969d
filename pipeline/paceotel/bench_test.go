package paceotel_test

import (
	"context"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
)

// BenchmarkCall is a call through a throttle, from the one without telemetry on.
func BenchmarkCall(b *testing.B) {
	nowhere := paceotel.Config{MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider()}
	metrics := nowhere
	metrics.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	unsampled := metrics
	unsampled.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	sampled := metrics
	sampled.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()))

	plain := func(_ context.Context, n int) (int, error) { return n + 1, nil }
	for _, c := range []struct {
		name string
		work pipeline.Work[int, int]
	}{
		{"none", plain},
		{"providers that do nothing", paceotel.Work(nowhere, plain, nil)},
		{"durations", paceotel.Work(metrics, plain, nil)},
		{"durations, spans not sampled", paceotel.Work(unsampled, plain, nil)},
		{"durations, spans sampled", paceotel.Work(sampled, plain, nil)},
	} {
		b.Run(c.name, func(b *testing.B) {
			throttle, err := pipeline.NewThrottle(pipeline.Config{Policy: pipeline.Static{}})
			if err != nil {
				b.Fatal(err)
			}
			call, ctx := pipeline.Wrap(throttle, c.work), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(ctx, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCollect is what one collection of a throttle's metrics costs.
func BenchmarkCollect(b *testing.B) {
	reader := sdkmetric.NewManualReader()
	cfg := paceotel.Config{Name: "geocoder", MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
	throttle, err := pipeline.NewThrottle(eventful())
	if err != nil {
		b.Fatal(err)
	}
	metrics, err := paceotel.Observe(cfg, throttle)
	if err != nil {
		b.Fatal(err)
	}
	defer metrics.Unregister()
	b.ReportAllocs()
	for b.Loop() {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(b.Context(), &all); err != nil {
			b.Fatal(err)
		}
	}
}
