// Command sink loads 8,000 cities into PostgreSQL, many in one call, through a pool
// that has more connections than the server likes.
//
//	rows ──► Batch of 50 ──► paceline ──► pgx or database/sql ──► PostgreSQL
//	                                                                (embedded)
//
// Run it from the root of the repo:
//
//	go run ./examples/sink
//	go run ./examples/sink -driver sql
//	go run ./examples/sink -dsn postgres://localhost/test
//
// The three lines that matter:
//
//	for r := range pipeline.Batch(p, s.batch, 100*time.Millisecond).Each(ctx, slices.Values(rows)) {
//	return done, pipeline.Partial(errs)
//	return pipeline.Overloaded(err, 0)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/pipeline"
)

// settings are the command line.
type settings struct {
	dsn, driver        string
	batch, concurrency int
}

func main() { command.Main(run) }

// run returns the exit status: 0 if each row is in the table or was refused for what
// it is, 1 if one is not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	sum, err := s.sink(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "sink:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("sink", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.dsn, "dsn", "", "the PostgreSQL to load into, table "+table+" (default: one that is embedded, and pushes back)")
	f.StringVar(&s.driver, "driver", "pgx", "pgx, or sql for database/sql")
	f.IntVar(&s.batch, "batch", 50, "rows in a call, at most")
	f.IntVar(&s.concurrency, "concurrency", 32, "calls in flight, and connections, at most")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "sink:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case s.driver != "pgx" && s.driver != "sql":
		return fmt.Errorf("-driver: got %q, want pgx or sql", s.driver)
	case s.batch < 1 || s.batch > 10_000:
		return fmt.Errorf("-batch: got %d, want 1 to 10000", s.batch)
	case s.concurrency < 1 || s.concurrency > 1000:
		return fmt.Errorf("-concurrency: got %d, want 1 to 1000", s.concurrency)
	}
	return nil
}

// config is all that the throttle is told of the database.
func (s settings) config() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: s.concurrency,
		AttemptTimeout: 30 * time.Second,
		Retry:          &pipeline.Retry{MaxAttempts: 5, BaseDelay: 50 * time.Millisecond, Park: true},
	}
}

// sink loads the rows. When it is interrupted, it takes no further one and finishes
// those that it has.
func (s settings) sink(ctx context.Context, out io.Writer) (sum summary, err error) {
	rows, err := data.Cities()
	if err != nil {
		return sum, err
	}
	rows = slices.Insert(rows, 4321, impossible...)
	dsn, where := s.dsn, "PostgreSQL"
	if dsn == "" {
		server, err := startServer(room)
		if err != nil {
			return sum, err
		}
		defer server.close()
		dsn, where = server.dsn, "an embedded server of PostgreSQL's protocol"
	}
	db, err := open(pipeline.Interruption(ctx), s.driver, dsn, s.concurrency) // which may take long
	if err != nil {
		return sum, fmt.Errorf("-dsn: %w", err)
	}
	defer db.close()
	fmt.Fprintf(out, "%s rows into %s, through %s, %d in a call\n", humanize.Comma(int64(len(rows))), where, db.name, s.batch)

	p, err := pipeline.New(db.load, s.config())
	if err != nil {
		return sum, err
	}
	begun := time.Now()
	for r := range pipeline.Batch(p, s.batch, 100*time.Millisecond).Each(ctx, slices.Values(rows)) {
		sum.add(r)
	}
	sum.took, sum.calls = time.Since(begun), p.Throttle().Snapshot().Attempts
	sum.limit, sum.left = p.Throttle().Snapshot().Concurrency, len(rows)-sum.results
	sum.counted, err = db.count(context.Background())
	return sum, err
}

// impossible rows are those that no database should take.
var impossible = []data.City{
	{ID: -1, Name: "Beyond the Pole", Lat: 90.5, Lon: 0, Population: 1},
	{ID: -2, Name: "Nowhere", Lat: 0, Lon: 0, Population: -1},
}
