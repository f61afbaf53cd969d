package pipeline

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// An InterruptedError says which signal has ended a program's runs. It is the cause of a
// context of Interruptible whose grace is over, and Interrupted returns it.
type InterruptedError struct{ Signal os.Signal }

func (e *InterruptedError) Error() string { return "paceline: stopped by signal: " + e.Signal.String() }

// Unwrap returns context.Canceled: work that a signal has cut off counts as cancelled.
func (e *InterruptedError) Unwrap() error { return context.Canceled }

// ExitCode is the exit status of a program that a signal has stopped, as shells have it: 130
// after Ctrl-C, 143 after SIGTERM.
func (e *InterruptedError) ExitCode() int {
	if number, ok := e.Signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}

// defaultGrace is how long what was taken may take after a signal.
const defaultGrace = time.Minute

// Interruptible returns a context for runs that Ctrl-C or SIGTERM ends without losing a job:
//
//   - The first signal closes the throttle of each run with this context, of a chain that of
//     its first stage. No new jobs are taken; what was taken is finished and comes back. By key,
//     thousands of jobs may have been taken: those that have not been begun come back at once,
//     with ErrClosed and Attempts 0.
//   - When grace is over, by default a minute, the context is done: attempts that still run
//     are cut off, and their jobs come back with its cause, an *InterruptedError.
//   - A second signal ends the program at once, as if nobody had asked for signals.
//
// Closing the throttle ends single calls on it, too: Execute returns ErrClosed. Code that
// sends jobs to a channel selects on the throttle's Done, or uses Each. Interrupted says afterwards whether
// there was a signal. To let go at once of what is in flight, have Interruption cancel the run's
// context. Call stop when the runs have ended; it cancels the context and gives the
// signals back. Interruptible panics if ctx is nil or grace is negative.
func Interruptible(ctx context.Context, grace time.Duration) (_ context.Context, stop context.CancelFunc) {
	mustHave("Interruptible", ctx != nil, "context")
	if grace < 0 {
		panic("paceline: Interruptible: grace: got " + grace.String() + ", want at least 0s")
	}
	if grace == 0 {
		grace = defaultGrace
	}
	draining, drain := context.WithCancelCause(context.Background())
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, drainingKey{}, draining))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-signals:
			signal.Stop(signals) // the next one meets Go's own handler
			cause := &InterruptedError{s}
			drain(cause)
			over := clock.Real().Timer(grace)
			defer over.Stop()
			select {
			case <-over.C:
				cancel(cause)
			case <-stopped:
			}
		case <-stopped:
			signal.Stop(signals)
		}
	}()
	var once sync.Once
	return ctx, func() {
		once.Do(func() { close(stopped) })
		<-ended
		cancel(nil)
	}
}

// Interrupted returns the signal that has come since Interruptible made ctx, or a context that ctx
// is made from; nil if none has.
func Interrupted(ctx context.Context) *InterruptedError {
	if d := drainingOf(ctx); d != nil {
		cause, _ := context.Cause(d).(*InterruptedError)
		return cause
	}
	return nil
}

// Interruption returns a context that is done with the first signal since Interruptible made ctx,
// or a context that ctx is made from; its cause is an *InterruptedError. It is for what is not a run:
// a loop that makes single calls, a server that waits for its end, a word to the user. Without
// Interruptible it is never done.
func Interruption(ctx context.Context) context.Context {
	if d := drainingOf(ctx); d != nil {
		return d
	}
	return context.Background()
}

// drainingKey is the key of the context that is done with the first signal.
type drainingKey struct{}

func drainingOf(ctx context.Context) context.Context {
	d, _ := ctx.Value(drainingKey{}).(context.Context)
	return d
}

// closeOnSignal closes w when the first signal comes for ctx, until forget is called.
func closeOnSignal(ctx context.Context, w way) (forget func() bool) {
	if d := drainingOf(ctx); d != nil {
		return context.AfterFunc(d, w.Close)
	}
	return func() bool { return false }
}
