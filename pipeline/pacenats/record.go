package pacenats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Result is what became of a job.
type Result[In, Out any] struct {
	Key    string
	In     In // the zero value if it was too large to be kept beside the result
	Out    Out
	Err    error     // a *FailedError or a *DeadError; nil: it is done
	Starts int       // how often it was begun, by whichever process
	At     time.Time // when it was stored, by the server's clock
}

// A record is what is known of a job: first that it was begun, and then its result, in its
// place. Each is written only if the one before is still there, so that one result of a job
// can be stored, and no more.
type record struct {
	Key    string          `json:"key"`
	Starts int             `json:"starts"`
	Lost   int             `json:"lost,omitempty"` // of these, by processes that vanished
	By     string          `json:"by,omitempty"`   // which works on it, or has vanished; empty: none does
	Ended  bool            `json:"ended,omitempty"`
	In     json.RawMessage `json:"in,omitempty"`
	Out    json.RawMessage `json:"out,omitempty"`
	Error  string          `json:"error,omitempty"`
	Dead   bool            `json:"dead,omitempty"`
}

// errOther says that another process has written a record in between.
var errOther = errors.New("paceline: another process has this job")

// putWithin is how long an answer of the server's is waited for before a record is written again,
// which does no harm: the leader of a stream in a cluster may have gone with the question. Chosen:
// much longer than a busy server takes.
const putWithin = 2 * time.Second

// put writes a record in place of the one with that sequence; 0: there is none.
func (q *Queue[In, Out]) put(ctx context.Context, r record, before uint64) (seq uint64, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	ctx, cancel := q.Clock.WithTimeout(ctx, putWithin)
	defer cancel()
	ack, err := q.js.Publish(ctx, q.prefix+"record."+id(r.Key), data, jetstream.WithExpectLastSequencePerSubject(before))
	if api := new(jetstream.APIError); errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, errOther
	}
	if err != nil {
		return 0, explain(q.conn, err)
	}
	return ack.Sequence, nil
}

// get reads the record of a key; seq is 0 if there is none.
func (q *Queue[In, Out]) get(ctx context.Context, key string) (r record, seq uint64, err error) {
	ctx, cancel := q.Clock.WithTimeout(ctx, putWithin)
	defer cancel()
	m, err := q.records.GetLastMsgForSubject(ctx, q.prefix+"record."+id(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return r, 0, nil
	}
	if err != nil {
		return r, 0, explain(q.conn, err)
	}
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return r, 0, fmt.Errorf("record of %s: %w", key, err)
	}
	return r, m.Sequence, nil
}

// Results returns the results that there are now, in the order in which they were stored. An
// error is the last that comes.
func (q *Queue[In, Out]) Results(ctx context.Context) iter.Seq2[Result[In, Out], error] {
	return func(yield func(Result[In, Out], error) bool) {
		info, err := q.records.Info(ctx)
		if err != nil {
			yield(Result[In, Out]{}, explain(q.conn, err))
			return
		}
		last := info.State.LastSeq
		if info.State.Msgs == 0 {
			return
		}
		c, err := q.records.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		if err != nil {
			yield(Result[In, Out]{}, explain(q.conn, err))
			return
		}
		messages, err := c.Messages()
		if err != nil {
			yield(Result[In, Out]{}, explain(q.conn, err))
			return
		}
		defer messages.Stop()
		for {
			m, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				yield(Result[In, Out]{}, explain(q.conn, err))
				return
			}
			meta, err := m.Metadata()
			if err != nil {
				yield(Result[In, Out]{}, err)
				return
			}
			if r, ended, err := readResult[In, Out](m.Data(), meta.Timestamp); (ended || err != nil) && !yield(r, err) {
				return
			}
			if meta.Sequence.Stream >= last || meta.NumPending == 0 {
				return
			}
		}
	}
}

func readResult[In, Out any](data []byte, at time.Time) (res Result[In, Out], ended bool, err error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return res, false, fmt.Errorf("record: %w", err)
	}
	if !r.Ended {
		return res, false, nil
	}
	res = Result[In, Out]{Key: r.Key, Starts: r.Starts, At: at}
	if r.In != nil { // else it was too large to be kept with its result
		err = json.Unmarshal(r.In, &res.In)
	}
	switch {
	case r.Dead:
		res.Err = &DeadError{r.Lost}
	case r.Error != "":
		res.Err = &FailedError{r.Error}
	default:
		err = errors.Join(err, json.Unmarshal(r.Out, &res.Out))
	}
	if err != nil {
		err = fmt.Errorf("result of %s: %w", r.Key, err)
	}
	return res, true, err
}
