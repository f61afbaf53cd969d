package main

import (
	"testing"

	"github.com/paceline-go/paceline/examples/command/commandtest"
)

func TestHelpIsNoError(t *testing.T) { commandtest.HelpIsNoError(t, run) }

func TestAPortInUseIsSaid(t *testing.T) { commandtest.APortInUseIsSaid(t, run, "-addr") }

func TestCtrlCExitsWith130(t *testing.T) {
	commandtest.CtrlCExitsWith130(t, run, "-addr", "127.0.0.1:0")
}
