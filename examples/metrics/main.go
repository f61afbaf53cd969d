// Command metrics asks a web service for every day of a year at eight places, and
// shows what it does on the way: on a Prometheus endpoint, and as traces.
//
//	days ──► pipeline ──► paceotel.Work: a span an attempt ──► otelhttp: its child ──► embedded service
//	            │ one snapshot a scrape                            │ durations
//	            └──────────► OpenTelemetry ◄───────────────────────┘
//	                            └──► http://127.0.0.1:…/metrics, which it reads at the end
//
// Run it from the root of the repo:
//
//	go run ./examples/metrics
//	go run ./examples/metrics -keep            # and look at the endpoint as long as you like
//	go run ./examples/metrics -traces 0.01     # spans of every hundredth day, as JSON lines
//
// The three lines that matter:
//
//	observed := paceotel.Config{Name: "sun", MeterProvider: telemetry.meters, TracerProvider: telemetry.tracers}
//	p, err := pipeline.New(paceotel.Work(observed, asker(url, client), day.spanContext), o.throttle())
//	metrics, err := paceotel.Observe(observed, p.Throttle())
package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
)

// options are the command line.
type options struct {
	url         string
	listen      string
	keep        bool
	traces      float64
	days        int
	concurrency int
	seed        uint64
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every day was answered, 1 if one was not, 2
// for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	out, spans := stdout, io.Discard
	if o.traces > 0 {
		out, spans = stderr, stdout // so that spans can be piped by themselves
	}
	ctx, stop := pipeline.Interruptible(context.Background(), 0)
	defer stop()
	sum, err := o.observe(ctx, out, spans)
	if err != nil {
		fmt.Fprintln(stderr, "metrics:", err)
		return command.Status(ctx, 1)
	}
	if !sum.complete() {
		return command.Status(ctx, 1)
	}
	return command.Status(ctx, 0)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("metrics", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.url, "url", "", "the service to ask, such as http://localhost:8080 of examples/serve (default: one that is embedded)")
	f.StringVar(&o.listen, "addr", "127.0.0.1:0", "where the Prometheus endpoint listens; port 0: a free one")
	f.BoolVar(&o.keep, "keep", false, "keep the endpoint until Ctrl-C")
	f.Float64Var(&o.traces, "traces", 0, "`share` of the days whose spans are printed as JSON lines, 0 to 1; all else goes to stderr then")
	f.IntVar(&o.days, "days", 365, "of the year 2026 to ask for at each place, 1 to 365")
	f.IntVar(&o.concurrency, "concurrency", 16, "calls in flight, at most")
	f.Uint64Var(&o.seed, "seed", 1, "of the embedded service's latencies and failures")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	err := o.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "metrics:", err)
	}
	return o, err
}

func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case o.days < 1 || o.days > 365:
		return fmt.Errorf("-days: got %d, want 1 to 365", o.days)
	case !(o.traces >= 0 && o.traces <= 1):
		return fmt.Errorf("-traces: got %v, want 0 to 1", o.traces)
	}
	if err := command.CheckURL("-url", o.url); err != nil {
		return err
	}
	return o.throttle().Validate()
}
