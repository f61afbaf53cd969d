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
// An error that is marked by [Split] has the batch done again in halves, until the jobs
// that spoil it stand alone. These are calls of their own, without a delay, and take none
// of the attempts that Retry allows. With Ordered, results wait for those before them.
// Once the throttle is closed, no more halves are tried.
//
// Progress, TotalJobs included, counts jobs. In all else, a batch is one job to the
// throttle: Cost, Costs and Weight are those of a whole call, and requests, rates, attempts and
// what waits are calls. There may be as many jobs
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
	return &Chain[In, Out]{start: b.start, ways: []way{p.way}, room: b.room, batched: true}
}

// Split marks the error of a call that failed because of some of its jobs, as a server that
// refuses a whole batch for one bad row does. [Batch] has the rest done in halves, and the
// job that stands alone gets err. For work that is not of a batch it is Fatal. Split(nil)
// is nil.
func Split(err error) error {
	if err == nil {
		return nil
	}
	return &splitError{stage.Fatal(err)}
}

type splitError struct{ error }

func (e *splitError) Unwrap() error { return e.error }

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
//	           ▲                             │
//	           └─────────── halves ──────────┘
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
		way: p.way, throttle: p.throttle, ordered: p.ordered, share: p.share,
		work: func(ctx context.Context, t *batch[In, Out]) (none struct{}, err error) {
			return none, t.attempt(ctx, p.work)
		},
	}
	if p.cost != nil {
		calls.cost = func(t *batch[In, Out]) int64 { return p.cost(t.rest()) }
	}
	if p.costs != nil {
		calls.costs = func(t *batch[In, Out]) Amounts { return p.costs(t.rest()) }
	}
	if p.weight != nil {
		calls.weight = func(t *batch[In, Out]) float64 { return p.weight(t.rest()) }
	}
	calls.parts = (*batch[In, Out]).parts
	batches := make(chan *batch[In, Out])
	halves := make(chan []*batch[In, Out])
	results := make(chan Result[parcel, Out], ahead)
	done := calls.runAll(ctx, batches)
	go b.gather(ctx, jobs, batches, halves)
	go b.spread(done, halves, results)
	return results
}

// gather makes batches of jobs, and hands them over, until there are no more and all that
// were handed over have come back: for each, halves gets those that it was split into.
func (b *batching[In, Out]) gather(
	ctx context.Context, jobs <-chan parcel, batches chan<- *batch[In, Out], halves <-chan []*batch[In, Out],
) {
	defer close(batches)
	throttle := b.pipeline.throttle
	clk := throttle.cfg.Load().Clock
	cancelled := ctx.Done()
	var split []*batch[In, Out] // to be handed over first
	var t *batch[In, Out]       // is being filled; nil: none is
	var timer *clock.Timer      // of t
	inside := 0
	for jobs != nil || t != nil || len(split) > 0 || inside > 0 {
		in, out, next := jobs, batches, t
		var due <-chan time.Time
		switch {
		case len(split) > 0:
			next = split[0]
		case t == nil:
			out = nil
		case len(t.jobs) < b.size && jobs != nil && !t.due && cancelled != nil:
			out, due = nil, timer.C
		}
		if t != nil && len(t.jobs) == b.size {
			in = nil
		}
		select {
		case out <- next:
			inside++
			if next != t {
				split = split[1:]
				continue
			}
			timer.Stop()
			t = nil
		case p, ok := <-in:
			if !ok {
				jobs = nil
				continue
			}
			if t == nil {
				t, timer = &batch[In, Out]{throttle: throttle, clock: clk}, clk.Timer(b.wait)
			}
			t.add(p)
		case <-due:
			t.due = true
		case <-cancelled:
			cancelled = nil
		case more := <-halves:
			inside--
			split = append(split, more...)
		}
	}
}

// spread hands out the results of the jobs of batches, and the halves of those that are
// split.
func (b *batching[In, Out]) spread(
	done <-chan Result[*batch[In, Out], struct{}], halves chan<- []*batch[In, Out], results chan<- Result[parcel, Out],
) {
	defer close(results)
	var inOrder []*batched[In, Out] // whose results wait for those before them
	for r := range done {
		t := r.In
		if b.pipeline.ordered && t.split == nil {
			inOrder = append(inOrder, t.jobs...)
		}
		split := t.halves(r)
		var known []*batched[In, Out]
		for _, j := range t.jobs {
			if split == nil || j.done {
				j.result, j.known = t.result(j, r), true
				known = append(known, j)
			}
		}
		halves <- split
		if b.pipeline.ordered {
			n := 0
			for n < len(inOrder) && inOrder[n].known {
				n++
			}
			known, inOrder = inOrder[:n], inOrder[n:]
		}
		for _, j := range known {
			results <- j.result
		}
	}
}

