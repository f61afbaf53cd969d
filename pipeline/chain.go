package pipeline

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"
)

// A Stage is what can stand in a chain: a [Pipeline] or a [Chain].
type Stage[In, Out any] interface {
	Run(ctx context.Context, jobs <-chan In) <-chan Result[In, Out]
	Each(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Result[In, Out]]

	chain() *Chain[In, Out]
}

// A Chain takes jobs and gives back results, one for each job, as a Pipeline
// does. Behind it are several pipelines that a job passes one after the other, or
// one whose work does many jobs in one call. Make one with [Then] or [Batch].
//
// It holds no more jobs than its pipelines do, and some 40 between two of them.
// What one of them is too slow for waits in front of it, until in the end the
// first takes no more: the slowest sets the pace.
type Chain[In, Out any] struct {
	start starter[Out]
	ways  []way
	room  func() int // how many jobs it holds at most, results that are not read included

	batched bool // jobs share attempts
}

// A starter starts the stages of a chain. They take jobs until the channel is
// closed, also when the context is done or a throttle closed, give each back, and
// then close the results.
type starter[Out any] func(ctx context.Context, jobs <-chan parcel) <-chan Result[parcel, Out]

// A parcel is a job on its way through a chain. Its type changes from stage to
// stage, so it is hidden here.
type parcel struct {
	in   any
	past *past // nil at the first stage
}

// past is what a job has been through before the stage that it is at.
type past struct {
	job          parcel // as the stages before got it
	attempts     int
	refusals     int
	waited, took time.Duration
}

// unwrap returns the job of a parcel.
func unwrap[In any](p parcel) In {
	in, _ := p.in.(In) // an interface that is nil has no type
	return in
}

// Then returns a chain in which what first makes of a job is a job of second. A
// job that fails goes no further.
//
// The results are those of the whole chain: In is the job that first was given,
// Out is second's, Err is that of the stage in which it failed, and Attempts,
// Refusals, Waited and Took are sums. So the In of those with an Err is all
// that is to be done again.
//
// Stages may share a throttle. Ordered holds for the results of a stage; a job
// that fails overtakes those that go on. Then panics if a stage is nil.
func Then[In, Mid, Out any](first Stage[In, Mid], second Stage[Mid, Out]) *Chain[In, Out] {
	mustHave("Then", first != nil, "first stage")
	mustHave("Then", second != nil, "second stage")
	one, two := first.chain(), second.chain()
	return &Chain[In, Out]{
		start: func(ctx context.Context, jobs <-chan parcel) <-chan Result[parcel, Out] {
			return connect(ctx, one, two, jobs)
		},
		ways: slices.Concat(one.ways, two.ways),
		room: func() int { return one.room() + two.room() + 2*ahead },

		batched: one.batched || two.batched,
	}
}

// ahead is how many jobs may lie between two stages, so that neither has to be woken
// for every one.
const ahead = 16

// connect starts two stages, one behind the other.
func connect[In, Mid, Out any](ctx context.Context, one *Chain[In, Mid], two *Chain[Mid, Out], jobs <-chan parcel) <-chan Result[parcel, Out] {
	between := make(chan parcel, ahead)
	results := make(chan Result[parcel, Out], ahead)
	done := one.start(ctx, jobs)
	ends := two.start(ctx, between)

	go func() {
		defer close(between) // after which ends is closed, and then results
		for r := range done {
			p := &past{job: r.In, attempts: r.Attempts, refusals: r.Refusals, waited: r.Waited, took: r.Took}
			if r.Err != nil {
				results <- addPast(p, Result[parcel, Out]{Err: r.Err})
				continue
			}
			between <- parcel{in: r.Out, past: p}
		}
	}()
	go func() {
		defer close(results)
		for r := range ends {
			results <- addPast(r.In.past, r)
		}
	}()
	return results
}

// addPast returns the result of a stage as that of all stages up to it.
func addPast[Out any](p *past, r Result[parcel, Out]) Result[parcel, Out] {
	r.In = p.job
	r.Attempts += p.attempts
	r.Refusals += p.refusals
	r.Waited += p.waited
	r.Took += p.took
	return r
}

func (c *Chain[In, Out]) chain() *Chain[In, Out] { return c }

func (p *Pipeline[In, Out]) chain() *Chain[In, Out] {
	return &Chain[In, Out]{start: p.start, ways: []way{p.way}, room: p.room}
}

// start runs p for jobs that are parcels.
func (p *Pipeline[In, Out]) start(ctx context.Context, jobs <-chan parcel) <-chan Result[parcel, Out] {
	return p.forParcels().runAll(ctx, jobs)
}

