package main

import (
	"path/filepath"
	"testing"

	"github.com/paceline-go/paceline/examples/command/commandtest"
)

func TestHelpIsNoError(t *testing.T) { commandtest.HelpIsNoError(t, run) }

func TestAddressesAreChecked(t *testing.T) { commandtest.AddressesAreChecked(t, run, "-url") }

func TestCtrlCExitsWith130(t *testing.T) {
	commandtest.CtrlCExitsWith130(t, run, "-journal", filepath.Join(t.TempDir(), "crawl.db"))
}
