package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
)

func main() { command.Main(run) }

// run returns the exit status: 0 only if every prompt has all its answers in the file, 1 if one has not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := pipeline.Interruptible(context.Background(), 0)
	defer stop()
	sum, err := attempt(ctx, opts, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "llm:", err)
		return command.Status(ctx, 1)
	}
	sum.print(stdout)
	if !sum.complete() {
		return command.Status(ctx, 1)
	}
	return command.Status(ctx, 0)
}

func attempt(ctx context.Context, o options, out io.Writer) (*summary, error) {
	b, err := o.backend()
	if err != nil {
		return nil, err
	}
	sum, err := answerAll(ctx, o, b, clock.Real(), out)
	return sum, errors.Join(err, b.close())
}
