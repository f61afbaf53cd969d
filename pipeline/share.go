package pipeline

import (
	"context"
	"time"

	"github.com/paceline-go/paceline/stage"
)

// A Share says how often jobs have their turn where several wait at one throttle: each run
// stands in a line of its own, and single calls with equal shares stand in one line. A zero
// Share is what everything has that has no other.
//
//   - Name: tells lines of the same weight and priority apart, such as those of tenants; may be empty
//   - Weight: the part of what starts that a line gets, against the weights of the other lines of
//     its priority that have work; above 0; default 1
//   - Priority: what waits with a higher one starts first; -9 to 9
//
// Weights count in what attempts cost: tokens, as Cost, WithCost and RecordTokens tell them (amounts by name do not count), or
// else calls, as Weight and WithWeight do. Retries are attempts.
//
// A priority needs no free slot kept for it: what is urgent goes before all that waits, but not
// before what is in flight. If urgent jobs alone would use up everything, lower priorities still
// get a twentieth of it.
type Share = stage.Share

// A WaitError says that a call was not to wait for as long as it would have had to; see
// WithMaxWait.
//
//   - Expected: until its turn, from when it was rejected, at least, by what was known
//   - MaxWait: for how long it was to wait at most
//   - HeldBy: what held up those that were first in line
//   - Limit: attempts that might be in flight
type WaitError = stage.WaitError

// WithShare returns a context for Execute, Acquire and functions from Wrap, and for Run and
// Each: a call with it, or a run, has that share of the throttle. It is not for calls that its
// work makes with its own context. It panics if s has a weight or a priority that there is not.
func WithShare(ctx context.Context, s Share) context.Context {
	mustBeShare("WithShare", s)
	asked := stage.AskedOf(ctx)
	asked.Share = s
	return stage.WithAsked(ctx, asked)
}

// WithMaxWait returns a context for Execute, Acquire and functions from Wrap: a call with it
// waits for its turn for d at most, and as long before each further attempt if it is tried again.
// It is rejected with a *WaitError at once if what is known says that it will be longer. Known
// are pauses, a circuit that is open, budgets and rates that are used up, and how fast those start
// that are before it in line. Else it is rejected when d is over. With d of 0 or less it starts at once or
// not at all. Runs do not look at it. It is not for calls that its work makes with its own
// context.
func WithMaxWait(ctx context.Context, d time.Duration) context.Context {
	asked := stage.AskedOf(ctx)
	asked.Bounded, asked.MaxWait = true, max(d, 0)
	return stage.WithAsked(ctx, asked)
}

// Share gives the runs of p that share of the throttle, in place of that of their contexts:
// those that there are and those to come. It may be called at any time, from any goroutine. It
// returns p. It panics if s has a weight or a priority that there is not.
func (p *Pipeline[In, Out]) Share(s Share) *Pipeline[In, Out] {
	mustBeShare("Share", s)
	p.share.Store(&s)
	return p
}

func mustBeShare(function string, s Share) {
	if fault := s.Check(); fault != "" {
		panic("paceline: " + function + ": " + fault)
	}
}
