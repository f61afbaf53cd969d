package pacejournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/pipeline"
)

// A Result is what became of a job, now or in an earlier run.
type Result[In, Out any] struct {
	pipeline.Result[In, Out]

	// Known says that the journal had it: nothing was done now. Waited and Took are 0 then,
	// Attempts are those that it took.
	Known bool

	// Stored says that the journal has it. Without, the next run does the job again: it
	// was cut off, or not begun, or could not be stored, as Err says.
	Stored bool
}

// Each runs jobs through p, but for those that the journal knows, and gives back one
// result for each: of a known job what is stored, of another one what has come of it now,
// which is stored before it is handed out, the failures too. So the same jobs may be given
// to every run, and the loop sees the same results, whenever the one before was killed.
//
// Known results come as their jobs are read, others when they are done; if p is Ordered,
// those that are not known are in order among themselves. For the order of all jobs, use
// Results afterwards. Of several jobs with one key, one is done, and the others get its
// result. A slow loop slows the intake; some thousand results may be stored before they
// are looked at. Some three hundred jobs are taken ahead of the pipeline; if its throttle
// closes, they come back.
//
// Not stored is what the run let go of: when ctx is done, or the throttle closed, or
// the work's error is context.Canceled, or ErrNested. If the journal cannot be written,
// the run ends: what could not be stored comes with an *Error beside its own, and what was
// not done with it alone.
//
// If p is a *pipeline.Pipeline whose throttle has done nothing yet, what the journal keeps
// of an earlier throttle is given to it: Throttle.Resume. While the run goes on, what
// it has learned and used of budgets is kept, once a second. One throttle is kept.
//
// For the rest, and for leaving the loop, it is as [pipeline.Pipeline.Each]. It panics if
// ctx, p or jobs is nil.
func (j *Journal[In, Out]) Each(ctx context.Context, p pipeline.Stage[In, Out], jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
	switch {
	case ctx == nil:
		panic("paceline: Each: context is nil")
	case p == nil:
		panic("paceline: Each: pipeline is nil")
	case jobs == nil:
		panic("paceline: Each: jobs is nil")
	}
	return func(yield func(Result[In, Out]) bool) {
		_, deadline := ctx.Deadline()
		ctx, cancel := context.WithCancelCause(ctx)
		r := &run[In, Out]{
			journal: j, ctx: ctx, cancel: cancel, deadline: deadline,
			todo: make(chan In, mostAsked), over: make(chan struct{}), out: make(chan []Result[In, Out], 1), landed: make(chan struct{}, 1),
			memory: newMemory(p),
		}
		feeder := r.start(p, jobs)
		defer feeder.wait()
		defer func() {
			cancel(errLeft)
			for range r.out {
			}
		}()
		for batch := range r.out {
			for _, res := range batch {
				if !yield(res) {
					return
				}
			}
		}
	}
}

var errLeft = errors.New("paceline: left the loop over the results")

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
	results := p.Run(r.ctx, r.todo)
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

// collect stores what comes out of the pipeline, as much as there is at a time, and hands
// it out.
func (r *run[In, Out]) collect(results <-chan pipeline.Result[In, Out]) {
	var pending, storing []Result[In, Out]
	stored := make(chan error, 1)
	for results != nil || len(pending) > 0 || storing != nil {
		if storing == nil && len(pending) > 0 {
			storing, pending = pending, nil
			r.store(storing, stored)
		}
		in := results
		if len(pending) >= mostStored {
			in = nil
		}
		select {
		case res, ok := <-in:
			if !ok {
				results = nil
				close(r.over)
				continue
			}
			pending = append(pending, Result[In, Out]{Result: res})
			pending = drain(in, pending)
		case err := <-stored:
			select {
			case r.landed <- struct{}{}:
			default: // intake has not looked yet
			}
			r.handOut(storing, err)
			storing = nil
		}
	}
}

// How many jobs are taken ahead, and looked up or stored at once, at most. Chosen: from
// some hundred on, a transaction costs little for each, and those that are taken ahead are
// taken too early for a run that stops.
const (
	mostFed    = 64
	mostAsked  = 128
	mostStored = 1024
)

// drain appends what is there without waiting.
func drain[In, Out any](in <-chan pipeline.Result[In, Out], to []Result[In, Out]) []Result[In, Out] {
	for len(to) < mostStored {
		select {
		case res, ok := <-in:
			if !ok {
				return to // the next receive finds that out again
			}
			to = append(to, Result[In, Out]{Result: res})
		default:
			return to
		}
	}
	return to
}

// store has the owner store what is final of a batch.
func (r *run[In, Out]) store(batch []Result[In, Out], stored chan<- error) {
	now := millis(r.memory.clock.Now())
	rows, keys := make([]row, 0, len(batch)), make([]string, 0, len(batch))
	for i := range batch {
		res := &batch[i]
		key, err := r.journal.keyOf(res.In)
		if err != nil {
			res.Err = errors.Join(res.Err, err)
			r.cancel(err) // what waits for it would wait for ever
			continue
		}
		keys = append(keys, key)
		if r.final(res.Err) {
			rows = append(rows, encode(key, now, res))
			res.Stored = true
		}
	}
	owner, note := r.journal.owner, r.memory.note()
	err := owner.send(request{
		write: true,
		do: func(s *store) error {
			return errors.Join(owner.expect(keys), s.insert(rows), note.save(s))
		},
		after: func(err error) {
			for _, key := range keys {
				owner.land(key)
			}
			stored <- err
		},
	})
	if err != nil {
		stored <- err
	}
}

// final reports whether a job that ended so is done with: no failure is final that comes
// of the run's end.
func (r *run[In, Out]) final(err error) bool {
	switch {
	case err == nil:
		return true
	case r.ctx.Err() != nil,
		errors.Is(err, pipeline.ErrClosed), errors.Is(err, pipeline.ErrNested), errors.Is(err, context.Canceled),
		r.deadline && errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return true
}

// encode makes a row of a result. One that has no form in JSON is a failure.
func encode[In, Out any](key string, now int64, res *Result[In, Out]) row {
	var out []byte
	err := guard(func() (err error) {
		out, err = json.Marshal(res.Out)
		return err
	})
	if err != nil {
		out = nil
		if res.Err == nil {
			res.Err = fmt.Errorf("result: %w", err)
		}
	}
	r := row{key: key, attempts: res.Attempts, stored: now, result: out}
	if res.Err != nil {
		text := res.Err.Error()
		r.err = &text
	}
	return r
}

// handOut gives the reader a batch. If it could not be stored, that is its results' error
// and the end of the run.
func (r *run[In, Out]) handOut(batch []Result[In, Out], err error) {
	if err != nil {
		err = r.journal.wrap(err)
		r.cancel(err)
		for i := range batch {
			if batch[i].Stored {
				batch[i].Stored, batch[i].Err = false, errors.Join(batch[i].Err, err)
			}
		}
	}
	r.out <- batch
}
