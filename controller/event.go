package controller

import (
	"fmt"
	"log/slog"
	"time"
)

// EventKind is what an Event tells.
type EventKind int

// What a throttle tells.
const (
	EventDecelerated      EventKind = iota // the limit is lower, or the interval longer
	EventCoolingStarted                    // after a cut: for a while, nothing grows
	EventReaccelerated                     // the limit is higher, or the interval shorter
	EventCeilingDecayed                    // the limit that last failed is forgotten, and may be tried again
	EventCircuitOpened                     // so many failed that no attempt passes for a while
	EventCircuitHalfOpen                   // a few probes pass, to find out whether the service works again
	EventCircuitClosed                     // they succeeded: attempts pass again
	EventBudgetExhausted                   // a job waits until a budget has enough left
	EventBudgetRestored                    // it has
	EventRetry                             // an attempt failed or was refused, and its job is tried again
	EventClosed                            // no new work is taken
	EventDraining                          // what was taken is finished
	EventDrained                           // nothing is left of it
	EventPaused                            // the server asked for a pause, and nothing starts until it is over
	EventResumed                           // it is over
	EventDown                              // the service is taken for down: it is asked now and then
	EventBack                              // it works again
	EventNothingSucceeded                  // once: ten attempts went wrong, and none has ever succeeded; without a Logger slog's default one is warned
	EventPauseBounded                      // a server asked for a longer pause than is waited; once in a pause
	EventLimiterLearned                    // what is known of a limiter that the server tells of, or something new of it
	EventNotRead                           // once in a run: nobody has read its results for ten seconds, and it waits; without a Logger slog's default one is warned
	EventNotClosed                         // once in a run: all is done and read, no job has come for ten seconds, and the jobs channel is open; without a Logger slog's default one is told
	EventBudgetTooSmall                    // once: an attempt has used more than all of a budget; without a Logger slog's default one is warned
	EventSetAside                          // a job is refused while others are accepted, and waits until there is nothing else to do
	EventTakenUp                           // a job that was set aside is tried again
	EventGivenUp                           // it went wrong again, and has no more attempts
)

var eventNames = [...]string{
	"decelerated", "cooling_started", "reaccelerated", "ceiling_decayed",
	"circuit_opened", "circuit_half_open", "circuit_closed",
	"budget_exhausted", "budget_restored", "retry", "closed", "draining", "drained",
	"paused", "resumed", "down", "back", "nothing_succeeded", "pause_bounded", "limiter_learned", "not_read", "not_closed", "budget_too_small",
	"set_aside", "taken_up", "given_up",
}

func (k EventKind) String() string {
	if k >= 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event(%d)", int(k))
}

// An Event is something that a throttle did. Which fields beyond the first two
// are set depends on the kind.
type Event struct {
	Kind EventKind
	At   time.Time

	// From and To are of decelerated, reaccelerated, cooling_started, ceiling_decayed, down
	// and back; To.Reason says why.
	From, To Setting

	// Wait is how long it will last: cooling_started, circuit_opened, budget_exhausted (0: it does not come back),
	// paused; what the server asked for: pause_bounded; until the next attempt: retry, and at the latest set_aside.
	Wait time.Duration

	Budget  string  // name of the budget: budget_exhausted, budget_restored, budget_too_small
	Limiter Limiter // limiter_learned

	Attempt int     // the one that failed, from 0: retry, set_aside, given_up
	Err     error   // what it failed with: retry, set_aside, given_up; or the last one: circuit_opened, down, nothing_succeeded
	Verdict Verdict // on that attempt: nothing_succeeded
}

// Mistake reports whether the event tells of what is most likely a mistake in the program: then
// it is told also where nobody listens.
func (e Event) Mistake() bool {
	switch e.Kind {
	case EventNothingSucceeded, EventNotRead, EventNotClosed, EventBudgetTooSmall:
		return true
	}
	return false
}

// attrs returns the fields that the kind of event sets.
func (e Event) attrs() []slog.Attr {
	var attrs []slog.Attr
	if e.From != e.To {
		attrs = append(attrs,
			slog.Int("limit_from", e.From.Limit), slog.Int("limit", e.To.Limit),
			slog.Duration("interval_from", e.From.Interval), slog.Duration("interval", e.To.Interval),
			slog.Int("ceiling", e.To.Ceiling))
		if e.To.Reason != NoReason {
			attrs = append(attrs, slog.String("reason", e.To.Reason.String()))
		}
	}
	if e.Wait > 0 {
		attrs = append(attrs, slog.Duration("wait", e.Wait))
	}
	if e.Budget != "" {
		attrs = append(attrs, slog.String("budget", e.Budget))
	}
	if e.Kind == EventLimiterLearned {
		attrs = append(attrs, slog.String("limiter", e.Limiter.String()))
	}
	switch e.Kind {
	case EventRetry, EventSetAside, EventGivenUp:
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	return attrs
}

// LogValue returns the kind, the time, and the fields that the kind sets.
func (e Event) LogValue() slog.Value {
	head := []slog.Attr{slog.String("kind", e.Kind.String()), slog.Time("at", e.At)}
	return slog.GroupValue(append(head, e.attrs()...)...)
}

// String returns the kind and the fields that it sets, as slog's text does.
func (e Event) String() string {
	s := e.Kind.String()
	for _, a := range e.attrs() {
		s += " " + a.String()
	}
	return s
}
