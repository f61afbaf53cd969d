package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed switches/switches.go
var switches string

// endless is mutantEndless of package switches.
const endless = 97

// A binary is a package's tests, with all mutants in it.
type binary struct {
	path   string
	folder string // a copy of the package's, so that no mutant can spoil the original
	flags  []string
}

// build compiles the tests into a folder. The go command takes the files with switches instead of the package's own,
// which stay as they are.
func (s *source) build(ctx context.Context, folder string) (*binary, []mutant, error) {
	texts, r := s.rewrite()
	texts[filepath.Join(s.folder, "mutant_switches.go")] = r.switches()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range texts {
		to := filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return nil, nil, err
		}
		overlay.Replace[path] = to
	}
	b := &binary{path: filepath.Join(folder, "mutants.test"), folder: filepath.Join(folder, s.name), flags: s.flags()}
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, nil, err
	}
	plan := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(plan, text, 0o644); err != nil {
		return nil, nil, err
	}
	if _, err := goCommand(ctx, "test", "-c", "-overlay", plan, "-o", b.path, s.pattern); err != nil {
		return nil, nil, err
	}
	if err := os.CopyFS(b.folder, os.DirFS(s.folder)); err != nil {
		return nil, nil, err
	}
	// What failed once would be tried again first.
	return b, r.mutants, os.RemoveAll(filepath.Join(b.folder, "testdata", "rapid"))
}

// switches returns the text of package switches, as a part of the package.
func (r *rewriter) switches() []byte {
	text := strings.Replace(switches, "package switches", "package "+r.name, 1)
	for name := range r.aliases {
		text += fmt.Sprintf("\ntype %s = %s\n", alias(name), name)
	}
	return []byte(text)
}

// flags returns what makes tests quick, and the same each time.
func (s *source) flags() []string {
	flags := []string{"-test.failfast"}
	if s.rapid {
		flags = append(flags, "-rapid.checks=20", "-rapid.seed=1", "-rapid.nofailfile", "-rapid.shrinktime=1ns")
	}
	return flags
}

// A verdict is what tests say of a mutant.
type verdict int

const (
	survived verdict = iota
	failed
	neverEnded
)

// run runs some tests in a process of their own.
func (b *binary) run(ctx context.Context, tests []string, limit time.Duration, env ...string) (verdict, error) {
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := append(slices.Clone(b.flags), "-test.run=^("+strings.Join(tests, "|")+")$")
	cmd := exec.CommandContext(timed, b.path, args...)
	cmd.Dir = b.folder
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case timed.Err() != nil:
		return neverEnded, nil
	case err == nil:
		return survived, nil
	case !errors.As(err, &exit):
		return 0, err
	case exit.ExitCode() == endless:
		return neverEnded, nil
	}
	return failed, nil
}

// list returns the names of all tests, examples and fuzz targets, whose seeds are tests too.
func (b *binary) list(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, b.path, "-test.list=.")
	cmd.Dir = b.folder
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	var tests []string
	for line := range bytes.Lines(out) {
		if name := strings.TrimSpace(string(line)); !strings.HasPrefix(name, "Benchmark") {
			tests = append(tests, name)
		}
	}
	return tests, nil
}

// A test is one without any mutant on.
type test struct {
	name    string
	passes  bool
	long    bool // it takes more steps than it may
	took    time.Duration
	steps   int64 // calls and rounds of loops, at most a factor of 2 too few
	reaches []int // mutants
}

// measure runs one test and notes which mutants it reaches, unless it takes more steps than it may; 0: any number.
func (b *binary) measure(ctx context.Context, name string, longest int64) (test, error) {
	const limit = 10 * time.Minute // as for go test
	t := test{name: name}
	record := filepath.Join(b.folder+".reached", name)
	if err := os.MkdirAll(filepath.Dir(record), 0o755); err != nil {
		return t, err
	}
	started := time.Now()
	env := []string{"MUTANT_REACHED=" + record}
	if longest > 0 {
		env = append(env, fmt.Sprint("MUTANT_STEPS=", longest))
	}
	verdict, err := b.run(ctx, []string{name}, limit, env...)
	if err != nil {
		return t, err
	}
	t.took, t.passes, t.long = time.Since(started), verdict == survived, verdict == neverEnded
	text, err := os.ReadFile(record)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil // it takes nothing of the package that can be changed
	} else if err != nil {
		return t, err
	}
	for line := range strings.Lines(string(text)) {
		var number int64
		if _, err := fmt.Sscanf(line, "at %d", &number); err == nil {
			t.reaches = append(t.reaches, int(number))
		} else if _, err := fmt.Sscanf(line, "steps %d", &number); err == nil {
			t.steps = max(t.steps, number)
		}
	}
	return t, nil
}
