package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
	"golang.org/x/sync/errgroup"

	"github.com/paceline-go/paceline/pipeline"
)

// work is what every contestant does with a job.
type work func(int) int

func addOne(n int) int { return n + 1 }

// A contestant moves jobs from a channel through at most so many workers, and reads all that comes out.
type contestant struct {
	name    string
	ordered bool // promises results in the order of the jobs
	run     func(workers int, do work, jobs <-chan int) tally
}

// The names of those that are measured against one another.
const (
	handWrittenName = "hand-written"
	concPoolName    = "conc pool"
	oursOnName      = "paceline on"
	oursOffName     = "paceline off"
	oursOrderedName = "paceline on, ordered"
)

// The channels are as deep as a program would make them, and equally deep for everyone; paceline's results channel is
// the one that Run returns.
const depth = 64

func contestants() []contestant {
	return []contestant{
		{name: handWrittenName, run: handWritten},
		{name: concPoolName, run: concPool},
		{name: "conc stream", ordered: true, run: concStream},
		{name: "errgroup with a limit", run: errGroup},
		{name: "ants", run: antsPool},
		{name: "pond", run: pondPool},
		{name: "failsafe-go, retry + breaker", run: failsafeBreaker},
		{name: "failsafe-go, retry + breaker + limiter", run: failsafeAdaptive},
		{name: oursOnName, run: paceline(everythingOn)},
		{name: oursOffName, run: paceline(everythingOff)},
		{name: oursOrderedName, ordered: true, run: pacelineOrdered(everythingOn)},
		{name: "paceline off, ordered", ordered: true, run: pacelineOrdered(everythingOff)},
	}
}

func contestantNamed(name string) (contestant, error) {
	for _, c := range append(contestants(), contestant{name: journalName, run: journaledInPassing}) {
		if c.name == name {
			return c, nil
		}
	}
	return contestant{}, fmt.Errorf("no contestant is named %q", name)
}

// race has the contestant do the jobs 0, 1, 2 … and checks that it lost, doubled or changed none of them.
func (c contestant) race(workers, jobs int, do work) error {
	got := c.run(workers, do, feed(jobs))
	if want := jobs * (jobs + 1) / 2; got.results != jobs || got.sum != want {
		return fmt.Errorf("%s: %d jobs gave %d results with the sum %d, want the sum %d (first error: %v)",
			c.name, jobs, got.results, got.sum, want, got.err)
	}
	if c.ordered && got.disordered {
		return fmt.Errorf("%s: results out of order", c.name)
	}
	return nil
}

func feed(n int) <-chan int {
	jobs := make(chan int, depth)
	go func() {
		defer close(jobs)
		for j := range n {
			jobs <- j
		}
	}()
	return jobs
}

// A tally is what the reader of the results keeps: enough to notice a job that was dropped, doubled or out of order.
type tally struct {
	results, sum int
	last         int
	disordered   bool
	err          error
}

func (t *tally) add(out int) {
	t.results++
	t.sum += out
	if out < t.last {
		t.disordered = true
	}
	t.last = out
}

// collect tallies what fill sends until fill returns.
func collect(fill func(out chan<- int)) tally {
	out := make(chan int, depth)
	go func() {
		defer close(out)
		fill(out)
	}()
	var t tally
	for o := range out {
		t.add(o)
	}
	return t
}

func handWritten(workers int, do work, jobs <-chan int) tally {
	return collect(func(out chan<- int) {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for j := range jobs {
					out <- do(j)
				}
			})
		}
		wg.Wait()
	})
}

func concPool(workers int, do work, jobs <-chan int) tally {
	return collect(func(out chan<- int) {
		p := pool.New().WithMaxGoroutines(workers)
		for j := range jobs {
			p.Go(func() { out <- do(j) })
		}
		p.Wait()
	})
}

func concStream(workers int, do work, jobs <-chan int) tally {
	return collect(func(out chan<- int) {
		s := stream.New().WithMaxGoroutines(workers)
		for j := range jobs {
			s.Go(func() stream.Callback {
				o := do(j)
				return func() { out <- o }
			})
		}
		s.Wait()
	})
}

func errGroup(workers int, do work, jobs <-chan int) tally {
	return collect(func(out chan<- int) {
		var g errgroup.Group
		g.SetLimit(workers)
		for j := range jobs {
			g.Go(func() error {
				out <- do(j)
				return nil
			})
		}
		_ = g.Wait() // no job returns an error
	})
}

