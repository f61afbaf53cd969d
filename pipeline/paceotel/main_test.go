package paceotel_test

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend keeps in memory what is sent to it.
type backend struct {
	t      *testing.T
	reader *sdkmetric.ManualReader
	spans  *tracetest.SpanRecorder

	meters  *sdkmetric.MeterProvider
	tracers *sdktrace.TracerProvider
}

func newBackend(t *testing.T) *backend {
	b := &backend{t: t, reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	b.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))
	b.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans))
	return b
}

func (b *backend) config() paceotel.Config {
	return paceotel.Config{Name: "geocoder", MeterProvider: b.meters, TracerProvider: b.tracers}
}

// collect returns what there is of each metric.
func (b *backend) collect() map[string]metricdata.Metrics {
	b.t.Helper()
	var all metricdata.ResourceMetrics
	if err := b.reader.Collect(b.t.Context(), &all); err != nil {
		b.t.Fatal(err)
	}
	found := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// values returns the points of each metric by name and attributes, the throttle's
// name left out: "paceline.attempts outcome=failed".
func (b *backend) values() map[string]float64 {
	b.t.Helper()
	values := make(map[string]float64)
	put := func(name string, of attribute.Set, v float64) {
		for _, a := range of.ToSlice() {
			if a.Key != "paceline.throttle.name" {
				name += " " + a.Value.AsString()
			}
		}
		values[name] = v
	}
	for name, m := range b.collect() {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				put(name, p.Attributes, float64(p.Value))
			}
		case metricdata.Sum[float64]:
			for _, p := range data.DataPoints {
				put(name, p.Attributes, p.Value)
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				put(name, p.Attributes, p.Value)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				put(name+" count", p.Attributes, float64(p.Count))
				put(name+" sum", p.Attributes, p.Sum)
			}
		default:
			b.t.Fatalf("%s: got data of type %T", name, data)
		}
	}
	return values
}

// expect compares those values that are named.
func (b *backend) expect(want map[string]float64) {
	b.t.Helper()
	got := b.values()
	for name, v := range want {
		if have, ok := got[name]; !ok || have-v > 1e-9 || v-have > 1e-9 {
			b.t.Errorf("%s: got %v (there: %v), want %v", name, have, ok, v)
		}
	}
}

// attributes returns those of a span, as text.
func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	found := make(map[string]string)
	for _, a := range s.Attributes() {
		found[string(a.Key)] = a.Value.String()
	}
	return found
}

func throttle(t *testing.T, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// numbers returns a channel with the numbers 0 to n-1.
func numbers(n int) <-chan int {
	jobs := make(chan int, n)
	for i := range n {
		jobs <- i
	}
	close(jobs)
	return jobs
}
