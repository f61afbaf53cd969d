package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paceline-go/paceline/examples/command/commandtest"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

// child, set to a command line, makes the test binary the program itself, so
// that a test can kill it.
const child = "PACELINE_ETL_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(child); args != "" {
		os.Exit(run(strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// rows is the size of the inputs here.
const rows = 48

// fixture is a small input, a database that does not exist yet, and a service
// that is in nobody's way. Tests with one run side by side.
type fixture struct {
	options
	service *service.Server
	calls   atomic.Int64
	hook    atomic.Pointer[hook]
}

// hook may answer a call, the first of which has number 1, in the place of the
// service.
type hook func(call int64, w http.ResponseWriter, r *http.Request) (answered bool)

func (f *fixture) before(h hook) { f.hook.Store(&h) }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	return newSerialFixture(t)
}

// newSerialFixture is for a test that sends this process a signal.
func newSerialFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{}
	var err error
	if f.service, err = service.New(service.Config{}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(server.Close)

	dir := t.TempDir()
	f.options = options{
		in: filepath.Join(dir, "cities.csv"), db: filepath.Join(dir, "etl.db"), url: server.URL,
		concurrency: 4, retries: 8, seed: 1,
	}
	f.write(t, rows)
	return f
}

func (f *fixture) serve(w http.ResponseWriter, r *http.Request) {
	call := f.calls.Add(1)
	if h := f.hook.Load(); h != nil && (*h)(call, w, r) {
		return
	}
	f.service.ServeHTTP(w, r)
}

// write makes an input of n rows, and lines of the test's own after them.
func (f *fixture) write(t *testing.T, n int, lines ...string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("name,id,lon,lat\n")
	for i := range n {
		fmt.Fprintf(&text, "\"City, %d\",%d,%d,%d\n", i, 1000+i, i%360-180, i%180-90)
	}
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	if err := os.WriteFile(f.in, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs to the end, unless ctx ends before.
func (f *fixture) run(t *testing.T, ctx context.Context) *summary {
	t.Helper()
	var out bytes.Buffer
	sum, err := etl(ctx, f.options, &out)
	if err != nil {
		t.Fatal(err)
	}
	sum.print(&out)
	if t.Failed() {
		t.Log(out.String())
	}
	return sum
}

func (f *fixture) finish(t *testing.T) *summary {
	t.Helper()
	sum := f.run(t, t.Context())
	f.mustBeComplete(t, sum)
	return sum
}

func (f *fixture) mustBeComplete(t *testing.T, sum *summary) {
	t.Helper()
	if a := sum.audit; !sum.complete() || a.rows != rows || a.inserted != rows || a.failed != 0 {
		t.Errorf("got %+v, want each of %d rows once", a, rows)
	}
}

func TestEveryRowIsLoadedOnce(t *testing.T) {
	f := newFixture(t)
	f.service, _ = service.New(service.Config{FailShare: 0.05, Seed: 1})
	sum := f.finish(t)
	if sum.loaded != rows || sum.read != rows || sum.failed != 0 {
		t.Errorf("got %+v, want %d read and loaded", sum, rows)
	}
	stats := f.service.Stats()
	if stats.Served != rows || sum.attempts != stats.Requests || sum.broken != stats.Failed || stats.Failed == 0 || sum.tokens != stats.Tokens {
		t.Errorf("got %d attempts, %d failed, %d tokens, want what the service counted: %+v", sum.attempts, sum.broken, sum.tokens, stats)
	}
	again := f.finish(t)
	if again.loaded != 0 || again.before != rows || f.service.Stats() != stats {
		t.Errorf("again: got %d loaded and %d found, want no work", again.loaded, again.before)
	}
	f.fresh = true
	if sum := f.finish(t); sum.loaded != rows || sum.audit.runs != 1 {
		t.Errorf("fresh: got %d loaded by %d runs, want all %d by one", sum.loaded, sum.audit.runs, rows)
	}
}

func TestAnInterruptedRunFinishesWhatItTook(t *testing.T) {
	f := newSerialFixture(t)
	ctx, ctrlC := commandtest.Interruptible(t)
	f.before(func(call int64, _ http.ResponseWriter, _ *http.Request) bool {
		switch {
		case call == rows/2:
			ctrlC()
		case call > rows/2:
			<-pipeline.Interruption(ctx).Done()
		}
		return false
	})
	sum := f.run(t, ctx)
	if sum.complete() || sum.loaded != sum.read || sum.left != 0 || sum.loaded == 0 {
		t.Errorf("got %d loaded and %d left of %d read, want all of them loaded, and not the whole input", sum.loaded, sum.left, sum.read)
	}
	again := f.finish(t)
	if again.before != sum.loaded || again.loaded != rows-sum.loaded || again.audit.runs != 2 {
		t.Errorf("after %d loaded: got %d found and %d loaded by the second of %d runs", sum.loaded, again.before, again.loaded, again.audit.runs)
	}
	if served := f.service.Stats().Served; served != rows {
		t.Errorf("got %d calls served, want no row asked for twice", served)
	}
}

func TestAnAbortedRunLetsGoAndTheNextTakesUp(t *testing.T) {
	f := newFixture(t)
	abort, cancel := context.WithCancel(t.Context())
	f.before(func(call int64, _ http.ResponseWriter, r *http.Request) bool {
		if call == rows/2 {
			cancel()
		}
		if call < rows/2 {
			return false
		}
		<-r.Context().Done() // the caller lets go of this call
		return true
	})
	sum := f.run(t, abort)
	if sum.complete() || sum.failed != 0 || sum.left == 0 || sum.loaded+sum.left != sum.read {
		t.Errorf("got %d loaded, %d failed and %d left of %d read, want some left and none failed", sum.loaded, sum.failed, sum.left, sum.read)
	}
	if sum.broken != 0 || sum.letGo == 0 || sum.attempts != int64(sum.loaded)+sum.letGo {
		t.Errorf("of %d attempts, got %d failed and %d let go of, want each that was not answered let go of", sum.attempts, sum.broken, sum.letGo)
	}
	f.hook.Store(nil)
	if again := f.finish(t); again.before != sum.loaded {
		t.Errorf("got %d found, want the %d of the run before", again.before, sum.loaded)
	}
}

// A program that is killed gets no chance to tidy up.
func TestAKilledRunLosesAndDoublesNothing(t *testing.T) {
	f := newFixture(t)
	const most = 10 // kills: on a busy machine one may come before anything is loaded
	for range most {
		f.calls.Store(0)
		p := f.start(t, rows-10, "-fresh")
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err == nil {
			t.Fatal("the killed program ended well")
		}
		p.answer()
		sum := f.finish(t)
		if sum.before+sum.loaded != rows {
			t.Fatalf("got %d found and %d loaded, want all %d", sum.before, sum.loaded, rows)
		}
		if sum.before == 0 {
			continue
		}
		if sum.loaded == 0 || sum.audit.runs != 2 {
			t.Errorf("got %d found and %d loaded by %d runs, want some of each by two", sum.before, sum.loaded, sum.audit.runs)
		}
		return
	}
	t.Errorf("got nothing loaded by any of %d runs that were killed", most)
}

func TestASignalEndsTheIntakeAndTheNextRunGoesOn(t *testing.T) {
	f := newFixture(t)
	p := f.start(t, rows/3)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.readUntil(t, "stopping: no further row is read")
	p.answer()
	p.readUntil(t, "none loaded twice; the next run goes on from here")
	if err := p.Wait(); p.ProcessState.ExitCode() != 130 {
		t.Errorf("got %v, want exit status 130", err)
	}
	if sum := f.finish(t); sum.before < rows/3 || sum.audit.runs != 2 {
		t.Errorf("got %d found by the second of %d runs, want at least %d", sum.before, sum.audit.runs, rows/3)
	}
}

// program is the program in a process of its own.
type program struct {
	*exec.Cmd
	out    *bufio.Scanner
	answer func() // gives it the answers that it waits for
}

// start starts the program, and returns when it has sent so many calls, the
// last of which the service does not answer yet.
func (f *fixture) start(t *testing.T, calls int64, flags ...string) *program {
	t.Helper()
	reached, answer := make(chan struct{}), make(chan struct{})
	f.before(func(call int64, _ http.ResponseWriter, _ *http.Request) bool {
		if call == calls {
			close(reached)
		}
		if call >= calls {
			<-answer
		}
		return false
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0",
		child+"="+strings.Join(append(flags, "-in", f.in, "-db", f.db, "-url", f.url, "-concurrency", "1"), "\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	return &program{Cmd: cmd, out: bufio.NewScanner(out), answer: func() { close(answer) }}
}

func (p *program) readUntil(t *testing.T, text string) {
	t.Helper()
	for p.out.Scan() {
		if strings.Contains(p.out.Text(), text) {
			return
		}
	}
	t.Errorf("the program ended without saying %q", text)
}

func TestRefusalsAreWaitedForAndCostNoRow(t *testing.T) {
	f := newFixture(t)
	f.retries = 2
	f.before(func(call int64, w http.ResponseWriter, _ *http.Request) bool {
		if call < 10 || call >= 16 {
			return false
		}
		http.Error(w, "later", http.StatusServiceUnavailable)
		return true
	})
	if sum := f.finish(t); sum.down != 6 || sum.attempts != rows+6 {
		t.Errorf("got %d of %d attempts refused, want 6 of %d", sum.down, sum.attempts, rows+6)
	}
}

func TestFailedRowsAreKeptAndTriedAgain(t *testing.T) {
	f := newFixture(t)
	f.before(func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("lat") != "-80" {
			return false
		}
		http.Error(w, "not there", http.StatusForbidden)
		return true
	})
	sum := f.run(t, t.Context())
	if sum.complete() || sum.failed != 1 || sum.audit.failed != 1 || sum.rejected != 1 || sum.audit.rows != rows-1 {
		t.Errorf("got %+v, want one row failed, at the first attempt", sum)
	}
	f.hook.Store(nil)
	if sum := f.finish(t); sum.loaded != 1 {
		t.Errorf("got %d loaded by the second run, want the one that failed", sum.loaded)
	}
}

func TestRowsThatCannotBeUsedFail(t *testing.T) {
	f := newFixture(t)
	f.write(t, 10, "again,1003,0,0", "north,2000,0,far", "east,2001,,0", "none,,0,0", "beyond,2002,0,91")
	sum := f.run(t, t.Context())
	if sum.complete() || sum.loaded != 10 || sum.failed != 5 || sum.audit.failed != 5 {
		t.Errorf("got %d loaded and %d failed, want 10 and 5", sum.loaded, sum.failed)
	}
	sum = f.run(t, t.Context())
	if sum.loaded != 0 || sum.failed != 5 || sum.audit.failed != 5 {
		t.Errorf("again: got %d loaded and %d failed, want 0 and 5", sum.loaded, sum.failed)
	}
}

func TestOneMalformedRecordIsARowThatFailed(t *testing.T) {
	f := newFixture(t)
	f.write(t, 6, "too,few", "after,2000,1,1", "\"open,2001,1,1", "last,2002,1,1")
	var out bytes.Buffer
	sum, err := etl(t.Context(), f.options, &out)
	if err != nil {
		t.Fatal(err)
	}
	sum.print(&out)
	if sum.loaded != 8 || sum.failed != 2 || sum.audit.failed != 2 || sum.complete() {
		t.Errorf("got %d loaded and %d failed, want 8 and 2", sum.loaded, sum.failed)
	}
	for _, want := range []string{
		"2 rows cannot be used", " 8 of 8 ",
		"failed     line 8: got 2 fields, want 4 as in the header\nfailed     line 10: got a quote", // in the order of the input
		"not done   2 of 10 rows failed, all others are loaded",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant it to say %q", &out, want)
		}
	}

	f.strict = true
	f.db += "2"
	sum, err = etl(t.Context(), f.options, &out)
	if sum != nil || err == nil || !strings.Contains(err.Error(), "line 8: got 2 fields") {
		t.Errorf("strict: got %v and %v, want it to stop at line 8", sum, err)
	}
	if _, err := os.Stat(f.db); err == nil {
		t.Error("strict: it began to load")
	}
}

func TestFailuresAreListedInTheOrderOfTheInput(t *testing.T) {
	f := newFixture(t)
	f.write(t, 1, "pole,2000,0,91", "too,few", "far,2001,200,0", "none,2002,x,0") // two that the service rejects, two that it is not asked for
	var out bytes.Buffer
	f.run(t, t.Context()).print(&out)
	last := 0
	for _, line := range []string{"line 3: ", "line 4: ", "line 5: ", "line 6: "} {
		at := strings.Index(out.String(), "failed     "+line)
		if at <= last {
			t.Errorf("got\n%s\nwant %q after those before it", &out, line)
		}
		last = at
	}
}

func TestAnInputWithoutRowsIsNotSaidToBeDoneBefore(t *testing.T) {
	f := newFixture(t)
	f.write(t, 0)
	var out bytes.Buffer
	status := run([]string{"-in", f.in, "-db", f.db, "-url", f.url}, &out, &out)
	if status != 0 || strings.Contains(out.String(), "-fresh") || !strings.Contains(out.String(), "done       there was nothing to do\n") {
		t.Errorf("got status %d and\n%s", status, &out)
	}
}

func TestTheVerdictComesFirst(t *testing.T) {
	f := newFixture(t)
	sum := f.finish(t)
	var out bytes.Buffer
	sum.print(&out)
	if first, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n"); first != "done       every record is accounted for: none lost, none loaded twice" {
		t.Errorf("got %q first, want the verdict", first)
	}
}

func TestProgressCountsNoRowThatWasLetGo(t *testing.T) {
	f := newFixture(t)
	abort, cancel := context.WithCancel(t.Context())
	f.before(func(call int64, _ http.ResponseWriter, r *http.Request) bool {
		if call == rows/2 {
			cancel()
		}
		if call >= rows/2 {
			<-r.Context().Done()
		}
		return call >= rows/2
	})
	var out bytes.Buffer
	sum, err := etl(abort, f.options, &out)
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(\d+) of 48 `).FindAllStringSubmatch(out.String(), -1)
	if len(said) == 0 {
		t.Fatalf("got %q, want it to tell what was done", &out)
	}
	if got, err := strconv.Atoi(said[len(said)-1][1]); err != nil || got > sum.loaded || sum.left == 0 {
		t.Errorf("got %d done of %d loaded, with %d let go of", got, sum.loaded, sum.left)
	}
}

func TestExitStatus(t *testing.T) {
	f := newFixture(t)
	args := []string{"-in", f.in, "-db", f.db, "-url", f.url}
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{args, 0, "none lost, none loaded twice"},
		{args, 0, "nothing is left to do"},
		{[]string{"-in", filepath.Join(t.TempDir(), "none.csv"), "-db", f.db}, 1, "etl: -in: open "},
		{[]string{"-in", t.TempDir(), "-db", f.db}, 1, "etl: -in: got "},
		{[]string{"-in", f.in, "-db", t.TempDir()}, 1, "etl: -db: got "},
		{[]string{"-in", f.in, "-db", filepath.Join(t.TempDir(), "none", "etl.db")}, 1, "etl: -db: got "},
		{[]string{"-concurrency", "0"}, 2, "-concurrency: got 0, want at least 1"},
		{[]string{"-budget", "-1"}, 2, "-budget: got -1, want at least 0"},
		{[]string{"-retries", "0"}, 2, "-retries: got 0, want at least 1"},
		{[]string{"cities.csv"}, 2, `arguments: got ["cities.csv"], want flags alone`},
		{[]string{"-h"}, 0, "-fresh"},
	} {
		var out bytes.Buffer
		if got := run(c.args, &out, &out); got != c.want || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: got status %d and %q, want %d and %q", c.args, got, &out, c.want, c.says)
		}
	}
}

// The default service takes half a minute of real time to ask; here it is only
// asked whether it would do.
func TestTheEmbeddedServiceTakesLessThanAMinute(t *testing.T) {
	cfg := embedded(1)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	found, err := openSource("").survey(false)
	if err != nil {
		t.Fatal(err)
	}
	best := cfg.BestTime(found.rows, 15)
	if last := cfg.Phases[len(cfg.Phases)-1].At; best < last || best.Seconds() > 30 {
		t.Errorf("got %v at best, want half a minute, and more than the %v of all phases", best, last)
	}
}
