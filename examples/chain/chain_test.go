package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/paceline-go/paceline/examples/command/commandtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick are settings for a run of a second, with files of its own.
func quick(t *testing.T) settings {
	dir := t.TempDir()
	return settings{cities: 400, db: filepath.Join(dir, "db"), dead: filepath.Join(dir, "dead"), speed: 4}
}

// sent returns the jobs of the letters in a file.
func sent(t *testing.T, path string) (jobs []int64) {
	t.Helper()
	if err := readLetters(path, func(l letter) bool {
		if l.Error == "" {
			t.Errorf("job %d is dead of nothing", l.Job)
		}
		jobs = append(jobs, l.Job)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(jobs)
	return jobs
}

func TestWhatFailsIsADeadLetterAndCanBeSentAgain(t *testing.T) {
	t.Parallel()
	s := quick(t)
	sum, err := s.chain(context.Background(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if dead := sent(t, s.dead); sum.loaded != 392 || sum.rows != 392 || len(dead) != 8 || !sum.complete() {
		t.Errorf("got %d loaded, %d rows, %d letters, want 392, 392 and 8", sum.loaded, sum.rows, len(dead))
	}
	for _, what := range []string{"404", "400"} { // of the first stage, and of the second
		if !strings.Contains(strings.Join(sum.why, "\n"), what) {
			t.Errorf("got %q, want letters of both stages", sum.why)
		}
	}
	s.replay = true
	if sum, err = s.chain(context.Background(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if dead := sent(t, s.dead); sum.taken != 8 || sum.rows != 400 || len(dead) != 0 || !sum.complete() {
		t.Errorf("got %d sent again, %d rows, %d letters, want 8, 400 and 0", sum.taken, sum.rows, len(dead))
	}
}

func TestNoLetterIsLostByAnInterrupt(t *testing.T) {
	s := quick(t)
	if _, err := s.chain(context.Background(), io.Discard); err != nil {
		t.Fatal(err)
	}
	before := sent(t, s.dead)
	ctx, ctrlC := commandtest.Interruptible(t)
	ctrlC()
	s.replay = true
	sum, err := s.chain(ctx, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if after := sent(t, s.dead); sum.complete() || len(after)+sum.loaded != len(before) {
		t.Errorf("got letters %v and %d loaded, want all of %v", after, sum.loaded, before)
	}
	if _, err := os.Stat(s.dead + ".new"); err == nil {
		t.Error("a file was left over")
	}
}

func TestABrokenFileOfLettersStaysAsItIs(t *testing.T) {
	s := quick(t)
	s.replay = true
	const text = "{\"job\": 1796236, \"error\": \"x\"}\nnonsense\n"
	if err := os.WriteFile(s.dead, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.chain(context.Background(), io.Discard); err == nil || !strings.Contains(err.Error(), "letter 2") {
		t.Errorf("got %v, want an error that names the letter", err)
	}
	if got, err := os.ReadFile(s.dead); string(got) != text {
		t.Errorf("got %q, %v, want what was there", got, err)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone":     {"now"},
		"-cities: got 0":  {"-cities", "0"},
		"-cities: got -1": {"-cities", "-1"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
	var stderr bytes.Buffer
	if status := run([]string{"-replay", "-dead", filepath.Join(t.TempDir(), "none")}, io.Discard, &stderr); status != 1 ||
		!strings.Contains(stderr.String(), "no dead letters") {
		t.Errorf("got status %d and %q, want 1, since there are no letters", status, &stderr)
	}
}

func TestAFileThatCannotBeUsedIsSaidWithItsFlag(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("not a database, but long enough to be looked at as if it were one, of some hundred bytes or so\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	free := filepath.Join(dir, "free")
	for want, args := range map[string][]string{
		"chain: -db: got " + dir:   {"-db", dir, "-dead", free},
		"chain: -db " + text + ":": {"-db", text, "-dead", free},
		"chain: -dead: got " + dir: {"-db", free, "-dead", dir},
	} {
		var stderr bytes.Buffer
		if status := run(append(args, "-cities", "1"), io.Discard, &stderr); status != 1 || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 1 and %s", args, status, &stderr, want)
		}
	}
}

func TestAMalformedLetterIsSaidOnce(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead.jsonl")
	const text = "no letter\n"
	if err := os.WriteFile(dead, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	status := run([]string{"-replay", "-dead", dead, "-db", filepath.Join(dir, "chain.db")}, io.Discard, &stderr)
	if status != 1 || strings.Count(stderr.String(), "letter 1:") != 1 {
		t.Errorf("got status %d and %q, want 1, and the letter named once", status, &stderr)
	}
	if left, err := os.ReadFile(dead); err != nil || string(left) != text {
		t.Errorf("got %q and %v, want the file as it was", left, err)
	}
}
