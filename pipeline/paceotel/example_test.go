package paceotel_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
)

// A span for each attempt. In a program the exporter is that of OTLP, or one that
// prints.
func Example() {
	exporter := tracetest.NewInMemoryExporter()
	cfg := paceotel.Config{Name: "geocoder", TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))}

	geocode := func(ctx context.Context, city string) (string, error) {
		if pipeline.SlotFrom(ctx).Attempt() == 0 {
			return "", pipeline.Overloaded(errors.New("429 Too Many Requests"), time.Millisecond)
		}
		return city + " is at 52.5 N, 13.4 E", nil
	}
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		log.Fatal(err)
	}
	metrics, err := paceotel.Observe(cfg, throttle) // to the global MeterProvider
	if err != nil {
		log.Fatal(err)
	}
	defer metrics.Unregister()

	call := pipeline.Wrap(throttle, paceotel.Work(cfg, geocode, nil))
	fmt.Println(call(context.Background(), "Berlin"))
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name+":", span.Status.Code, span.Status.Description)
	}
	// Output:
	// Berlin is at 52.5 N, 13.4 E <nil>
	// attempt geocoder: Error 429 Too Many Requests
	// attempt geocoder: Unset
}
