package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/stage"
)

// Batch returns a chain whose jobs are done many in one call of p's work, and
// whose results are one for each job. A call is given size jobs; fewer if the
// first of them has waited for so long, or no more come. One that is due grows on
// while p has no room for it.
//
// The work returns one Out for each job that it was given, in their order; another
// number is an error of all of them, and so is an error that it returns, unless
// that is one of [Partial]. Then another attempt is only of the jobs whose own error
// allows one. Results come when the whole batch is done with.
//
// To the throttle, a batch is one job: Cost and Weight are those of a whole call,
// and requests, rates, progress and attempts count calls. There may be as many jobs
// inside as a run of p may hold batches, and one batch more, but not more than a million.
//
// Batch panics if p is nil, size is less than 1, or wait is 0 or less.
func Batch[In, Out any](p *Pipeline[[]In, []Out], size int, wait time.Duration) *Chain[In, Out] {
	mustHave("Batch", p != nil, "pipeline")
	if size < 1 {
		panic(fmt.Sprintf("paceline: Batch: size: got %d, want at least 1", size))
	}
	if wait <= 0 {
		panic(fmt.Sprintf("paceline: Batch: wait: got %v, want above 0", wait))
	}
	b := &batching[In, Out]{pipeline: p, size: size, wait: wait}
	return &Chain[In, Out]{start: b.start, throttles: []*Throttle{p.throttle}, room: b.room}
}

// Partial is for work that does many jobs in one call, of which some may fail: errs
// has one error for each job, nil for those that succeeded. Mark them as you would
// a job's own. It returns nil if all are nil.
//
// A refusal among them is one of the call; of several, that which asks for the longest
// pause. Failures are a failure of the call only if no job was done with. A mark around
// the error that Partial returns does not count. See [Batch] for what happens to each job.
func Partial(errs []error) error { return newPartial(errs, stage.Classify).asError() }

func newPartial(errs []error, classify func(error) Verdict) *partialError {
	part := &partialError{errs: slices.Clone(errs)}
	for _, err := range errs {
		if err == nil {
			continue
		}
		part.failed++
		verdict, err := stage.Judge(classify, err)
		if verdict == Succeeded {
			verdict = Ignored // for a job that failed all the same
		}
		if part.worst == nil || verdict > part.verdict || verdict == part.verdict && stage.RetryAfter(err) > stage.RetryAfter(part.worst) {
			part.worst, part.verdict = err, verdict
		}
	}
	return part
}

// partialError is that of a call of which only some jobs failed.
type partialError struct {
	errs    []error
	failed  int
	worst   error
	verdict Verdict // on the worst
}

func (e *partialError) Error() string {
	return fmt.Sprintf("%d of a batch of %d failed: %v", e.failed, len(e.errs), e.worst)
}

func (e *partialError) Unwrap() error { return e.worst }

// asError returns e with its mark, nil if no job failed.
func (e *partialError) asError() error {
	switch e.failed {
	case 0:
		return nil
	case len(e.errs):
		return e
	}
	return stage.Partly(e)
}

// batching is what a chain of Batch does.
//
//	jobs ──▶ gather ──▶ run of batches ──▶ spread ──▶ results
type batching[In, Out any] struct {
	pipeline *Pipeline[[]In, []Out]
	size     int
	wait     time.Duration
}

// room returns how many jobs a run holds at most: in the batches that a run of p takes as
// long as no attempt is a matter of microseconds, in the one that is being gathered, and
// in the one that is being spread.
func (b *batching[In, Out]) room() int {
	batches := 4*b.pipeline.throttle.most() + 2
	return max(min(b.size, mostBatched/batches)*batches, leastRoom)
}

// mostBatched is how many jobs a run of batches holds at most, however large they are:
// the results channel is made for them. Chosen: some 100 MB, of which what is not used is
// never touched.
const mostBatched = 1 << 20

func (b *batching[In, Out]) start(ctx context.Context, jobs <-chan parcel) <-chan Result[parcel, Out] {
	p := b.pipeline
	p.running.Store(true)
	calls := &Pipeline[*batch[In, Out], struct{}]{
		throttle: p.throttle, ordered: p.ordered,
		work: func(ctx context.Context, t *batch[In, Out]) (none struct{}, err error) {
			return none, t.attempt(ctx, p.work)
		},
	}
	if p.cost != nil {
		calls.cost = func(t *batch[In, Out]) int64 { return p.cost(t.rest()) }
	}
	if p.weight != nil {
		calls.weight = func(t *batch[In, Out]) float64 { return p.weight(t.rest()) }
	}
	batches := make(chan *batch[In, Out])
	results := make(chan Result[parcel, Out], ahead)
	done := calls.runAll(ctx, batches)
	go b.gather(ctx, jobs, batches)
	go func() {
		defer close(results)
		for r := range done {
			for i := range r.In.jobs {
				results <- r.In.result(i, r)
			}
		}
	}()
	return results
}

// gather makes batches of jobs until there are no more, and ends them.
func (b *batching[In, Out]) gather(ctx context.Context, jobs <-chan parcel, batches chan<- *batch[In, Out]) {
	defer close(batches)
	throttle := b.pipeline.throttle
	clk := throttle.cfg.Load().Clock
	for first := range jobs {
		t := &batch[In, Out]{throttle: throttle, clock: clk}
		t.add(first)
		timer := clk.Timer(b.wait)
		b.fill(t, jobs, batches, timer.C, ctx.Done())
		timer.Stop()
	}
}

