// Command grpc asks a gRPC server for the health of a thousand services, by the
// standard health protocol, from many goroutines at once. The server has a quota and
// answers RESOURCE_EXHAUSTED beyond it; the interceptor of package pacegrpc is all
// that the client has against that.
//
//	goroutines ──► health client ──► pacegrpc.Unary ──► embedded server with a quota
//
// Run it from the root of the repo:
//
//	go run ./examples/grpc
//	go run ./examples/grpc -without      # the same without the interceptor
//
// The three lines that matter:
//
//	cfg := pipeline.Config{MaxConcurrency: o.concurrency, Retry: &pipeline.Retry{BaseDelay: 50 * time.Millisecond}, OnEvent: complain(out), Logger: slog.New(slog.DiscardHandler)}
//	if sum.throttle, err = pipeline.NewThrottle(cfg); err != nil {
//	options = append(options, grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle, repeatable)))
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
)

// options are the command line.
type options struct {
	target      string
	tls         bool
	without     bool
	rate        float64
	concurrency int
	grace       time.Duration
}

func main() {
	ctx, _ := command.Context(io.Discard)
	command.Main(func(args []string, stdout, stderr io.Writer) int {
		return run(pipeline.Interruption(ctx), args, stdout, stderr)
	})
}

// run returns the exit status: 0 only if every service's health is known, 1 if one's
// is not, 2 for a wrong command line, 130 after Ctrl-C.
func run(interrupt context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	sum, err := o.check(interrupt, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "grpc:", err)
		return command.Status(interrupt, 1)
	}
	status := command.Verdict(interrupt, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("grpc", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.target, "target", "", "a server with the health service, such as localhost:50051 (default: one that is embedded)")
	f.BoolVar(&o.tls, "tls", false, "speak TLS with -target")
	f.BoolVar(&o.without, "without", false, "leave the interceptor out")
	f.Float64Var(&o.rate, "rate", 250, "calls a second that the embedded server allows")
	f.IntVar(&o.concurrency, "concurrency", 50, "that call at once")
	f.DurationVar(&o.grace, "grace", 5*time.Second, "how long calls under way may still take after Ctrl-C")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	err := o.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "grpc:", err)
	}
	return o, err
}

func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case !(o.rate > 0):
		return fmt.Errorf("-rate: got %v, want above 0", o.rate)
	case o.concurrency < 1:
		return fmt.Errorf("-concurrency: got %d, want at least 1", o.concurrency)
	case o.tls && o.target == "":
		return errors.New("-tls: needs -target")
	}
	return nil
}
