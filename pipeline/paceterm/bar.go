package paceterm

import (
	"bytes"
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
	widest   = 40 // columns of the bar
	columns  = 80 // of a terminal that does not tell
	trimming = 12 // columns around bar and count: percentage, brackets, spaces
)

// bar is a line on a terminal.
type bar struct {
	file  *os.File
	meter *meter
	bar   *progressbar.ProgressBar
	total int64 // as drawn; -1: unknown
}

func newBar(file *os.File, m *meter) *bar { return &bar{file: file, meter: m} }

func (b *bar) show(now time.Time, s pipeline.Snapshot) {
	rate := b.meter.rate(now, s)
	all := parts(rate, s)
	if s.Total > 0 && done(s) >= s.Total { // the bar does not change any more when it is full
		all = b.meter.last(now, s)
	}
	b.draw(s, all)
}

func (b *bar) draw(s pipeline.Snapshot, all []part) {
	total := s.Total
	if total <= 0 {
		total = -1
	}
	if b.bar == nil || total != b.total {
		b.begin(total)
	}
	b.bar.Describe(fit(all, b.room(s)))
	n := done(s)
	if total > 0 {
		n = min(n, total) // there may be more than were expected
	}
	_ = b.bar.Set64(n) // a terminal that is gone shows nothing
}

// begin makes a bar anew; its total has become known, or another one.
func (b *bar) begin(total int64) {
	b.total = total
	b.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(b.file),
		progressbar.OptionSetWidth(widest), // it shrinks by itself where there is no room
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(total > 0),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetPredictTime(false), // the throttle knows better
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetSpinnerChangeInterval(0), // which would run a goroutine without an end
		progressbar.OptionUseANSICodes(true),
	)
}

// room is how many columns there are beside what the bar takes.
func (b *bar) room(s pipeline.Snapshot) int {
	width, _, err := term.GetSize(int(b.file.Fd()))
	if err != nil || width <= 0 {
		width = columns
	}
	taken := trimming + len(fmt.Sprint(done(s)))
	if s.Total > 0 {
		taken += width/8 + len(fmt.Sprint(s.Total)) // an eighth is left to the bar
	}
	return width - taken
}

func (b *bar) say(text []byte) error {
	_ = b.bar.Clear()
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(bytes.Clone(text), '\n')
	}
	_, err := b.file.Write(text)
	return err
}

func (b *bar) end(now time.Time, s pipeline.Snapshot) {
	if b.meter.idle(s) {
		_ = b.bar.Clear()
		return
	}
	b.draw(s, b.meter.last(now, s))
	fmt.Fprintln(b.file)
}

// plain is a line now and then where no terminal is.
type plain struct {
	out   io.Writer
	every time.Duration
	meter *meter
	next  time.Time
}

func newPlain(out io.Writer, every time.Duration, m *meter) *plain {
	return &plain{out: out, every: every, meter: m, next: m.started.Add(every)}
}

func (p *plain) show(now time.Time, s pipeline.Snapshot) {
	rate := p.meter.rate(now, s)
	if now.Before(p.next) {
		return
	}
	passed := now.Sub(p.meter.started)
	p.next = p.next.Add(min(max(p.every, passed/plainGrowing), max(p.every, plainAtMost))) // the longer it takes, the less is new
	p.print(passed, s, parts(rate, s))
}

func (p *plain) print(passed time.Duration, s pipeline.Snapshot, all []part) {
	of := "done"
	if s.Total > 0 {
		of = "of " + humanize.Comma(s.Total)
	}
	fmt.Fprintf(p.out, "%6.1fs  %7s %s  %s\n", passed.Seconds(), humanize.Comma(done(s)), of, fit(all, 1<<10))
}

func (p *plain) say(text []byte) error {
	_, err := p.out.Write(text)
	return err
}

func (p *plain) end(now time.Time, s pipeline.Snapshot) {
	if !p.meter.idle(s) {
		p.print(now.Sub(p.meter.started), s, p.meter.last(now, s))
	}
}
