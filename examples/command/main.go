package command

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/term"
)

// Main runs a program with the arguments, standard output and standard error of the
// process, and exits with its status.
func Main(run func(args []string, stdout, stderr io.Writer) int) {
	if term.IsTerminal(int(os.Stdout.Fd())) {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) // as it is: a terminal tells its width
	}
	os.Exit(runChecked(run, os.Args[1:], os.Stdout, os.Stderr))
}

// runChecked runs a program, and makes of success a failure if something was not written
// to standard output, as on a full disk: a verdict that nobody can read is none.
func runChecked(run func(args []string, stdout, stderr io.Writer) int, args []string, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	status := run(args, out, stderr)
	if err := out.err.Load(); err != nil {
		fmt.Fprintln(stderr, "standard output:", *err)
		if status == 0 {
			return 1
		}
	}
	return status
}

// An output keeps the first error of writing. Any goroutine may write to it, as to a file.
type output struct {
	to  io.Writer
	err atomic.Pointer[error]
}

func (o *output) Write(text []byte) (int, error) {
	n, err := o.to.Write(text)
	if err != nil {
		o.err.CompareAndSwap(nil, &err)
	}
	return n, err
}
