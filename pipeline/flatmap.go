package pipeline

import (
	"context"
	"iter"
	"sync/atomic"
)

// FlatWork does one attempt of a job that has many results, such as the rows of a listing or the parts of an
// answer that streams, and gives each to out. ctx and the error are as those of Work. out is for one
// goroutine at a time, and not for use after the work has returned.
type FlatWork[In, Out any] func(ctx context.Context, in In, out *Emitter[In, Out]) error

// A FlatPipeline takes jobs and gives back any number of results for each. Make one with FlatMap.
type FlatPipeline[In, Out any] struct {
	pipeline *Pipeline[In, Out] // what is set up; its work is not called
	work     FlatWork[In, Out]
}

// FlatMap returns a pipeline whose jobs have many results. It goes through t. It panics if t or
// work is nil.
func FlatMap[In, Out any](t *Throttle, work FlatWork[In, Out]) *FlatPipeline[In, Out] {
	mustHave("FlatMap", t != nil, "throttle")
	mustHave("FlatMap", work != nil, "work")
	return &FlatPipeline[In, Out]{
		pipeline: &Pipeline[In, Out]{way: t, throttle: t, share: new(atomic.Pointer[Share])},
		work:     work,
	}
}

// Cost is as that of a Pipeline.
func (p *FlatPipeline[In, Out]) Cost(f func(In) int64) *FlatPipeline[In, Out] {
	p.pipeline.Cost(f)
	return p
}

// Costs is as that of a Pipeline.
func (p *FlatPipeline[In, Out]) Costs(f func(In) Amounts) *FlatPipeline[In, Out] {
	p.pipeline.Costs(f)
	return p
}

// Weight is as that of a Pipeline.
func (p *FlatPipeline[In, Out]) Weight(f func(In) float64) *FlatPipeline[In, Out] {
	p.pipeline.Weight(f)
	return p
}

// A Piece is one of the results of a job, or, if End is set, what became of the job itself.
type Piece[In, Out any] struct {
	// Result has In and Out. At the end it has no Out, and all else: Err, Attempts and so on.
	Result[In, Out]

	Index int  // of the result, from 0; at the end, how many there were
	End   bool // the job is done with, and this is the last that comes of it
}

// Each gives back the results of each job in the order in which the work has emitted them, mixed with those of
// other jobs, and one Piece with End for each job, after all of its results. An attempt waits in Emit
// until the loop takes the result, so the loop sets the pace, and no result waits in memory. Meanwhile
// it holds its slot; and AttemptTimeout goes on, so set none, or one that a slow loop does not reach.
//
// A job whose attempt fails is tried again as Retry allows, after some of its results were handed out. None
// is handed out twice: the next attempt begins anew, and as many of its results are left out as were
// handed out before. Work whose results may come in another order then, or that can begin
// in the middle, calls Emitter.Resume. Work that can do neither returns Final or Fatal errors. What
// was handed out of a job that fails in the end stays so; its End has the error.
//
// For the rest, cancel, close and drain included, it is as Pipeline.Each: each job that was taken has its End. Leaving the
// loop cancels what is under way: Emit returns an error. Each panics if ctx or jobs is nil.
func (p *FlatPipeline[In, Out]) Each(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Piece[In, Out]] {
	mustHave("Each", ctx != nil, "context")
	mustHave("Each", jobs != nil, "jobs")
	p.pipeline.running.Store(true)
	return func(yield func(Piece[In, Out]) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		pieces := make(chan Piece[In, Out])
		run := p.forEmitters(pieces)
		var moving feeder
		moving.run(func() {
			defer close(pieces)
			for r := range run.Each(ctx, emitters(jobs)) {
				j := r.In
				pieces <- Piece[In, Out]{Index: j.sent, End: true, Result: Result[In, Out]{
					In: j.in, Err: r.Err, Attempts: r.Attempts, Refusals: r.Refusals, Waited: r.Waited, Took: r.Took, Key: r.Key,
				}}
			}
		})
		defer moving.wait()
		defer func() {
			cancel(errBreak)
			for range pieces {
			}
		}()
		for piece := range pieces {
			if !yield(piece) {
				return
			}
		}
	}
}

// emitting is a job with many results.
type emitting[In any] struct {
	in   In
	sent int // results that were handed out, by all attempts
}

func emitters[In any](jobs iter.Seq[In]) iter.Seq[*emitting[In]] {
	return func(yield func(*emitting[In]) bool) {
		for in := range jobs {
			if !yield(&emitting[In]{in: in}) {
				return
			}
		}
	}
}

// forEmitters returns the pipeline of a run whose results go to pieces.
func (p *FlatPipeline[In, Out]) forEmitters(pieces chan<- Piece[In, Out]) *Pipeline[*emitting[In], struct{}] {
	q := &Pipeline[*emitting[In], struct{}]{
		way: p.pipeline.way, throttle: p.pipeline.throttle, share: p.pipeline.share,
		work: func(ctx context.Context, j *emitting[In]) (none struct{}, err error) {
			return none, p.work(ctx, j.in, &Emitter[In, Out]{ctx: ctx, job: j, pieces: pieces})
		},
	}
	if cost := p.pipeline.cost; cost != nil {
		q.cost = func(j *emitting[In]) int64 { return cost(j.in) }
	}
	if costs := p.pipeline.costs; costs != nil {
		q.costs = func(j *emitting[In]) Amounts { return costs(j.in) }
	}
	if weight := p.pipeline.weight; weight != nil {
		q.weight = func(j *emitting[In]) float64 { return weight(j.in) }
	}
	return q
}

// An Emitter takes the results of one attempt.
type Emitter[In, Out any] struct {
	ctx    context.Context
	job    *emitting[In]
	pieces chan<- Piece[In, Out]
	next   int // index of the next result
}

// Emit hands out a result, and returns when the loop has taken it; at once, if an earlier attempt has
// handed out the one with this index. Its error is the cause of the attempt's context, once that is done: return
// it.
func (e *Emitter[In, Out]) Emit(out Out) error {
	if e.ctx.Err() != nil {
		return context.Cause(e.ctx)
	}
	if e.next < e.job.sent {
		e.next++
		return nil
	}
	select {
	case e.pieces <- Piece[In, Out]{Index: e.next, Result: Result[In, Out]{In: e.job.in, Out: out}}:
		e.next++
		e.job.sent = e.next
		return nil
	case <-e.ctx.Done():
		return context.Cause(e.ctx)
	}
}

// Resume returns how many results earlier attempts have handed out, and has this attempt go on after them:
// the first that it emits has that index, and none is left out. It panics after an Emit.
func (e *Emitter[In, Out]) Resume() (handedOut int) {
	if e.next > 0 {
		panic("paceline: Resume: called after Emit, want it before the first")
	}
	e.next = e.job.sent
	return e.next
}
