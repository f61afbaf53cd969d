package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// inOrder returns the nodes of a tree in the order in which one worker takes them.
func inOrder(root branch, depthFirst bool) (nodes []int) {
	for waiting := []branch{root}; len(waiting) > 0; {
		b := waiting[0]
		nodes = append(nodes, b.First)
		if depthFirst {
			waiting = append(b.children(), waiting[1:]...)
		} else {
			waiting = append(waiting[1:], b.children()...)
		}
	}
	return nodes
}

// TestAGrowingRunIsInOrder: one worker takes jobs breadth-first or depth-first, whether they wait in
// memory or in files; so does an ordered pipeline with many workers, breadth-first.
func TestAGrowingRunIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := newBranch(0, rapid.IntRange(1, 300).Draw(t, "nodes"))
		root.Broad = rapid.Bool().Draw(t, "broad")
		cfg := pipeline.FrontierConfig[branch]{
			DepthFirst: rapid.Bool().Draw(t, "depthFirst"), Memory: rapid.SampledFrom([]int{1, 10, 1000}).Draw(t, "memory"),
		}
		if cfg.Memory < 1000 {
			cfg.Spill = &pipeline.Spill{}
		}
		inWork := cfg.Memory == 1000 && rapid.Bool().Draw(t, "inWork")
		workers := 1
		if !cfg.DepthFirst && !inWork {
			workers = rapid.SampledFrom([]int{1, 8}).Draw(t, "workers")
		}
		f, err := pipeline.NewFrontier(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pipeline.New(func(ctx context.Context, b branch) (none struct{}, err error) {
			if inWork {
				err = f.Submit(ctx, b.children()...)
			}
			return none, err
		}, pipeline.Config{MaxConcurrency: workers})
		if err != nil {
			t.Fatal(err)
		}
		if workers > 1 {
			p.Ordered()
		}
		var got []int
		for r := range pipeline.Grow(context.Background(), p, f, slices.Values([]branch{root})) {
			if got = append(got, r.In.First); !inWork {
				r.Err = f.Submit(context.Background(), r.In.children()...)
			}
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if want := inOrder(root, cfg.DepthFirst); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// newGrowing returns a pipeline that does nothing, one job after the other.
func newIdle[In any](t *testing.T) *pipeline.Pipeline[In, struct{}] {
	t.Helper()
	p, err := pipeline.New(func(context.Context, In) (none struct{}, err error) { return none, nil }, pipeline.Config{MaxConcurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// errorsOf returns the errors of each job of a call of Submit.
func errorsOf(t *testing.T, err error) (all []string) {
	t.Helper()
	for line := range strings.Lines(err.Error()) {
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

func TestAFullFrontierSaysSo(t *testing.T) {
	f := newFrontier(t, pipeline.FrontierConfig[int]{Memory: 2})
	var got []int
	for r := range pipeline.Grow(t.Context(), newIdle[int](t), f, slices.Values([]int{0})) {
		if got = append(got, r.In); r.In != 0 {
			continue
		}
		err := f.Submit(t.Context(), 1, 2, 3, 4)
		if one := new(pipeline.SubmitError); !errors.Is(err, pipeline.ErrFrontierFull) || !errors.As(err, &one) || one.Index != 2 {
			t.Errorf("got %v, want that the frontier is full for the job with index 2", err)
		}
		if all := errorsOf(t, err); len(all) != 2 || all[1] != "paceline: job 3 not submitted: paceline: frontier is full" {
			t.Errorf("got %q, want a line for each of two jobs", all)
		}
	}
	if !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("got %v, want those that were taken", got)
	}
}

// TestAnAttemptsJobsHaveAPlace: without files, what attempts have submitted counts as waiting, and an attempt that
// fails gives its places back.
func TestAnAttemptsJobsHaveAPlace(t *testing.T) {
	f := newFrontier(t, pipeline.FrontierConfig[int]{Memory: 2})
	p, err := pipeline.New(func(ctx context.Context, in int) (none struct{}, err error) {
		if in > 0 {
			return none, nil
		}
		if err := f.Submit(ctx, 1, 2); err != nil {
			t.Errorf("attempt %d: %v", pipeline.SlotFrom(ctx).Attempt(), err)
		}
		if err := f.Submit(ctx, 3); !errors.Is(err, pipeline.ErrFrontierFull) {
			t.Errorf("attempt %d: got %v, want %v", pipeline.SlotFrom(ctx).Attempt(), err, pipeline.ErrFrontierFull)
		}
		if pipeline.SlotFrom(ctx).Attempt() < 2 {
			return none, errService
		}
		return none, nil
	}, pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{BaseDelay: time.Nanosecond}})
	if err != nil {
		t.Fatal(err)
	}
	results := slices.Collect(pipeline.Grow(t.Context(), p, f, slices.Values([]int{0})))
	if len(results) != 3 || results[0].Attempts != 3 || results[2].In != 2 {
		t.Errorf("got %v, want three results, the first after three attempts", results)
	}
}

// hard is a job that sometimes has no JSON, or none that can be read.
type hard int

func (h hard) MarshalJSON() ([]byte, error) {
	switch {
	case h == 13:
		return nil, errService
	case h == 14:
		return []byte(`"fourteen"`), nil
	}
	return fmt.Appendf(nil, "%d", int(h)), nil
}

func (h *hard) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		panic("no number")
	}
	_, err := fmt.Sscan(string(data), (*int)(h))
	return err
}

// TestWhatCannotBeWrittenIsAnError: of a job that has no JSON, Submit says so; one that cannot be read again is
// counted by Err; the others are done.
func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	f := newFrontier(t, pipeline.FrontierConfig[hard]{Memory: 1, Spill: &pipeline.Spill{}})
	var got []hard
	for r := range pipeline.Grow(t.Context(), newIdle[hard](t), f, slices.Values([]hard{0})) {
		if got = append(got, r.In); r.In != 0 {
			continue
		}
		err := f.Submit(t.Context(), 1, 12, 13, 14, 15)
		if one := new(pipeline.SubmitError); !errors.Is(err, errService) || !errors.As(err, &one) || one.Index != 2 || len(errorsOf(t, err)) != 1 {
			t.Errorf("got %v, want %v for the job with index 2", err, errService)
		}
	}
	if !slices.Equal(got, []hard{0, 1, 12, 15}) {
		t.Errorf("got %v", got)
	}
	lost, panicked := new(pipeline.LostError), new(pipeline.PanicError)
	if err := f.Err(); !errors.As(err, &lost) || lost.Jobs != 1 || !errors.As(err, &panicked) {
		t.Errorf("got %v, want that one job is lost by a panic", err)
	}
}

// TestAFullDiskIsAnError: what waits is kept, and Submit says why it takes no more.
func TestAFullDiskIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := newFrontier(t, pipeline.FrontierConfig[branch]{Memory: 1, Spill: &pipeline.Spill{Dir: dir}})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	got, want, refused := 0, 1, 0
	for r := range pipeline.Grow(t.Context(), newIdle[branch](t), f, slices.Values([]branch{newBranch(0, 1)})) {
		if got++; r.In.First > 0 {
			continue
		}
		for node := 1; node < 5000; node++ {
			switch err := f.Submit(t.Context(), newBranch(node, 1)); {
			case err == nil && refused == 0:
				want++
			case errors.Is(err, os.ErrNotExist):
				refused++
			default:
				t.Fatalf("got %v after %d refused", err, refused)
			}
		}
	}
	if got != want || want < 2 || refused == 0 || f.Err() != nil {
		t.Errorf("got %d results of %d submitted, %d refused, %v; want all, and some refused", got, want, refused, f.Err())
	}
}

func TestFrontierConfigIsChecked(t *testing.T) {
	_, err := pipeline.NewFrontier(pipeline.FrontierConfig[func()]{Memory: -1, Spill: &pipeline.Spill{Dir: "/no/such/place"}})
	for _, want := range []string{"memory: got -1, want at least 1", "spill: got func()", "spill.dir: got /no/such/place, want a directory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if one := new(pipeline.ConfigError); !errors.As(err, &one) {
		t.Errorf("got %T, want a *ConfigError", err)
	}
}

func TestJobsAreSubmittedInTheirPlace(t *testing.T) {
	f := newFrontier(t, pipeline.FrontierConfig[int]{})
	if err := f.Submit(t.Context(), 1); !errors.Is(err, pipeline.ErrFrontierOver) {
		t.Errorf("before the loop: got %v, want %v", err, pipeline.ErrFrontierOver)
	}
	if s := f.Snapshot(); s != (pipeline.FrontierSnapshot{}) || f.Err() != nil {
		t.Errorf("before the loop: got %+v", s)
	}
	var late context.Context
	p, err := pipeline.New(func(ctx context.Context, ins []int) ([]int, error) {
		late = ctx
		return ins, f.Submit(ctx, 2)
	}, pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	grown := pipeline.Grow(t.Context(), pipeline.Batch(p, 1, time.Millisecond), f, slices.Values([]int{1}))
	for r := range grown {
		if !errors.Is(r.Err, pipeline.ErrSubmitInWork) || r.Attempts != 1 {
			t.Errorf("in a batch: got %v after %d attempts, want %v after one", r.Err, r.Attempts, pipeline.ErrSubmitInWork)
		}
	}
	if err := f.Submit(late, 1); !errors.Is(err, pipeline.ErrSubmitInWork) && !errors.Is(err, pipeline.ErrFrontierOver) {
		t.Errorf("after the loop: got %v, want %v", err, pipeline.ErrFrontierOver)
	}
	wantPanic(t, "Grow: the frontier has had its loop", func() {
		for range grown {
		}
	})
	wantPanic(t, "Grow: frontier is nil", func() { pipeline.Grow(t.Context(), newIdle[int](t), nil, slices.Values([]int{1})) })
	wantPanic(t, "Grow: seeds is nil", func() { pipeline.Grow(t.Context(), newIdle[int](t), f, nil) })
	var noContext context.Context
	wantPanic(t, "Submit: context is nil", func() { _ = f.Submit(noContext, 1) })
}

// TestALateSubmitIsRefused: a goroutine that outlives its attempt gets an error.
func TestALateSubmitIsRefused(t *testing.T) {
	f := newFrontier(t, pipeline.FrontierConfig[int]{})
	var late context.Context
	p, err := pipeline.New(func(ctx context.Context, in int) (none struct{}, err error) {
		if in == 0 {
			late = ctx
			return none, f.Submit(ctx, 1)
		}
		if err := f.Submit(late, 2); err == nil {
			t.Error("got none, want an error: the attempt has ended")
		}
		return none, nil
	}, pipeline.Config{MaxConcurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	if results := slices.Collect(pipeline.Grow(t.Context(), p, f, slices.Values([]int{0}))); len(results) != 2 {
		t.Errorf("got %v, want two results", results)
	}
}

// TestAPanicComesOutOfAGrowingLoop: one of the seeds, and one of the loop's body, and nothing is left running.
func TestAPanicComesOutOfAGrowingLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wantPanic(t, "seeds", func() {
			f := newFrontier(t, pipeline.FrontierConfig[int]{})
			for range pipeline.Grow(t.Context(), newIdle[int](t), f, func(yield func(int) bool) { yield(0); panic("seeds") }) {
			}
		})
		wantPanic(t, "body", func() {
			f := newFrontier(t, pipeline.FrontierConfig[int]{})
			for range pipeline.Grow(t.Context(), newIdle[int](t), f, slices.Values([]int{0, 1, 2})) {
				if err := f.Submit(t.Context(), 3); err != nil {
					t.Error(err)
				}
				panic("body")
			}
		})
	})
}

func wantPanic(t *testing.T, want string, do func()) {
	t.Helper()
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("got a panic %q, want %q", got, want)
		}
	}()
	do()
}

