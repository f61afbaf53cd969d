package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/stage"
)

// Execute does one job through t, in the calling goroutine: it waits for its
// turn, calls fn, and calls it again as t's Retry allows. It returns what fn
// returned last. fn's ctx carries the attempt's slot and must not be used after
// fn has returned; how fn's error is taken is said at [Work].
//
// The error is fn's own, or what a Result of a pipeline may have: a
// *RetriesExhaustedError, *PanicError, *CostError, *WeightError, the cause of
// ctx, ErrClosed. It is a *CircuitOpenError at once if the circuit is open, unless
// Breaker.Wait is set; beside fn's last error, if it was to be tried again. It is
// context.DeadlineExceeded at once in two cases: when nothing can start before the deadline
// of ctx, or when so little time has just been too short. The latter means that a call with
// as much time or more has met its deadline within the last ten seconds, and that none has
// been so quick within a minute. With [WithMaxWait] it
// is a *WaitError when the call would wait for too long.
//
// fn cannot call Execute with its context and the same throttle, since it holds a slot
// while it would wait for another: that is ErrNested. Execute panics if ctx, t or fn is nil.
func Execute[T any](ctx context.Context, t *Throttle, fn func(context.Context) (T, error)) (T, error) {
	mustHave("Execute", ctx != nil, "context")
	mustHave("Execute", t != nil, "throttle")
	mustHave("Execute", fn != nil, "function")
	e := &execution[T]{fn: fn}
	err := t.dispatcher.Do(ctx, e)
	return e.out, err
}

// An execution is the work of one call.
type execution[T any] struct {
	fn  func(context.Context) (T, error)
	out T
}

func (e *execution[T]) Attempt(ctx context.Context) (err error) {
	var none T
	e.out = none // in case of a panic
	e.out, err = e.fn(ctx)
	return err
}

// Wrap returns work with each call of it passed through t by Execute. It panics if
// t or work is nil.
func Wrap[In, Out any](t *Throttle, work Work[In, Out]) Work[In, Out] {
	mustHave("Wrap", t != nil, "throttle")
	mustHave("Wrap", work != nil, "work")
	return func(ctx context.Context, in In) (Out, error) {
		return Execute(ctx, t, func(ctx context.Context) (Out, error) { return work(ctx, in) })
	}
}

// Acquire waits for a slot, as Execute does, and leaves to the caller what is done
// in it. The slot counts as one attempt, and as a job, from now until its Release,
// which must be called whatever happens, with the error of what was done, nil if
// that succeeded. Nothing is tried again, and an AttemptTimeout is for the caller
// to keep. ctx is for the waiting only.
//
// The error is the cause of ctx, ErrClosed, ErrNested, *CircuitOpenError, *CostError,
// *WeightError, *WaitError or context.DeadlineExceeded, as from Execute; the slot is nil then.
// Acquire panics if ctx is nil.
func (t *Throttle) Acquire(ctx context.Context) (*Slot, error) {
	mustHave("Acquire", ctx != nil, "context")
	return t.dispatcher.Acquire(ctx)
}

// WithCost returns a context for Execute, Acquire and functions from Wrap: a call
// with it is expected to use so many tokens, as Cost says of a pipeline's jobs. It
// is for that call alone, not for others that fn makes with its own context.
func WithCost(ctx context.Context, tokens int64) context.Context {
	ask := stage.AskedOf(ctx)
	ask.Cost = max(tokens, -1) // any negative cost is the same mistake
	return stage.WithAsked(ctx, ask)
}

// WithCosts is to Costs what WithCost is to Cost: a call with the context that it returns is
// expected to use so much of each thing that budgets count by name.
func WithCosts(ctx context.Context, amounts Amounts) context.Context {
	ask := stage.AskedOf(ctx)
	ask.Expect(amounts)
	return stage.WithAsked(ctx, ask)
}

// WithWeight is to Weight what WithCost is to Cost: a call with the context that
// it returns counts for so many.
func WithWeight(ctx context.Context, calls float64) context.Context {
	ask := stage.AskedOf(ctx)
	ask.Weight = calls
	return stage.WithAsked(ctx, ask)
}

// WithResource returns a context for Execute, Acquire and functions from Wrap, and for Run and
// Each. A call with it, or a job of a run, is of that resource of the server. It waits for no
// quota that is of others only; see [Hint].Resource. It is not for calls that its work makes
// with its own context.
func WithResource(ctx context.Context, resource string) context.Context {
	ask := stage.AskedOf(ctx)
	ask.Resource = resource
	return stage.WithAsked(ctx, ask)
}

// RecordSuccess tells of a success that did not pass through t: it counts as a
// job that took so long and used so many tokens, for the policy, the circuit, the
// budgets and the progress. Do not use it for what passes through t, which counts
// by itself. It panics if took or tokens is negative.
func (t *Throttle) RecordSuccess(took time.Duration, tokens int64) {
	mustNotBeNegative("RecordSuccess", int64(took))
	mustNotBeNegative("RecordSuccess", tokens)
	t.dispatcher.Record(nil, took, tokens)
}

// RecordFailure tells of a failure that did not pass through t, as RecordSuccess
// does of a success. err is classified as that of an attempt; nil is a failure
// of which nothing is known.
func (t *Throttle) RecordFailure(err error) {
	if err == nil {
		err = errUnknown
	}
	t.dispatcher.Record(err, 0, 0)
}

var errUnknown = errors.New("paceline: a failure was recorded without its error")

// RecordTokens takes n tokens out of the budgets that were used by what did not
// pass through t. It panics if n is negative.
func (t *Throttle) RecordTokens(n int64) {
	mustNotBeNegative("RecordTokens", n)
	t.dispatcher.RecordTokens(n)
}

// RecordUsage takes n out of the budgets that count what has the name, as RecordTokens does of
// tokens, and is RecordTokens with the empty name. It panics if n is negative.
func (t *Throttle) RecordUsage(name string, n int64) {
	mustNotBeNegative("RecordUsage", n)
	if name == "" {
		t.dispatcher.RecordTokens(n)
		return
	}
	t.dispatcher.RecordUsage(name, n)
}

func mustHave(function string, ok bool, what string) {
	if !ok {
		panic("paceline: " + function + ": " + what + " is nil")
	}
}

func mustNotBeNegative(function string, n int64) {
	if n < 0 {
		panic(fmt.Sprintf("paceline: %s: got %d, want at least 0", function, n))
	}
}
