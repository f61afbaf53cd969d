package pipeline

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"
)

// Work does one attempt of one job. ctx is done when the run is cancelled or
// the attempt's timeout is over, and carries the attempt's slot. It must not
// be used after Work has returned.
//
// How Work's error is taken:
//
//   - Fatal, Skipped and context.Canceled end the job, and say nothing of the service.
//   - Overloaded, or an error with a method RetryAfter() time.Duration, is a refusal: the job is
//     tried again, without using up an attempt, and the run slows down.
//   - Transient is tried again in any case, Final is not. Both count as failures.
//   - Any other error is a failure, and is tried again if the throttle's Retry allows.
type Work[In, Out any] func(ctx context.Context, in In) (Out, error)

// A Result is what became of one job. Err is
//
//   - nil: the job succeeded;
//   - a *RetriesExhaustedError around the last attempt's error: it was tried as
//     often, or refused as long, as Retry allows;
//   - the same with a *PauseError beside that error: the service asked it to wait for
//     longer than MaxPause;
//   - the work's own error: Fatal, not Retryable, a cancelled context, or there
//     is no Retry;
//   - a *PanicError: the work, or a function of the configuration, panicked;
//   - a *CostError or *WeightError: it costs more than a budget will ever have, or
//     weighs more than the rate's burst;
//   - the cause of the run's context, if it never started (Attempts is 0); beside
//     the last attempt's error, if it was waiting to be tried again;
//   - context.DeadlineExceeded beside the last attempt's error: there was no time
//     for another one before the context's deadline;
//   - ErrNested: it was run by the work of another job of the same throttle (Attempts
//     is 0);
//   - ErrClosed: Each took it, but the throttle was closed; or it waited for its key when
//     a signal came, see [Interruptible] (Attempts is 0).
//
// errors.Is and errors.As see through all of them.
type Result[In, Out any] struct {
	In       In
	Out      Out           // what Work returned, also beside an error
	Err      error         // nil: the job succeeded
	Attempts int           // that were started, refusals included; 0: none was
	Refusals int           // of these: the service did no work, and they used up none of Retry.MaxAttempts
	Waited   time.Duration // from the intake to the first attempt
	Took     time.Duration // from the first attempt's start to the last one's end
	Key      string        // of a Keyed, or name of the member of a Pool, whose throttle it went through last; empty: there is one throttle
}

// A Pipeline takes jobs and gives back results, one for each job.
//
// Cost and Ordered set it up; after that, Run and Each may be called any number
// of times, also at once. Make one with New or Attach.
type Pipeline[In, Out any] struct {
	way      way
	throttle *Throttle // the way, if that is one; nil: jobs go different ways
	work     Work[In, Out]
	cost     func(In) int64                            // nil: unknown
	costs    func(In) Amounts                          // nil: unknown
	weight   func(In) float64                          // nil: 1
	parts    func(In, error) (completed, failed int64) // of a job that stands for several; nil: none does
	ordered  bool
	running  atomic.Bool            // Run or Each has been called
	share    *atomic.Pointer[Share] // also when p stands in a chain; empty: that of the run's context
}

// New returns a pipeline with a throttle of its own. Its error says that work
// is nil, and lists every fault of cfg; each fault is a *ConfigError.
func New[In, Out any](work Work[In, Out], cfg Config) (*Pipeline[In, Out], error) {
	t, err := NewThrottle(cfg)
	if work == nil {
		err = errors.Join(&ConfigError{Field: "work", Value: "nil", Reason: "want a function"}, err)
	}
	if err != nil {
		return nil, err
	}
	return Attach(t, work), nil
}

// Attach returns a pipeline that goes through t, which it shares with others.
// It panics if t or work is nil.
func Attach[In, Out any](t *Throttle, work Work[In, Out]) *Pipeline[In, Out] {
	if t == nil {
		panic("paceline: Attach: throttle is nil")
	}
	if work == nil {
		panic("paceline: Attach: work is nil")
	}
	return &Pipeline[In, Out]{way: t, throttle: t, work: work, share: new(atomic.Pointer[Share])}
}

// Cost tells how many tokens a job is expected to use, 0 or more, for the
// budgets of the throttle. Without it, the running mean of what jobs used is
// reserved. A job that costs more than a whole budget ends with a *CostError.
// It returns p. It panics if f is nil or p has been run.
func (p *Pipeline[In, Out]) Cost(f func(In) int64) *Pipeline[In, Out] {
	if f == nil {
		panic("paceline: Cost: function is nil")
	}
	p.mustNotRun("Cost")
	p.cost = f
	return p
}

// Costs tells how much a job is expected to use of each thing that budgets count by name, 0 or
// more, as Cost does of tokens:
//
//	p.Costs(func(j job) pipeline.Amounts {
//		return pipeline.Amounts{"input": j.prompt, "output": j.maxTokens}
//	})
//
// All of it is reserved before an attempt starts, or nothing. The empty name is that of Cost, and
// counts instead of it. For a name that is missing, the running mean of what jobs used is
// reserved. One that no budget counts does nothing. A job that costs more than a whole budget
// ends with a *CostError. It returns p. It panics if f is nil or p has been run.
func (p *Pipeline[In, Out]) Costs(f func(In) Amounts) *Pipeline[In, Out] {
	mustHave("Costs", f != nil, "function")
	p.mustNotRun("Costs")
	p.costs = f
	return p
}

