package pipeline

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/paceline-go/paceline/stage"
)

// Grow is Each for a run whose jobs give further jobs, such as a page its links and a listing its
// next page. The first jobs are the seeds; further ones come by f.Submit, from the loop's body or from
// the work. The loop ends when nothing is left: all jobs are done with, and their results looked at.
//
//	for r := range pipeline.Grow(ctx, crawl, pages, seeds) {
//		if err := pages.Submit(ctx, r.Out.Links...); err != nil {
//
// Each seed, and each job that was submitted without an error, has one result. When ctx is done or a
// throttle closed, as by Ctrl-C with Interruptible, what the pipeline has taken comes back as by Each, and
// after that what waits in f: with the context's cause or ErrClosed, and Attempts 0. Seeds that were not
// taken stay where they are. Leaving the loop gives up all that waits.
//
// Breadth-first, seeds go before what was submitted, and while the next one is waited for, no other job is
// taken. Depth-first, a seed is taken when nothing waits. Of an Ordered stage, results come in the
// order in which the jobs were taken from f; so if the loop's body submits, breadth-first, the order
// of all results is always the same.
//
// s may be a pipeline, one by key, or a chain. f is for one loop; it panics if there is a second one. It
// panics if ctx, s, f or seeds is nil. A panic of seeds comes out of the loop, and so does runtime.Goexit.
func Grow[In, Out any](ctx context.Context, s Stage[In, Out], f *Frontier[In], seeds iter.Seq[In]) iter.Seq[Result[In, Out]] {
	mustHave("Grow", s != nil, "stage")
	through := inWork
	if c, ok := s.(*Chain[In, Out]); ok && c.batched {
		through = inWorkOnlyLoop
	}
	var most func() int
	if p, ok := s.(*Pipeline[In, Out]); ok && p.throttle != nil && f != nil && f.cfg.DepthFirst {
		most = p.throttle.most
	}
	left := func(in In, why error) Result[In, Out] { return Result[In, Out]{In: in, Err: why} }
	return grow(ctx, f, seeds, s.Each, left, through, most)
}

// GrowThrough is Grow for a loop over other results than those of a Stage, such as a journal's. Function
// each is called once with the jobs to be done, and gives one result for each; when it takes no more jobs, it
// gives back those that it has, before their iterator ends. Function left makes the result of a job that
// waits in f after that, given why. Only the loop's body may submit jobs. It panics if an
// argument is nil.
func GrowThrough[In, R any](
	ctx context.Context, f *Frontier[In], seeds iter.Seq[In],
	each func(context.Context, iter.Seq[In]) iter.Seq[R], left func(In, error) R,
) iter.Seq[R] {
	mustHave("GrowThrough", each != nil, "function each")
	mustHave("GrowThrough", left != nil, "function left")
	return grow(ctx, f, seeds, each, left, inWorkOnlyLoop, nil)
}

func grow[In, R any](
	ctx context.Context, f *Frontier[In], seeds iter.Seq[In],
	each func(context.Context, iter.Seq[In]) iter.Seq[R], left func(In, error) R, through place, most func() int,
) iter.Seq[R] {
	mustHave("Grow", ctx != nil, "context")
	mustHave("Grow", f != nil, "frontier")
	mustHave("Grow", seeds != nil, "seeds")
	return func(yield func(R) bool) {
		end := f.begin(most)
		defer end()
		left := leftOf(ctx, f, left)
		body := func(r R) (more bool) {
			defer func() { _ = f.tell(func() { f.growth.handedOut(more) }) }() // also if the body panics
			return yield(r)
		}
		more := true
		each(context.WithValue(ctx, workOf[In]{f}, through), f.jobs(seeds))(func(r R) bool {
			more = body(r)
			return more
		})
		for more {
			r, ok := left()
			if !ok {
				return
			}
			more = body(r)
		}
	}
}

// leftOf returns what makes the results of the jobs that wait when the pipeline takes no more.
func leftOf[In, R any](ctx context.Context, f *Frontier[In], left func(In, error) R) func() (R, bool) {
	return func() (r R, ok bool) {
		why := ErrClosed
		if ctx.Err() != nil {
			why = context.Cause(ctx)
		}
		for {
			var next answer[In]
			waits := false
			if err := f.request(func() { next, waits = f.growth.giveBack(why) }); err != nil || !waits {
				return r, false
			}
			if job, ok := f.read(next); ok {
				return left(job, why), true
			}
		}
	}
}

// begin starts the frontier's owner. end ends it.
func (f *Frontier[In]) begin(most func() int) (end func()) {
	if f.begun.Swap(true) {
		panic("paceline: Grow: the frontier has had its loop; want a new one for each")
	}
	f.growth = newGrowth(f.cfg, most)
	close(f.open)
	ended := false
	go func() {
		defer close(f.over)
		for !ended {
			(<-f.requests)()
			f.growth.serve()
		}
	}()
	return func() {
		_ = f.request(func() {
			ended = true
			f.growth.close()
		})
		<-f.over
	}
}

// jobs returns the jobs of the run, as they are to be taken.
func (f *Frontier[In]) jobs(seeds iter.Seq[In]) iter.Seq[In] {
	return func(yield func(In) bool) {
		nextSeed, stop := iter.Pull(seeds)
		defer stop()
		for seeding := true; ; {
			if !seeding || f.cfg.DepthFirst {
				next := f.ask(seeding)
				switch {
				case next.ok:
					if job, ok := f.read(next); ok && !yield(job) {
						return
					}
					continue
				case !next.seed:
					return
				}
			}
			var seed In
			if seed, seeding = nextSeed(); !seeding {
				continue
			}
			fresh, stopped := false, false
			print := f.growth.print(seed)
			if f.request(func() { fresh, stopped = f.growth.takeSeed(print) }) != nil || stopped || fresh && !yield(seed) {
				return
			}
		}
	}
}

// ask waits for the next job.
func (f *Frontier[In]) ask(seeding bool) answer[In] {
	next := make(chan answer[In], 1)
	if f.tell(func() { f.growth.asking = &ask[In]{seeding, next} }) != nil {
		return answer[In]{}
	}
	return <-next
}

// read returns the job of an answer. It calls code of the user's if that is a record.
func (f *Frontier[In]) read(a answer[In]) (job In, ok bool) {
	if a.record == nil {
		return a.job, true
	}
	err := guard(func() error { return json.Unmarshal(a.record, &job) })
	if err != nil {
		_ = f.tell(func() { f.growth.unreadable(err) })
	}
	return job, err == nil
}

// guard calls code of the user's. Its panic is an error.
func guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = stage.NewPanicError(v)
		}
	}()
	return do()
}
