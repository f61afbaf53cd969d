package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

const (
	mostSteps = 60          // bounds the history of a run that goes on for days
	pause     = time.Second // events of a kind that are less apart are one step
)

// history is what the throttle did: its changes of pace in all, and its other events in
// their order.
type history struct {
	changes changes
	steps   []*step
	newest  map[subject]*step
	retries int
	trouble error // that the newest retry is for
	beyond  int   // events after the last step that was kept
}

// changes are all changes of limit and interval. There may be dozens a second, each
// of them small.
type changes struct {
	times       int
	first, last pipeline.Setting
	low, high   pipeline.Setting // the lowest and highest of each
	reasons     map[pipeline.Reason]int
}

func (c *changes) add(e pipeline.Event) {
	if !differ(e.From, e.To) {
		return
	}
	if c.times == 0 {
		c.first, c.low, c.high = e.From, e.From, e.From
		c.reasons = map[pipeline.Reason]int{}
	}
	c.times++
	c.last = e.To
	c.low.Limit, c.high.Limit = min(c.low.Limit, e.To.Limit), max(c.high.Limit, e.To.Limit)
	c.low.Interval, c.high.Interval = min(c.low.Interval, e.To.Interval), max(c.high.Interval, e.To.Interval)
	c.reasons[e.To.Reason]++
}

func (c *changes) print(out io.Writer) {
	if c.times == 0 {
		return
	}
	var spans []string
	if c.low.Limit != c.high.Limit {
		spans = append(spans, "limit "+span(c.first.Limit, c.last.Limit, c.low.Limit, c.high.Limit))
	}
	if low, high := short(c.low.Interval), short(c.high.Interval); low != high {
		spans = append(spans, "interval "+span(short(c.first.Interval), short(c.last.Interval), low, high))
	}
	line(out, "pace", "changed %s: %s", plural(c.times, "time"), strings.Join(spans, ", "))
	reasons := slices.SortedFunc(maps.Keys(c.reasons), func(a, b pipeline.Reason) int {
		return cmp.Or(c.reasons[b]-c.reasons[a], int(a)-int(b))
	})
	var texts []string
	for _, r := range reasons {
		if r != pipeline.NoReason {
			texts = append(texts, fmt.Sprintf("%v %s", r, thousands(c.reasons[r])))
		}
	}
	if len(texts) > 0 {
		line(out, "", "why: %s", strings.Join(texts, ", "))
	}
}

// span tells where something began and ended, and how far it went if that was further.
func span[T cmp.Ordered](first, last, low, high T) string {
	text := fmt.Sprintf("%v → %v", first, last)
	if low < min(first, last) || high > max(first, last) {
		text += fmt.Sprintf(" (from %v to %v)", low, high)
	}
	return text
}

// differ reports whether two settings look different where they are told.
func differ(a, b pipeline.Setting) bool {
	return a.Limit != b.Limit || short(a.Interval) != short(b.Interval)
}

// step is one event, or several of one kind that followed each other.
type step struct {
	first, last pipeline.Event
	times       int
}

// subject is what an event is about. The circuit may open while a budget runs
// out again and again; told in turns, neither could be read.
type subject int

const (
	ceiling subject = iota
	circuit
	budget
	backend
	lifetime
)

func subjectOf(kind pipeline.EventKind) subject {
	switch kind {
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
	case pipeline.EventDecelerated, pipeline.EventReaccelerated:
		h.changes.add(e)
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
	h.changes.print(out)
	if h.retries == 0 && len(h.steps) == 0 {
		return
	}
	line(out, "throttle", "retried %s", plural(h.retries, "time"))
	for _, s := range h.steps {
		fmt.Fprintf(out, "  %6.2fs  %s\n", s.first.At.Sub(started).Seconds(), s)
	}
	if h.beyond > 0 {
		line(out, "", "and %s more", plural(h.beyond, "event"))
	}
}

func (s *step) String() string {
	text := s.first.Kind.String()
	if s.times > 1 {
		text += fmt.Sprintf(" %d times in %v", s.times, short(s.last.At.Sub(s.first.At)))
	}
	if from, to := s.first.From, s.last.To; from.Limit != to.Limit {
		text += fmt.Sprintf(": limit %d → %d", from.Limit, to.Limit)
	}
	if s.last.Err != nil {
		text += fmt.Sprintf(": %v", s.last.Err)
	}
	if s.first.Wait > 0 && s.times == 1 {
		text += fmt.Sprintf(" for %v", short(s.first.Wait))
	}
	return text
}
