package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A station is a throttle, the service behind it, and what was seen of the two.
type station struct {
	soak     *soak
	name     string
	service  *service
	throttle *pipeline.Throttle
	mood     *dice // of the callbacks, which come from one goroutine at a time
	lastAt   time.Time
	ended    int // events of its end that have come

	mu       sync.Mutex
	inFlight int
	watch    watch

	// These belong to the ledger.
	completed, failed, retries, doubtful int64
}

// begin notes that an attempt starts.
func (st *station) begin(j job, number int) *attempt {
	a := &attempt{station: st, job: j, number: number, answer: st.service.answer(j, number)}
	st.soak.ledger.begin(j, number, a.answer.fault)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.inFlight++
	a.spent = st.watch.start(st, j, time.Now())
	return a
}

// end notes that an attempt has ended.
func (a *attempt) end() {
	st := a.station
	st.service.finish()
	st.soak.ledger.end(a.job, a.last)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.inFlight--
	for _, s := range a.spent {
		s.settle(a)
	}
}

func (st *station) complain(format string, args ...any) {
	st.soak.ledger.complain(st.name+": "+format, args...)
}

func (st *station) isClosed() bool {
	select {
	case <-st.throttle.Done():
		return true
	default:
		return false
	}
}

// book counts a job that is closed for the audit. The ledger calls it.
func (st *station) book(e *entry, f fate) {
	st.retries += int64(max(e.attempts-1, 0))
	switch {
	case e.attempts > 0 && e.last == nil:
		st.completed++
	case f == fateUnread, e.attempts > 0 && (f == fateNoTime || f == fateCancelled && e.last.fault == cancels):
		st.doubtful++ // nobody has seen whether it was let go or had failed before
	case f == fateCancelled: // it was let go
	case e.attempts > 0, f == fateTooDear, f == fateTooHeavy, f == fatePanic, f == fateGoexit:
		st.failed++
	}
}

// update puts another configuration in force.
func (st *station) update(cfg pipeline.Config) {
	st.expect(cfg)
	if err := st.throttle.Update(cfg); err != nil {
		st.complain("Update: %v", err)
	}
	st.settle(cfg)
}

// expect is told before a configuration comes into force. From then on the
// throttle may go by either.
func (st *station) expect(cfg pipeline.Config) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.watch.expect(cfg)
}

// settle is told when it is in force.
func (st *station) settle(cfg pipeline.Config) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.watch.settle(cfg, time.Now())
}

// config returns the configuration in force.
func (st *station) config() pipeline.Config {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.watch.config
}

// onEvent checks that events come in order, and behaves badly now and then.
func (st *station) onEvent(e pipeline.Event) {
	st.soak.seen.event(e)
	if e.At.Before(st.lastAt) {
		st.complain("event %v of %v came after one of %v", e.Kind, e.At, st.lastAt)
	}
	st.lastAt = e.At
	switch e.Kind {
	case pipeline.EventClosed, pipeline.EventDraining, pipeline.EventDrained:
		if ending := int(e.Kind - pipeline.EventClosed + 1); ending <= st.ended {
			st.complain("event %v came again, or too late", e.Kind)
		} else {
			st.ended = ending
		}
	}
	st.misbehave()
}

func (st *station) onProgress(pipeline.Snapshot) {
	st.soak.seen.progress.Add(1)
	st.misbehave()
}

// misbehave does what a callback should not do.
func (st *station) misbehave() {
	if st.soak.isOver() {
		return
	}
	switch st.mood.IntN(300) {
	case 0:
		st.soak.seen.badCallbacks.Add(1)
		st.soak.pause(st.mood.between(time.Second, 20*time.Second))
	case 1:
		st.soak.seen.badCallbacks.Add(1)
		panic("a callback panicked")
	case 2:
		st.soak.seen.badCallbacks.Add(1)
		runtime.Goexit()
	case 3:
		st.inspect()
	}
}

// inspect looks at a snapshot for what cannot be.
func (st *station) inspect() {
	s := st.throttle.Snapshot()
	st.soak.seen.snapshots.Add(1)
	check := func(ok bool, what string) {
		if !ok {
			st.complain("snapshot: %s: %+v", what, s)
		}
	}
	check(s.Concurrency >= 1 && s.Concurrency <= s.MaxConcurrency, "limit out of bounds")
	check(s.SafeCeiling >= 1 && s.SafeCeiling <= s.MaxConcurrency, "ceiling out of bounds")
	check(s.InFlight >= 0 && s.Waiting >= 0, "a count is negative")
	check(s.Percentage >= 0 && s.Percentage <= 100, "percentage out of bounds")
	check(s.PausedFor >= 0 && s.DispatchInterval >= 0, "a duration is negative")
	for _, b := range s.Budgets {
		check(b.Used >= 0 && b.Remaining >= 0 && b.Remaining <= b.Tokens, "budget out of bounds")
	}
}

// audit drains the throttle and compares its books with the ledger's.
func (st *station) audit(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := st.throttle.Drain(ctx); err != nil {
		st.complain("Drain: %v", err)
		return
	}
	s := st.throttle.Snapshot()
	st.soak.seen.dropped.Add(s.DroppedEvents)
	if s.State != pipeline.Closed || s.InFlight != 0 || s.Waiting != 0 || st.inFlight != 0 {
		st.complain("drained, but the snapshot says %+v, the service has %d in flight", s, st.inFlight)
	}
	if s.Completed != st.completed || s.Failed < st.failed || s.Failed > st.failed+st.doubtful || s.Retries != st.retries {
		st.complain("counts %d completed, %d failed, %d retries, the ledger %d, %d (and up to %d more), %d",
			s.Completed, s.Failed, s.Retries, st.completed, st.failed, st.doubtful, st.retries)
	}
}
