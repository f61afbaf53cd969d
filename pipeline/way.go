package pipeline

import (
	"context"
	"sync/atomic"

	"github.com/paceline-go/paceline/stage"
)

// A way is what the jobs of a run go through: a throttle, those of a Keyed, or a pool.
type way interface {
	closer
	Close()
	enter(ctx context.Context, share *atomic.Pointer[Share]) entrance
	window() int                     // jobs that a run may hold
	nested(ctx context.Context) bool // whether ctx is that of work on the way
}

// An entrance is where a run submits its jobs and gets them back: the door of a throttle, or
// what opens doors of several. See stage.Door.
type entrance interface {
	Room() int
	Lead() int
	Aside() int
	Submit(jobs stage.Batch, n int)
	Finished() stage.List
	Sleep(hungry bool) bool
	Awake()
	Wake() <-chan struct{}
	Cancel()
	Stop()
	Leave()
	NotRead()
	NotClosed()
}

// A chooser is an entrance that asks what each job is to go through.
type chooser[In, Out any] interface {
	choose(*job[In, Out]) error
}

// A withdrawer is an entrance at which so many jobs may wait that they are not finished after a signal.
type withdrawer interface {
	// withdraw sends back what has not been started, with why as its error.
	withdraw(why error)
}

func (t *Throttle) enter(ctx context.Context, share *atomic.Pointer[Share]) entrance {
	return t.dispatcher.Open(ctx, share)
}

// window is four times the attempts that may be in flight: enough for those that back off and
// for results in their order.
func (t *Throttle) window() int { return 4 * t.most() }

func (t *Throttle) nested(ctx context.Context) bool { return t.dispatcher.Nested(ctx) }

// A closer says when nothing new is taken.
type closer interface{ Done() <-chan struct{} }

// closed reports whether nothing new is taken.
func closed(c closer) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}
