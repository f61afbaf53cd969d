package pacejournal

import (
	"context"
	"errors"
	"iter"

	"github.com/paceline-go/paceline/pipeline"
)

// Grow is to [pipeline.Grow] what Each is to the Each of a pipeline: a run whose jobs give further jobs goes on
// after a kill. Give the same seeds to every run, and submit in the loop's body what follows from
// a result:
//
//	for r := range journal.Grow(ctx, crawl, pages, seeds) {
//		if err := pages.Submit(ctx, r.Out.Links...); err != nil {
//
// So Out has to hold what further jobs are made of. Known results come through the loop again and their
// jobs are submitted again, until the run gets to what was not done. Nothing else has to be kept of
// what waited. Give the frontier the journal's key: FrontierConfig.Key. Without it, jobs that lead to each other never end.
//
// Work may not submit: pipeline.ErrSubmitInWork, since it is not called for a job that is known. What waits
// when the run is stopped comes back with Stored false. Grow panics as Each and pipeline.Grow do.
func (j *Journal[In, Out]) Grow(ctx context.Context, p pipeline.Stage[In, Out], f *pipeline.Frontier[In], seeds iter.Seq[In]) iter.Seq[Result[In, Out]] {
	if p == nil {
		panic("paceline: Grow: pipeline is nil")
	}
	var broken *Error // the journal cannot be written
	each := func(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
		return func(yield func(Result[In, Out]) bool) {
			for r := range j.Each(ctx, p, jobs) {
				if !r.Stored && broken == nil {
					errors.As(r.Err, &broken)
				}
				if !yield(r) {
					return
				}
			}
		}
	}
	left := func(in In, why error) Result[In, Out] {
		if broken != nil {
			why = broken
		}
		return Result[In, Out]{Result: pipeline.Result[In, Out]{In: in, Err: why}}
	}
	return pipeline.GrowThrough(ctx, f, seeds, each, left)
}
