// Command batch has the names of 8,000 cities embedded as vectors by a service that
// takes a hundred texts in one call, has a quota of tokens, and now and then fails at
// some texts of a call. Each text gets its own result, and those that failed are
// tried again without the others.
//
//	texts ──► Batch of 100 ──► paceline: budget of tokens ──► HTTP ──► embedded service
//
// Run it from the root of the repo:
//
//	go run ./examples/batch
//	go run ./examples/batch -batch 10
//	go run ./examples/batch -h
//
// The three lines that matter:
//
//	Budgets:        []pipeline.Budget{{Name: "tokens", Tokens: s.tokens, Window: window}},
//	for r := range pipeline.Batch(p.Cost(cost), s.batch, time.Second/10).Each(ctx, slices.Values(texts)) {
//	return vectors, pipeline.Partial(errs)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/pipeline"
)

// settings are the command line.
type settings struct {
	url    string
	texts  int
	batch  int
	tokens int64
	like   string
}

func main() { command.Main(run) }

// run returns the exit status: 0 if each text has a vector or is at fault itself, 1
// if one is not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	sum, err := s.embed(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "batch:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout, s.like)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("batch", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.url, "url", "", "a service that answers POST "+path+" as the embedded one does (default: that one)")
	f.IntVar(&s.texts, "texts", 7790, "texts to embed, 1 to 7790")
	f.IntVar(&s.batch, "batch", most, "texts in a call, at most")
	f.Int64Var(&s.tokens, "tokens", quota, "tokens that the service allows in 2 s")
	f.StringVar(&s.like, "like", "Springfield", "in the end, say which names are most like this one")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "batch:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case s.texts < 1 || s.texts > 7790:
		return fmt.Errorf("-texts: got %d, want 1 to 7790", s.texts)
	case s.batch < 1 || s.batch > most:
		return fmt.Errorf("-batch: got %d, want 1 to %d", s.batch, most)
	case s.tokens < 1000:
		return fmt.Errorf("-tokens: got %d, want at least 1000, for one call", s.tokens)
	}
	return command.CheckURL("-url", s.url)
}

func (s settings) config() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: 16,
		AttemptTimeout: 10 * time.Second,
		Retry:          &pipeline.Retry{MaxAttempts: 5, BaseDelay: 50 * time.Millisecond, Park: true},
		Budgets:        []pipeline.Budget{{Name: "tokens", Tokens: s.tokens, Window: window}},
	}
}

// cost is what a call is expected to cost; what it does cost comes with the answer.
func cost(texts []string) (tokens int64) {
	for _, text := range texts {
		tokens += int64(len(text))/3 + 1
	}
	return tokens
}

// embed has all names embedded. When it is interrupted, it takes no further one and
// finishes those that it has.
func (s settings) embed(ctx context.Context, out io.Writer) (*summary, error) {
	texts, err := names()
	if err != nil {
		return nil, err
	}
	texts = texts[:s.texts]
	url := s.url
	if url == "" {
		server, err := startServer()
		if err != nil {
			return nil, err
		}
		defer server.close()
		url = server.url
	}
	c := newClient(url)
	defer c.http.CloseIdleConnections()
	p, err := pipeline.New(c.embed, s.config())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "%s texts, %d in a call\n", comma(int64(len(texts))), s.batch)

	sum := &summary{texts: len(texts), vectors: make(map[string]vector)}
	begun := time.Now()
	for r := range pipeline.Batch(p.Cost(cost), s.batch, time.Second/10).Each(ctx, slices.Values(texts)) {
		if sum.add(r); sum.results%1000 == 0 {
			left := p.Throttle().Snapshot().TokensRemaining
			fmt.Fprintf(out, "%4.1fs  %6s texts, %s of %s tokens left\n",
				time.Since(begun).Seconds(), comma(int64(sum.results)), comma(left), comma(s.tokens))
		}
	}
	sum.took, sum.tokens = time.Since(begun), c.tokens.Load()
	sum.calls, sum.again = c.calls.Load(), c.failed.Load()
	return sum, nil
}

// names are the names of cities, each once, and two texts that are none.
func names() ([]string, error) {
	cities, err := data.Cities()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	texts := []string{"", strings.Repeat("Llanfairpwllgwyngyll", 20)}
	for _, c := range cities {
		if !seen[c.Name] {
			texts = append(texts, c.Name)
		}
		seen[c.Name] = true
	}
	return texts, nil
}

func comma(n int64) string { return humanize.Comma(n) }
