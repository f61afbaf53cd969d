package controller

import (
	"log/slog"
	"sync/atomic"

	"github.com/sourcegraph/conc/panics"
)

// notices is how many notices wait for a slow callback before more are dropped.
const notices = 1024

// A notifier calls the user's callbacks, in order, from one goroutine at a
// time that lives only as long as there is something to tell. A callback that
// blocks or panics delays only further callbacks.
type notifier struct {
	to       *callbacks // belongs to the controller's goroutine
	watchers watchers
	queue    chan *notice // nil: there was nothing to tell yet
	awake    atomic.Bool  // a goroutine is at work on the queue
	dropped  int64        // of events; belongs to the controller's goroutine
}

// callbacks are whom to tell, each nil if nobody.
type callbacks struct {
	onEvent    func(Event)
	onProgress func(Snapshot)
	logger     *slog.Logger
}

func callbacksOf(cfg Config) *callbacks {
	return &callbacks{onEvent: cfg.OnEvent, onProgress: cfg.OnProgress, logger: cfg.Logger}
}

// wants reports whether there is anybody to tell of an event. That nothing has
// succeeded is always told.
func (c *callbacks) wants(e Event) bool {
	return c.onEvent != nil || c.logger != nil || e.Mistake()
}

// A notice is an event or, if one of the others is set, progress or a panic of
// the policy. It is for those who were to be told when it was made.
type notice struct {
	to       *callbacks
	event    Event
	watchers []*watcher
	snapshot *Snapshot
	panicked any
}

func newNotifier(cfg Config) *notifier { return &notifier{to: callbacksOf(cfg)} }

func (n *notifier) events(all []Event) {
	for _, e := range all {
		n.event(e)
	}
}

func (n *notifier) event(e Event) {
	if watchers := n.watchers.all(); n.to.wants(e) || len(watchers) > 0 {
		n.tell(&notice{event: e, watchers: watchers})
	}
}

func (n *notifier) progress(s Snapshot) { n.tell(&notice{snapshot: &s}) }

func (n *notifier) panic(value any) {
	if n.to.logger != nil {
		n.tell(&notice{panicked: value})
	}
}

func (n *notifier) tell(what *notice) {
	what.to = n.to
	if n.queue == nil {
		n.queue = make(chan *notice, notices)
	}
	select {
	case n.queue <- what:
	default:
		if what.snapshot == nil {
			n.dropped++
		}
		return
	}
	n.rouse()
}

func (n *notifier) rouse() {
	if n.awake.CompareAndSwap(false, true) {
		go n.work()
	}
}

// work empties the queue, unless a callback ends the goroutine before.
func (n *notifier) work() {
	defer n.leave()
	for {
		select {
		case what := <-n.queue:
			what.deliver()
		default:
			return
		}
	}
}

// leave lets another goroutine take over. A notice that comes meanwhile finds
// this one either awake still, or gone and replaceable.
func (n *notifier) leave() {
	n.awake.Store(false)
	if len(n.queue) > 0 {
		n.rouse()
	}
}

func (n *notice) deliver() {
	switch {
	case n.snapshot != nil:
		n.to.try(func() { n.to.onProgress(*n.snapshot) })
	case n.panicked != nil:
		n.to.logPanic("policy", n.panicked)
	default:
		n.to.log(n.event)
		if n.to.onEvent != nil {
			n.to.try(func() { n.to.onEvent(n.event) })
		}
		for _, w := range n.watchers {
			n.to.try(func() { w.onEvent(n.event) })
		}
	}
}

// try calls a callback and logs its panic.
func (c *callbacks) try(callback func()) {
	if p := panics.Try(callback); p != nil && c.logger != nil {
		c.logPanic("callback", p.Value)
	}
}

func (c *callbacks) logPanic(whose string, value any) {
	panics.Try(func() { c.logger.Error("paceline: "+whose+" panicked", "panic", value) })
}

// log writes the event. Retries are many and say little, so they are for
// debugging only. That a service is down, or that nothing has succeeded, is a
// warning.
func (c *callbacks) log(e Event) {
	if c.logger == nil {
		warnOf(e)
		return
	}
	write := c.logger.Info
	switch e.Kind {
	case EventRetry:
		write = c.logger.Debug
	case EventDown, EventNothingSucceeded, EventNotRead, EventBudgetTooSmall:
		write = c.logger.Warn
	}
	panics.Try(func() { write("paceline: "+e.Kind.String(), "event", e) })
}

// warnOf writes what is most likely a mistake to the program's own log, since there is no
// other, and somebody who has got the port wrong has to hear of it.
func warnOf(e Event) {
	switch e.Kind {
	case EventNothingSucceeded:
		text := "paceline: nothing has succeeded yet"
		if e.Verdict == Overload {
			text += "; attempts count as refused by the service, and are tried again"
		}
		panics.Try(func() { slog.Warn(text, "error", e.Err) })
	case EventNotRead:
		panics.Try(func() {
			slog.Warn("paceline: nobody reads the results, so the run waits; read the channel until it is closed, or cancel the context")
		})
	case EventBudgetTooSmall:
		panics.Try(func() {
			slog.Warn("paceline: a job has used more than all of a budget, so that others wait for long; the budget has to be larger, or the jobs smaller", "budget", e.Budget)
		})
	case EventNotClosed:
		panics.Try(func() {
			slog.Info("paceline: all jobs are done and their results read, and the run waits for more; close the channel of jobs if no more come")
		})
	}
}
