package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/paceline-go/paceline/pipeline"
)

func TestTheStatusIsThatOfTheSignal(t *testing.T) {
	for cause, want := range map[error]int{
		&pipeline.InterruptedError{Signal: os.Interrupt}: 130, &pipeline.InterruptedError{Signal: syscall.SIGTERM}: 143,
		context.Canceled: 1, io.EOF: 1,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if got := Status(ctx, 1); got != want {
			t.Errorf("%v: got %d, want %d", cause, got, want)
		}
	}
	if got := Status(t.Context(), 0); got != 0 {
		t.Errorf("without a signal: got %d, want 0", got)
	}
}

// A writer tells when it is written to.
type writer struct {
	bytes.Buffer
	written chan struct{}
}

func (w *writer) Write(text []byte) (int, error) {
	defer close(w.written)
	return w.Buffer.Write(text)
}

func TestASignalIsAnnouncedAndIsTheStatus(t *testing.T) {
	out := &writer{written: make(chan struct{})}
	ctx, stop := Context(out)
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-out.written
	if got := Status(ctx, 0); got != 143 || !strings.HasPrefix(out.String(), "stopping: ") {
		t.Errorf("got status %d and %q, want 143, and what happens now", got, out)
	}
	if cause := context.Cause(pipeline.Interruption(ctx)); !errors.Is(cause, context.Canceled) || ctx.Err() != nil {
		t.Errorf("got cause %v and %v, want one that counts as cancelled, and runs that go on", cause, ctx.Err())
	}
}

func TestTheVerdictIsALineAndAStatus(t *testing.T) {
	stopped, stop := context.WithCancelCause(t.Context())
	stop(&pipeline.InterruptedError{Signal: os.Interrupt})
	for want, c := range map[string]struct {
		ctx    context.Context
		done   bool
		status int
	}{
		"done: ": {t.Context(), true, 0}, "NOT DONE: ": {t.Context(), false, 1},
		"stopped: ": {stopped, false, 130}, "done: nothing": {stopped, true, 130},
	} {
		var out bytes.Buffer
		if got := Verdict(c.ctx, &out, c.done); got != c.status || !strings.HasPrefix(out.String(), "\n"+want) || strings.Count(out.String(), "\n") != 2 {
			t.Errorf("%+v: got %d and %q, want %d and %q", c, got, &out, c.status, want)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	if Usage(flag.ErrHelp) != 0 || Usage(io.EOF) != 2 {
		t.Errorf("got %d and %d, want 0 for help and 2 for another error", Usage(flag.ErrHelp), Usage(io.EOF))
	}
}
