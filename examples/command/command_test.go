package command

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheStatusIsThatOfTheSignal(t *testing.T) {
	for cause, want := range map[error]int{
		Stopped{os.Interrupt}: 130, Stopped{syscall.SIGTERM}: 143, context.Canceled: 1, io.EOF: 1,
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

func TestASignalEndsTheContextAsACancelledOne(t *testing.T) {
	ctx, stop := Context()
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) || Status(ctx, 0) != 143 {
		t.Errorf("got %v, want SIGTERM, and that it counts as cancelled", cause)
	}
}

func TestWhatIsUnderWayHasAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interrupt, signal := context.WithCancel(t.Context())
		ctx, stop := Grace(interrupt)
		defer stop()
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			t.Error("ended before the signal")
		}
		signal()
		begin := time.Now()
		<-ctx.Done()
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("got %v, want a minute", got)
		}
	})
}

func TestNothingIsLeftOfAGraceThatWasNotNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		interrupt, signal := context.WithCancel(t.Context())
		_, stop := Grace(interrupt)
		signal()
		stop()
	})
}

func TestHelpIsNoError(t *testing.T) {
	if Usage(flag.ErrHelp) != 0 || Usage(io.EOF) != 2 {
		t.Errorf("got %d and %d, want 0 for help and 2 for another error", Usage(flag.ErrHelp), Usage(io.EOF))
	}
}
