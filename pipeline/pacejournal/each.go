package pacejournal

import (
	"context"
	"errors"
	"iter"

	"github.com/paceline-go/paceline/pipeline"
)

// A Result is what became of a job, now or in an earlier run.
type Result[In, Out any] struct {
	pipeline.Result[In, Out]

	// Known says that the journal had it: nothing was done now. Waited and Took are 0 then,
	// Attempts are those that it took.
	Known bool

	// Stored says that the journal has it. Without, the next run does the job again: it
	// was cut off, or not begun, or could not be stored, as Err says.
	Stored bool
}

// Each runs jobs through p, except those that the journal knows, and gives back one result
// for each job. Of a known job that is what is stored. Of another one it is what has come of
// it now; it is stored before it is handed out, failures too. So the same jobs may be given
// to every run, and the loop sees the same results, whenever the one before was killed.
//
// Known results come as their jobs are read, others when they are done; if p is Ordered,
// those that are not known are in order among themselves. For the order of all jobs, use
// Results afterwards. Of several jobs with one key, one is done, and the others get its
// result. A slow loop slows the intake; some thousand results may be stored before they
// are looked at. Some three hundred jobs are taken ahead of the pipeline; if its throttle
// closes, they come back.
//
// Not stored is what the run let go of: when ctx is done, or the throttle closed, or
// the work's error is context.Canceled, or ErrNested. If the journal cannot be written,
// the run ends: what could not be stored comes with an *Error beside its own, and what was
// not done with it alone.
//
// If p is a *pipeline.Pipeline whose throttle has done nothing yet, what the journal keeps
// of an earlier throttle is given to it: Throttle.Resume. While the run goes on, what
// it has learned and used of budgets is kept, once a second. One throttle is kept.
//
// For the rest, and for leaving the loop, it is as [pipeline.Pipeline.Each]. It panics if
// ctx, p or jobs is nil.
func (j *Journal[In, Out]) Each(ctx context.Context, p pipeline.Stage[In, Out], jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
	switch {
	case ctx == nil:
		panic("paceline: Each: context is nil")
	case p == nil:
		panic("paceline: Each: pipeline is nil")
	case jobs == nil:
		panic("paceline: Each: jobs is nil")
	}
	return func(yield func(Result[In, Out]) bool) {
		_, deadline := ctx.Deadline()
		ctx, cancel := context.WithCancelCause(ctx)
		r := &run[In, Out]{
			journal: j, ctx: ctx, cancel: cancel, deadline: deadline,
			todo: make(chan In, mostAsked), over: make(chan struct{}), out: make(chan []Result[In, Out], 1), landed: make(chan struct{}, 1),
			memory: newMemory(p),
		}
		feeder := r.start(p, jobs)
		defer feeder.wait()
		defer func() {
			cancel(errLeft)
			for range r.out {
			}
		}()
		for batch := range r.out {
			for _, res := range batch {
				if !yield(res) {
					return
				}
			}
		}
	}
}

var errLeft = errors.New("paceline: left the loop over the results")
