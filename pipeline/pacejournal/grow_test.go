package pacejournal

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// links of a page, of which there are n: each leads to three others, also back.
func links(page, n int) []int { return []int{(2*page + 1) % n, (2*page + 2) % n, (page * page) % n} }

// TestAGrowingRunGoesOnWhereItWas: runs that are stopped somehow, one after the other, do each page once, and the last
// sees all of them.
func TestAGrowingRunGoesOnWhereItWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pages := rapid.IntRange(1, 200).Draw(rt, "pages")
		path := filepath.Join(t.TempDir(), "run.db")
		done := make(map[int]int)
		got := make(map[int]int)
		stops := rapid.SliceOfN(rapid.IntRange(1, 80), 0, 4).Draw(rt, "stops")
		for _, stop := range append(stops, 0) {
			j := openAt(t, path, Options{})
			f, err := pipeline.NewFrontier(pipeline.FrontierConfig[int]{Key: keyOfNumber, Memory: 5, Spill: &pipeline.Spill{}})
			if err != nil {
				rt.Fatal(err)
			}
			how := rapid.SampledFrom([]ending{canceled, left, closed}).Draw(rt, "how")
			ctx, cancel := context.WithCancel(context.Background())
			c := newCounted()
			p := through(t, c.square)
			clear(got)
			for r := range j.Grow(ctx, p, f, slices.Values([]int{0})) {
				if got[r.In]++; r.Stored {
					if err := f.Submit(ctx, links(r.In, pages)...); err != nil {
						rt.Fatal(err)
					}
				} else if r.Err == nil {
					rt.Fatalf("page %d: got no error, and it is not stored", r.In)
				}
				if len(got) != stop {
					continue
				}
				if how == left {
					break
				} else if how == closed {
					p.Throttle().Close()
				} else {
					cancel()
				}
			}
			cancel()
			for _, page := range c.done() {
				done[page]++
			}
			if err := j.Close(); err != nil {
				rt.Fatal(err)
			}
		}
		want := map[int]bool{0: true}
		for waiting := []int{0}; len(waiting) > 0; waiting = waiting[1:] {
			for _, page := range links(waiting[0], pages) {
				if !want[page] {
					want[page] = true
					waiting = append(waiting, page)
				}
			}
		}
		for page := range want {
			if got[page] != 1 || done[page] < 1 || len(stops) == 0 && done[page] > 1 {
				rt.Errorf("page %d: done %d times, got %d results in the end", page, done[page], got[page])
			}
		}
		if len(got) != len(want) {
			rt.Errorf("got %d pages, want %d", len(got), len(want))
		}
	})
}

func TestWorkMayNotSubmitThroughAJournal(t *testing.T) {
	f, err := pipeline.NewFrontier(pipeline.FrontierConfig[int]{})
	if err != nil {
		t.Fatal(err)
	}
	p := through(t, func(ctx context.Context, n int) (int, error) { return n, f.Submit(ctx, n+1) })
	for r := range open(t).Grow(t.Context(), p, f, numbers(1)) {
		if !errors.Is(r.Err, pipeline.ErrSubmitInWork) {
			t.Errorf("got %v, want %v", r.Err, pipeline.ErrSubmitInWork)
		}
	}
}

// TestAGrowingRunSaysThatItsJournalIsFull: what waits comes back with the journal's error.
func TestAGrowingRunSaysThatItsJournalIsFull(t *testing.T) {
	j := open(t)
	f, err := pipeline.NewFrontier(pipeline.FrontierConfig[int]{})
	if err != nil {
		t.Fatal(err)
	}
	full(t, j, "1") // is taken for as many as there are
	p, waited := through(t, square), 0
	for r := range j.Grow(t.Context(), p, f, numbers(5000)) {
		if r.In >= 10_000 {
			broken := (*Error)(nil)
			if errors.As(r.Err, &broken) && !r.Stored {
				waited++
			}
			continue
		}
		if err := f.Submit(t.Context(), 10_000+r.In); err != nil && !errors.Is(err, pipeline.ErrFrontierOver) {
			t.Fatal(err)
		}
	}
	if waited == 0 {
		t.Error("got none of those that waited, want each with the journal's error")
	}
}