// antsPool takes the generic pool, which needs no closure and no boxing per job: ants at its fastest.
func antsPool(workers int, do work, jobs <-chan int) tally {
	return collect(func(out chan<- int) {
		p, err := ants.NewPoolWithFuncGeneric(workers, func(j int) { out <- do(j) })
		if err != nil {
			panic(err) // the arguments are ours
		}
		for j := range jobs {
			_ = p.Invoke(j) // blocks while all workers are busy; fails only on a closed pool
		}
		_ = p.ReleaseContext(context.Background()) // waits for the workers
	})
}

// pondPool bounds the queue as the channels are bounded; pond's default would take in every job at once.
func pondPool(workers int, do work, jobs <-chan int) tally {
	return collect(func(out chan<- int) {
		p := pond.NewPool(workers, pond.WithQueueSize(depth))
		for j := range jobs {
			_ = p.Go(func() { out <- do(j) }) // Go is pond's cheaper Submit, for tasks nobody waits for one by one
		}
		p.StopAndWait()
	})
}

// failsafe-go guards calls and leaves the goroutines to its user: these are the hand-written ones.
func failsafeGuarded(workers int, do work, jobs <-chan int, policies ...failsafe.Policy[int]) tally {
	guard := failsafe.With(policies...)
	return handWritten(workers, func(j int) int {
		o, _ := guard.Get(func() (int, error) { return do(j), nil }) // an error would show in the sum
		return o
	}, jobs)
}

func failsafeBreaker(workers int, do work, jobs <-chan int) tally {
	return failsafeGuarded(workers, do, jobs,
		retrypolicy.NewWithDefaults[int](), circuitbreaker.NewWithDefaults[int]())
}

// failsafeAdaptive never lets the limit fall below the number of workers: below it, the limiter fails jobs instead of
// holding them, and the others fail none.
func failsafeAdaptive(workers int, do work, jobs <-chan int) tally {
	n := uint(workers)
	limiter := adaptivelimiter.NewBuilder[int]().WithLimits(n, 10*n, n).Build()
	return failsafeGuarded(workers, do, jobs,
		retrypolicy.NewWithDefaults[int](), circuitbreaker.NewWithDefaults[int](), limiter)
}

// everythingOn has each part work on each job. Nothing in it ever binds: the budget is larger than any run.
func everythingOn(workers int) pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: workers,
		Policy:         pipeline.Seek{},
		Breaker:        &pipeline.Breaker{},
		Retry:          &pipeline.Retry{},
		Budgets:        []pipeline.Budget{{Name: "tokens", Tokens: 1 << 50, Window: time.Minute}},
	}
}

// atOnce is everything on but that the limit is there from the beginning: Seek would wait for a success first.
func atOnce(workers int) pipeline.Config {
	cfg := everythingOn(workers)
	cfg.Policy = pipeline.AIMD{}
	return cfg
}

// allAtOnce returns the contestant with all its workers at work from the beginning.
func (c contestant) allAtOnce() contestant {
	switch c.name {
	case oursOnName:
		c.run = paceline(atOnce)
	case oursOrderedName:
		c.run = pacelineOrdered(atOnce)
	}
	return c
}

func everythingOff(workers int) pipeline.Config {
	return pipeline.Config{MaxConcurrency: workers, Policy: pipeline.Static{}}
}

func paceline(config func(workers int) pipeline.Config) func(int, work, <-chan int) tally {
	return func(workers int, do work, jobs <-chan int) tally {
		return readAll(newPipeline(config(workers), do), jobs)
	}
}

func pacelineOrdered(config func(workers int) pipeline.Config) func(int, work, <-chan int) tally {
	return func(workers int, do work, jobs <-chan int) tally {
		return readAll(newPipeline(config(workers), do).Ordered(), jobs)
	}
}

func newPipeline(cfg pipeline.Config, do work) *pipeline.Pipeline[int, int] {
	p, err := pipeline.New(func(_ context.Context, j int) (int, error) { return do(j), nil }, cfg)
	if err != nil {
		panic(err) // the configurations are ours
	}
	if len(cfg.Budgets) > 0 {
		p = p.Cost(func(int) int64 { return 1 })
	}
	return p
}

func readAll(p *pipeline.Pipeline[int, int], jobs <-chan int) tally {
	var t tally
	for r := range p.Run(context.Background(), jobs) {
		if r.Err != nil && t.err == nil {
			t.err = r.Err
		}
		t.add(r.Out)
	}
	return t
}
