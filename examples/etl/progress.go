package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	lineEvery  = 2 * time.Second // at first, where out is no terminal
	rateWindow = 2 * time.Second // over which the rate is measured
)

// progress shows a run while it runs: a bar on a terminal, elsewhere a line now
// and then.
type progress struct {
	out     io.Writer
	bar     *progressbar.ProgressBar // nil where out is no terminal
	total   int
	started time.Time
	next    time.Time // line
	samples []sample  // of the rate's window, the oldest first
}

type sample struct {
	at   time.Time
	done int
}

func newProgress(out io.Writer, total, done int, now time.Time) *progress {
	p := &progress{out: out, total: total, started: now, next: now.Add(lineEvery), samples: []sample{{now, done}}}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(barWidth(file)),
			progressbar.OptionShowCount(),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionSetPredictTime(false), // the throttle knows better
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionUseANSICodes(true),
		)
	}
	return p
}

// barWidth is what the terminal has left beside the text, so that it all stays
// on one line.
func barWidth(terminal *os.File) int {
	const text = 80
	columns, _, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		columns = text
	}
	return min(max(columns-text, 4), 40)
}

// show is called every beat with what is done of the total.
func (p *progress) show(now time.Time, s pipeline.Snapshot, done int) {
	rate := p.rate(now, done)
	if p.bar != nil {
		p.bar.Describe(describe(rate, s))
		_ = p.bar.Set(done)
		return
	}
	if now.Before(p.next) {
		return
	}
	p.next = p.next.Add(min(max(lineEvery, now.Sub(p.started)/20), time.Minute)) // the longer the run, the less is new
	fmt.Fprintf(p.out, "%5.1fs  %6s of %s  %s\n", now.Sub(p.started).Seconds(), thousands(done), thousands(p.total), describe(rate, s))
}

// say prints a line of its own, above the bar if there is one.
func (p *progress) say(text string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.out, text)
}

// end leaves the bar as it stands.
func (p *progress) end(done int) {
	if p.bar == nil {
		return
	}
	p.bar.Describe("")
	_ = p.bar.Set(done)
	_ = p.bar.Exit()
	fmt.Fprintln(p.out)
}

// rate is rows per second over the window that ends now.
func (p *progress) rate(now time.Time, done int) float64 {
	p.samples = append(p.samples, sample{now, done})
	for len(p.samples) > 2 && now.Sub(p.samples[1].at) >= rateWindow {
		p.samples = p.samples[1:]
	}
	oldest := p.samples[0]
	if took := now.Sub(oldest.at); took > 0 {
		return float64(done-oldest.done) / took.Seconds()
	}
	return 0
}

func describe(rate float64, s pipeline.Snapshot) string {
	eta := "?"
	if s.ETA >= 0 {
		eta = s.ETA.Round(time.Second).String()
	}
	return fmt.Sprintf("%4.0f/s  limit %2d  interval %-6v  %-12v  ETA %s", rate, s.Concurrency, short(s.DispatchInterval), s.State, eta)
}

// short drops the digits that nobody reads.
func short(d time.Duration) time.Duration {
	for unit := time.Second; unit >= 10; unit /= 10 {
		if d >= unit {
			return d.Round(unit / 10)
		}
	}
	return d
}

func thousands[N int | int64](n N) string { return humanize.Comma(int64(n)) }
