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

	"github.com/paceline-go/paceline/pipeline"
)

// Context returns a context for the runs of a program: with Ctrl-C or SIGTERM they take no more
// jobs, and finish those they have within a minute. It says so on out. The next signal ends the
// program at once. Call stop when the context is not needed any more.
func Context(out io.Writer) (ctx context.Context, stop func()) {
	ctx, stop = pipeline.Interruptible(context.Background(), 0)
	context.AfterFunc(pipeline.Interruption(ctx), func() {
		fmt.Fprintln(out, "stopping: what is under way is finished, within a minute; Ctrl-C again ends at once")
	})
	return ctx, stop
}

// Status returns the exit status of a program: that of the signal which has come for ctx
// (130 for Ctrl-C, 143 for SIGTERM), or otherwise the one given.
func Status(ctx context.Context, status int) int {
	if stopped := pipeline.Interrupted(ctx); stopped != nil {
		return stopped.ExitCode()
	}
	var stopped *pipeline.InterruptedError
	if errors.As(context.Cause(ctx), &stopped) { // ctx is its Interruption
		return stopped.ExitCode()
	}
	return status
}

// Verdict says on out in a line whether all is done, and returns the exit status. It comes before the
// figures.
func Verdict(ctx context.Context, out io.Writer, done bool) (status int) {
	switch {
	case done:
		fmt.Fprintln(out, "\ndone: nothing is missing")
	case Status(ctx, 0) != 0:
		fmt.Fprintln(out, "\nstopped: what was under way is finished, and the rest is not done")
	default:
		fmt.Fprintln(out, "\nNOT DONE: something is missing; see below")
		return Status(ctx, 1)
	}
	return Status(ctx, 0)
}

// Usage returns the exit status after a command line that could not be used: 0 if it
// asked for help, 2 otherwise.
func Usage(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return 2
}
