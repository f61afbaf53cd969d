package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/paceline-go/paceline/clock"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit status: 0 only if every prompt has all its answers in the file, 1 if one has not, 2 for a wrong command line.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	abort, cancel := context.WithCancel(context.Background())
	defer cancel()
	intake, stop := context.WithCancel(abort)
	defer stop()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go onSignals(abort, signals, stop, cancel)

	sum, err := attempt(abort, intake, opts, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "llm:", err)
		return 1
	}
	sum.print(stdout)
	if !sum.complete() {
		return 1
	}
	return 0
}

func attempt(abort, intake context.Context, o options, out io.Writer) (*summary, error) {
	b, err := o.backend()
	if err != nil {
		return nil, err
	}
	sum, err := answerAll(abort, intake, o, b, clock.Real(), out)
	return sum, errors.Join(err, b.close())
}

// onSignals takes one step for each signal: the first ends the intake, the second the run. A third meets Go's own handler.
func onSignals(ctx context.Context, signals chan os.Signal, steps ...func()) {
	for _, step := range steps {
		select {
		case <-signals:
			step()
		case <-ctx.Done():
			return
		}
	}
	signal.Stop(signals)
}