// TestGoexitOfOnVerdictHidesNoVerdictFromAFrontier: each job submits the next one, and a function of OnVerdict ends its goroutine, before
// the frontier hears of the verdict or after it. The jobs succeed all the same, what they have submitted is done, and its places in memory
// come back.
func TestGoexitOfOnVerdictHidesNoVerdictFromAFrontier(t *testing.T) {
	for name, after := range map[string]bool{"before": true, "after": false} { // who comes last is told first
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const jobs, places = 20, 2
				f := newFrontier(t, pipeline.FrontierConfig[int]{Memory: places})
				p, err := pipeline.New(func(ctx context.Context, n int) (int, error) {
					exit := func(pipeline.Verdict) { runtime.Goexit() }
					slot := pipeline.SlotFrom(ctx)
					if !after {
						slot.OnVerdict(exit)
					}
					if n+1 < jobs {
						if err := f.Submit(ctx, n+1); err != nil {
							return 0, err
						}
					}
					if after {
						slot.OnVerdict(exit)
					}
					return n, nil
				}, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
				if err != nil {
					t.Fatal(err)
				}
				done := 0
				for r := range pipeline.Grow(t.Context(), p, f, slices.Values([]int{0})) {
					if r.Err != nil || r.Out != r.In || r.Attempts != 1 {
						t.Errorf("job %d: got %d in %d attempts, and %v", r.In, r.Out, r.Attempts, r.Err)
					}
					done++
				}
				if s := p.Throttle().Snapshot(); done != jobs || s.InFlight != 0 || s.Attempts.Succeeded != jobs {
					t.Errorf("got %d of %d jobs done, and %+v", done, jobs, s.Attempts)
				}
			})
		})
	}
}
