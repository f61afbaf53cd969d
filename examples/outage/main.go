// Command outage asks a language model twenty questions while it goes down and
// comes back: first one call at a time, as a chat does, then through a pipeline,
// as a batch does.
//
//	prompts ──► Wrap: rate, retries, circuit ──► HTTP ──► embedded service, down for a while
//	prompts ──► pipeline: the same           ──► HTTP ──► another one, likewise
//
// Run it from the root of the repo:
//
//	go run ./examples/outage
//	go run ./examples/outage -h
//
// The three lines that matter:
//
//	Breaker:        &pipeline.Breaker{Failures: 2, OpenFor: s.openFor, Counts: opens},
//	ask := pipeline.Wrap(throttle, c.ask)
//	results := p.Run(ctx, jobs)
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
)

// inFlight is how many calls the pipeline has in flight, at most.
const inFlight = 4

// tooShort is a prompt that no service needs to answer; it is asked third.
const tooShort = "Why?"

//go:embed data/queries.txt
var queries string

// settings are the command line, and what tests make quicker.
type settings struct {
	url, key, model string
	rate, burst     float64
	baseDelay       time.Duration // before a retry; the next one waits twice as long
	openFor         time.Duration // the circuit
	pause           time.Duration // after a call that the circuit rejected
	beat            time.Duration // of the pipeline's progress
	schedule        schedule      // of the embedded service
	prompts         []string
}

func defaults() settings {
	return settings{
		baseDelay: 300 * time.Millisecond,
		openFor:   2 * time.Second,
		pause:     300 * time.Millisecond,
		beat:      time.Second,
		schedule: schedule{
			perSecond: 4, burst: 4, // less than the client believes
			latency:   80 * time.Millisecond,
			downAfter: 8, downFor: 3500 * time.Millisecond,
		},
		prompts: slices.Insert(strings.Split(strings.TrimSpace(queries), "\n"), 2, tooShort),
	}
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every prompt is accounted for, 1 if one
// is not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	told, err := s.story(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "outage:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, told.complete())
	told.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := defaults()
	f := flag.NewFlagSet("outage", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.url, "url", "", "a service that speaks OpenAI's chat completions, without "+path+" (default: one that is embedded, and fails)")
	f.StringVar(&s.key, "key", "", "its key (default: $OPENAI_API_KEY)")
	f.StringVar(&s.model, "model", "", "its model; -url needs one")
	f.Float64Var(&s.rate, "rate", 5, "calls a second, at most")
	f.Float64Var(&s.burst, "burst", 5, "calls at once after a pause")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "outage:", err)
	}
	if s.url != "" && s.key == "" {
		s.key = os.Getenv("OPENAI_API_KEY")
	}
	return s, err
}

// validate leaves the numbers to the throttle's own configuration.
func (s settings) validate(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	}
	if err := command.CheckURL("-url", s.url); err != nil {
		return err
	}
	if s.url != "" && s.model == "" {
		return fmt.Errorf("-model: got none, want one that %s has", s.url)
	}
	return s.throttle(nil, nil).Validate()
}

// story tells both halves, each with a service of its own.
func (s settings) story(ctx context.Context, out io.Writer) (both, error) {
	fmt.Fprintf(out, "%d prompts, one call at a time\n\n", len(s.prompts))
	calls, err := s.half(ctx, out, s.calls)
	if err != nil || pipeline.Interrupted(ctx) != nil {
		return both{calls, tally{prompts: len(s.prompts), left: len(s.prompts)}}, err
	}
	fmt.Fprintf(out, "\nthe same %d prompts, through a pipeline\n\n", len(s.prompts))
	piped, err := s.half(ctx, out, s.pipe)
	return both{calls, piped}, err
}

// half tells one half on a service of its own, and lets that say what it saw.
func (s settings) half(ctx context.Context, out io.Writer, tell func(context.Context, *client, *journal) (tally, error)) (tally, error) {
	url, key, name := s.url, s.key, s.model
	var embedded *service
	if url == "" {
		var err error
		if embedded, err = startService(s.schedule, train(s.prompts)); err != nil {
			return tally{}, err
		}
		defer embedded.close()
		url, key, name = embedded.url, embeddedKey, "bigrams"
	}
	c := newClient(url, key, name)
	defer c.close()
	j := newJournal(out)
	t, err := tell(ctx, c, j)
	t.attempts, t.open, t.took = int(c.attempts.Load()), j.open, time.Since(j.started)
	if embedded != nil {
		stats := embedded.stats()
		t.seen = &stats
	}
	return t, err
}

// throttle is what both halves know of the service. They differ in what opens the
// circuit.
func (s settings) throttle(opens func(error) bool, onEvent func(pipeline.Event)) pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: inFlight,
		AttemptTimeout: time.Minute,
		Policy:         pipeline.Static{}, // the limits are given; etl shows how they are found
		Rate:           &pipeline.Rate{PerSecond: s.rate, Burst: s.burst},
		Retry:          &pipeline.Retry{MaxAttempts: 3, Backoff: pipeline.Exponential, BaseDelay: s.baseDelay},
		Breaker:        &pipeline.Breaker{Failures: 2, OpenFor: s.openFor, Counts: opens},
		OnEvent:        onEvent,
	}
}
