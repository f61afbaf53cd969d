package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

const (
	beat      = 200 * time.Millisecond // of the bar
	lineEvery = 2 * time.Second        // where out is no terminal
)

// progress shows what a throttle does, from a goroutine that out belongs to as long
// as it runs: a bar on a terminal, elsewhere a line now and then.
type progress struct {
	say   chan string
	stop  chan struct{}
	ended chan struct{}
}

func showProgress(out io.Writer, clk clock.Clock, t *pipeline.Throttle) *progress {
	p := &progress{say: make(chan string), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.run(out, clk, t)
	return p
}

// announce prints a line of its own, if there still is a progress.
func (p *progress) announce(text string) {
	select {
	case p.say <- text:
	case <-p.ended:
	}
}

// end leaves the bar as it stands.
func (p *progress) end() {
	close(p.stop)
	<-p.ended
}

func (p *progress) run(out io.Writer, clk clock.Clock, t *pipeline.Throttle) {
	defer close(p.ended)
	started := clk.Now()
	bar, every := newBar(out, t.Snapshot().Total), beat
	if bar == nil {
		every = lineEvery
	}
	tick := clk.Ticker(every)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s := t.Snapshot()
			if bar == nil {
				fmt.Fprintf(out, "%5.1fs  %5s of %s  %s\n", now.Sub(started).Seconds(), thousands(s.Completed+s.Failed), thousands(s.Total), describe(s))
				continue
			}
			bar.Describe(describe(s))
			_ = bar.Set64(s.Completed + s.Failed)
		case text := <-p.say:
			if bar != nil {
				_ = bar.Clear()
			}
			fmt.Fprintln(out, text)
		case <-p.stop:
			if bar != nil {
				s := t.Snapshot()
				bar.Describe("")
				_ = bar.Set64(s.Completed + s.Failed)
				_ = bar.Exit()
				fmt.Fprintln(out)
			}
			return
		}
	}
}

// newBar returns nil where out is no terminal.
func newBar(out io.Writer, total int64) *progressbar.ProgressBar {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetWidth(20),
		progressbar.OptionShowCount(),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionUseANSICodes(true),
	)
}

func describe(s pipeline.Snapshot) string {
	return fmt.Sprintf("limit %2d  in flight %2d  held by %-7v  %v", s.Concurrency, s.InFlight, s.HeldBy, s.State)
}

func thousands[N int | int64](n N) string { return humanize.Comma(int64(n)) }
