package pacejournal_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

// Row is a job. Its ID is its key.
type Row struct{ ID, Text string }

// Answer is what the service makes of it. It is kept as JSON.
type Answer struct{ Text string }

// Key names the row in every run.
func (r Row) Key() string { return r.ID }

func enrich(ctx context.Context, p *pipeline.Pipeline[Row, Answer], rows iter.Seq[Row]) error {
	journal, err := pacejournal.Open[Row, Answer]("run.db", Row.Key, pacejournal.Options{Run: "model 5, prompt 2"})
	if err != nil {
		return err
	}
	defer journal.Close()
	for r := range journal.Each(ctx, p, rows) { // one result for each row, whether it was done now or before
		fmt.Println(r.In, r.Out, r.Err, r.Known)
	}
	return ctx.Err()
}

var _ = enrich

func dir() (path string, remove func()) {
	path, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	return path, func() { os.RemoveAll(path) }
}

// A run that is cut off after two results, and another one with the same jobs, which
// goes on where the first was. Only the loop over p.Each has become one over journal.Each.
func Example() {
	dir, remove := dir()
	defer remove()
	rows := []Row{{"a", "one"}, {"b", "two"}, {"c", "three"}, {"d", "four"}}

	run := func(most int) error {
		journal, err := pacejournal.Open[Row, Answer](filepath.Join(dir, "run.db"), Row.Key, pacejournal.Options{Run: "upper case, version 1"})
		if err != nil {
			return err
		}
		defer journal.Close()
		p, err := pipeline.New(func(_ context.Context, r Row) (Answer, error) {
			return Answer{strings.ToUpper(r.Text)}, nil
		}, pipeline.Config{MaxConcurrency: 1})
		if err != nil {
			return err
		}
		for r := range journal.Each(context.Background(), p, slices.Values(rows[:most])) {
			fmt.Println(r.In.ID, r.Out.Text, "known:", r.Known)
		}
		return nil
	}
	if err := errors.Join(run(2), run(4)); err != nil {
		panic(err)
	}
	// Output:
	// a ONE known: false
	// b TWO known: false
	// a ONE known: true
	// b TWO known: true
	// c THREE known: false
	// d FOUR known: false
}

// What failed is kept, and done again when that is asked for.
func ExampleJournal_Retry() {
	dir, remove := dir()
	defer remove()
	journal, err := pacejournal.Open[Row, Answer](filepath.Join(dir, "run.db"), Row.Key, pacejournal.Options{})
	if err != nil {
		panic(err)
	}
	defer journal.Close()
	works := false
	p, err := pipeline.New(func(_ context.Context, r Row) (Answer, error) {
		if !works {
			return Answer{}, pipeline.Fatal(errors.New("no such row"))
		}
		return Answer{r.Text}, nil
	}, pipeline.Config{})
	if err != nil {
		panic(err)
	}
	run := func() {
		for r := range journal.Each(context.Background(), p, slices.Values([]Row{{"a", "one"}})) {
			fmt.Println(r.In.ID, r.Out.Text, r.Err, "known:", r.Known)
		}
	}
	run()
	works = true
	run()
	fmt.Println(journal.Retry())
	run()
	// Output:
	// a  no such row known: false
	// a  no such row known: true
	// 1 <nil>
	// a one <nil> known: false
}

// A run that goes on after another one counts what is left, so that percentage and ETA are right.
func ExampleJournal_Left() {
	dir, remove := dir()
	defer remove()
	journal, err := pacejournal.Open[Row, Answer](filepath.Join(dir, "run.db"), Row.Key, pacejournal.Options{})
	if err != nil {
		panic(err)
	}
	defer journal.Close()
	run := func(rows []Row) {
		left, err := journal.Left(slices.Values(rows))
		if err != nil {
			panic(err)
		}
		p, err := pipeline.New(func(_ context.Context, r Row) (Answer, error) {
			return Answer{r.Text}, nil
		}, pipeline.Config{TotalJobs: left})
		if err != nil {
			panic(err)
		}
		for range journal.Each(context.Background(), p, slices.Values(rows)) {
		}
		s := p.Throttle().Snapshot()
		fmt.Printf("%d of %d done, %v%%\n", s.Completed, s.Total, s.Percentage)
	}
	rows := []Row{{"a", "one"}, {"b", "two"}, {"c", "three"}, {"d", "four"}}
	run(rows[:1])
	run(rows)
	// Output:
	// 1 of 1 done, 100%
	// 3 of 3 done, 100%
}

// Results are read again, in the order of the jobs, and nothing is done.
func ExampleJournal_Results() {
	dir, remove := dir()
	defer remove()
	journal, err := pacejournal.Open[Row, Answer](filepath.Join(dir, "run.db"), Row.Key, pacejournal.Options{})
	if err != nil {
		panic(err)
	}
	defer journal.Close()
	p, err := pipeline.New(func(_ context.Context, r Row) (Answer, error) {
		return Answer{strings.ToUpper(r.Text)}, nil
	}, pipeline.Config{})
	if err != nil {
		panic(err)
	}
	rows := []Row{{"a", "one"}, {"b", "two"}, {"c", "three"}}
	for range journal.Each(context.Background(), p, slices.Values(rows)) {
	}
	slices.Reverse(rows)
	for r, err := range journal.Results(slices.Values(rows)) {
		if err != nil {
			panic(err)
		}
		fmt.Println(r.In.ID, r.Out.Text, r.Attempts)
	}
	// Output:
	// c THREE 1
	// b TWO 1
	// a ONE 1
}

// A service that knows idempotency keys does a job once, though it is sent twice.
func ExampleJournal_IdempotencyKey() {
	dir, remove := dir()
	defer remove()
	journal, err := pacejournal.Open[Row, Answer](filepath.Join(dir, "run.db"), Row.Key, pacejournal.Options{})
	if err != nil {
		panic(err)
	}
	defer journal.Close()
	work := func(_ context.Context, r Row) (Answer, error) {
		name := journal.IdempotencyKey(r) // for the header Idempotency-Key of a POST
		return Answer{fmt.Sprintf("%d digits", len(name))}, nil
	}
	p, err := pipeline.New(work, pipeline.Config{})
	if err != nil {
		panic(err)
	}
	for r := range journal.Each(context.Background(), p, slices.Values([]Row{{"a", "one"}})) {
		fmt.Println(r.Out.Text)
	}
	// Output: 32 digits
}
