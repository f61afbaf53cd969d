package pipeline_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// ledger is what was submitted, and what has come back, by node.
type ledger struct {
	mu             sync.Mutex
	submitted, got map[int]int
}

func (l *ledger) add(to map[int]int, nodes ...branch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range nodes {
		to[b.First]++
	}
}

// taken returns the jobs of a call of Submit that were taken, given its error.
func taken(jobs []branch, err error) (all []branch) {
	not := make(map[int]bool)
	var walk func(error)
	walk = func(err error) {
		var one *pipeline.SubmitError
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range several.Unwrap() {
				walk(err)
			}
		} else if one, ok = err.(*pipeline.SubmitError); ok {
			not[one.Index] = true
		} else if err != nil {
			walk(errors.Unwrap(err))
		}
	}
	walk(err)
	for i, job := range jobs {
		if !not[i] {
			all = append(all, job)
		}
	}
	return all
}

// drawStage draws one of the stages that can grow, with what closes and drains it.
func drawStage(t *rapid.T, cfg pipeline.Config) func(f *faults, work pipeline.Work[branch, int]) (pipeline.Stage[branch, int], func(), func(context.Context) error) {
	kind := rapid.SampledFrom([]string{"pipeline", "ordered", "by key", "ordered by key", "chain", "batch"}).Draw(t, "stage")
	return func(f *faults, work pipeline.Work[branch, int]) (pipeline.Stage[branch, int], func(), func(context.Context) error) {
		if kind == "by key" || kind == "ordered by key" {
			cfg.Budgets = nil
			hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{Each: cfg, Buffer: 20})
			if err != nil {
				f.add("%v", err)
			}
			p := pipeline.ByKey(hosts, func(b branch) int { return b.First % 3 }, work)
			if kind == "ordered by key" {
				p.OrderedByKey()
			}
			return p, hosts.Close, hosts.Drain
		}
		if kind == "batch" {
			p, err := pipeline.New(func(ctx context.Context, all []branch) ([]int, error) {
				outs, errs := make([]int, len(all)), make([]error, len(all))
				for i, b := range all {
					outs[i], errs[i] = work(ctx, b)
				}
				return outs, pipeline.Partial(errs)
			}, cfg)
			if err != nil {
				f.add("%v", err)
			}
			return pipeline.Batch(p, 3, time.Millisecond), p.Throttle().Close, p.Throttle().Drain
		}
		p, err := pipeline.New(work, cfg)
		if err != nil {
			f.add("%v", err)
		}
		if kind == "ordered" {
			p.Ordered()
		}
		if kind == "chain" {
			second, err := pipeline.New(func(_ context.Context, n int) (int, error) { return n, nil }, pipeline.Config{MaxConcurrency: 2})
			if err != nil {
				f.add("%v", err)
			}
			return pipeline.Then(p, second), p.Throttle().Close, p.Throttle().Drain
		}
		return p, p.Throttle().Close, p.Throttle().Drain
	}
}

// TestEachSubmittedJobHasOneResult plays random schedules of growing runs, with failures, retries, cancel,
// close and drain at any moment.
func TestEachSubmittedJobHasOneResult(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		n := rapid.IntRange(1, 60).Draw(rt, "nodes")
		answers := drawAnswers(rt, cfg, n)
		newStage := drawStage(rt, cfg)
		fc := pipeline.FrontierConfig[branch]{
			DepthFirst: rapid.Bool().Draw(rt, "depthFirst"),
			Memory:     rapid.SampledFrom([]int{1, 2, 5, 10, 1000}).Draw(rt, "memory"),
		}
		named := rapid.Bool().Draw(rt, "named")
		if named {
			fc.Key = branch.name
		}
		if rapid.Bool().Draw(rt, "spill") {
			fc.Spill = &pipeline.Spill{}
		}
		in := rapid.SampledFrom([]string{"work", "loop", "both"}).Draw(rt, "submit in")
		slow := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 50 * time.Millisecond}).Draw(rt, "slow")
		cancelAt, closeAt, drainAt := drawMoment(rt, "cancelAt"), drawMoment(rt, "closeAt"), drawMoment(rt, "drainAt")
		breaks := rapid.SampledFrom([]int{0, 0, 0, 1, 5}).Draw(rt, "breaks")
		stops := cancelAt != never || closeAt != never || drainAt != never
		return func(f *faults) {
			s := &service{answer: answers}
			l := &ledger{submitted: make(map[int]int), got: make(map[int]int)}
			frontier, err := pipeline.NewFrontier(fc)
			if err != nil {
				f.add("%v", err)
				return
			}
			children := func(b branch) []branch {
				all := b.children()
				if named {
					all = append(all, all...)
				}
				return all
			}
			inWork := func(b branch) bool { return in == "work" || in == "both" && b.First%2 == 0 }
			stage, closeIt, drain := newStage(f, func(ctx context.Context, b branch) (int, error) {
				var submitted []branch
				if inWork(b) {
					all := children(b)
					for part := range slices.Chunk(all, 3) {
						submitted = append(submitted, taken(part, frontier.Submit(ctx, part...))...)
					}
				}
				out, err := s.work(ctx, b.First)
				if err == nil {
					l.add(l.submitted, submitted...)
				}
				return out, err
			})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan struct{})
			defer close(ended)
			at(cancelAt, ended, cancel)
			at(closeAt, ended, closeIt)
			at(drainAt, ended, func() { _ = drain(context.Background()) })

			seeds := iter.Seq[branch](func(yield func(branch) bool) {
				seed := newBranch(0, n)
				l.add(l.submitted, seed)
				yield(seed)
			})
			looks, broken := 0, false
			for r := range pipeline.Grow(ctx, stage, frontier, seeds) {
				l.add(l.got, r.In)
				f.check(r.Attempts > 0 || stops, "node %d: %v, and nobody has stopped the run", r.In.First, r.Err)
				if r.Err == nil && !inWork(r.In) {
					all := children(r.In)
					l.add(l.submitted, taken(all, frontier.Submit(ctx, all...))...)
				}
				time.Sleep(slow)
				if looks++; looks == breaks {
					broken = true
					break
				}
			}
			for node, times := range l.submitted {
				want := times
				if named {
					want = 1
				}
				if got := l.got[node]; got != want && !(broken && got < want) {
					f.add("node %d: got %d results, want %d", node, got, want)
				}
			}
			for node := range l.got {
				f.check(l.submitted[node] > 0, "node %d has a result, and was not submitted", node)
			}
			snapshot := frontier.Snapshot()
			f.check(snapshot.Done == int64(looks) && (broken || snapshot.Submitted == snapshot.Done && snapshot.Waiting+snapshot.Inside == 0),
				"got %+v after %d results", snapshot, looks)
			f.check(frontier.Err() == nil, "got %v, want no error", frontier.Err())
			err = frontier.Submit(ctx, newBranch(0, 1))
			f.check(errors.Is(err, pipeline.ErrFrontierOver), "got %v after the loop, want %v", err, pipeline.ErrFrontierOver)
		}
	})
}
