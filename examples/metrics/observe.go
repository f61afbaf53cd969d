package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
	"github.com/paceline-go/paceline/pipeline/paceterm"
)

// observe asks for all days while the endpoint shows how that goes, and tells what
// came of it. When interrupted, it takes no further day and finishes those it has.
func (o options) observe(ctx context.Context, out, spans io.Writer) (sum *summary, err error) {
	telemetry, err := newTelemetry(o.listen, o.traces, spans)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := telemetry.close(); err == nil {
			err = e
		}
	}()
	url := o.url
	if url == "" {
		embedded, err := service.Start(o.service())
		if err != nil {
			return nil, err
		}
		defer embedded.Close()
		url = embedded.URL()
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = o.concurrency
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: otelhttp.NewTransport(base,
		otelhttp.WithTracerProvider(telemetry.tracers), otelhttp.WithMeterProvider(telemetry.meters))}

	// This is all that paceline needs to be seen.
	observed := paceotel.Config{Name: "sun", MeterProvider: telemetry.meters, TracerProvider: telemetry.tracers}
	p, err := pipeline.New(paceotel.Work(observed, asker(url, client), day.spanContext), o.throttle())
	if err != nil {
		return nil, err
	}
	metrics, err := paceotel.Observe(observed, p.Throttle())
	if err != nil {
		return nil, err
	}
	defer metrics.Unregister()

	fmt.Fprintf(out, "asking     %s\nmetrics at %s\n\n", url, telemetry.url)
	sum = o.ask(ctx, p, telemetry.tracers.Tracer("examples/metrics"), out)
	series, err := telemetry.scrape()
	if err != nil {
		return nil, err
	}
	command.Verdict(ctx, out, sum.complete())
	sum.print(out, telemetry.url, series)
	if o.keep && pipeline.Interrupted(ctx) == nil {
		fmt.Fprintf(out, "\nkept at %s until Ctrl-C\n", telemetry.url)
		<-pipeline.Interruption(ctx).Done()
	}
	return sum, nil
}

// ask goes through the days.
func (o options) ask(ctx context.Context, p *pipeline.Pipeline[day, service.Answer], tracer trace.Tracer, out io.Writer) *summary {
	clk := clock.Real()
	sum, started := newSummary(o.days*len(places)), clk.Now()
	line := paceterm.Options{Plain: 2 * time.Second}.Draw(out, p.Throttle())
	defer context.AfterFunc(pipeline.Interruption(ctx), func() {
		fmt.Fprintln(line, "stopping: no further day is asked for, and those under way are finished, within a minute; Ctrl-C again ends at once")
	})()
	for r := range p.Each(ctx, o.each(tracer)) {
		sum.add(r)
		if r.Err != nil {
			r.In.span.SetStatus(codes.Error, r.Err.Error())
		}
		r.In.span.End()
	}
	sum.took = clk.Since(started)
	line.Stop()
	return sum
}
