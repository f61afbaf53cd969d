package pacenats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/pipeline"
)

// settle stores what came of a job, or gives it back. The server is told that a job is done only
// where a record says how it ended, or where it was put off.
func (w *worker[In, Out]) settle(ctx context.Context, r pipeline.Result[*delivery[In], Out]) {
	d := r.In
	wait := time.Duration(0)
	if r.Err != nil && d.seq != 0 && w.Later != nil {
		wait = w.Later(r.Err, d.begun.Starts)
	}
	switch {
	case errors.Is(r.Err, errEnded):
		w.done(d)
	case errors.Is(r.Err, errHeld): // the one that has it keeps it; without it, it comes after AckWait
		w.keeper.drop <- d
	case ctx.Err() != nil && (d.seq == 0 || r.Err != nil), d.seq == 0 && errors.Is(r.Err, pipeline.ErrClosed):
		w.giveBack(ctx, d, 0)
	case d.seq == 0:
		w.Logger.Warn("paceline: job could not begin and is given back", "key", d.key, "error", r.Err)
		w.giveBack(ctx, d, time.Second)
	case wait > 0:
		w.finish(ctx, d, "put off a job", func(ctx context.Context) error { return w.putOff(ctx, d, wait) })
	default:
		w.finish(ctx, d, "store a result", func(ctx context.Context) error { return w.store(ctx, r) })
	}
}

// finish stores how a job ended and then tells the server that it is done. If ctx is done before
// it could be stored, the job is given back: it will be done again.
func (w *worker[In, Out]) finish(ctx context.Context, d *delivery[In], what string, try func(context.Context) error) {
	if w.again(ctx, what, try) {
		w.done(d)
		return
	}
	w.giveBack(ctx, d, 0)
}

// done tells the server that a job is done. If that is lost, the job comes again, and is
// dropped because it has a result; to wait for an answer would take a third as long again.
func (w *worker[In, Out]) done(d *delivery[In]) {
	if err := d.msg.Ack(); err != nil {
		w.Logger.Warn("paceline: job is done, but the server does not know: it comes again and is dropped", "key", d.key, "error", err)
	}
	w.keeper.drop <- d
}

// giveBack gives a job to others, after a while. If it was begun, they are told that this process
// does not work on it any more; if that fails, they find out.
func (w *worker[In, Out]) giveBack(ctx context.Context, d *delivery[In], after time.Duration) {
	if d.seq != 0 {
		attempt, cancel := w.Clock.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		w.release(attempt, d)
		cancel()
	}
	w.keeper.drop <- d // before it may come again
	d.msg.NakWithDelay(after)
}

// release writes down that this process does not work on a job any more, and has not vanished.
// A record of another process stays.
func (w *worker[In, Out]) release(ctx context.Context, d *delivery[In]) error {
	r := d.begun
	r.By = ""
	_, err := w.put(ctx, r, d.seq)
	if errors.Is(err, errOther) {
		return nil
	}
	return err
}

// store stores a result in place of the record that the job was begun. If another process has
// begun it meanwhile, the result goes in place of that: to leave it to the other one would lose
// the job if that process dies, because the caller tells the server that the job is done.
func (w *worker[In, Out]) store(ctx context.Context, r pipeline.Result[*delivery[In], Out]) error {
	rec := r.In.begun
	rec.By, rec.Ended, rec.In = "", true, r.In.msg.Data()
	out, err := json.Marshal(r.Out)
	switch {
	case r.Err != nil:
		rec.Error = r.Err.Error()
	case err != nil:
		rec.Error = fmt.Sprintf("result: %v", err)
	default:
		rec.Out = out
	}
	for seq := r.In.seq; ; {
		_, err = w.put(ctx, rec, seq)
		switch {
		case tooLarge(err) && rec.In != nil:
			rec.Error = fmt.Sprintf("result: got %d bytes, and %d of the job, want less than the server takes: %v", len(rec.Out)+len(rec.Error), len(rec.In), err)
			rec.In, rec.Out = nil, nil
			continue
		case !errors.Is(err, errOther):
			return err
		}
		var now record
		if now, seq, err = w.get(ctx, r.In.key); err != nil || now.Ended {
			return err
		}
		rec.Starts, rec.Lost = now.Starts, now.Lost
	}
}

// codeTooLarge is the server's for a message above the most that a stream takes.
const codeTooLarge = 10054

// tooLarge reports whether a message was refused because of its size, which no waiting mends.
func tooLarge(err error) bool {
	api := new(jetstream.APIError)
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == codeTooLarge
}

// putOff publishes the job for later, by the clock of the server, on a subject that no
// consumer has: a schedule is a message, and an ack would cancel it. The time is to the
// nanosecond; what nats.go writes is to the second.
func (w *worker[In, Out]) putOff(ctx context.Context, d *delivery[In], wait time.Duration) error {
	at := w.serverTime().Add(wait).UTC().Format(time.RFC3339Nano)
	_, err := w.js.PublishMsg(ctx, &nats.Msg{
		Subject: w.prefix + "later." + id(d.key), Data: d.msg.Data(),
		Header: nats.Header{"Nats-Schedule": {"@at " + at}, "Nats-Schedule-Target": {w.prefix + "job"}},
	})
	if err != nil {
		return explain(w.conn, err)
	}
	return w.release(ctx, d)
}

// again tries until it works, and reports whether it did: not if ctx is done before. A result is
// not thrown away because the server is away or full.
func (q *Queue[In, Out]) again(ctx context.Context, what string, try func(context.Context) error) bool {
	for {
		attempt, cancel := q.Clock.WithTimeout(context.WithoutCancel(ctx), q.AckWait)
		err := try(attempt)
		cancel()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		q.wait(ctx, what, err)
	}
}

// wait waits for a second after an error of the server's.
func (q *Queue[In, Out]) wait(ctx context.Context, what string, err error) {
	q.Logger.Warn("paceline: trying again in a second", "what", what, "error", explain(q.conn, err))
	q.pause(ctx, time.Second)
}

func (q *Queue[In, Out]) pause(ctx context.Context, d time.Duration) {
	timer := q.Clock.Timer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
