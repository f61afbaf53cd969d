package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
)

// options are the command line.
type options struct {
	in          string
	url         string
	db          string
	fresh       bool
	strict      bool
	concurrency int
	budget      int64
	retries     int
	seed        uint64
}

func main() { command.Main(run) }

// run returns the exit status: 0 only if every record of the input is in the
// database, 1 if one is not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := pipeline.Interruptible(context.Background(), 0)
	defer stop()
	sum, err := etl(ctx, opts, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "etl:", err)
		return command.Status(ctx, 1)
	}
	sum.print(stdout)
	if !sum.complete() {
		return command.Status(ctx, 1)
	}
	return command.Status(ctx, 0)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("etl", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.in, "in", "", "CSV `file`, gzip-compressed or not, with a header that names at least id, lat and lon (default: 8,000 cities, embedded)")
	f.StringVar(&o.url, "url", "", "the service to ask, such as http://localhost:8080 (default: one that is embedded)")
	f.StringVar(&o.db, "db", filepath.Join(os.TempDir(), "paceline-etl.db"), "SQLite `file` to load into; a run goes on from the journal beside it")
	f.BoolVar(&o.fresh, "fresh", false, "empty the database and the journal first")
	f.BoolVar(&o.strict, "strict", false, "load nothing if a row of the input cannot be used (default: it counts as failed, and the others are loaded)")
	f.IntVar(&o.concurrency, "concurrency", 64, "calls in flight, at most")
	f.Int64Var(&o.budget, "budget", 0, "`tokens` per minute to use up, at most (default: what the embedded service grants; without a limit for -url)")
	f.IntVar(&o.retries, "retries", 8, "attempts at a record, refusals not counted, before it is given up")
	f.Uint64Var(&o.seed, "seed", 1, "of the embedded service's latencies and failures, and of the throttle's jitter; 0: another each run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if err := o.validate(f.Args()); err != nil {
		fmt.Fprintln(stderr, "etl:", err)
		return o, err
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, nil
}

func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case o.concurrency < 1:
		return fmt.Errorf("-concurrency: got %d, want at least 1", o.concurrency)
	case o.budget < 0:
		return fmt.Errorf("-budget: got %d, want at least 0", o.budget)
	case o.retries < 1:
		return fmt.Errorf("-retries: got %d, want at least 1", o.retries)
	}
	return command.CheckURL("-url", o.url)
}
