package pacenats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// consumerName is of the one consumer of a queue, which all processes share.
const consumerName = "workers"

// storers is how many results are stored at once. Chosen: an answer of the server takes a
// millisecond, or many where the machine is busy, so that 128 of them are tens of thousands a second.
const storers = 128

// fetchWait is how long the server may wait for a job, and so how long Work may take to end: what
// it hands out to a request that nobody hears any more is lost until AckWait is over.
const fetchWait = 500 * time.Millisecond

// A delivery is a job that the server has given to this process.
type delivery[In any] struct {
	msg jetstream.Msg
	in  In
	key string

	early bool   // others may not have come back yet since the server was lost
	begun record // that this process has begun it
	seq   uint64 // of that record; 0: it has not
}

// A worker is one call of Work.
type worker[In, Out any] struct {
	*Queue[In, Out]
	name   string // by which other processes ask for it
	keeper *keeper[In]
}

// Work does jobs until the throttle is closed or ctx is done. It takes no more of them than
// the throttle lets start. It writes down that a job begins, does the work as a pipeline does,
// stores the result, and only then tells the server that the job is done.
//
// Close or drain the throttle to end it: what was taken is finished and stored, and Work
// returns nil. When ctx is done, attempts are cut off, their jobs are given back, and it
// returns the cause. If the server is away meanwhile, it waits for it. If the server forbids
// something, it ends as if the throttle were closed, with an error that wraps ErrForbidden.
func (q *Queue[In, Out]) Work(ctx context.Context, t *pipeline.Throttle, work pipeline.Work[In, Out]) error {
	c, err := q.jobs.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, FilterSubject: q.prefix + "job", AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: q.AckWait, MaxDeliver: -1, MaxAckPending: -1,
	})
	if err != nil {
		return fmt.Errorf("consumer %s: %w", consumerName, explain(q.conn, err))
	}
	w := &worker[In, Out]{Queue: q, name: nuid.Next(), keeper: newKeeper[In](q.Clock, q.AckWait/3)}
	defer w.keeper.stop()
	allowed := w.conn.LastError()
	stop, err := w.answer(ctx, allowed)
	if err != nil {
		return err
	}
	defer stop()
	jobs := make(chan *delivery[In])
	p := pipeline.Attach(t, func(ctx context.Context, d *delivery[In]) (out Out, err error) {
		if d.seq == 0 {
			if err := w.begin(ctx, d); err != nil {
				return out, pipeline.Skipped(err)
			}
		}
		return work(ctx, d.in)
	})
	var wg conc.WaitGroup
	var wrong error
	wg.Go(func() {
		defer close(jobs)
		wrong = w.take(ctx, t, c, jobs, allowed)
	})
	results := p.Run(stage.WithEndless(ctx), jobs)
	for range storers {
		wg.Go(func() {
			for r := range results {
				w.settle(ctx, r)
			}
		})
	}
	wg.Wait()
	return errors.Join(wrong, context.Cause(ctx))
}

// take fetches jobs, as many at a time as may be in flight. It returns an error if the server forbids
// something, which it tells nowhere else: without leave to fetch there seem to be no jobs. allowed is the
// last error of the connection before.
func (w *worker[In, Out]) take(ctx context.Context, t *pipeline.Throttle, c jetstream.Consumer, jobs chan<- *delivery[In], allowed error) error {
	reconnects, back := w.conn.Stats().Reconnects, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.Done():
			return nil
		default:
		}
		if last := w.conn.LastError(); last != allowed {
			if err := forbidden(w.conn); err != nil {
				return err
			}
		}
		if n := w.conn.Stats().Reconnects; n != reconnects {
			reconnects, back = n, w.Clock.Now()
		}
		early := w.Clock.Since(back) < w.AckWait
		batch, err := c.Fetch(max(t.Snapshot().Concurrency, 1), jetstream.FetchMaxWait(fetchWait))
		if err != nil {
			w.wait(ctx, "fetch jobs", err)
			continue
		}
		closed := false
		for msg := range batch.Messages() {
			d, err := w.read(msg)
			if err != nil { // by another version of the program, it may be
				w.Logger.Error("paceline: job that cannot be read is left for other processes", "subject", msg.Subject(), "error", err, "for", unreadableWait)
				msg.NakWithDelay(unreadableWait)
				continue
			}
			d.early = early
			if closed {
				msg.Nak()
				continue
			}
			if !w.keeper.add(d) {
				continue // this process works on it
			}
			select {
			case jobs <- d:
				continue
			case <-ctx.Done():
			case <-t.Done():
			}
			closed = true
			w.giveBack(ctx, d, 0)
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			w.wait(ctx, "fetch jobs", err)
		}
	}
}

// unreadableWait is how long a job that cannot be read is left for others. Chosen: a new version
// takes longer to start everywhere, and an error a minute is no flood.
const unreadableWait = time.Minute

// read reads a job, which another version of the program may have written.
func (q *Queue[In, Out]) read(msg jetstream.Msg) (*delivery[In], error) {
	d := &delivery[In]{msg: msg}
	if err := json.Unmarshal(msg.Data(), &d.in); err != nil {
		return nil, err
	}
	if d.key = q.key(d.in); d.key == "" {
		return nil, errors.New("key: got none, want text")
	}
	return d, nil
}