// Weight tells how many calls a job counts for, 0 or more, also a fraction, for
// the Rate of the throttle. Without it each counts for 1. A job that weighs more
// than the rate's burst ends with a *WeightError. It returns p. It panics if f is
// nil or p has been run.
func (p *Pipeline[In, Out]) Weight(f func(In) float64) *Pipeline[In, Out] {
	if f == nil {
		panic("paceline: Weight: function is nil")
	}
	p.mustNotRun("Weight")
	p.weight = f
	return p
}

// Ordered makes results come in the order of the jobs. A job that takes long
// holds up the results of those behind it, and, when they are too many, the
// intake. It returns p. It panics if p has been run.
func (p *Pipeline[In, Out]) Ordered() *Pipeline[In, Out] {
	p.mustNotRun("Ordered")
	p.ordered = true
	return p
}

func (p *Pipeline[In, Out]) mustNotRun(method string) {
	if p.running.Load() {
		panic("paceline: " + method + ": must be called before Run and Each")
	}
}

// Throttle returns the throttle that p goes through.
func (p *Pipeline[In, Out]) Throttle() *Throttle { return p.throttle }

// Run takes jobs until the channel is closed, ctx is done or the throttle is
// closed, and gives each that it took back as a result. When all are given
// back, it closes the results; on a throttle that is closed already, at once.
//
// A reader who stops reading holds up this run, but no other one on the same
// throttle. Jobs that were taken and whose results were not yet read are about four
// times MaxConcurrency and 64 at most. They are six times that many, and 320 more, if attempts
// take no more than microseconds, or if they are Ordered or Retry.Park is set and some take
// long. While
// a service is down, jobs that failed wait for it beside those, about a thousand at most.
// They are never more than the run had room for when it began, also if Update raises
// MaxConcurrency; that is at least 2,048.
//
// To leave early, cancel ctx and return: nobody needs to read after that, since the
// channel has room for all results, and nothing of the run is left when the last
// attempt has ended. Read on until the results are closed to have every job accounted
// for.
//
// When the intake has ended, nobody receives from jobs any more, and what is still in there
// stays there. A goroutine that sends jobs would wait for ever, also to a run on a throttle
// that was closed before; so let it select, or use Each:
//
//	select {
//	case jobs <- job:
//	case <-ctx.Done():
//	case <-p.Throttle().Done():
//	}
//
// Work that goes through the same throttle must not run p with its own context: the
// jobs would wait for its slot, so they come back with ErrNested.
//
// Run panics if ctx or jobs is nil.
func (p *Pipeline[In, Out]) Run(ctx context.Context, jobs <-chan In) <-chan Result[In, Out] {
	if ctx == nil {
		panic("paceline: Run: context is nil")
	}
	if jobs == nil {
		panic("paceline: Run: jobs channel is nil")
	}
	p.running.Store(true)
	r := newRun(ctx, p, jobs, p.room())
	r.forget = closeOnSignal(ctx, p.way)
	go r.loop()
	return r.results
}

// errBreak is the cause of a run that its reader has left.
var errBreak = errors.New("paceline: left the loop over the results")

// Each is Run for an iterator of jobs; the results are an iterator too. Every
// job that was taken from jobs comes back, with ErrClosed if the throttle was
// closed before it could be admitted. jobs runs on a goroutine of its own, beside
// the loop's body and up to 65 jobs ahead of the intake. Leaving the loop early
// cancels the rest and returns when nothing of the run is left, which takes as
// long as the work and jobs take to return. Each loop over the results is a run
// of its own.
//
// From a slice to a slice: slices.Collect(p.Each(ctx, slices.Values(rows))).
//
// Each panics if ctx or jobs is nil. A panic of jobs comes out of the loop, and so does
// runtime.Goexit.
func (p *Pipeline[In, Out]) Each(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
	if ctx == nil {
		panic("paceline: Each: context is nil")
	}
	if jobs == nil {
		panic("paceline: Each: jobs is nil")
	}
	p.running.Store(true)
	return func(yield func(Result[In, Out]) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		feed := make(chan In, min(max(p.way.window()/4, 1), maxFeed))
		r := newRun(ctx, p, feed, 0)
		r.forget = closeOnSignal(ctx, p.way)
		r.returnRest = true

		var feeder feeder
		feeder.run(func() {
			defer close(feed)
			for in := range jobs {
				feed <- in
				if ctx.Err() != nil || closed(p.way) {
					return
				}
			}
		})
		defer feeder.wait()
		go r.loop()
		defer func() {
			cancel(errBreak)
			for range r.results {
			}
		}()
		for result := range r.results {
			if !yield(result) {
				return
			}
		}
	}
}

// A feeder is the goroutine that an iterator of jobs runs on.
type feeder struct {
	goroutine conc.WaitGroup
	exited    bool // before it came to its end
}

func (f *feeder) run(feed func()) {
	f.goroutine.Go(func() {
		f.exited = true
		feed()
		f.exited = false
	})
}

// wait returns when the goroutine has ended. If the iterator panicked, or ended the
// goroutine, then the same happens to the caller's: or the loop would end as if all jobs
// had come.
func (f *feeder) wait() {
	f.goroutine.Wait()
	if f.exited {
		runtime.Goexit()
	}
}

// maxFeed bounds how many jobs of an iterator are taken ahead of the intake.
const maxFeed = 64