// forParcels returns p for jobs that are parcels.
func (p *Pipeline[In, Out]) forParcels() *Pipeline[parcel, Out] {
	p.running.Store(true)
	q := &Pipeline[parcel, Out]{
		way: p.way, throttle: p.throttle, ordered: p.ordered, share: p.share,
		work: func(ctx context.Context, j parcel) (Out, error) { return p.work(ctx, unwrap[In](j)) },
	}
	if p.cost != nil {
		q.cost = func(j parcel) int64 { return p.cost(unwrap[In](j)) }
	}
	if p.costs != nil {
		q.costs = func(j parcel) Amounts { return p.costs(unwrap[In](j)) }
	}
	if p.weight != nil {
		q.weight = func(j parcel) float64 { return p.weight(unwrap[In](j)) }
	}
	return q
}

// runAll is Run for jobs that all come back, however the run ends: it goes on
// until the channel is closed.
func (p *Pipeline[In, Out]) runAll(ctx context.Context, jobs <-chan In) <-chan Result[In, Out] {
	r := newRun(ctx, p, jobs, 0)
	r.returnRest = true
	go r.loop()
	return r.results
}

// Run is to a chain what [Pipeline.Run] is to a pipeline. The intake also ends
// when the throttle of any stage is closed: jobs that have not got to that stage
// by then come back with ErrClosed. So to have what was taken finished, drain the
// throttle of the first stage, and close another one only when the results are.
//
// When the intake has ended, nobody receives from jobs any more. Let the sender
// also select on ctx.Done and the throttles' Done, or use Each.
//
// Run panics if ctx or jobs is nil.
func (c *Chain[In, Out]) Run(ctx context.Context, jobs <-chan In) <-chan Result[In, Out] {
	mustHave("Run", ctx != nil, "context")
	mustHave("Run", jobs != nil, "jobs channel")
	intake, end := c.intake(ctx)
	parcels := make(chan parcel)
	results := make(chan Result[In, Out], c.room())
	var inside atomic.Int64 // jobs that were taken and not handed out
	go func() {
		defer close(parcels)
		room := func() bool {
			unread := len(results)
			return unread < leastBacklog && int(inside.Load())+unread < cap(results)
		}
		for lull := (lull{}); intake.Err() == nil && !c.closed(); {
			lull.await(room, intake.Done())
			if intake.Err() != nil {
				return
			}
			select {
			case in, ok := <-jobs:
				if !ok {
					return
				}
				inside.Add(1)
				parcels <- parcel{in: in}
			case <-intake.Done():
			}
		}
	}()
	stages := c.start(ctx, parcels)
	go func() {
		defer close(results)
		defer end()
		for r := range stages {
			results <- opened[In](r)
			inside.Add(-1)
		}
	}()
	return results
}

// Each is to a chain what [Pipeline.Each] is to a pipeline. The intake ends as
// that of Run does.
//
// Each panics if ctx or jobs is nil. A panic of jobs comes out of the loop, and so does
// runtime.Goexit.
func (c *Chain[In, Out]) Each(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
	mustHave("Each", ctx != nil, "context")
	mustHave("Each", jobs != nil, "jobs")
	return func(yield func(Result[In, Out]) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		intake, end := c.intake(ctx)
		defer end()
		parcels := make(chan parcel, ahead)

		var feeder feeder
		feeder.run(func() {
			defer close(parcels)
			for in := range jobs {
				parcels <- parcel{in: in}
				if intake.Err() != nil || c.closed() {
					return
				}
			}
		})
		defer feeder.wait()
		results := c.start(ctx, parcels)
		defer func() {
			cancel(errBreak)
			for range results {
			}
		}()
		for r := range results {
			if !yield(opened[In](r)) {
				return
			}
		}
	}
}

// opened returns a result with its job out of the parcel.
func opened[In, Out any](r Result[parcel, Out]) Result[In, Out] {
	return Result[In, Out]{
		In: unwrap[In](r.In), Out: r.Out, Err: r.Err, Key: r.Key,
		Attempts: r.Attempts, Refusals: r.Refusals, Waited: r.Waited, Took: r.Took,
	}
}

// intake returns a context that is done when ctx is or a throttle of the chain is
// closed. end ends it and returns when nothing of it is left.
func (c *Chain[In, Out]) intake(ctx context.Context) (intake context.Context, end func()) {
	intake, cancel := context.WithCancel(ctx)
	forget := closeOnSignal(ctx, c.ways[0])
	var watchers conc.WaitGroup
	for _, w := range c.ways {
		watchers.Go(func() {
			select {
			case <-w.Done():
				cancel()
			case <-intake.Done():
			}
		})
	}
	return intake, func() {
		forget()
		cancel()
		watchers.Wait()
	}
}

// closed reports whether a throttle of the chain is, also before the intake's context
// has heard of it.
func (c *Chain[In, Out]) closed() bool {
	return slices.ContainsFunc(c.ways, func(w way) bool { return closed(w) })
}
