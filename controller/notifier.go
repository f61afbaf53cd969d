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

// A notice is either an event or, if snapshot is set, progress.
type notice struct {
	event    Event
	snapshot *Snapshot
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

func (n *notifier) tell(what notice) {
	select {
	case n.queue <- what:
	default:
		n.dropped++
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
	var panicked *panics.Recovered
	switch {
	case what.snapshot != nil:
		panicked = panics.Try(func() { n.onProgress(*what.snapshot) })
	default:
		n.log(what.event)
		if n.onEvent != nil {
			panicked = panics.Try(func() { n.onEvent(what.event) })
		}
	}
	if panicked != nil {
		n.panicked("callback", panicked.Value)
	}
}

// panicked tells the log, if there is one, of a panic in the user's code.
func (n *notifier) panicked(what string, value any) {
	if n.logger != nil {
		panics.Try(func() { n.logger.Error("paceline: "+what+" panicked", "panic", value) })
	}
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
