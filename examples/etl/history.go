package main

import (
	"fmt"
	"io"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

const (
	mostSteps = 60          // bounds the history of a run that goes on for days
	pause     = time.Second // events of a kind that are less apart are one step
)

// history is what the throttle did, in the order of its events.
type history struct {
	steps   []*step
	newest  map[subject]*step
	retries int
	trouble error // that the newest retry is for
	beyond  int   // events after the last step that was kept
}

// step is one event, or several of one kind that followed each other.
type step struct {
	first, last pipeline.Event
	times       int
}

// subject is what an event is about. The pace may change while a budget runs
// out again and again; told in turns, neither could be read.
type subject int

const (
	pace subject = iota
	ceiling
	circuit
	budget
	backend
	lifetime
)

func subjectOf(kind pipeline.EventKind) subject {
	switch kind {
	case pipeline.EventDecelerated, pipeline.EventReaccelerated:
		return pace
	case pipeline.EventCeilingDecayed:
		return ceiling
	case pipeline.EventCircuitOpened, pipeline.EventCircuitHalfOpen, pipeline.EventCircuitClosed:
		return circuit
	case pipeline.EventBudgetExhausted:
		return budget
	case pipeline.EventDown, pipeline.EventBack, pipeline.EventNothingSucceeded:
		return backend
	}
	return lifetime
}

func (h *history) add(e pipeline.Event) {
	switch e.Kind {
	case pipeline.EventRetry:
		h.retries++
		h.trouble = e.Err
		return
	case pipeline.EventCoolingStarted, pipeline.EventBudgetRestored: // as the event before has told
		return
	}
	about := subjectOf(e.Kind)
	if s := h.newest[about]; s != nil && s.last.Kind == e.Kind && e.At.Sub(s.last.At) < pause {
		s.last = e
		s.times++
		return
	}
	if len(h.steps) == mostSteps {
		h.beyond++
		return
	}
	if h.newest == nil {
		h.newest = map[subject]*step{}
	}
	s := &step{first: e, last: e, times: 1}
	h.steps = append(h.steps, s)
	h.newest[about] = s
}

func (h *history) print(out io.Writer, started time.Time) {
	if h.retries == 0 && len(h.steps) == 0 {
		return
	}
	line(out, "throttle", "retried %s", plural(h.retries, "time"))
	for _, s := range h.steps {
		if s.idle() {
			continue
		}
		fmt.Fprintf(out, "  %6.2fs  %s\n", s.first.At.Sub(started).Seconds(), s)
	}
	if h.beyond > 0 {
		line(out, "", "and %s more", plural(h.beyond, "event"))
	}
}

// changes reports whether the line shows a limit or an interval that differs from before.
func (s *step) changes() bool {
	from, to := s.first.From, s.last.To
	return from.Limit != to.Limit || short(from.Interval) != short(to.Interval)
}

// idle reports whether there is nothing to tell, because all is as it was before.
func (s *step) idle() bool { return subjectOf(s.first.Kind) == pace && !s.changes() }

func (s *step) String() string {
	text := s.first.Kind.String()
	if s.times > 1 {
		text += fmt.Sprintf(" %d times in %v", s.times, short(s.last.At.Sub(s.first.At)))
	}
	if from, to := s.first.From, s.last.To; s.changes() {
		text += fmt.Sprintf(": limit %d → %d, interval %v → %v", from.Limit, to.Limit, short(from.Interval), short(to.Interval))
	}
	if why := s.last.To.Reason; why != pipeline.NoReason && subjectOf(s.first.Kind) != backend {
		text += fmt.Sprintf(" (%v)", why)
	}
	if s.last.Err != nil {
		text += fmt.Sprintf(": %v", s.last.Err)
	}
	if s.first.Wait > 0 && s.times == 1 {
		text += fmt.Sprintf(" for %v", short(s.first.Wait))
	}
	return text
}