// A batch is jobs on their way through one call. It has one owner at a time:
// what gathers it, its attempt, and what spreads its results.
type batch[In, Out any] struct {
	throttle *Throttle
	clock    clock.Clock // the throttle's
	jobs     []*batched[In, Out]
	due      bool          // the first of them has waited
	began    time.Time     // the first attempt, of what it is a half of if it is one
	begins   time.Duration // its own first attempt, since then
	calls    int           // attempts that have begun, of what it is a half of included
	before   int           // of these, attempts of what it is a half of
	refused  int           // refusals of what it is a half of
	refusals int           // before the last attempt
	spent    time.Duration // which took so long
	split    error         // which failed with this; nil: it is whole
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
	refusals int
	took     time.Duration

	result Result[parcel, Out]
	known  bool // the result
}

func (t *batch[In, Out]) add(p parcel) {
	t.jobs = append(t.jobs, &batched[In, Out]{parcel: p, in: unwrap[In](p), taken: t.clock.Now()})
}

// splits reports whether a batch that ends with err is to be done in halves.
func (t *batch[In, Out]) splits(err error) bool {
	var s *splitError
	return errors.As(err, &s) && len(t.open()) > 1
}

// halves returns those of a batch that is to be split, else nil.
func (t *batch[In, Out]) halves(r Result[*batch[In, Out], struct{}]) []*batch[In, Out] {
	if !t.splits(r.Err) {
		return nil
	}
	half := func(jobs []*batched[In, Out]) *batch[In, Out] {
		return &batch[In, Out]{
			throttle: t.throttle, clock: t.clock, jobs: jobs, began: t.began,
			calls: t.calls, before: t.calls, refused: t.refused + r.Refusals, spent: t.begins + r.Took, split: r.Err,
		}
	}
	open := t.open()
	n := len(open) / 2
	return []*batch[In, Out]{half(open[:n]), half(open[n:])}
}

// parts returns how many of its jobs have succeeded and failed when a batch ends with err.
func (t *batch[In, Out]) parts(err error) (completed, failed int64) {
	split := t.splits(err)
	for _, j := range t.jobs {
		switch {
		case split && !j.done:
		case j.done && j.err == nil, !j.done && err == nil:
			completed++
		default:
			failed++
		}
	}
	return completed, failed
}

// open returns the jobs that are not done.
func (t *batch[In, Out]) open() (open []*batched[In, Out]) {
	for _, j := range t.jobs {
		if !j.done {
			open = append(open, j)
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
	if now := t.clock.Now(); t.calls == 0 {
		t.began = now
	} else if t.calls == t.before {
		t.begins = now.Sub(t.began)
	}
	t.calls++
	t.refusals = t.refused + SlotFrom(ctx).Refusals()
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
		if j.err != nil && t.retryable(cfg, j.err) {
			again[i] = j.err
			continue
		}
		j.done, j.attempts, j.refusals, j.took = true, t.calls, t.refusals, took
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

// retryable reports whether a job with an error of its own may be tried again.
func (t *batch[In, Out]) retryable(cfg *Config, err error) bool {
	verdict, err := stage.Judge(cfg.Classify, err)
	return stage.Retryable(cfg.Retry, err, verdict)
}

// result returns that of one job, given that of the batch.
func (t *batch[In, Out]) result(j *batched[In, Out], r Result[*batch[In, Out], struct{}]) Result[parcel, Out] {
	one := Result[parcel, Out]{
		In: j.parcel, Out: j.out, Err: r.Err,
		Attempts: t.before + r.Attempts, Refusals: t.refused + r.Refusals, Took: t.begins + r.Took,
	}
	if one.Attempts > 0 {
		one.Waited = t.began.Sub(j.taken)
	}
	switch {
	case r.Attempts == 0 && t.split != nil:
		one.Took = t.spent
		one.Err = &stage.StoppedError{Last: t.split, Why: r.Err}
	case j.done:
		one.Err, one.Attempts, one.Refusals, one.Took = j.err, j.attempts, j.refusals, j.took
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
		return &RetriesExhaustedError{Attempts: err.Attempts, Refusals: err.Refusals, Err: own}
	case *stage.StoppedError:
		return &stage.StoppedError{Last: instead(err.Last, own), Why: err.Why}
	}
	return own
}