// fill adds jobs to a batch until it is handed over.
func (b *batching[In, Out]) fill(
	t *batch[In, Out], jobs <-chan parcel, batches chan<- *batch[In, Out], due <-chan time.Time, cancelled <-chan struct{},
) {
	var ready chan<- *batch[In, Out]
	for {
		if len(t.jobs) == b.size {
			jobs, ready = nil, batches
		}
		select {
		case ready <- t:
			return
		case p, ok := <-jobs:
			if !ok {
				jobs, ready = nil, batches
				continue
			}
			t.add(p)
		case <-due:
			ready = batches
		case <-cancelled:
			cancelled, ready = nil, batches
		}
	}
}

// A batch is jobs on their way through one call. It belongs to whoever has it: who
// gathers, the attempt, who spreads.
type batch[In, Out any] struct {
	throttle *Throttle
	clock    clock.Clock // the throttle's
	jobs     []batched[In, Out]
	began    time.Time // the first attempt
	calls    int       // attempts that have begun
}

// batched is a job of a batch.
type batched[In, Out any] struct {
	parcel parcel
	in     In
	taken  time.Time

	out      Out
	err      error // its own, of the last attempt; nil: it has none apart from the others'
	done     bool  // and no more attempts are of it
	attempts int   // when it was done
	took     time.Duration
}

func (t *batch[In, Out]) add(p parcel) {
	t.jobs = append(t.jobs, batched[In, Out]{parcel: p, in: unwrap[In](p), taken: t.clock.Now()})
}

// open returns the jobs that are not done.
func (t *batch[In, Out]) open() (open []*batched[In, Out]) {
	for i := range t.jobs {
		if !t.jobs[i].done {
			open = append(open, &t.jobs[i])
		}
	}
	return open
}

// rest returns what the work is to be given.
func (t *batch[In, Out]) rest() []In {
	open := t.open()
	ins := make([]In, len(open))
	for i, j := range open {
		ins[i] = j.in
	}
	return ins
}

// attempt calls the work for the jobs that are not done, and returns what the
// throttle is to take it for.
func (t *batch[In, Out]) attempt(ctx context.Context, work Work[[]In, []Out]) error {
	if t.calls++; t.calls == 1 {
		t.began = t.clock.Now()
	}
	open := t.open()
	for _, j := range open {
		var none Out
		j.out, j.err = none, nil // in case of a panic
	}
	outs, err := work(ctx, t.rest())
	if len(outs) == len(open) {
		for i, j := range open {
			j.out = outs[i]
		}
	}
	var part *partialError
	if !errors.As(err, &part) {
		if err == nil && len(outs) != len(open) {
			return Fatal(fmt.Errorf("paceline: batch: got %d outs, want %d, one for each job", len(outs), len(open)))
		}
		return err
	}
	switch {
	case len(part.errs) != len(open):
		return Fatal(fmt.Errorf("paceline: batch: got %d errors, want %d, one for each job: %w", len(part.errs), len(open), err))
	case len(outs) != len(open) && part.failed < len(open):
		return Fatal(fmt.Errorf("paceline: batch: got %d outs, want %d, one for each job: %w", len(outs), len(open), err))
	}
	return t.settle(open, part)
}

// settle takes what became of each job of an attempt, and returns what the
// throttle is to take it for: the errors of those that are tried again, if there
// are any, else of all, unless some succeeded and none was refused.
func (t *batch[In, Out]) settle(open []*batched[In, Out], part *partialError) error {
	cfg := t.throttle.cfg.Load()
	took := t.clock.Since(t.began)
	again := make([]error, len(open))
	for i, j := range open {
		j.err = part.errs[i]
		if j.err != nil && stage.Retryable(cfg.Retry, j.err) {
			again[i] = j.err
			continue
		}
		j.done, j.attempts, j.took = true, t.calls, took
	}
	left, all := newPartial(again, cfg.Classify), newPartial(part.errs, cfg.Classify)
	refused := all.verdict == Overload
	switch {
	case left.failed > 0 && refused: // perhaps of a job that is not tried again
		return Overloaded(left.asError(), stage.RetryAfter(all.worst))
	case left.failed > 0:
		return left.asError()
	case all.failed == 0, all.failed < len(open) && !refused:
		return nil // the service did its work
	}
	return all
}

// result returns that of one job, given that of the batch.
func (t *batch[In, Out]) result(i int, r Result[*batch[In, Out], struct{}]) Result[parcel, Out] {
	j := &t.jobs[i]
	one := Result[parcel, Out]{In: j.parcel, Out: j.out, Err: r.Err, Attempts: r.Attempts, Took: r.Took}
	if r.Attempts > 0 {
		one.Waited = t.began.Sub(j.taken)
	}
	switch {
	case j.done:
		one.Err, one.Attempts, one.Took = j.err, j.attempts, j.took
	case j.err != nil:
		one.Err = instead(r.Err, j.err)
	}
	return one
}

// instead returns the error of a batch with a job's own in the place of that of
// the last attempt.
func instead(err, own error) error {
	switch err := err.(type) {
	case *RetriesExhaustedError:
		return &RetriesExhaustedError{Attempts: err.Attempts, Err: own}
	case *stage.StoppedError:
		return &stage.StoppedError{Last: instead(err.Last, own), Why: err.Why}
	}
	return own
}
