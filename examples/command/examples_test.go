package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// An example is the text of a program.
type example struct{ doc, code, tests string }

// examples returns all that are commands, by their folders.
func examples(t *testing.T) map[string]example {
	t.Helper()
	names, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]example)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, folder := string(data), filepath.Base(filepath.Dir(name))
		doc, code, main := strings.Cut(text, "package main\n")
		if !main {
			continue
		}
		e := all[folder]
		switch {
		case strings.HasSuffix(name, "_test.go"):
			e.tests += code
		default:
			e.doc, e.code = e.doc+doc, e.code+code
		}
		all[folder] = e
	}
	return all
}

// flags that mean the same have the same name everywhere: these are what others were called.
var oldFlags = map[string]string{
	"base-url": "url", "endpoint": "url", "listen": "addr", "port": "addr", "api-key": "key", "goroutines": "concurrency",
	"parallel": "concurrency", "out-file": "out", "input": "in", "file": "in",
}

// TestEachExampleKeepsThePromises that examples/README.md makes of all: -h and Ctrl-C are tested,
// with their exit status; flags have the same names; and the three lines that matter stand there as
// they are in the code.
func TestEachExampleKeepsThePromises(t *testing.T) {
	all := examples(t)
	if len(all) < 14 {
		t.Errorf("got %d examples, want at least 14", len(all))
	}
	flag := regexp.MustCompile(`Var\([^,]+, "([a-z-]+)"`)
	for name, e := range all {
		if name != "first" { // it has no flags
			for _, test := range []string{"commandtest.HelpIsNoError(", "commandtest.CtrlCExitsWith130("} {
				if !strings.Contains(e.tests, test) {
					t.Errorf("%s: got no call of %s…), want one in its tests", name, test)
				}
			}
		}
		for _, f := range flag.FindAllStringSubmatch(e.code, -1) {
			if now := oldFlags[f[1]]; now != "" {
				t.Errorf("%s: got a flag -%s, want -%s as elsewhere", name, f[1], now)
			}
		}
		if name == "serve" { // it uses nothing of paceline
			continue
		}
		_, shown, _ := strings.Cut(e.doc, "// The three lines that matter:\n//\n")
		lines := regexp.MustCompile(`(?m)^//\t(.+)$`).FindAllStringSubmatch(shown, 4)
		if len(lines) != 3 {
			t.Errorf("%s: got %d lines that matter, want three at the end of its comment", name, len(lines))
		}
		for _, line := range lines {
			if !strings.Contains(e.code, "\t"+line[1]+"\n") {
				t.Errorf("%s: got the line %q in its comment, which is not in the code", name, line[1])
			}
		}
	}
}
