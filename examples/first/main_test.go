package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

// TestMain runs the program instead if it is told to.
func TestMain(m *testing.M) {
	if os.Getenv("PACELINE_FIRST") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// fetch runs the program on addresses and returns what it prints and says.
func fetch(t *testing.T, urls []string) (out, said string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PACELINE_FIRST=1")
	cmd.Stdin = strings.NewReader(strings.Join(urls, "\n") + "\n")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return stdout.String(), stderr.String()
}

// The README shows this program, and what it prints.
func TestTheReadmeShowsThisProgramAndItsOutput(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "\npackage main\n") // without its comment
	if !strings.Contains(string(readme), "```go\npackage main\n"+code+"```\n") {
		t.Error("the README shows another program than main.go")
	}
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, strings.Repeat("x", len(r.URL.Path)))
	}))
	defer pages.Close()
	out, said := fetch(t, []string{pages.URL + "/a", pages.URL + "/missing"})
	_, shown, _ := strings.Cut(string(readme), "```text\n")
	shown, _, _ = strings.Cut(shown, "```")
	lines := strings.Split(strings.TrimSpace(shown), "\n")
	if len(lines) != 3 {
		t.Fatalf("the README shows %d lines of output, want two results and the sentence", len(lines))
	}
	for _, line := range lines[:2] {
		pattern := "(?m)^" + strings.ReplaceAll(regexp.QuoteMeta(line), "https://example\\.com", "http://[0-9.:]+") + "$"
		if !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("the README shows %q, which is not in the output:\n%s", line, out)
		}
	}
	if got := strings.TrimSpace(said); got != lines[2] {
		t.Errorf("got the sentence %q, the README shows %q", got, lines[2])
	}
}

// A service that refuses what comes too fast gets each URL answered once.
func TestEachPageComesBackThoughTheServiceRefuses(t *testing.T) {
	s, err := service.Start(service.Config{Limits: service.Limits{PerSecond: 400, Burst: 50}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var urls []string
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for i := range 300 {
		urls = append(urls, s.URL()+service.Path+"?"+service.Query(float64(i%60), 0, day))
	}
	out, said := fetch(t, urls)
	if n := strings.Count(out, " <nil>\n"); n != len(urls) || strings.Count(out, "\n") != len(urls) {
		t.Errorf("got %d of %d without an error:\n%.500s", n, len(urls), out)
	}
	if !strings.Contains(said, "300 done") {
		t.Errorf("got %q, want a sentence that says that all are done", said)
	}
}

// Ctrl-C lets what is under way finish, takes no more pages, and exits with 130.
func TestCtrlCExitsWith130(t *testing.T) {
	pages := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer pages.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PACELINE_FIRST=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, pages.URL)
	lines, done := bufio.NewScanner(out), 0
	for ; lines.Scan() && strings.HasSuffix(lines.Text(), " <nil>"); done++ {
		if done == 0 {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintln(in, pages.URL) // until it has heard of it
	}
	if done == 0 || !strings.HasSuffix(lines.Text(), pipeline.ErrClosed.Error()) {
		t.Errorf("got %q after %d pages, want that no more are taken", lines.Text(), done)
	}
	in.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("got %v, want exit status 130", err)
	}
}
