package main

import (
	"io"
	"testing"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/command/commandtest"
	"github.com/paceline-go/paceline/pipeline"
)

// program is all of it.
func program(args []string, stdout, stderr io.Writer) int {
	ctx, stop := command.Context(io.Discard)
	defer stop()
	return run(pipeline.Interruption(ctx), args, stdout, stderr)
}

func TestHelpIsNoError(t *testing.T) { commandtest.HelpIsNoError(t, program) }

func TestCtrlCExitsWith130(t *testing.T) { commandtest.CtrlCExitsWith130(t, program) }
