// Package command is what the examples have in common as commands: how a signal stops
// them, and their exit status.
//
//	0    all is done, or only help was asked for
//	1    something is not done, or the output cannot be written
//	2    the command line is wrong
//	130  stopped by Ctrl-C
//	143  stopped by SIGTERM
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Stopped is the cause of a context that a signal has ended.
type Stopped struct{ Signal os.Signal }

func (s Stopped) Error() string { return "stopped: " + s.Signal.String() }

// Unwrap returns context.Canceled: work that a signal has ended counts as cancelled.
func (s Stopped) Unwrap() error { return context.Canceled }

// Context returns a context that ends with Ctrl-C or SIGTERM. The next signal ends the
// program at once. Call stop when the context is not needed any more.
func Context() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	return ctx, OnSignal(func(cause error) { cancel(cause) })
}

// Announce says on out, when a signal has ended ctx, what happens then in a program that
// finishes what is under way.
func Announce(ctx context.Context, out io.Writer) {
	context.AfterFunc(ctx, func() {
		fmt.Fprintln(out, "stopping: what is under way is finished, within a minute; Ctrl-C again ends at once")
	})
}

// grace is how long what is under way may take when a signal comes.
const grace = time.Minute

// Grace returns a context that ends a minute after interrupt, for what is under way then:
// a service that is away must not hold up the end. Call stop when it is not needed any more.
func Grace(interrupt context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	forget := context.AfterFunc(interrupt, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		forget()
		cancel()
	}
}

// OnSignal takes one step for each Ctrl-C or SIGTERM, with a Stopped as the cause. The
// signal after the last step ends the program at once. Call stop when no step is to be
// taken any more.
func OnSignal(steps ...func(cause error)) (stop func()) {
	signals, done, ended := make(chan os.Signal, len(steps)), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(ended)
		defer signal.Stop(signals)
		for i, step := range steps {
			select {
			case s := <-signals:
				if i == len(steps)-1 {
					signal.Stop(signals) // the next one meets Go's own handler
				}
				step(Stopped{s})
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// Status returns the exit status of a program: that of the signal which has ended ctx
// (130 for Ctrl-C, 143 for SIGTERM), or otherwise the one given.
func Status(ctx context.Context, status int) int {
	var stopped Stopped
	if !errors.As(context.Cause(ctx), &stopped) {
		return status
	}
	if number, ok := stopped.Signal.(syscall.Signal); ok {
		return 128 + int(number) // as a shell has it
	}
	return 1
}

// Usage returns the exit status after a command line that could not be used: 0 if it
// asked for help, 2 otherwise.
func Usage(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return 2
}
