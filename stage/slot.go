package stage

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A Slot is one attempt's place among those in flight. Its methods may be
// called from any goroutine; once the attempt has ended they do nothing,
// but for Hint.
type Slot struct {
	dispatcher *Dispatcher // nil: the slot is nobody's
	job        *Job        // as long as the attempt lasts
	attempt    int32
	refusals   int32
	mark       marks // of its start
	waited     time.Duration
	tokens     atomic.Int64
	recorded   atomic.Bool
	hinted     atomic.Int64 // the last RetryAfter
	spent      atomic.Bool  // a hint said that a resource is used up
	onVerdict  atomic.Pointer[verdictFunc]
	records    atomic.Pointer[record] // by name; nil: none
	release    func(error)            // nil: it is not held by hand
	released   atomic.Bool
}

// Attempt returns the number of the attempt: 0 on the job's first.
func (s *Slot) Attempt() int { return int(s.attempt) }

// Refusals returns how many of the job's attempts before this one were refused, and used up
// none of those that Retry allows.
func (s *Slot) Refusals() int { return int(s.refusals) }

// Waited returns how long the job waited, from the intake to its first attempt.
func (s *Slot) Waited() time.Duration { return s.waited }

// Tokens returns what the attempt has recorded so far.
func (s *Slot) Tokens() int64 { return s.tokens.Load() }

// RecordTokens adds n to what the attempt has used. It panics if n is negative.
func (s *Slot) RecordTokens(n int64) {
	if n < 0 {
		panic(fmt.Sprintf("paceline: RecordTokens: got %d, want at least 0", n))
	}
	s.tokens.Add(n)
	s.recorded.Store(true)
}

// Hint tells what the server said of its limits: for all attempts, not only for
// this one. When it returns, nothing is let through against it any more. It counts
// also after the attempt has ended, since a fact stays one.
//
// Remaining counts from when the attempt started: what has started since is taken off it.
// Reset counts from now. Most servers count a request when it arrives and answer when it
// is done: take off what the attempt took, or a quota seems to last longer than it does.
func (s *Slot) Hint(h controller.Hint) {
	few := [...]controller.Hint{h}
	s.HintAll(few[:])
}

// HintAll is Hint for all that one answer of the server tells, in that order.
func (s *Slot) HintAll(hints []controller.Hint) {
	if s.dispatcher == nil || len(hints) == 0 {
		return
	}
	for _, h := range hints {
		if wait := h.WithinReason().RetryAfter; wait > 0 {
			s.hinted.Store(int64(wait))
		}
		if h.Resource != "" && (h.RetryAfter > 0 || h.Reset > 0 && h.Remaining <= 0) {
			s.spent.Store(true)
		}
	}
	m := s.mark
	if m != (marks{}) {
		asked := time.Duration(s.hinted.Load())
		m.own.Asked, m.common.Asked = asked, asked
	}
	s.dispatcher.hintAll(hints, m)
}

// A verdictFunc is told of the attempt's verdict, and then the next one is.
type verdictFunc struct {
	tell func(controller.Verdict)
	next *verdictFunc
}

// wasJudged is in the place of the functions of an attempt that was judged.
var wasJudged = new(verdictFunc)

// OnVerdict calls f once, when the attempt has ended, with what the throttle makes of
// it. That may be another verdict than Classify's on the error of the work, such as with
// an AttemptTimeout, a Batch, or a run that was cancelled. f is called before the slot
// is free again, so it should be quick; a panic in it is dropped, and runtime.Goexit
// changes nothing for the job. OnVerdict returns false if f will not be called: outside
// an attempt, or when it has ended. It panics if f is nil.
func (s *Slot) OnVerdict(f func(controller.Verdict)) bool {
	if f == nil {
		panic("paceline: OnVerdict: function is nil")
	}
	if s.dispatcher == nil {
		return false
	}
	l := &verdictFunc{tell: f}
	for {
		l.next = s.onVerdict.Load()
		if l.next == wasJudged {
			return false
		}
		if s.onVerdict.CompareAndSwap(l.next, l) {
			return true
		}
	}
}

// judged tells those that want it the verdict.
func (s *Slot) judged(v controller.Verdict) { s.onVerdict.Swap(wasJudged).all(v) }

// all tells l and those after it, also if one of them panics or ends the goroutine.
func (l *verdictFunc) all(v controller.Verdict) {
	if l == nil || l == wasJudged {
		return
	}
	defer l.next.all(v)
	defer func() { _ = recover() }()
	l.tell(v)
}

// Release gives back a slot from Acquire, with the error of what was done in it,
// nil if that succeeded. A second call does nothing, nor does one of a slot that
// is not from Acquire.
func (s *Slot) Release(err error) {
	if s.release != nil && s.released.CompareAndSwap(false, true) {
		s.release(err)
	}
}

type slotKey struct{}

// slotOf asks for a slot of one dispatcher, also behind those of others.
type slotOf struct{ dispatcher *Dispatcher }

// Nested reports whether ctx is that of an attempt which holds one of d's slots.
func (d *Dispatcher) Nested(ctx context.Context) bool { return ctx.Value(slotOf{d}) != nil }

// SlotFrom returns the slot of the attempt that ctx belongs to. Outside an
// attempt it returns one that records nothing. It never returns nil.
func SlotFrom(ctx context.Context) *Slot {
	if s, ok := ctx.Value(slotKey{}).(*Slot); ok {
		return s
	}
	return new(Slot)
}

type askKey struct{}

// Asked is what a context asks for the calls that are made with it.
type Asked struct {
	Ask
	Named   *Named // as a Job's
	Share   Share
	Bounded bool          // waits for MaxWait at most
	MaxWait time.Duration // before each attempt; 0: none
}

// AskedOf returns what was attached to ctx, or else what an ordinary job asks for.
func AskedOf(ctx context.Context) Asked {
	if a, ok := ctx.Value(askKey{}).(Asked); ok {
		return a
	}
	return Asked{Ask: Ordinary}
}

// WithAsked returns a context whose calls ask for that.
func WithAsked(ctx context.Context, a Asked) context.Context {
	return context.WithValue(ctx, askKey{}, a)
}
