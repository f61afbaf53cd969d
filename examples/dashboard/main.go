// Command dashboard asks three services for the length of every day of the year in
// every corner of three continents, and serves a page on which to watch it. Each
// service has a limit of another kind, which changes, and one is down now and then;
// what the program knows of that is one quota.
//
//	places × days ──► pipeline ──► HTTP ──► embedded service: so many a second, and outages
//	places × days ──► pipeline ──► HTTP ──► embedded service: so many at once
//	places × days ──► pipeline ──► HTTP ──► embedded service: so many tokens a minute
//	                     │
//	                  pacepage ──► http://localhost:8090/
//
// The third service would answer more in a minute than its quota has tokens for. So its
// calls stop now and then until the quota has room again, in the first minute for some
// ten seconds; the page says that a budget holds them up.
//
// Run it from the root of the repo, open the page, and stop it with Ctrl-C:
//
//	go run ./examples/dashboard
//	go run ./examples/dashboard -h
//
// The three lines that matter:
//
//	pipeline.SlotFrom(ctx).RecordTokens(answer.Tokens)
//	for result := range r.pipe.Each(ctx, r.region.jobs()) {
//	server := &http.Server{Handler: pacepage.New(page, throttles), ReadHeaderTimeout: 10 * time.Second}
package main

import (
	"flag"
	"fmt"
	"io"

	"github.com/paceline-go/paceline/examples/command"
)

// settings are the command line.
type settings struct {
	addr        string
	url         string
	concurrency int
	seed        uint64
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every job that was taken came back, 1 if
// one did not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	sum, err := s.dashboard(ctx, regions, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "dashboard:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("dashboard", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.addr, "addr", "localhost:8090", "where to serve the page")
	f.StringVar(&s.url, "url", "", "a service to ask for all, such as examples/serve (default: three that are embedded)")
	f.IntVar(&s.concurrency, "concurrency", 64, "calls in flight for each region, at most")
	f.Uint64Var(&s.seed, "seed", 1, "of the embedded services' latencies and failures")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "dashboard:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case s.concurrency < 1:
		return fmt.Errorf("-concurrency: got %d, want at least 1", s.concurrency)
	}
	return command.CheckURL("-url", s.url)
}
