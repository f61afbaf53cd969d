package main

import (
	"io"
	"testing"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/command/commandtest"
)

// program is all of it.
func program(args []string, stdout, stderr io.Writer) int {
	interrupt, stop := command.Context()
	defer stop()
	return run(interrupt, args, stdout, stderr)
}

func TestHelpIsNoError(t *testing.T) { commandtest.HelpIsNoError(t, program) }

func TestAddressesAreChecked(t *testing.T) {
	commandtest.AddressesAreChecked(t, program, "-url")
}

func TestAPortInUseIsSaid(t *testing.T) { commandtest.APortInUseIsSaid(t, program, "-listen") }

func TestCtrlCExitsWith130(t *testing.T) { commandtest.CtrlCExitsWith130(t, program) }
