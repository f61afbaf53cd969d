package paceterm

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestATerminalShowsABar(t *testing.T) {
	term, th := newTerminal(t, 120), throttle(t, of(8000))
	l := Draw(term.tty, th)
	for range 3120 {
		th.RecordSuccess(time.Millisecond, 0)
	}
	fmt.Fprintln(l, "one line above")
	fmt.Fprint(l, "and another")
	l.Stop()
	l.Stop() // does nothing
	lines := screen(t, term.text(), 120)
	if len(lines) != 4 || lines[0] != "one line above" || lines[1] != "and another" || lines[3] != "" {
		t.Fatalf("got %q, want two lines, the bar and a new line", lines)
	}
	if want := regexp.MustCompile(`^  39% \|█{15} {25}\| \(3120/8000\) in \S+  \d+/s$`); !want.MatchString(lines[2]) {
		t.Errorf("got %q, want it as it stood", lines[2])
	}
}

func TestWhereNothingIsDoneNothingIsLeft(t *testing.T) {
	term := newTerminal(t, 120)
	Draw(term.tty, throttle(t, of(8000))).Stop()
	if lines := screen(t, term.text(), 120); len(lines) != 1 || lines[0] != "" {
		t.Errorf("got %q, want an empty screen", lines)
	}
	var out bytes.Buffer
	Options{Plain: time.Hour}.Draw(&out, throttle(t)).Stop()
	if out.Len() != 0 {
		t.Errorf("got %q, want nothing", out.String())
	}
}

func TestTheLineFitsTheTerminal(t *testing.T) {
	for _, width := range []uint16{24, 30, 40, 60, 80, 100, 120, 200} {
		for _, total := range []int{0, 10, 100_000} {
			term := newTerminal(t, width)
			th := throttle(t, of(total), func(c *pipeline.Config) {
				c.MaxConcurrency = 1024
				c.MinDispatchInterval = 1234567
				c.Budgets = []pipeline.Budget{{Name: "tokens", Tokens: 90_000, Window: time.Minute}}
			})
			l := Draw(term.tty, th)
			for range 9 { // fewer than all, so that it is not the last word
				th.RecordSuccess(time.Millisecond, 1000)
				fmt.Fprintln(l, "so far")
			}
			l.Stop()
			text := term.text()
			for i, line := range screen(t, text, int(width)) {
				if want := "so far"; i < 9 && line != want {
					t.Errorf("%d columns, %d jobs: got %q in line %d, want %q: the line above it did not fit", width, total, line, i, want)
				}
			}
			if width >= 120 && !strings.Contains(text, "limit 1024  interval 1.2ms") {
				t.Errorf("%d columns: got %q, want all there is to tell", width, text)
			}
			if width <= 60 && strings.Contains(text, "interval") {
				t.Errorf("%d columns: got %q, want the interval left out", width, text)
			}
		}
	}
}

func TestTheLineFollowsTheTerminalsWidth(t *testing.T) {
	term, th := newTerminal(t, 120), throttle(t, of(100))
	l := Draw(term.tty, th)
	fmt.Fprintln(l, "wide")
	term.resize(t, 40)
	fmt.Fprintln(l, "narrow")
	l.Stop()
	_, wide, _ := strings.Cut(term.text(), "wide")
	_, narrow, _ := strings.Cut(wide, "narrow")
	if !strings.Contains(wide, "limit") || strings.Contains(narrow, "limit") {
		t.Errorf("got %q and then %q, want the limit only where there is room", wide, narrow)
	}
}

func TestWithoutATotalItCounts(t *testing.T) {
	term, th := newTerminal(t, 120), throttle(t)
	l := Draw(term.tty, th)
	for range 1234 {
		th.RecordSuccess(time.Millisecond, 0)
	}
	l.Stop()
	lines := screen(t, term.text(), 120)
	if want := regexp.MustCompile(`^\S \(1234\) in \S+  \d+/s$`); !want.MatchString(lines[0]) || len(lines) != 2 {
		t.Errorf("got %q, want the count", lines)
	}
}

func TestATotalMayBecomeKnown(t *testing.T) {
	term, th := newTerminal(t, 120), throttle(t)
	l := Draw(term.tty, th)
	th.RecordSuccess(time.Millisecond, 0)
	fmt.Fprintln(l, "unknown")
	if err := th.Update(pipeline.Config{Policy: pipeline.Static{}, TotalJobs: 4}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(l, "known")
	for range 5 {
		th.RecordSuccess(time.Millisecond, 0)
	}
	l.Stop()
	lines := screen(t, term.text(), 120)
	if !strings.Contains(lines[2], "100% |") || !strings.Contains(lines[2], "(4/4)") {
		t.Errorf("got %q, want it full though there were more than expected", lines)
	}
}

func TestElsewhereItIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		var out bytes.Buffer
		l := Draw(&out, throttle(t))
		time.Sleep(time.Hour)
		fmt.Fprintln(l, "what is written passes")
		l.Stop()
		fmt.Fprintln(l, "also later")
		if got := out.String(); got != "what is written passes\nalso later\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestElsewhereThereIsALineNowAndThenIfAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := throttle(t, of(8000), func(c *pipeline.Config) { c.MinDispatchInterval = 1234567 })
		var out bytes.Buffer
		l := Options{Plain: 2 * time.Second}.Draw(&out, th)
		time.Sleep(time.Millisecond) // not at the same time as a beat
		for range 20 {
			for range 100 {
				th.RecordSuccess(time.Millisecond, 0)
			}
			time.Sleep(beat)
		}
		log := log.New(l, "", 0)
		log.Print("done")
		l.Stop()
		want := []string{
			"   2.0s      800 of 8,000   400/s  limit  5  interval 1.2ms   ETA 18s",
			"   4.0s    1,600 of 8,000   400/s  limit  5  interval 1.2ms   ETA 16s",
			"done",
			"   5.0s    2,000 of 8,000  in 5s  400/s",
		}
		if got := strings.Split(strings.TrimSpace(out.String()), "\n"); !sameTrimmed(got, want) {
			t.Errorf("got\n%s\nwant\n%s", out.String(), strings.Join(want, "\n"))
		}
	})
}

func sameTrimmed(got, want []string) bool {
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	for i := range want {
		want[i] = strings.TrimSpace(want[i])
	}
	return strings.Join(got, "\n") == strings.Join(want, "\n")
}

func TestPlainLinesBecomeFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := Options{Plain: 2 * time.Second}.Draw(&out, throttle(t))
		time.Sleep(3 * time.Hour)
		l.Stop()
		if got, most := strings.Count(out.String(), "\n"), 3*60+80; got > most || got < 3*60 {
			t.Errorf("got %d lines in three hours, want about one a minute", got)
		}
	})
}

func TestALineDoesNotWaitForItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, write := io.Pipe()
		th := throttle(t)
		l := Options{Plain: time.Second}.Draw(write, th)
		time.Sleep(time.Minute) // nobody reads
		th.RecordSuccess(time.Millisecond, 0)
		if got := th.Snapshot().Completed; got != 1 {
			t.Errorf("got %d, want the throttle to go on", got)
		}
		go func() { _, _ = io.Copy(io.Discard, read) }()
		l.Stop()
		write.Close()
	})
}

func TestWhatIsMissingPanicsAtOnce(t *testing.T) {
	for name, f := range map[string]func(){
		"output":   func() { Draw(nil, throttle(t)) },
		"throttle": func() { Draw(io.Discard, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic without %s", name)
				}
			}()
			f()
		}()
	}
}
