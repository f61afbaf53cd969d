package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/command"
)

func main() { command.Main(run) }

// run returns the exit status: 0 only if every prompt has all its answers in the file, 1 if one has not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	abort, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	intake, stop := context.WithCancelCause(abort)
	defer stop(nil)
	defer command.OnSignal(stop, cancel)()

	sum, err := attempt(abort, intake, opts, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "llm:", err)
		return command.Status(intake, 1)
	}
	sum.print(stdout)
	if !sum.complete() {
		return command.Status(intake, 1)
	}
	return command.Status(intake, 0)
}

func attempt(abort, intake context.Context, o options, out io.Writer) (*summary, error) {
	b, err := o.backend()
	if err != nil {
		return nil, err
	}
	sum, err := answerAll(abort, intake, o, b, clock.Real(), out)
	return sum, errors.Join(err, b.close())
}
