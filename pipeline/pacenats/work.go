package pacenats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/pipeline"
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

	starts int    // with this one; 0: not begun
	seq    uint64 // of the record that says so
}

// Why there is nothing to store of a job.
var (
	errEnded = errors.New("paceline: job has a result")
	errStore = errors.New("paceline: record could not be written")
)

// Work does jobs until the throttle is closed or ctx is done. It takes no more of them than
// the throttle lets start, writes down that a job begins, lets the throttle do the work as a
// pipeline does, stores the result, and only then tells the server that the job is done.
//
// Close or drain the throttle to end it: what was taken is finished and stored, and Work
// returns nil. When ctx is done, attempts are cut off, their jobs are given back, and it
// returns the cause. If the server is away meanwhile, it waits for it.
func (q *Queue[In, Out]) Work(ctx context.Context, t *pipeline.Throttle, work pipeline.Work[In, Out]) error {
	c, err := q.jobs.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, FilterSubject: q.prefix + "job", AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: q.AckWait, MaxDeliver: -1, MaxAckPending: -1,
	})
	if err != nil {
		return fmt.Errorf("consumer %s: %w", consumerName, explain(err))
	}
	k := newKeeper[In](q.Clock, q.AckWait/3)
	jobs := make(chan *delivery[In])
	p := pipeline.Attach(t, func(ctx context.Context, d *delivery[In]) (out Out, err error) {
		if d.starts == 0 {
			if err := q.begin(ctx, d); err != nil {
				return out, pipeline.Fatal(err) // says nothing of the service
			}
		}
		return work(ctx, d.in)
	})
	var wg conc.WaitGroup
	wg.Go(func() {
		defer close(jobs)
		q.take(ctx, t, c, k, jobs)
	})
	results := p.Run(ctx, jobs)
	var stores conc.WaitGroup
	for range storers {
		stores.Go(func() {
			for r := range results {
				q.settle(ctx, r)
				k.drop <- r.In
			}
		})
	}
	stores.Wait()
	wg.Wait()
	k.stop()
	return context.Cause(ctx)
}

// take fetches jobs, as many at a time as may be in flight.
func (q *Queue[In, Out]) take(ctx context.Context, t *pipeline.Throttle, c jetstream.Consumer, k *keeper[In], jobs chan<- *delivery[In]) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.Done():
			return
		default:
		}
		batch, err := c.Fetch(max(t.Snapshot().Concurrency, 1), jetstream.FetchMaxWait(fetchWait))
		if err != nil {
			q.wait(ctx, "fetch jobs", err)
			continue
		}
		closed := false
		for msg := range batch.Messages() {
			d, err := q.read(msg)
			if err != nil {
				q.Logger.Error("paceline: job that cannot be read is dropped", "subject", msg.Subject(), "error", err)
				msg.Term()
				continue
			}
			if !closed {
				k.keep <- d
				select {
				case jobs <- d:
					continue
				case <-ctx.Done():
				case <-t.Done():
				}
				k.drop <- d
				closed = true
			}
			msg.Nak()
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			q.wait(ctx, "fetch jobs", err)
		}
	}
}

func (q *Queue[In, Out]) read(msg jetstream.Msg) (*delivery[In], error) {
	d := &delivery[In]{msg: msg}
	if err := json.Unmarshal(msg.Data(), &d.in); err != nil {
		return nil, err
	}
	d.key = q.key(d.in)
	return d, nil
}

// begin writes down that a job begins. If it has a result, or was begun too often, there is
// nothing to do.
func (q *Queue[In, Out]) begin(ctx context.Context, d *delivery[In]) error {
	seq, err := q.put(ctx, record{Key: d.key, Starts: 1}, 0)
	if err == nil {
		d.starts, d.seq = 1, seq
		return nil
	}
	if !errors.Is(err, errOther) {
		return errors.Join(errStore, err)
	}
	before, seq, err := q.get(ctx, d.key)
	switch {
	case err != nil:
		return errors.Join(errStore, err)
	case before.Ended:
		return errEnded
	}
	r := record{Key: d.key, Starts: before.Starts + 1}
	dead := before.Starts >= q.MaxStarts
	if dead {
		r = record{Key: d.key, Starts: before.Starts, Ended: true, Dead: true, In: d.msg.Data()}
	}
	if seq, err = q.put(ctx, r, seq); err != nil {
		return errors.Join(errStore, err)
	}
	if dead {
		q.Logger.Error("paceline: job was begun too often", "key", d.key, "starts", r.Starts)
		return errEnded
	}
	d.starts, d.seq = r.Starts, seq
	return nil
}

