package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/paceline-go/paceline/examples/command"
)

// telemetry is what a program sets up once: where metrics and spans go.
type telemetry struct {
	meters  *sdkmetric.MeterProvider
	tracers *sdktrace.TracerProvider
	url     string // of the metrics
	server  http.Server
	stopped chan error
}

// newTelemetry serves metrics at an address, and prints a share of the traces.
func newTelemetry(listen string, share float64, spans io.Writer) (*telemetry, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	printer, err := stdouttrace.New(stdouttrace.WithWriter(spans))
	if err != nil {
		return nil, err
	}
	listener, err := command.Listen("-addr", listen)
	if err != nil {
		return nil, err
	}
	t := &telemetry{
		meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		tracers: sdktrace.NewTracerProvider(sdktrace.WithBatcher(printer),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(share)))),
		url:     "http://" + listener.Addr().String() + "/metrics",
		stopped: make(chan error, 1),
	}
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.server.Handler = routes
	go func() { t.stopped <- t.server.Serve(listener) }()
	return t, nil
}

// close prints the spans that wait for that, and ends the endpoint.
func (t *telemetry) close() error {
	err := errors.Join(t.tracers.Shutdown(context.Background()), t.meters.Shutdown(context.Background()), t.server.Close())
	if stop := <-t.stopped; !errors.Is(stop, http.ErrServerClosed) {
		err = errors.Join(err, stop)
	}
	return err
}

// scrape reads the endpoint as Prometheus does, and returns the series of paceline
// that are not 0, without the buckets of the histograms and without the throttle's
// name, which is the same for all of them.
func (t *telemetry) scrape() ([]string, error) {
	client := http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	res, err := client.Get(t.url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: got %s, want 200", t.url, res.Status)
	}
	var series []string
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "paceline_") && !strings.Contains(line, "_bucket{") && !strings.HasSuffix(line, " 0") {
			line = strings.Replace(line, `paceline_throttle_name="sun"`, "", 1)
			line = strings.NewReplacer("{,", "{", ",}", "}", "{}", "").Replace(line)
			series = append(series, line)
		}
	}
	return series, lines.Err()
}
