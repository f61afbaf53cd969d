// Command hedge asks a service that is now and then very slow, with the policies of
// failsafe-go around the call, and with paceline's own hedge. The policies are a second call when the first takes long (hedge), a
// limit on each (timeout), and an estimate when there is no answer (fallback).
//
//	plain    cities ──► pipeline ──► timeout ──► HTTP
//	inside   cities ──► pipeline ──► hedge ──► timeout ──► HTTP
//	around   cities ──► pipeline ──► fallback ──► hedge ──► Execute: throttle ──► timeout ──► HTTP
//	gates    cities ──► pipeline ──► pipeline.Hedged: throttle ──► timeout ──► HTTP
//
// A hedge inside an attempt is a call that the throttle does not know of. Around
// Execute, each call takes a slot of its own, and so does the second one of pipeline.Hedged,
// which needs no other library.
//
// Run it from the root of the repo:
//
//	go run ./examples/hedge
//	go run ./examples/hedge -h
//
// The three lines that matter:
//
//	p, err := pipeline.New(guarded(failsafe.With(s.hedge(c), s.limit()), c.ask), throttle(inFlight))
//	work := pipeline.Hedged(guarded(failsafe.With(s.limit()), c.ask), pipeline.Hedge{Quantile: s.quantile, MaxShare: 1.2 * (1 - s.quantile)})
//	call := pipeline.Wrap(calls, guarded(failsafe.With(s.limit()), c.ask))
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

const (
	inFlight = 16 // jobs at once
	atOnce   = 20 // calls that the service allows
)

// embedded is the service that a run asks by default: one answer in a hundred takes
// ten times as long as half of them.
func embedded() service.Config {
	return service.Config{
		Latency: 20 * time.Millisecond, Spread: 1, FailShare: 0.01, Seed: 1,
		Limits: service.Limits{Concurrency: atOnce},
	}
}

// settings are the command line.
type settings struct {
	url      string
	cities   int
	quantile float64
	timeout  time.Duration
}

func main() { command.Main(run) }

// run returns the exit status: 0 if each way has come to its end, 1 if not or if the service answers nothing, 2 for a
// wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	if err := s.compare(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "hedge:", err)
		return command.Status(ctx, 1)
	}
	return command.Status(ctx, 0)
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("hedge", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.url, "url", "", "a service that answers as examples/serve does (default: one that is embedded, and slow at times)")
	f.IntVar(&s.cities, "cities", 800, "cities to ask about, 1 to 8000")
	f.Float64Var(&s.quantile, "quantile", 0.9, "a call that takes longer than this share of them gets a second one beside it")
	f.DurationVar(&s.timeout, "timeout", 2*time.Second, "of one call")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "hedge:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case s.cities < 1 || s.cities > 8000:
		return fmt.Errorf("-cities: got %d, want 1 to 8000", s.cities)
	case !(s.quantile > 0 && s.quantile < 1):
		return fmt.Errorf("-quantile: got %v, want above 0, below 1", s.quantile)
	case s.timeout <= 0:
		return fmt.Errorf("-timeout: got %v, want above 0", s.timeout)
	}
	return command.CheckURL("-url", s.url)
}

// throttle is the same for each way, but for how many calls there may be at once.
func throttle(calls int) pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: calls,
		Policy:         pipeline.Static{}, // the limit is given; etl shows how it is found
		Retry:          &pipeline.Retry{MaxAttempts: 4, BaseDelay: 10 * time.Millisecond},
	}
}

