package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/paceline-go/paceline/pipeline"
)

// A branch is a job: the root of a random tree with so many nodes, numbered from First on.
type branch struct {
	First, Nodes int
	Broad        bool   // it has many children
	Text         string // so that it takes space
}

func newBranch(first, nodes int) branch {
	return branch{first, nodes, false, fmt.Sprintf("%0200d", first)}
}

// children splits what is below the root into further branches: each node of the tree is the root of one.
func (b branch) children() (all []branch) {
	r := rand.New(rand.NewPCG(uint64(b.First), uint64(b.Nodes)))
	most, largest := 1+r.IntN(20), b.Nodes
	if b.Broad {
		most, largest = b.Nodes, 20
	}
	for next, left := b.First+1, b.Nodes-1; left > 0; {
		n := left
		if most > len(all)+1 {
			n = 1 + r.IntN(min(left, largest))
		}
		all = append(all, newBranch(next, n))
		next, left = next+n, left-n
	}
	return all
}

func (b branch) name() string { return fmt.Sprint(b.First) }

// tally counts the results of each node.
type tally []atomic.Int32

func (c tally) check(t *testing.T) {
	t.Helper()
	wrong := 0
	for node := range c {
		if got := c[node].Load(); got != 1 {
			if wrong++; wrong < 5 {
				t.Errorf("node %d: got %d results, want 1", node, got)
			}
		}
	}
}

// aForest is how many jobs the longest test of growing runs has.
func aForest() int {
	if os.Getenv("PACELINE_FULL") != "" {
		return aMillion
	}
	return max(aMillion/20, 5000)
}

func newFrontier[In any](t testing.TB, cfg pipeline.FrontierConfig[In]) *pipeline.Frontier[In] {
	t.Helper()
	f, err := pipeline.NewFrontier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAGrowingRunEnds: a random tree of a million jobs, with everything full all the time, ends; each
// job is done once, and memory is flat but for the names.
func TestAGrowingRunEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		cfg    pipeline.FrontierConfig[branch]
		inWork bool
		broad  bool   // the first has many children
		most   uint64 // bytes of memory, without 60 for each name
	}{
		{"breadth first, with names, in the work, in files", pipeline.FrontierConfig[branch]{Key: branch.name, Memory: 100}, true, false, 20 << 20},
		{"depth first, in the loop, in files", pipeline.FrontierConfig[branch]{DepthFirst: true, Memory: 100}, false, true, 20 << 20},
		{"breadth first, with names, in the loop, in memory", pipeline.FrontierConfig[branch]{Key: branch.name, Memory: aForest()}, false, false, 400 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := aForest()
			inFiles := test.cfg.Memory < n
			if inFiles {
				test.cfg.Spill = &pipeline.Spill{Dir: t.TempDir()}
			}
			if test.cfg.Key != nil {
				test.most += 60 * uint64(n)
			}
			f := newFrontier(t, test.cfg)
			submit := func(ctx context.Context, b branch) error {
				children := b.children()
				if test.cfg.Key != nil {
					children = append(children, children...)
				}
				return f.Submit(ctx, children...)
			}
			p, err := pipeline.New(func(ctx context.Context, b branch) (none struct{}, err error) {
				if test.inWork {
					err = submit(ctx, b)
				}
				return none, err
			}, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}})
			if err != nil {
				t.Fatal(err)
			}
			results := make(tally, n)
			seed := newBranch(0, n)
			seed.Broad = test.broad
			before := live()
			seen, most, spilled := 0, uint64(0), int64(0)
			for r := range pipeline.Grow(t.Context(), p, f, slices.Values([]branch{seed})) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				results[r.In.First].Add(1)
				if !test.inWork {
					if err := submit(t.Context(), r.In); err != nil {
						t.Fatal(err)
					}
				}
				if seen++; seen%(n/20) == 0 {
					most = max(most, live()-min(before, live()))
					spilled = max(spilled, f.Snapshot().Spilled)
				}
			}
			results.check(t)
			if err := f.Err(); err != nil {
				t.Error(err)
			}
			enough := n > 10_000 // for a file, which takes some hundred KB of jobs
			if most > test.most || enough && inFiles != (spilled > 0) {
				t.Errorf("got %d MB of memory and up to %d jobs in files, want at most %d MB", most>>20, spilled, test.most>>20)
			}
			t.Logf("%d MB of memory, up to %d jobs in files", most>>20, spilled)
		})
	}
}

// live returns how many bytes of memory are in use.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
