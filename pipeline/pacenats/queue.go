package pacenats

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/clock"
)

// A Queue keeps jobs and their results on NATS: any process may submit, work, or read results.
// Each job has a key, and each key gets one result, whatever dies on the way. Its methods may
// be called from any goroutine. Make one with OpenQueue.
type Queue[In, Out any] struct {
	QueueOptions
	key     func(In) string
	conn    *nats.Conn
	js      jetstream.JetStream
	jobs    jetstream.Stream
	records jetstream.Stream
	prefix  string    // of subjects
	asked   time.Time // when the queue was opened, by our clock
	told    time.Time // the same, by the server's
}

// QueueOptions are how a queue is opened. The zero value is right for most.
type QueueOptions struct {
	// MaxStarts is how many processes may vanish while they work on a job, killed by it or together
	// with it: after that it gets a *DeadError as its result and is not tried again. A process
	// that gives a job back, or that only lost its connection, has not vanished. At least 1;
	// default 5.
	MaxStarts int

	// Later says after how long a job that has failed is to be done again, by whichever process;
	// 0: never, its failure is its result. starts counts from 1. It holds nothing meanwhile, and
	// comes on top of the Retry of the throttle, whose waits are short. nil: never.
	Later func(err error, starts int) time.Duration

	// AckWait is how long it takes until the jobs of a process that has died are given to
	// others, at least 1s; default 10s.
	AckWait time.Duration

	Logger *slog.Logger // what goes wrong with the server; nil: nobody is told
	Clock  clock.Clock  // nil: real time
}

// A DeadError is the result of a job that was begun too often by processes that vanished.
type DeadError struct{ Starts int }

func (e *DeadError) Error() string {
	return fmt.Sprintf("paceline: job was begun %d times and never ended: it may be what ends the process", e.Starts)
}

// A FailedError is the error of a job that failed, as text.
type FailedError struct{ Text string }

func (e *FailedError) Error() string { return e.Text }

// OpenQueue opens the queue of that name, and makes its streams, PACEJOBS_ and PACERECORDS_
// and the name, if there are none. name is 1 to 32 letters, digits, - and _.
//
// key names a job: the same job has the same key wherever it is submitted, and no other one has
// it. In and Out are kept as JSON. The error wraps ErrNoJetStream, ErrNoAnswer, ErrForbidden,
// ErrForeign or ErrFull, or says what is wrong with an argument.
func OpenQueue[In, Out any](ctx context.Context, conn *nats.Conn, name string, key func(In) string, o QueueOptions) (*Queue[In, Out], error) {
	if err := errors.Join(checkName(name), o.check()); err != nil {
		return nil, err
	}
	if key == nil {
		return nil, errors.New("key: got nil, want a function")
	}
	js, err := open(conn)
	if err != nil {
		return nil, err
	}
	q := &Queue[In, Out]{QueueOptions: o.withDefaults(), key: key, conn: conn, js: js, prefix: "pacejobs." + name + "."}
	q.jobs, err = makeStream(ctx, js, jetstream.StreamConfig{
		Name:              "PACEJOBS_" + name,
		Subjects:          []string{q.prefix + "job", q.prefix + "later.*"},
		Retention:         jetstream.WorkQueuePolicy,
		AllowMsgSchedules: true,
		AllowMsgTTL:       true,
		Replicas:          replicas(conn),
		Metadata:          map[string]string{layout: "jobs 1"},
	})
	if err != nil {
		return nil, err
	}
	q.records, err = makeStream(ctx, js, jetstream.StreamConfig{
		Name:              "PACERECORDS_" + name,
		Subjects:          []string{q.prefix + "record.*"},
		MaxMsgsPerSubject: 1,
		AllowDirect:       true,
		Replicas:          replicas(conn),
		Metadata:          map[string]string{layout: "records 1"},
	})
	if err != nil {
		return nil, err
	}
	return q, q.askTime(ctx)
}

