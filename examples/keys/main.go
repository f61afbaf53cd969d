// Command keys has three keys for one API, each with a limit of its own that nobody is told. Bulk
// jobs and single calls use all of them at once, through a pool. One key is away for a while.
//
//	bulk jobs ────► pipeline.ByChoice ───┐            ┌──► key a
//	                                     ├──► Pool ───┼──► key b, away for a while
//	single calls ─► pipeline.ExecuteAny ─┘            └──► key c
//
// Run it from the root of the repo:
//
//	go run ./examples/keys
//	go run ./examples/keys -h
//
// The three lines that matter:
//
//	return pipeline.NewPool(members...)
//	p := pipeline.ByChoice(pool, s.ask)
//	_, err := pipeline.ExecuteAny(ctx, pool, func(ctx context.Context, key string) (string, error) {
package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/command"
)

// settings are the command line.
type settings struct {
	url   string
	keys  []string
	bulk  int           // jobs
	every time.Duration // there is a single call
	away  time.Duration // how long the second of the embedded service's keys is
	page  string        // where to serve a page of the keys; empty: nowhere
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every job and call was answered, 1 if one was not, 2 for a
// wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	sum, err := s.work(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "keys:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("keys", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.url, "url", "", "what to GET, with ?n=NUMBER and a key as bearer token (default: a service that is embedded)")
	keys := f.String("keys", "a,b,c", "the keys, with commas between them")
	f.IntVar(&s.bulk, "bulk", 1000, "bulk jobs")
	f.DurationVar(&s.every, "every", 200*time.Millisecond, "time between two single calls")
	f.DurationVar(&s.away, "away", 4*time.Second, "how long the embedded service refuses its second key, from the third second on")
	f.StringVar(&s.page, "page", "", "where to serve a page of the keys while it runs, such as localhost:8090 (default: none)")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.keys = strings.Split(*keys, ",")
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "keys:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case s.bulk < 1:
		return fmt.Errorf("-bulk: got %d, want at least 1", s.bulk)
	case s.every <= 0:
		return fmt.Errorf("-every: got %v, want above 0", s.every)
	case s.away < 0:
		return fmt.Errorf("-away: got %v, want at least 0", s.away)
	}
	return command.CheckURL("-url", s.url)
}