// compare goes each way, and prints what came of it.
func (s settings) compare(ctx context.Context, out io.Writer) error {
	cities, err := data.Cities()
	if err != nil {
		return err
	}
	cities = append(cities[:s.cities:s.cities], data.City{Name: "Beyond the Pole", Lat: 90.5})
	fmt.Fprintf(out, "%d cities, and a place that is none; %d at once", s.cities, inFlight)
	if s.url == "" {
		fmt.Fprintf(out, ", and the embedded service allows %d calls at once", atOnce)
	}
	fmt.Fprint(out, "\n\n")
	fmt.Fprintf(out, "%-8s%8s%8s%8s%8s%8s%14s%9s%11s\n", "", "p50", "p95", "p99", "calls", "hedges", "unknown to", "refused", "without")
	fmt.Fprintf(out, "%-8s%8s%8s%8s%8s%8s%14s%9s%11s\n", "", "", "", "", "", "", "the throttle", "", "an answer")
	for _, w := range []way{{"plain", s.plain}, {"inside", s.inside}, {"around", s.around}, {"gates", s.gates}} {
		sum, err := s.try(ctx, w, cities)
		if err != nil {
			return err
		}
		sum.print(out)
		if pipeline.Interrupted(ctx) != nil {
			fmt.Fprintln(out, "stopped: what was under way is finished")
			return nil
		}
		if sum.lost == len(cities) {
			return fmt.Errorf("%s: got an answer for none of %d places, the last with: %w", w.name, len(cities), sum.last)
		}
	}
	fmt.Fprint(out, `
plain    a timeout around each call
inside   and a hedge, inside the attempt: the throttle does not know of the second call
around   the hedge around Execute: each call has a slot; and a fallback, for the place that is none
gates    paceline's own hedge: the second call passes the gates, too, and slots are shared by both
`)
	return nil
}

// A way is one of putting policies around a call: it returns a pipeline, and the
// throttle that the calls go through.
type way struct {
	name string
	make func(*client) (*pipeline.Pipeline[data.City, service.Answer], *pipeline.Throttle, error)
}

// try goes one way, with a service of its own. When it is interrupted, it takes no
// further city and finishes those that it has.
func (s settings) try(ctx context.Context, w way, cities []data.City) (sum summary, err error) {
	url := s.url
	if url == "" {
		server, err := service.Start(embedded())
		if err != nil {
			return sum, err
		}
		defer server.Close()
		url = server.URL()
	}
	c := newClient(url)
	defer c.http.CloseIdleConnections()
	p, calls, err := w.make(c)
	if err != nil {
		return sum, err
	}
	sum.name = w.name
	for r := range p.Each(ctx, slices.Values(cities)) {
		if errors.Is(r.Err, pipeline.ErrClosed) || errors.Is(r.Err, context.Canceled) {
			continue // it was not sent, or there was no more time for it
		}
		sum.took = append(sum.took, r.Took)
		if r.Err != nil {
			sum.lost, sum.last = sum.lost+1, r.Err
		}
	}
	// The slower of two calls is cancelled, but not waited for.
	if err := calls.Drain(context.Background()); err != nil {
		return sum, err
	}
	counted := calls.Snapshot().Attempts
	sum.calls, sum.hedges, sum.refused = c.calls.Load(), c.hedges.Load()+calls.Snapshot().Hedges, c.refused.Load()
	// A hedge may be cancelled when it has a slot already, but has not called yet.
	sum.unknown = max(0, sum.calls-counted.Succeeded-counted.Failed-counted.Overloaded-counted.Ignored)
	return sum, nil
}

// summary is what came of one way.
type summary struct {
	name             string
	took             []time.Duration // of each city
	calls, hedges    int64
	unknown, refused int64 // of the calls
	lost             int
	last             error // of those that were lost
}

func (s summary) print(out io.Writer) {
	slices.Sort(s.took)
	at := func(share float64) time.Duration {
		if len(s.took) == 0 {
			return 0
		}
		return s.took[int(share*float64(len(s.took)-1))].Round(time.Millisecond)
	}
	fmt.Fprintf(out, "%-8s%8v%8v%8v%8d%8d%14d%9d%11d\n", s.name, at(0.5), at(0.95), at(0.99), s.calls, s.hedges, s.unknown, s.refused, s.lost)
}
