package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

const beat = 250 * time.Millisecond // how often progress is shown

// runner is one run. Only the goroutine that calls run touches it.
type runner struct {
	options
	backend  *backend
	clock    clock.Clock
	out      io.Writer
	answers  *answers
	batch    *batch          // nil: prompts
	single   *singles        // nil: none
	took     []time.Duration // by answers of the bulk
	progress *progress
	engine   engine
	by       map[string]int // answers of this run, by the members of a pool
	gone     int            // of these, that are left out
	events   chan pipeline.Event
	said     map[string]bool // what was said of failures
	jobs     []job
	before   int // of them, answered by an earlier run
	started  time.Time
	ended    time.Time
	answered int
	let      int // taken, but let go of when the run was aborted
	failures []result
	hopeless error // why no further prompt is sent
	spent    bool  // the money is
}

type result = pacejournal.Result[job, answer]

func (r *runner) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	ended := make(chan struct{})
	defer close(ended)
	cfg := r.throttleConfig()
	cfg.TotalJobs = len(r.jobs) - r.before
	cfg.Clock = r.clock
	cfg.OnEvent = func(e pipeline.Event) {
		select {
		case r.events <- e:
		case <-ended:
		}
	}
	var leaving chan departure
	var err error
	if len(r.members) > 0 {
		leaving = make(chan departure)
		r.engine, err = newPool(r.options, r.backend, cfg, leaving, ended)
	} else {
		r.engine, err = newDirect(r.options, r.backend, cfg)
	}
	if err != nil {
		return err
	}
	results := make(chan result)
	go func() {
		defer close(results)
		for res := range r.answers.journal.Each(ctx, r.engine.stage(), slices.Values(r.jobs)) {
			results <- res
		}
	}()
	stopSingles := r.startSingles(ctx)
	err = errors.Join(r.take(ctx, cancel, results, leaving), r.engine.save())
	stopSingles()
	r.ended = r.clock.Now()
	return errors.Join(err, r.hopeless)
}

// startSingles has single prompts asked until the function that it returns is called, which waits for one that is under way.
func (r *runner) startSingles(ctx context.Context) (stop func()) {
	if r.single == nil {
		return func() {}
	}
	r.single.engine = r.engine
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.single.run(ctx, ended)
	}()
	return func() {
		close(ended)
		<-done
	}
}

// take is the loop of the run: what comes out was stored by then, and is counted, and the rest goes onto the screen. If the journal
// fails, it aborts the run and waits for its end.
func (r *runner) take(ctx context.Context, cancel func(), results <-chan result, leaving <-chan departure) (failed error) {
	tick := r.clock.Ticker(beat)
	defer tick.Stop()
	stopping := pipeline.Interruption(ctx).Done()
	for open := true; open; {
		select {
		case res, more := <-results:
			if open = more; !more {
				continue
			}
			if err := r.book(res, ctx.Err() != nil); err != nil && failed == nil {
				failed = err
				cancel()
			}
		case now := <-tick.C:
			if err := r.engine.save(); err != nil && failed == nil {
				failed = err
				cancel()
			}
			r.progress.show(now, r.engine.Snapshot(), r.done())
		case e := <-r.events:
			r.hear(e)
		case d := <-leaving:
			r.leave(d)
		case <-stopping:
			stopping = nil
			r.progress.say("stopping: no further prompt is sent, and answers that are due are waited for, a minute at most; Ctrl-C again ends at once")
		}
	}
	r.progress.end(r.done())
	return failed
}

func (r *runner) done() int { return r.before + r.answered }

// book counts a result. What is not stored is left for the next run.
func (r *runner) book(res result, aborted bool) error {
	var setup *setupError
	var cost *pipeline.CostError
	var journal *pacejournal.Error
	switch {
	case res.Known:
	case res.Err == nil:
		r.answered++
		r.by[res.Out.Member]++
		if r.single != nil {
			r.took = append(r.took, res.Waited+res.Took)
		}
	case errors.As(res.Err, &journal):
		return journal
	case errors.As(res.Err, &cost) && cost.Spent:
		r.spent = true
		r.engine.Close()
	case res.Attempts == 0: // it was not sent
	case errors.Is(res.Err, pipeline.ErrClosed): // it was refused, and there is nobody left to ask
	case aborted:
		r.let++
	case errors.As(res.Err, &setup):
		r.hopeless = setup
		r.engine.Close()
	default:
		r.failures = append(r.failures, res)
	}
	return nil
}

// mostSaid bounds what is said of failures that are tried again.
const mostSaid = 3

// hear says why prompts are sent again: if the server is not there at all, the summary is a long way off.
func (r *runner) hear(e pipeline.Event) {
	if e.Kind == pipeline.EventNothingSucceeded {
		r.progress.say(fmt.Sprintf("nothing has succeeded yet, the last request with: %v", e.Err))
	}
	if e.Kind != pipeline.EventRetry || len(r.said) == mostSaid {
		return
	}
	about := e.Err.Error()
	if said := new(serverError); errors.As(e.Err, &said) {
		about = http.StatusText(said.status) // the text may differ each time
	}
	if !r.said[about] {
		r.said[about] = true
		r.progress.say(fmt.Sprintf("sent again: %v", e.Err))
	}
}
