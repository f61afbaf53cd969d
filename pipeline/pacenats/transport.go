package pacenats

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacefleet"
)

// Join makes this process a member of the fleet of that name, and waits until there is a
// leader; see [pacefleet.Join]. All processes give the same name and cfg. name is 1 to 32
// letters, digits, - and _.
func Join(ctx context.Context, conn *nats.Conn, name string, cfg pipeline.Config) (*pacefleet.Member, error) {
	t, err := NewTransport(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	return pacefleet.Join(ctx, t, cfg)
}

// A Transport connects the processes of a fleet. Reports and leases are plain messages; who
// leads, and what the leader has learned, is in a small stream. Make one with NewTransport
// for each member.
type Transport struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	prefix string // of subjects
	name   string // of this member, for the lease

	mu  sync.Mutex // one Lead or Resign at a time
	seq uint64     // of the lease in the stream, by what was heard last
}

var _ pacefleet.Transport = (*Transport)(nil)

var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func checkName(name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("name: got %q, want 1 to 32 letters, digits, - and _", name)
	}
	return nil
}

// NewTransport connects a member to the fleet of that name, and makes its stream,
// PACEFLEET_ and the name, if there is none.
func NewTransport(ctx context.Context, conn *nats.Conn, name string) (*Transport, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	js, err := open(conn)
	if err != nil {
		return nil, err
	}
	t := &Transport{conn: conn, js: js, prefix: "pacefleet." + name + ".", name: nats.NewInbox()}
	t.stream, err = makeStream(ctx, js, jetstream.StreamConfig{
		Name:              "PACEFLEET_" + name,
		Subjects:          []string{t.prefix + leaseToken, t.prefix + stateToken},
		MaxMsgsPerSubject: 1,
		AllowMsgTTL:       true,
		Replicas:          replicas(conn),
		Metadata:          map[string]string{layout: "fleet 1"},
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

const (
	leaseToken = "lease"
	stateToken = "state"
)

// Publish sends a message, unless there is no connection: what a client keeps for later
// would tell of times long past.
func (t *Transport) Publish(subject string, message []byte) error {
	if !t.conn.IsConnected() {
		return nats.ErrConnectionReconnecting
	}
	return t.conn.Publish(t.prefix+subject, message)
}

// Subscribe calls receive with each message from now on.
func (t *Transport) Subscribe(subject string, receive func(message []byte)) (stop func(), err error) {
	sub, err := t.conn.Subscribe(t.prefix+subject, func(m *nats.Msg) { receive(m.Data) })
	if err != nil {
		return nil, explain(t.conn, err)
	}
	return func() { sub.Unsubscribe() }, nil
}

// Lead writes the lease with a TTL, if the one before is this member's or has expired. The
// server decides by the sequence of the subject, so that one of many wins.
func (t *Transport) Lead(ctx context.Context, state []byte) (leads bool, last []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if leads, err = t.write(ctx); err != nil || !leads {
		return false, nil, err
	}
	if state != nil {
		_, err = t.js.Publish(ctx, t.prefix+stateToken, state)
		return true, nil, explain(t.conn, err)
	}
	m, err := t.stream.GetLastMsgForSubject(ctx, t.prefix+stateToken)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return true, nil, nil
	case err != nil:
		return false, nil, explain(t.conn, err)
	}
	return true, m.Data, nil
}

// write writes the lease after the one that is known. If there is another one it looks whose
// that is: it may be this member's, whose answer was lost.
func (t *Transport) write(ctx context.Context) (leads bool, err error) {
	for range 2 {
		ack, err := t.js.PublishMsg(ctx, &nats.Msg{Subject: t.prefix + leaseToken, Data: []byte(t.name)},
			jetstream.WithMsgTTL(pacefleet.Term), jetstream.WithExpectLastSequencePerSubject(t.seq))
		if err == nil {
			t.seq = ack.Sequence
			return true, nil
		}
		if api := new(jetstream.APIError); !errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
			return false, explain(t.conn, err)
		}
		m, err := t.stream.GetLastMsgForSubject(ctx, t.prefix+leaseToken)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			t.seq = 0 // it has expired
		case err != nil:
			return false, explain(t.conn, err)
		case string(m.Data) != t.name:
			return false, nil
		default:
			t.seq = m.Sequence
		}
	}
	return false, nil
}

// Resign removes the lease, if it is this member's.
func (t *Transport) Resign(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, err := t.stream.GetLastMsgForSubject(ctx, t.prefix+leaseToken)
	if err != nil || string(m.Data) != t.name {
		return nil
	}
	return explain(t.conn, t.stream.DeleteMsg(ctx, m.Sequence))
}
