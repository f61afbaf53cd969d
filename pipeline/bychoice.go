package pipeline

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/paceline-go/paceline/stage"
)

// A PoolPipeline takes jobs and gives back results, one for each job, as a Pipeline does, but each
// job goes to a member of a Pool that can start it. Result.Key names the member that did it last.
//
// Its methods but Run and Each set it up; after that, these may be called any number of times, also
// at once. Make one with ByChoice.
type PoolPipeline[V, In, Out any] struct {
	pipeline *Pipeline[In, Out]
	way      *poolWay[V, In, Out]
}

// ByChoice returns a pipeline in which each job goes to a member of pool, whose Value work gets. It
// panics if pool or work is nil.
//
// A job that is to be tried again, as the Retry of the member's Config says, goes to another member
// that can start it, at once; when there is none, it waits for one, or for the backoff's
// delay. Its attempts count together, whichever members make them.
func ByChoice[V, In, Out any](pool *Pool[V], work func(ctx context.Context, member V, in In) (Out, error)) *PoolPipeline[V, In, Out] {
	mustHave("ByChoice", pool != nil, "pool")
	mustHave("ByChoice", work != nil, "work")
	w := &poolWay[V, In, Out]{Pool: pool, work: work}
	return &PoolPipeline[V, In, Out]{pipeline: &Pipeline[In, Out]{way: w, share: new(atomic.Pointer[Share])}, way: w}
}

// Cost is as that of a Pipeline.
func (p *PoolPipeline[V, In, Out]) Cost(f func(In) int64) *PoolPipeline[V, In, Out] {
	p.pipeline.Cost(f)
	return p
}

// Costs is as that of a Pipeline.
func (p *PoolPipeline[V, In, Out]) Costs(f func(In) Amounts) *PoolPipeline[V, In, Out] {
	p.pipeline.Costs(f)
	return p
}

// Weight is as that of a Pipeline: how many calls a job counts for.
func (p *PoolPipeline[V, In, Out]) Weight(f func(In) float64) *PoolPipeline[V, In, Out] {
	p.pipeline.Weight(f)
	return p
}

// Share is as that of a Pipeline: it is what the runs of p have of the pool, before their jobs have a member.
func (p *PoolPipeline[V, In, Out]) Share(s Share) *PoolPipeline[V, In, Out] {
	p.pipeline.Share(s)
	return p
}

// Ordered is as that of a Pipeline.
func (p *PoolPipeline[V, In, Out]) Ordered() *PoolPipeline[V, In, Out] {
	p.pipeline.Ordered()
	return p
}

// Affinity has jobs with the same text done by the same member, for as long as it is available: a
// job waits for a member that is busy, not for one that is away. Is the text the name of a member, it
// is that one. Jobs with an empty text go to any. f is called once for each job, and should be
// quick; if it panics, the job comes back with a *PanicError. Affinity returns p. It panics if f
// is nil or p has been run.
func (p *PoolPipeline[V, In, Out]) Affinity(f func(In) string) *PoolPipeline[V, In, Out] {
	mustHave("Affinity", f != nil, "function")
	p.pipeline.mustNotRun("Affinity")
	p.way.affinity = f
	return p
}

// Run is to a PoolPipeline what Pipeline.Run is to a Pipeline. It takes jobs until the channel is
// closed, ctx is done or the Pool is closed. Run panics if ctx or jobs is nil.
func (p *PoolPipeline[V, In, Out]) Run(ctx context.Context, jobs <-chan In) <-chan Result[In, Out] {
	return p.pipeline.Run(ctx, jobs)
}

// Each is to a PoolPipeline what Pipeline.Each is to a Pipeline. Each panics if ctx or jobs is nil.
// A panic of jobs comes out of the loop, and so does runtime.Goexit.
func (p *PoolPipeline[V, In, Out]) Each(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
	return p.pipeline.Each(ctx, jobs)
}

// ExecuteAny is to a Pool what Execute is to a Throttle: it does one job by a member that can
// start it, whose Value fn gets, and tries again by another one. The error is a
// *CircuitOpenError at once if the circuits of all members are open, unless Breaker.Wait is
// set for one of them. WithMaxWait bounds how long it waits for a member. fn runs in a goroutine
// of its own. ExecuteAny panics if ctx, pool or fn is nil.
func ExecuteAny[V, T any](ctx context.Context, pool *Pool[V], fn func(ctx context.Context, member V) (T, error)) (T, error) {
	mustHave("ExecuteAny", ctx != nil, "context")
	mustHave("ExecuteAny", pool != nil, "pool")
	mustHave("ExecuteAny", fn != nil, "function")
	var none T
	switch {
	case ctx.Err() != nil:
		return none, context.Cause(ctx)
	case closed(pool):
		return none, ErrClosed
	}
	type void = struct{}
	ask := stage.AskedOf(ctx)
	p := &Pipeline[void, T]{
		way: &poolWay[V, void, T]{
			Pool: pool, single: true, hasty: true, asked: ask,
			work: func(ctx context.Context, v V, _ void) (T, error) { return fn(ctx, v) },
		},
		weight: func(void) float64 { return ask.Weight },
	}
	if ask.Cost != stage.Unknown {
		p.cost = func(void) int64 { return ask.Cost }
	}
	if ask.Named != nil {
		p.costs = func(void) Amounts { return ask.Amounts() }
	}
	jobs := make(chan void, 1)
	jobs <- void{}
	close(jobs)
	run := newRun(ctx, p, jobs, 2) // room for one more, or it would wait for a reader
	run.returnRest = true
	run.loop()
	r := <-run.results
	return r.Out, r.Err
}

// chain returns a chain of p alone.
func (p *PoolPipeline[V, In, Out]) chain() *Chain[In, Out] {
	return &Chain[In, Out]{start: p.start, ways: []way{p.way}, room: p.pipeline.room}
}

// start runs p for jobs that are parcels.
func (p *PoolPipeline[V, In, Out]) start(ctx context.Context, jobs <-chan parcel) <-chan Result[parcel, Out] {
	q := p.pipeline.forParcels()
	w := &poolWay[V, parcel, Out]{Pool: p.way.Pool, work: func(ctx context.Context, v V, j parcel) (Out, error) {
		return p.way.work(ctx, v, unwrap[In](j))
	}}
	if f := p.way.affinity; f != nil {
		w.affinity = func(j parcel) string { return f(unwrap[In](j)) }
	}
	q.way = w
	return q.runAll(ctx, jobs)
}

// A poolWay is the way through a Pool.
type poolWay[V, In, Out any] struct {
	*Pool[V]
	work     func(context.Context, V, In) (Out, error)
	affinity func(In) string // nil: there is none
	single   bool            // it is for one call
	hasty    bool            // jobs do not wait for circuits, unless Breaker.Wait is set
	asked    stage.Asked     // for how long they wait
}

func (w *poolWay[V, In, Out]) enter(ctx context.Context, share *atomic.Pointer[Share]) entrance {
	return newChoices(ctx, w, share)
}
