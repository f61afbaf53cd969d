// Command serve runs the service of the examples by itself, with limits of your
// choice, until Ctrl-C; then it tells what it saw.
//
//	go run ./examples/serve -rate 200 -concurrency 20
//	go run ./examples/etl -fresh -url http://127.0.0.1:8080
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

func main() { command.Main(run) }

// run returns the exit status: 1 if the service does not start or close, 2 for a wrong
// command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(io.Discard)
	defer stop()
	if err := serve(pipeline.Interruption(ctx), cfg, stdout); err != nil {
		fmt.Fprintln(stderr, "serve:", err)
		return 1
	}
	return command.Status(ctx, 0)
}

func parse(args []string, stderr io.Writer) (service.Config, error) {
	var cfg service.Config
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "where to listen")
	f.Float64Var(&cfg.Limits.PerSecond, "rate", 300, "requests per second; 0: no limit")
	f.Float64Var(&cfg.Limits.Burst, "burst", 50, "requests at once after a pause")
	f.Int64Var(&cfg.Limits.Tokens, "tokens", 0, "quota of tokens in each minute; 0: no limit")
	f.IntVar(&cfg.Limits.Concurrency, "concurrency", 0, "calls in flight; 0: no limit")
	f.DurationVar(&cfg.Latency, "latency", 25*time.Millisecond, "median time of an answer")
	f.Float64Var(&cfg.Spread, "spread", 0.4, "sigma of the latency's log-normal distribution")
	f.Float64Var(&cfg.FailShare, "fail", 0.01, "share of calls that end in a 500")
	f.Uint64Var(&cfg.Seed, "seed", 1, "of latencies and failures")
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	err := cfg.Validate()
	if f.NArg() > 0 {
		err = fmt.Errorf("arguments: got %q, want flags alone", f.Args())
	}
	if err != nil {
		fmt.Fprintln(stderr, "serve:", err)
	}
	return cfg, err
}

// serve answers until interrupt ends.
func serve(interrupt context.Context, cfg service.Config, out io.Writer) error {
	s, err := service.Start(cfg)
	if err != nil {
		return fmt.Errorf("-addr: got %q: %w; -addr localhost:0 takes a port that is free", cfg.Addr, err)
	}
	fmt.Fprintf(out, "listening on %s%s\n", s.URL(), service.Path)
	<-interrupt.Done()
	stats := s.Stats()
	fmt.Fprintf(out, "%d requests: %d served, %d refused, %d failed, %d abandoned, %d invalid; %d tokens charged\n",
		stats.Requests, stats.Served, stats.Refused(), stats.Failed, stats.Abandoned, stats.Invalid, stats.Tokens)
	return s.Close()
}
