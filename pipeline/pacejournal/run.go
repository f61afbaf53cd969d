package pacejournal

import (
	"context"
	"iter"
	"runtime"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// A run is one loop over the results of Each:
//
//	jobs ──▶ feed ──▶ intake ──▶ todo ──▶ the pipeline ──▶ collect ──▶ out
//	                    │  known ones                        │          ▲
//	                    └────────────────────────────────────┼──────────┘
//	                                   stored by the owner ◀──┘
type run[In, Out any] struct {
	journal  *Journal[In, Out]
	ctx      context.Context
	cancel   context.CancelCauseFunc
	deadline bool // ctx had one from the start
	todo     chan In
	over     chan struct{} // closed when the pipeline takes and gives no more
	out      chan []Result[In, Out]
	landed   chan struct{} // some jobs were stored since intake looked
	memory   memory        // collect's
}

// A feeder is the goroutine that the iterator of jobs runs on.
type feeder struct {
	goroutine conc.WaitGroup
	exited    bool // before it came to its end
}

// wait returns when it has ended, and lets its panic or Goexit come out of the loop.
func (f *feeder) wait() {
	f.goroutine.Wait()
	if f.exited {
		runtime.Goexit()
	}
}

func (r *run[In, Out]) start(p pipeline.Stage[In, Out], jobs iter.Seq[In]) *feeder {
	feed, f := make(chan In, mostFed), new(feeder)
	f.goroutine.Go(func() {
		f.exited = true
		defer close(feed)
		for in := range jobs {
			feed <- in
			if r.stopped() {
				break
			}
		}
		f.exited = false
	})
	if err := r.memory.recall(r.journal.owner); err != nil {
		r.cancel(r.journal.wrap(err))
	}
	results := p.Run(stage.WithEndless(r.ctx), r.todo)
	var moving conc.WaitGroup
	moving.Go(func() { r.intake(feed) })
	moving.Go(func() { r.collect(results) })
	go func() {
		moving.Wait()
		r.end()
		close(r.out)
	}()
	return f
}

// stopped reports whether no more jobs are taken.
func (r *run[In, Out]) stopped() bool {
	select {
	case <-r.ctx.Done():
		return true
	case <-r.over:
		return true
	default:
		return false
	}
}

// why returns why they are not.
func (r *run[In, Out]) why() error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	return pipeline.ErrClosed
}

// end keeps what the throttle knows, and lets others do what this run has not. A journal
// that is closed by then has lost nothing but that.
func (r *run[In, Out]) end() {
	note := r.memory.last()
	done := make(chan error, 1)
	if r.journal.owner.send(request{
		write: true,
		do:    note.save,
		after: func(err error) { r.journal.owner.landAll(r); done <- err },
	}) == nil {
		<-done
	}
}
