package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/paceline-go/paceline/controller"
)

// ErrClosed says that a throttle takes no new work.
var ErrClosed = errors.New("paceline: throttle is closed")

// ErrNested says that work, with its context, has asked the throttle that it goes
// through for another slot, while it holds one. If all did that, all would wait for each
// other. It is Fatal.
var ErrNested = Fatal(errors.New("paceline: nested call: the work holds a slot of the throttle that it would wait for"))

// ErrGoexit is the error of a job whose work, or a function of the configuration,
// has ended the goroutine that it was called on.
var ErrGoexit = errors.New("paceline: runtime.Goexit was called")

// A CircuitOpenError says that the circuit is open and when to come again.
type CircuitOpenError struct {
	RetryAfter time.Duration
}

func (e *CircuitOpenError) Error() string {
	return fmt.Sprintf("paceline: circuit is open for another %v", e.RetryAfter.Round(time.Millisecond))
}

// A RetriesExhaustedError wraps the error of the last attempt of a job that has
// used up its attempts, or was refused for too long.
type RetriesExhaustedError struct {
	Attempts int // that were started, refusals included
	Refusals int // of these, which used up none of MaxAttempts
	Err      error
}

func (e *RetriesExhaustedError) Error() string {
	var tries []string
	if n := e.Attempts - e.Refusals; n > 0 || e.Refusals == 0 {
		tries = append(tries, numbered(n, "attempt"))
	}
	if e.Refusals > 0 {
		tries = append(tries, numbered(e.Refusals, "refusal"))
	}
	return fmt.Sprintf("paceline: gave up after %s: %v", strings.Join(tries, " and "), e.Err)
}

func numbered(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (e *RetriesExhaustedError) Unwrap() error { return e.Err }

// A StoppedError is that of a job that was tried, and is not tried again although it might
// be: its run was cancelled, there is no time, the circuit is open, or a function of the
// configuration has failed.
type StoppedError struct {
	Last error // what the last attempt failed with
	Why  error // why there is no other
}

func (e *StoppedError) Error() string { return fmt.Sprintf("%v; not tried again: %v", e.Last, e.Why) }

func (e *StoppedError) Unwrap() []error { return []error{e.Last, e.Why} }

// A CostError says that a job costs more than a budget will ever have.
type CostError struct {
	Cost, Limit int64
	Budget      string
	Counts      string // the name of what the budget counts; empty: tokens or requests
	Spent       bool   // Limit is what is left of a budget that does not come back, not all of it
}

func (e *CostError) Error() string {
	what, all := "cost", "all"
	if e.Counts != "" {
		what += " in " + e.Counts
	}
	switch {
	case e.Cost < 0:
		return fmt.Sprintf("paceline: %s: got %d, want at least 0", what, e.Cost)
	case e.Spent:
		all = "what is left"
	}
	return fmt.Sprintf("paceline: %s: got %d, want at most %d, %s of budget %q", what, e.Cost, e.Limit, all, e.Budget)
}

// A WeightError says that a job counts for more calls than the rate's burst has
// room for, or not for a number of them.
type WeightError struct {
	Weight, Burst float64 // Burst is 0 if there is no rate
}

func (e *WeightError) Error() string {
	if e.Burst > 0 && e.Weight > e.Burst {
		return fmt.Sprintf("paceline: weight: got %v, want at most %v, the rate's burst", e.Weight, e.Burst)
	}
	return fmt.Sprintf("paceline: weight: got %v, want at least 0", e.Weight)
}

// A PanicError is a panic in the work, or in a function such as Cost or
// Classify, turned into the job's error. It is never tried again.
type PanicError struct {
	Value any    // of the panic
	Stack []byte // of the goroutine that panicked, as runtime/debug.Stack gives it
}

// NewPanicError returns the error for a value that a deferred function has
// recovered, with the stack of the panic.
func NewPanicError(value any) *PanicError {
	r := panics.NewRecovered(2, value)
	return &PanicError{Value: r.Value, Stack: r.Stack}
}

func (e *PanicError) Error() string { return fmt.Sprintf("paceline: panic: %v", e.Value) }

// Unwrap returns the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// marked is an error that its maker has classified.
type marked struct {
	error
	mark       mark
	retryAfter time.Duration
}

type mark uint8

const (
	fatal mark = iota + 1
	skipped
	transient
	overloaded
)

func (m *marked) Unwrap() error { return m.error }

// Fatal marks err: trying again is useless, and it is no sign of overload.
// Fatal(nil) is nil.
func Fatal(err error) error { return markAs(fatal, err, 0) }

// Skipped marks err: the work found that there is nothing to do, and has not called the
// service. The job ends with it, uses nothing of a budget, and tells nothing. Skipped(nil) is nil.
func Skipped(err error) error { return markAs(skipped, err, 0) }

// Transient marks err: the job is tried again, whatever Retry.Retryable says
// of it. Transient(nil) is nil.
func Transient(err error) error { return markAs(transient, err, 0) }

// Overloaded marks err: the service shed load and did no work. The job is tried
// again without using up one of its attempts, unless it alone is refused while
// others are accepted. It waits for the longer of retryAfter and the backoff's
// delay, which grows with refusals too. A retryAfter of 0 or less leaves it to the
// backoff. Overloaded(nil, d) is nil.
func Overloaded(err error, retryAfter time.Duration) error {
	return markAs(overloaded, err, retryAfter)
}

// final is an error whose job is not to be tried again.
type final struct{ error }

func (f *final) Unwrap() error { return f.error }

// Final marks err: its job is not tried again, whatever else err is marked as. What
// it tells of the service is judged as without this mark: Final(Overloaded(err, d))
// is a refusal of what cannot be sent twice. Final(nil) is nil.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return &final{err}
}

// partly is the error of an attempt that has done some of its work.
type partly struct{ error }

func (p *partly) Unwrap() error { return p.error }

// Partly marks err, which must not be nil: the service has done some of the work. It
// may be tried again as without this mark, but that it failed tells nothing of the
// service. That it was refused, or took too long, does.
func Partly(err error) error { return &partly{err} }

func markAs(m mark, err error, retryAfter time.Duration) error {
	if err == nil {
		return nil
	}
	return &marked{error: err, mark: m, retryAfter: max(retryAfter, 0)}
}

// Classify is the verdict on an error if the configuration has none of its
// own. It is an overload if it is marked so or has a method RetryAfter. It is
// ignored if it is fatal, skipped, a panic or a cancelled context. All else is a
// failure. A nil error succeeded.
func Classify(err error) controller.Verdict {
	if err == nil {
		return controller.Succeeded
	}
	var panicked *PanicError
	m, _ := markOf(err)
	switch {
	case m == overloaded:
		return controller.Overload
	case m == fatal, m == skipped, errors.Is(err, context.Canceled), errors.As(err, &panicked):
		return controller.Ignored
	}
	return controller.Failed
}

// RetryAfter returns for how long the service wants to be left alone; 0: err does not say.
func RetryAfter(err error) time.Duration {
	_, d := markOf(err)
	return d
}

// markOf returns the outermost mark on err, and for how long the service wants
// to be left alone. An error with a method RetryAfter counts as overloaded.
func markOf(err error) (mark, time.Duration) {
	var m *marked
	var hinted interface{ RetryAfter() time.Duration }
	isHinted := errors.As(err, &hinted)
	if errors.As(err, &m) {
		if m.retryAfter == 0 && isHinted {
			return m.mark, max(hinted.RetryAfter(), 0)
		}
		return m.mark, m.retryAfter
	}
	if isHinted {
		return overloaded, max(hinted.RetryAfter(), 0)
	}
	return 0, 0
}
