package pacepage

import (
	"fmt"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

const (
	mostEntries = 200              // of each rank, for each throttle
	grouped     = 10 * time.Second // events of a subject that come so often are one entry
	mostText    = 300              // bytes of an error
)

// A subject is what an event is about.
type subject string

const (
	aboutPace    subject = "pace"
	aboutRetries subject = "retries"
	aboutJobs    subject = "jobs"
	aboutBudget  subject = "budget"
	aboutServer  subject = "server"
	aboutCircuit subject = "circuit"
	aboutService subject = "service"
	aboutLife    subject = "lifetime"
)

func subjectOf(kind pipeline.EventKind) subject {
	switch kind {
	case pipeline.EventDecelerated, pipeline.EventReaccelerated, pipeline.EventCoolingStarted, pipeline.EventCeilingDecayed:
		return aboutPace
	case pipeline.EventRetry:
		return aboutRetries
	case pipeline.EventSetAside, pipeline.EventTakenUp, pipeline.EventGivenUp:
		return aboutJobs
	case pipeline.EventBudgetExhausted, pipeline.EventBudgetRestored, pipeline.EventBudgetTooSmall:
		return aboutBudget
	case pipeline.EventPaused, pipeline.EventResumed:
		return aboutServer
	case pipeline.EventCircuitOpened, pipeline.EventCircuitHalfOpen, pipeline.EventCircuitClosed:
		return aboutCircuit
	case pipeline.EventDown, pipeline.EventBack, pipeline.EventNothingSucceeded, pipeline.EventPauseBounded,
		pipeline.EventLimiterLearned:
		return aboutService
	}
	return aboutLife
}

// An entry is one event, or several about the same that came soon after each
// other.
type entry struct {
	id          int64
	throttle    string
	subject     subject
	first, last pipeline.Event
	cause       string // of the last one: its error's text
	times       int
	changed     int64 // in which tick
}

// takes reports whether an event about the same belongs to the entry. A circuit, whether
// the service works, and a throttle's end are told step by step; of all else there may be
// dozens a second.
func (e *entry) takes(event pipeline.Event) bool {
	switch e.subject {
	case aboutCircuit, aboutService, aboutLife:
		return false
	}
	return event.At.Sub(e.first.At) < grouped
}

// A log is the newest entries of one throttle. Those of the pace and of retries, of
// which there are many, have a place of their own and push no other out.
type log struct {
	rare, frequent []*entry
	newest         map[string]*entry // by subject, and budget
}

// add notes an event, and returns the entry that it is in. number is for one that
// has to be made.
func (l *log) add(throttle string, event pipeline.Event, number, now int64) (e *entry, made bool) {
	about, cause := subjectOf(event.Kind), because(event.Err)
	event.Err = nil // it may hold much memory
	key := string(about) + " " + event.Budget
	if e := l.newest[key]; e != nil && e.takes(event) {
		e.last, e.cause, e.changed = event, cause, now
		e.times++
		return e, false
	}
	e = &entry{id: number, throttle: throttle, subject: about, first: event, last: event, cause: cause, times: 1, changed: now}
	if l.newest == nil {
		l.newest = make(map[string]*entry)
	}
	l.newest[key] = e
	entries := &l.rare
	if about == aboutPace || about == aboutRetries {
		entries = &l.frequent
	}
	if len(*entries) == mostEntries {
		*entries = append((*entries)[:0], (*entries)[1:]...)
	}
	*entries = append(*entries, e)
	return e, true
}

// text says in a few words what happened.
func (e *entry) text() string {
	last := e.last
	switch last.Kind {
	case pipeline.EventDecelerated, pipeline.EventReaccelerated, pipeline.EventCoolingStarted, pipeline.EventCeilingDecayed:
		return settings(e.first.From, last.To) + reason(last.To.Reason)
	case pipeline.EventCircuitOpened:
		return "opened for " + short(last.Wait) + e.cause
	case pipeline.EventCircuitHalfOpen:
		return "half-open: asks whether the service is there again"
	case pipeline.EventCircuitClosed:
		return "closed: the service is there again"
	case pipeline.EventBudgetExhausted:
		return named(last.Budget) + "exhausted" + forSo(last.Wait)
	case pipeline.EventBudgetRestored:
		return named(last.Budget) + "room again"
	case pipeline.EventBudgetTooSmall:
		return named(last.Budget) + "a job has used more than all of it"
	case pipeline.EventRetry:
		return "tries again" + in(last.Wait) + e.cause
	case pipeline.EventSetAside:
		return "one is set aside for up to " + short(last.Wait) + ", since it is refused while others are accepted" + e.cause
	case pipeline.EventTakenUp:
		return "one that was set aside is tried again"
	case pipeline.EventGivenUp:
		return "one that was set aside is given up" + e.cause
	case pipeline.EventPaused:
		return "asked to be left alone" + forSo(last.Wait)
	case pipeline.EventResumed:
		return "may be asked again"
	case pipeline.EventPauseBounded:
		return "asked to be left alone for " + short(last.Wait) + ", longer than is waited"
	case pipeline.EventLimiterLearned:
		return "has " + last.Limiter.String()
	case pipeline.EventDown:
		return "taken for down" + e.cause
	case pipeline.EventBack:
		return "back"
	case pipeline.EventNothingSucceeded:
		return "nothing has succeeded yet" + e.cause
	case pipeline.EventNotRead:
		return "nobody reads the results, so the run waits"
	case pipeline.EventNotClosed:
		return "all is done, and the channel of jobs is still open"
	case pipeline.EventClosed:
		return "closed: takes no new work"
	case pipeline.EventDraining:
		return "draining: finishes what it took"
	case pipeline.EventDrained:
		return "drained: nothing is in flight"
	}
	return last.String()
}

func settings(from, to pipeline.Setting) string {
	var parts []string
	if from.Limit != to.Limit {
		parts = append(parts, fmt.Sprintf("limit %d → %d", from.Limit, to.Limit))
	}
	if a, b := short(from.Interval), short(to.Interval); a != b {
		parts = append(parts, "interval "+a+" → "+b)
	}
	if from.Ceiling != to.Ceiling {
		parts = append(parts, fmt.Sprintf("ceiling %d → %d", from.Ceiling, to.Ceiling))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("limit %d, interval %s, as before", to.Limit, short(to.Interval))
	}
	return strings.Join(parts, ", ")
}

// reason ends what is told of a change.
func reason(r pipeline.Reason) string {
	if r == pipeline.NoReason {
		return ""
	}
	return ": " + r.String()
}

// named begins what is told of a budget; not every one has a name.
func named(budget string) string {
	if budget == "" {
		return ""
	}
	return budget + ": "
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + textOf(err)
}

// textOf returns the text of an error, cut to what fits. Whose method panics has none:
// it is the user's, and not called by the user.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", err)
		}
	}()
	if err == nil {
		return ""
	}
	text = err.Error()
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	return text
}

func forSo(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " for " + short(d)
}

func in(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " in " + short(d)
}

// short drops the digits that nobody reads, and puts a space before the unit.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
