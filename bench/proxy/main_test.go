package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/bench/internal/choice"
)

func TestRunSaysWhatToInstall(t *testing.T) {
	err := run(context.Background(), io.Discard, []string{"-quick"}, []string{t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "apt-get install haproxy nginx-light") {
		t.Errorf("without any program: got %v, want how to install them", err)
	}
}

func TestOnlyWhatIsNeededHasToBeInstalled(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	scenarios, err := choice.Of("case", cases, "nginx-rate")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := findPrograms(scenarios, []string{t.TempDir(), dir})
	if err != nil || len(programs) != 1 || programs["nginx"] != filepath.Join(dir, "nginx") {
		t.Errorf("got %v, %v; want nginx alone", programs, err)
	}
	if _, err := findPrograms(cases, []string{dir}); err == nil || !strings.Contains(err.Error(), "haproxy not found") {
		t.Errorf("all cases: got %v, want haproxy missed", err)
	}
}

func TestRunKnowsItsCasesAndContestants(t *testing.T) {
	for _, args := range [][]string{{"-case", "rate,nothing"}, {"-contestant", "nobody"}} {
		err := run(context.Background(), io.Discard, args, nil)
		if err == nil || !strings.Contains(err.Error(), "want some of "+choice.Names(cases)) && !strings.Contains(err.Error(), "want some of "+choice.Names(contestants)) {
			t.Errorf("%v: got %v, want what there is", args, err)
		}
	}
}

func TestChooseKeepsTheOrder(t *testing.T) {
	got, err := choice.Of("case", cases, "nginx-rate,rate")
	if err != nil || choice.Names(got) != "rate, nginx-rate" {
		t.Errorf("got %q, %v", choice.Names(got), err)
	}
}

func TestScore(t *testing.T) {
	s := score{length: 20 * time.Second, allowed: 4000, cpu: 0.123}
	s.tally = tally{started: 4000, succeeded: 3800, refused: 150, failed: 50, jobsFailed: 3}
	for n := range 100 {
		s.latencies = append(s.latencies, time.Duration(100-n)*time.Millisecond)
	}
	if got, want := strings.Join(s.cells(), " "), "190 95.0% 5.0% 3 50 99 12%"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.short(); got != "95%, 5.0%, 3" {
		t.Errorf("in short: got %q", got)
	}
	if got := strings.Join(score{length: time.Second, allowed: 1}.cells(), " "); got != "0 0.0% 0.0% 0 – – 0%" {
		t.Errorf("nothing at all: got %q", got)
	}
}

func TestTable(t *testing.T) {
	tab := newTable("", "wasted", "p99")
	tab.addFor("paceline AIMD", "1.5%", "–")
	tab.addFor("x", "20.0%", "1")
	var b strings.Builder
	tab.print(&b)
	const want = `|                   | wasted | p99 |
|-------------------|-------:|----:|
| **paceline AIMD** |   1.5% |   – |
| x                 |  20.0% |   1 |

`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTrace(t *testing.T) {
	s := runner{length: 2 * time.Second, traces: t.TempDir()}
	p := scenario{name: "steps", window: time.Second, phases: []phase{{share: 0.5, limit: 200}, {share: 0.5, limit: 80}}}
	err := s.writeTrace(p, contestant{short: "aimd"}, []sample{
		{at: time.Second, inFlight: 3, gauge: gauge{12, 2500 * time.Microsecond}, tally: tally{started: 5, succeeded: 4}, mean: 60 * time.Millisecond},
		{at: 1250 * time.Millisecond, tally: tally{refused: 2, failed: 1, jobsFailed: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `at_ms,room_per_s,limit,interval_us,in_flight,started,succeeded,refused,failed,jobs_failed,mean_ms
1000,200,12,2500,3,5,4,0,0,0,60
1250,80,0,0,0,0,0,2,1,1,0
`
	if got := read(t, s.traces, "steps.aimd.csv"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
