package pacenats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Why a job that was delivered is not done here.
var (
	errEnded = errors.New("paceline: job has a result")
	errHeld  = errors.New("paceline: another process works on this job, or may do so")
	errStore = errors.New("paceline: record could not be written")
)

// beginTries is how often it is tried to write down that a job begins. Chosen: enough for another
// node of a cluster to lead; a job that is given back to a server that is away comes only after
// AckWait.
const beginTries = 4

// begin writes down that a job begins. If it has a result, another process works on it, or it was
// begun too often, there is nothing to do.
func (w *worker[In, Out]) begin(ctx context.Context, d *delivery[In]) (err error) {
	for range beginTries {
		err = w.tryBegin(ctx, d)
		if !errors.Is(err, errStore) || errors.Is(err, errOther) || ctx.Err() != nil {
			return err
		}
		w.pause(ctx, time.Second/4)
	}
	return err
}

func (w *worker[In, Out]) tryBegin(ctx context.Context, d *delivery[In]) error {
	r := record{Key: d.key, Starts: 1, By: w.name}
	seq, err := w.put(ctx, r, 0)
	if err == nil {
		d.begun, d.seq = r, seq
		return nil
	}
	if !errors.Is(err, errOther) {
		return errors.Join(errStore, err)
	}
	before, seq, err := w.get(ctx, d.key)
	if err != nil {
		return errors.Join(errStore, err)
	}
	if before.Ended {
		return errEnded
	}
	if before.By == w.name { // the answer to the first try was lost
		d.begun, d.seq = before, seq
		return nil
	}
	r.Starts, r.Lost = before.Starts+1, before.Lost
	if before.By != "" {
		switch w.ask(ctx, before.By, d.key) {
		case holds:
			return errHeld
		case vanished:
			if d.early {
				return errHeld
			}
			r.Lost++
		}
	}
	dead := r.Lost >= w.MaxStarts
	if dead {
		r = record{Key: d.key, Starts: before.Starts, Lost: r.Lost, Ended: true, Dead: true, In: d.msg.Data()}
	}
	if seq, err = w.put(ctx, r, seq); err != nil {
		return errors.Join(errStore, err)
	}
	if dead {
		w.Logger.Error("paceline: job was begun too often", "key", d.key, "starts", r.Lost)
		return errEnded
	}
	d.begun, d.seq = r, seq
	return nil
}

// What has become of the process that has begun a job.
type fate int

const (
	vanished fate = iota
	holds         // it works on the job: the server only took it for dead, or the job is there twice
	gaveUp        // it is there, and does not work on the job
)

// answerWithin is how long another process may take to answer. Chosen: much more than it takes
// on a busy machine, and so short that a slot can wait for it.
const answerWithin = time.Second

// ask asks the process of that name whether it works on a job. The server says at once if there
// is no such process any more.
func (w *worker[In, Out]) ask(ctx context.Context, name, key string) fate {
	ctx, cancel := w.Clock.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := w.conn.RequestWithContext(ctx, w.prefix+"holder."+name, []byte(key))
	switch {
	case err != nil:
		return vanished
	case string(m.Data) == "yes":
		return holds
	}
	return gaveUp
}

// answer answers those who ask whether this process works on a job. allowed is the last error of
// the connection before, which says nothing of this.
func (w *worker[In, Out]) answer(ctx context.Context, allowed error) (stop func(), err error) {
	sub, err := w.conn.Subscribe(w.prefix+"holder."+w.name, func(m *nats.Msg) {
		text := "no"
		if w.keeper.holds(string(m.Data)) {
			text = "yes"
		}
		m.Respond([]byte(text))
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %sholder.%s: %w", w.prefix, w.name, explain(w.conn, err))
	}
	stop = func() { sub.Unsubscribe() }
	ctx, cancel := w.Clock.WithTimeout(ctx, answerAtMost)
	defer cancel()
	err = w.conn.FlushWithContext(ctx) // so that what is forbidden is known
	if no := forbidden(w.conn); err == nil && w.conn.LastError() != allowed {
		err = no
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("subscribe to %sholder.%s: %w", w.prefix, w.name, explain(w.conn, err))
	}
	return stop, nil
}
