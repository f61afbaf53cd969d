package pacejournal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/paceline-go/paceline/pipeline"
)

// TestMain tries the property on a few schedules only, unless -rapid.checks says
// otherwise, and looks for goroutines that were left over.
func TestMain(m *testing.M) {
	if path, service, is := strings.Cut(os.Getenv(child), "\n"); is {
		if err := runChild(path, service); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := flag.Set("rapid.checks", schedules); err != nil {
		panic(err)
	}
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// journal is one of numbers, of which the square is wanted.
type journal = Journal[int, int]

type result = Result[int, int]

func keyOfNumber(n int) string { return "number " + strconv.Itoa(n) }

func openAt(t testing.TB, path string, o Options) *journal {
	t.Helper()
	j, err := Open[int, int](path, strconv.Itoa, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func open(t testing.TB) *journal {
	return openAt(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
}

// numbers are the jobs 0 to n-1.
func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func square(_ context.Context, n int) (int, error) { return n * n, nil }

// counted counts how often each job was done.
type counted struct{ calls chan int }

func newCounted() *counted { return &counted{make(chan int, 100_000)} }

func (c *counted) square(ctx context.Context, n int) (int, error) {
	c.calls <- n
	return square(ctx, n)
}

// done returns the jobs that were done since the last call, in order of their numbers.
func (c *counted) done() (all []int) {
	for {
		select {
		case n := <-c.calls:
			all = append(all, n)
		default:
			slices.Sort(all)
			return all
		}
	}
}

func through(t testing.TB, work pipeline.Work[int, int]) *pipeline.Pipeline[int, int] {
	t.Helper()
	p, err := pipeline.New(work, pipeline.Config{MaxConcurrency: 4, Policy: pipeline.Static{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func all(j *journal, ctx context.Context, p pipeline.Stage[int, int], jobs iter.Seq[int]) []result {
	return slices.Collect(j.Each(ctx, p, jobs))
}

// mustSquare checks that there is one good result for each job.
func mustSquare(t testing.TB, results []result, n int) {
	t.Helper()
	seen := map[int]bool{}
	for _, r := range results {
		if r.Err != nil || r.Out != r.In*r.In || !r.Stored || seen[r.In] || r.Attempts != 1 {
			t.Fatalf("got %+v, want the square, once, stored", r)
		}
		seen[r.In] = true
	}
	if len(seen) != n {
		t.Fatalf("got %d results, want %d", len(seen), n)
	}
}

func known(results []result) (n int) {
	for _, r := range results {
		if r.Known {
			n++
		}
	}
	return n
}

var errBad = errors.New("bad number")

// badly fails for numbers that are 3 more than a multiple of 7.
func badly(ctx context.Context, n int) (int, error) {
	if n%7 == 3 {
		return 0, pipeline.Fatal(fmt.Errorf("%w %d", errBad, n))
	}
	return square(ctx, n)
}
