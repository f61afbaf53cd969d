package pacejournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/paceline-go/paceline/pipeline"
)

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
