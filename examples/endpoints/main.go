// Command endpoints calls two endpoints of a service that share one limit, from
// many goroutines and from two pipelines. All go through one throttle, and so
// the service has none to refuse.
//
//	goroutines ──► Wrap(lookup) ──┐
//	goroutines ──► Wrap(search) ──┤
//	pipeline of lookups ──────────┼──► one Rate ──► HTTP ──► embedded service, one limit
//	pipeline of searches ─────────┘
//
// Run it from the root of the repo:
//
//	go run ./examples/endpoints
//	go run ./examples/endpoints -h
//
// The three lines that matter:
//
//	Rate:           &pipeline.Rate{PerSecond: s.rate, Burst: s.burst - s.rate*unevenness.Seconds()},
//	ask := pipeline.Wrap(t, e.ask)
//	p := pipeline.Attach(t, e.ask).Weight(func(string) float64 { return e.weight })
package main

import (
	"flag"
	"fmt"
	"io"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
)

// inFlight is how many calls are in flight, at most. The rate is meant to be
// the limit here.
const inFlight = 16

// settings are the command line.
type settings struct {
	url         string
	rate, burst float64
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every call was answered and none
// refused, 1 if one was not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(io.Discard)
	defer stop()
	sum, err := s.endpoints(pipeline.Interruption(ctx), stdout)
	if err != nil {
		fmt.Fprintln(stderr, "endpoints:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("endpoints", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.url, "url", "", "a service with these endpoints (default: one that is embedded)")
	f.Float64Var(&s.rate, "rate", 5, "calls a second that the service allows")
	f.Float64Var(&s.burst, "burst", 4, "calls at once that it allows after a pause")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "endpoints:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch least := searchWeight + s.rate*unevenness.Seconds(); {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case !(s.rate > 0):
		return fmt.Errorf("-rate: got %v, want above 0", s.rate)
	case !(s.burst >= least):
		return fmt.Errorf("-burst: got %v, want at least %v: a search counts for %v, and %v are for calls that do not arrive evenly",
			s.burst, least, searchWeight, least-searchWeight)
	}
	return command.CheckURL("-url", s.url)
}
