package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/paceline-go/paceline/examples/command/commandtest"
)

// TestMain lets the test's program be a worker, as it starts itself.
func TestMain(m *testing.M) {
	if os.Getenv(workerMark) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestHelpIsNoError(t *testing.T) {
	for _, name := range []string{"", "submit", "work", "status"} {
		commandtest.HelpIsNoError(t, func(args []string, stdout, stderr io.Writer) int {
			if name != "" {
				args = append([]string{name}, args...)
			}
			return run(args, stdout, stderr)
		})
	}
}

// A worker is killed each second, and each job has one result all the same.
func TestEachJobHasOneResultThoughWorkersAreKilled(t *testing.T) {
	var out, errors bytes.Buffer
	status := run([]string{"-n", "300", "-workers", "3", "-rate", "200", "-kill", "1s"}, &out, &errors)
	if status != 0 || !strings.Contains(out.String(), "OK: each of 300 jobs has exactly one result") {
		t.Errorf("got status %d, want 0 and a verdict\n%s\n%s", status, &out, &errors)
	}
	if !strings.Contains(out.String(), "killed") {
		t.Error("got no kill")
	}
}

func TestWrongCommandLines(t *testing.T) {
	for want, args := range map[string][]string{
		`got command "run"`:           {"run"},
		"arguments: got":              {"status", "now"},
		"got -n 0":                    {"-n", "0"},
		`-service: got "localhost:1"`: {"work", "-service", "localhost:1"},
	} {
		var out bytes.Buffer
		if status := run(args, &out, &out); status != 2 || !strings.Contains(out.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &out, want)
		}
	}
	var out bytes.Buffer
	if status := run([]string{"status", "-url", "nats://127.0.0.1:1"}, &out, &out); status != 1 || !strings.Contains(out.String(), "-url: got") {
		t.Errorf("got status %d and %q, want 1 and what is wrong with -url", status, &out)
	}
}

func TestCtrlCExitsWith130(t *testing.T) {
	commandtest.CtrlCExitsWith130(t, run, "-workers", "2", "-n", "100000", "-kill", "0s")
}
