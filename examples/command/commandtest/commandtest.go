// Package commandtest tests what package command promises of each example.
package commandtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/paceline-go/paceline/pipeline"
)

// Run runs a program, as each example's function run does, and returns its exit status.
type Run func(args []string, stdout, stderr io.Writer) int

// HelpIsNoError checks that a program explains its flags, and ends well.
func HelpIsNoError(t *testing.T, run Run) {
	t.Helper()
	var out bytes.Buffer
	if status := run([]string{"-h"}, &out, &out); status != 0 || !strings.Contains(out.String(), "Usage of") {
		t.Errorf("-h: got status %d and %q, want 0 and how to use it", status, &out)
	}
}

// AddressesAreChecked checks that a program does not begin with an address that is none.
func AddressesAreChecked(t *testing.T, run Run, flags ...string) {
	t.Helper()
	for _, flag := range flags {
		var out bytes.Buffer
		want := flag + `: got "localhost:8080", want an address`
		if status := run([]string{flag, "localhost:8080"}, &out, &out); status != 2 || !strings.Contains(out.String(), want) {
			t.Errorf("got status %d and %q, want 2 and %s", status, &out, want)
		}
	}
}

// APortInUseIsSaid checks that a program which cannot listen says where, and what to do.
func APortInUseIsSaid(t *testing.T, run Run, flag string) {
	t.Helper()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var out bytes.Buffer
	address := taken.Addr().String()
	status := run([]string{flag, address}, &out, &out)
	for _, want := range []string{fmt.Sprintf("%s: got %q: ", flag, address), flag + " localhost:0 takes a port that is free"} {
		if status != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("got status %d and %q, want 1 and %s", status, &out, want)
		}
	}
}

// CtrlCExitsWith130 presses Ctrl-C as soon as a program says something.
func CtrlCExitsWith130(t *testing.T, run Run, args ...string) {
	t.Helper()
	out := &listener{heard: func() { CtrlC(t) }}
	if status := run(args, out, out); status != 130 {
		t.Errorf("got status %d, want 130", status)
	}
}

// Interruptible returns a context for runs, as a program has it, and a function that presses
// Ctrl-C, and returns when that is heard. Tests that use it do not run side by side.
func Interruptible(t *testing.T) (ctx context.Context, ctrlC func()) {
	t.Helper()
	ctx, stop := pipeline.Interruptible(t.Context(), 0)
	t.Cleanup(stop)
	return ctx, func() {
		CtrlC(t)
		<-pipeline.Interruption(ctx).Done()
	}
}

// CtrlC sends this process what Ctrl-C does.
func CtrlC(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(os.Interrupt)
	}
	if err != nil {
		t.Error(err)
	}
}

// A listener tells of the first word that a program says.
type listener struct {
	first sync.Once
	heard func()
}

func (l *listener) Write(text []byte) (int, error) {
	l.first.Do(l.heard)
	return len(text), nil
}