// settle stores what came of a job, or gives it back.
func (q *Queue[In, Out]) settle(ctx context.Context, r pipeline.Result[*delivery[In], Out]) {
	d := r.In
	switch {
	case errors.Is(r.Err, errEnded):
		q.done(d)
	case errors.Is(r.Err, errStore):
		q.Logger.Warn("paceline: job is given back", "key", d.key, "error", r.Err)
		d.msg.NakWithDelay(time.Second)
	case r.Attempts == 0, r.Err != nil && ctx.Err() != nil:
		d.msg.Nak()
	default:
		if wait := q.later(r.Err, d.starts); wait > 0 {
			q.again(ctx, "put off a job", func(ctx context.Context) error { return q.putOff(ctx, d, wait) })
		} else {
			q.again(ctx, "store a result", func(ctx context.Context) error { return q.store(ctx, r) })
		}
		q.done(d)
	}
}

func (q *Queue[In, Out]) later(err error, starts int) time.Duration {
	if err == nil || q.Later == nil {
		return 0
	}
	return q.Later(err, starts)
}

// store stores a result in place of the record that the job was begun. If another process has
// begun it meanwhile, the result goes in place of that: to leave it to the other one would lose
// the job if that process dies, because the caller tells the server that the job is done.
func (q *Queue[In, Out]) store(ctx context.Context, r pipeline.Result[*delivery[In], Out]) error {
	rec := record{Key: r.In.key, Starts: r.In.starts, Ended: true, In: r.In.msg.Data()}
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
		if _, err = q.put(ctx, rec, seq); !errors.Is(err, errOther) {
			return err
		}
		var now record
		if now, seq, err = q.get(ctx, r.In.key); err != nil || now.Ended {
			return err
		}
		rec.Starts = now.Starts
	}
}

// putOff publishes the job for later, by the clock of the server, on a subject that no
// consumer has: a schedule is a message, and an ack would cancel it. The time is to the
// nanosecond; what nats.go writes is to the second.
func (q *Queue[In, Out]) putOff(ctx context.Context, d *delivery[In], wait time.Duration) error {
	at := q.serverTime().Add(wait).UTC().Format(time.RFC3339Nano)
	_, err := q.js.PublishMsg(ctx, &nats.Msg{
		Subject: q.prefix + "later." + id(d.key), Data: d.msg.Data(),
		Header: nats.Header{"Nats-Schedule": {"@at " + at}, "Nats-Schedule-Target": {q.prefix + "job"}},
	})
	return explain(err)
}

// done tells the server that a job is done. If that is lost, the job comes again, and is
// dropped because it has a result; to wait for an answer would take a third as long again.
func (q *Queue[In, Out]) done(d *delivery[In]) {
	if err := d.msg.Ack(); err != nil {
		q.Logger.Warn("paceline: job is done, but the server does not know: it comes again and is dropped", "key", d.key, "error", err)
	}
}

// again tries until it works or ctx is done: a result is not thrown away because the server
// is away or full.
func (q *Queue[In, Out]) again(ctx context.Context, what string, try func(context.Context) error) {
	for {
		attempt, cancel := q.Clock.WithTimeout(context.WithoutCancel(ctx), q.AckWait)
		err := try(attempt)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		q.wait(ctx, what, err)
	}
}

// wait waits for a second after an error of the server's.
func (q *Queue[In, Out]) wait(ctx context.Context, what string, err error) {
	q.Logger.Warn("paceline: trying again in a second", "what", what, "error", explain(err))
	timer := q.Clock.Timer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
