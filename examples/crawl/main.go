// Command crawl gets each page of a site once: pages give links, links are further jobs, and the run ends when
// nothing is left. Each host has its own pace, and its robots.txt is kept to. Stop it, or kill it, and the
// next run goes on from there.
//
//	seeds ──▶ Frontier ──▶ journal ──▶ pipeline.ByKey ──▶ hosts
//	             ▲ links                    │ pages
//	             └────────── loop ◀─────────┘
//
// Run it from the root of the repo:
//
//	go run ./examples/crawl
//	go run ./examples/crawl -h
//
// The three lines that matter:
//
//	p := pipeline.ByKey(hosts, hostOf, c.fetch)
//	for r := range journal.Grow(ctx, p, pages, slices.Values(seeds)) {
//	if err := pages.Submit(ctx, c.wanted(r.Out.Links)...); err != nil {
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/paceline-go/paceline/examples/command"
)

// settings are the command line.
type settings struct {
	url         string // where a real site begins; empty: the embedded one
	journal     string
	fresh       bool
	pages       int // at most
	delay       time.Duration
	concurrency int // for each host
	agent       string
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every page was got, 1 if one was not, 2 for a wrong command
// line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	sum, err := s.start(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "crawl:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("crawl", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.url, "url", "", "where a site of your own begins, such as https://example.com/; the crawl stays on its host (default: a site that is embedded)")
	f.StringVar(&s.journal, "journal", filepath.Join(os.TempDir(), "paceline-crawl.db"), "SQLite `file` with the pages; a run goes on from it")
	f.BoolVar(&s.fresh, "fresh", false, "forget the pages of earlier runs")
	f.IntVar(&s.pages, "pages", 10_000, "pages to get, about: when there are so many, links are not followed any more")
	f.DurationVar(&s.delay, "delay", time.Second, "between two requests to a host of -url whose robots.txt has no Crawl-delay")
	f.IntVar(&s.concurrency, "concurrency", 4, "requests in flight for each host, at most")
	f.StringVar(&s.agent, "agent", "paceline-crawl", "the User-Agent, and who it is in robots.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "crawl:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("got %q, want flags only", rest)
	case s.pages < 1:
		return fmt.Errorf("-pages: got %d, want at least 1", s.pages)
	case s.concurrency < 1:
		return fmt.Errorf("-concurrency: got %d, want at least 1", s.concurrency)
	case s.delay < 0:
		return fmt.Errorf("-delay: got %v, want at least 0s", s.delay)
	case s.agent == "":
		return fmt.Errorf("-agent: got none, want a name")
	}
	if err := command.CheckURL("-url", s.url); err != nil {
		return err
	}
	return command.CheckFile("-journal", s.journal)
}
