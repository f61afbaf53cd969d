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
	onEvent    func(Event)
	onProgress func(Snapshot)
	logger     *slog.Logger

	queue   chan notice
	awake   atomic.Bool // a goroutine is at work on the queue
	dropped int64       // of events; belongs to the controller's goroutine
}

// A notice is an event or, if one of the others is set, progress or a panic of
// the policy.
type notice struct {
	event    Event
	snapshot *Snapshot
	panicked any
}

func newNotifier(cfg Config) *notifier {
	n := &notifier{onEvent: cfg.OnEvent, onProgress: cfg.OnProgress, logger: cfg.Logger}
	if n.onEvent != nil || n.onProgress != nil || n.logger != nil {
		n.queue = make(chan notice, notices)
	}
	return n
}

func (n *notifier) event(e Event) {
	if n.onEvent != nil || n.logger != nil {
		n.tell(notice{event: e})
	}
}

func (n *notifier) progress(s Snapshot) { n.tell(notice{snapshot: &s}) }

func (n *notifier) panic(value any) {
	if n.logger != nil {
		n.tell(notice{panicked: value})
	}
}

func (n *notifier) tell(what notice) {
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
			n.call(what)
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

func (n *notifier) call(what notice) {
	switch {
	case what.snapshot != nil:
		n.try(func() { n.onProgress(*what.snapshot) })
	case what.panicked != nil:
		n.logPanic("policy", what.panicked)
	default:
		n.log(what.event)
		if n.onEvent != nil {
			n.try(func() { n.onEvent(what.event) })
		}
	}
}

// try calls a callback and logs its panic.
func (n *notifier) try(callback func()) {
	if p := panics.Try(callback); p != nil && n.logger != nil {
		n.logPanic("callback", p.Value)
	}
}

func (n *notifier) logPanic(whose string, value any) {
	panics.Try(func() { n.logger.Error("paceline: "+whose+" panicked", "panic", value) })
}

// log writes the event. Retries are many and say little, so they are for
// debugging only.
func (n *notifier) log(e Event) {
	if n.logger == nil {
		return
	}
	write := n.logger.Info
	if e.Kind == EventRetry {
		write = n.logger.Debug
	}
	panics.Try(func() { write("paceline: "+e.Kind.String(), "event", e) })
}
