package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A journal says what happens, when it happens, and adds up how long the circuit
// was not closed. The program writes to it, and the throttle on a goroutine of
// its own.
type journal struct {
	lines   *log.Logger
	started time.Time
	opened  time.Time     // zero: the circuit is closed
	open    time.Duration // to be read after drain
	drained chan struct{}
}

func newJournal(out io.Writer) *journal {
	return &journal{lines: log.New(out, "", 0), started: time.Now(), drained: make(chan struct{})}
}

func (j *journal) line(at time.Time, format string, args ...any) {
	j.lines.Printf("%6.2fs "+format, append([]any{at.Sub(j.started).Seconds()}, args...)...)
}

// say writes a line that is about no call.
func (j *journal) say(format string, args ...any) {
	j.line(time.Now(), "               "+format, args...)
}

// outcome says what became of a call.
func (j *journal) outcome(number int, what, prompt, answer string, err error) {
	text := "→ " + answer
	var open *pipeline.CircuitOpenError
	switch {
	case errors.As(err, &open):
		text = fmt.Sprintf("the circuit is open for another %v", short(open.RetryAfter))
	case err != nil:
		text = err.Error()
	}
	j.line(time.Now(), "%3d %-9s  %-32s  %s", number, what, clip(prompt, 32), clip(text, 64))
}

// progress says how far a pipeline has come.
func (j *journal) progress(s pipeline.Snapshot, left int) {
	j.say("%2d of %d done; %d in flight, %d waiting, %d not taken yet; circuit %v",
		s.Completed+s.Failed, s.Total, s.InFlight, s.Waiting, left, s.Circuit)
}

// hear says what the throttle did, when that was.
func (j *journal) hear(e pipeline.Event) {
	tell := func(format string, args ...any) { j.line(e.At, "               "+format, args...) }
	switch e.Kind {
	case pipeline.EventRetry:
		tell("attempt %d: %v; not again for %v", e.Attempt+1, e.Err, short(e.Wait))
	case pipeline.EventCircuitOpened:
		if j.opened.IsZero() {
			j.opened = e.At
		}
		tell("circuit opened for %v", short(e.Wait))
	case pipeline.EventCircuitHalfOpen:
		tell("circuit half-open: one call may try")
	case pipeline.EventCircuitClosed:
		j.close(e.At)
		tell("circuit closed")
	case pipeline.EventDrained:
		j.close(e.At)
		close(j.drained)
	}
}

func (j *journal) close(at time.Time) {
	if !j.opened.IsZero() {
		j.open += at.Sub(j.opened)
	}
	j.opened = time.Time{}
}

// drain closes a throttle that has nothing more to do, and waits until all it
// did is told.
func (j *journal) drain(t *pipeline.Throttle) error {
	err := t.Drain(context.Background())
	<-j.drained
	return err
}

// clip shortens a text to so many letters.
func clip(text string, letters int) string {
	if runes := []rune(text); len(runes) > letters {
		return string(runes[:letters-1]) + "…"
	}
	return text
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
