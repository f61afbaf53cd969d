// Package paceterm draws on a terminal how a throttle is doing: one line, four times
// a second.
//
//	line := paceterm.Draw(os.Stderr, throttle)
//	defer line.Stop()
//
//	  39% |███████████                 | (3120/8000)  412/s  limit 32  interval 2.4ms  tokens 41.2k of 55k/10s  ETA 12s
//
// While something keeps it from its work, such as an open circuit, the line ends with
// that. What does not fit the terminal's width is left out.
//
// Where the output is no terminal it stays quiet, or, if asked, prints a plain line
// now and then. It is a module of its own:
//
//	go get github.com/paceline-go/paceline/pipeline/paceterm
package paceterm

import (
	"io"
	"os"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
	"golang.org/x/term"
)

const (
	beat         = 250 * time.Millisecond // between two looks at the throttle
	plainAtMost  = time.Minute            // between two plain lines
	plainGrowing = 20                     // the share of the time so far that passes between them is 1/20
)

// Options change what Draw does. The zero value is what the function Draw uses.
type Options struct {
	// Plain has a plain line printed where the output is no terminal: about so
	// often, but the longer it takes, the less often, and then once a minute. 0 or
	// less: nothing is printed there.
	Plain time.Duration
}

// A Line is drawn until it is stopped. What is written to it appears above it, so
// that it can be the output of a log; each Write should end a line. Its methods may
// be called from any goroutine.
type Line struct {
	out     io.Writer
	says    chan say
	stops   chan struct{} // has one after the first Stop
	stopped chan struct{} // closed: nothing runs any more
}

// say is what somebody writes above the line.
type say struct {
	text []byte
	said chan error
}

// Draw draws a line of t on out, if that is a terminal, until Stop. With the
// throttle's TotalJobs it is a bar, without it a count. It panics if out or t is nil.
//
// There is one line: of several throttles, draw the one that matters, or look at
// all of them on the page of package pacepage.
func Draw(out io.Writer, t *pipeline.Throttle) *Line { return Options{}.Draw(out, t) }

// Draw is as the function Draw, with options.
func (o Options) Draw(out io.Writer, t *pipeline.Throttle) *Line {
	if out == nil {
		panic("paceline: paceterm: output is nil")
	}
	if t == nil {
		panic("paceline: paceterm: throttle is nil")
	}
	l := &Line{out: out, says: make(chan say), stops: make(chan struct{}, 1), stopped: make(chan struct{})}
	clk := clock.Real()
	begin := newMeter(clk.Now(), t.Snapshot())
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		go l.loop(clk, t, newBar(file, begin))
	} else if o.Plain > 0 {
		go l.loop(clk, t, newPlain(out, o.Plain, begin))
	} else {
		close(l.stopped)
	}
	return l
}

// A face is how a line looks.
type face interface {
	show(now time.Time, s pipeline.Snapshot)
	say(text []byte) error
	end(now time.Time, s pipeline.Snapshot) // leaves it as it stands, or nothing if nothing was done
}

// loop owns the face.
func (l *Line) loop(clk clock.Clock, t *pipeline.Throttle, f face) {
	defer close(l.stopped)
	ticker := clk.Ticker(beat)
	defer ticker.Stop()
	f.show(clk.Now(), t.Snapshot())
	for {
		select {
		case now := <-ticker.C:
			f.show(now, t.Snapshot())
		case s := <-l.says:
			err := f.say(s.text)
			f.show(clk.Now(), t.Snapshot())
			s.said <- err
		case <-l.stops:
			f.end(clk.Now(), t.Snapshot())
			return
		}
	}
}

// Write prints text above the line, or, where none is drawn, just prints it.
func (l *Line) Write(text []byte) (int, error) {
	s := say{text, make(chan error, 1)}
	select {
	case l.says <- s:
		if err := <-s.said; err != nil {
			return 0, err
		}
		return len(text), nil
	case <-l.stopped:
		return l.out.Write(text)
	}
}

// Stop draws the line once more and leaves it standing, unless nothing was done at
// all. When it returns, nothing runs any more. A second call does nothing.
func (l *Line) Stop() {
	select {
	case l.stops <- struct{}{}:
	default:
	}
	<-l.stopped
}