func (o QueueOptions) check() error {
	var errs []error
	if o.MaxStarts < 0 {
		errs = append(errs, fmt.Errorf("max_starts: got %d, want at least 1", o.MaxStarts))
	}
	if o.AckWait != 0 && o.AckWait < time.Second {
		errs = append(errs, fmt.Errorf("ack_wait: got %v, want at least 1s", o.AckWait))
	}
	return errors.Join(errs...)
}

func (o QueueOptions) withDefaults() QueueOptions {
	o.MaxStarts = cmp.Or(o.MaxStarts, 5)
	o.AckWait = cmp.Or(o.AckWait, 10*time.Second)
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// askTime asks for the time of the server, whose clock decides when a job that was put off is
// due, and may differ from ours.
func (q *Queue[In, Out]) askTime(ctx context.Context) error {
	q.asked = q.Clock.Now() // before, so that what is put off comes rather too late than too early
	info, err := q.jobs.Info(ctx)
	if err != nil {
		return explain(q.conn, err)
	}
	q.told = info.TimeStamp
	if by := q.told.Sub(q.asked); by.Abs() > time.Minute {
		q.Logger.Warn("paceline: the clock of the server differs from ours; its own is used", "by", by)
	}
	return nil
}

// serverTime returns what the server's clock says now. A clock of ours that is set meanwhile
// makes no difference: what has passed is measured by one that is never set.
func (q *Queue[In, Out]) serverTime() time.Time { return q.told.Add(q.Clock.Since(q.asked)) }

// id names a key in subjects, where not every key may stand.
func id(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// inFlight is how many publishes may be without an answer.
const inFlight = 256

// Submit adds jobs and returns how many were added. A job that was submitted within the last
// two minutes is not added again; one that has a result already is, and is dropped when its
// turn comes. If an error comes in between, submit all again.
func (q *Queue[In, Out]) Submit(ctx context.Context, jobs iter.Seq[In]) (added int, err error) {
	var waiting []jetstream.PubAckFuture
	settle := func(left int) error {
		for len(waiting) > left {
			select {
			case ack := <-waiting[0].Ok():
				if !ack.Duplicate {
					added++
				}
			case err := <-waiting[0].Err():
				return explain(q.conn, err)
			case <-ctx.Done():
				return explain(q.conn, context.Cause(ctx))
			}
			waiting = waiting[1:]
		}
		return nil
	}
	for in := range jobs {
		key := q.key(in)
		if key == "" {
			return added, fmt.Errorf("key: got none for %v, want text", in)
		}
		data, err := json.Marshal(in)
		if err != nil {
			return added, fmt.Errorf("job %s: %w", key, err)
		}
		if err := settle(inFlight - 1); err != nil {
			return added, err
		}
		f, err := q.js.PublishMsgAsync(&nats.Msg{Subject: q.prefix + "job", Data: data}, jetstream.WithMsgID(id(key)))
		if err != nil {
			return added, fmt.Errorf("job %s: %w", key, explain(q.conn, err))
		}
		waiting = append(waiting, f)
	}
	return added, settle(0)
}

// QueueStatus is how a queue is doing.
type QueueStatus struct {
	Left     int64 // jobs without a result: those that wait, are put off or are in flight
	InFlight int64 // of these, given to a process
	Later    int64 // of these, put off
	Records  int64 // jobs that were begun, those with a result included
}

// Status asks the server how the queue is doing.
func (q *Queue[In, Out]) Status(ctx context.Context) (s QueueStatus, err error) {
	info, err := q.jobs.Info(ctx, jetstream.WithSubjectFilter(q.prefix+"later.*"))
	if err != nil {
		return s, explain(q.conn, err)
	}
	s.Left, s.Later = int64(info.State.Msgs), int64(len(info.State.Subjects))
	records, err := q.records.Info(ctx)
	if err != nil {
		return s, explain(q.conn, err)
	}
	s.Records = int64(records.State.Msgs)
	c, err := q.jobs.Consumer(ctx, consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return s, nil
	}
	if err != nil {
		return s, explain(q.conn, err)
	}
	s.InFlight = int64(c.CachedInfo().NumAckPending)
	return s, nil
}
