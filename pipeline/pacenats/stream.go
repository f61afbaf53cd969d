package pacenats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors that tell what is wrong with the server. What is returned wraps one of them and the
// server's own.
var (
	ErrNoJetStream = errors.New("paceline: no JetStream: the server has it off, or this account may not use it")
	ErrNoAnswer    = errors.New("paceline: no answer from JetStream: the server cannot be reached, or its cluster has no quorum")
	ErrForbidden   = errors.New("paceline: this user may not do that")
	ErrForeign     = errors.New("paceline: the stream is another's")
	ErrFull        = errors.New("paceline: the server has no room left")
)

// layout is the key of the metadata that says what a stream of ours is.
const layout = "paceline"

// answerAtMost is how long a publish of Submit waits for an answer, without which it would wait
// for ever where a server forbids it or was lost. It is what nats.go waits for others.
const answerAtMost = 5 * time.Second

// open returns JetStream on a connection.
func open(conn *nats.Conn) (jetstream.JetStream, error) {
	if conn == nil {
		return nil, errors.New("connection: got nil, want one")
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncTimeout(answerAtMost))
	return js, explain(conn, err)
}

// replicas returns how many copies a stream is to have: three in a cluster, one elsewhere.
func replicas(conn *nats.Conn) int {
	if conn.ConnectedClusterName() != "" {
		return 3
	}
	return 1
}

// makeStream makes a stream or returns the one that there is, if it is ours.
func makeStream(ctx context.Context, js jetstream.JetStream, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		s, err = js.Stream(ctx, cfg.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", cfg.Name, explain(js.Conn(), err))
	}
	if got, want := s.CachedInfo().Config.Metadata[layout], cfg.Metadata[layout]; got != want {
		return nil, fmt.Errorf("stream %s: got layout %q, want %q: %w", cfg.Name, got, want, ErrForeign)
	}
	return s, nil
}

// Codes of the server's that nats.go has no name for.
const (
	codeNoQuorum      = 10008 // temporarily unavailable
	codeAccountFull   = 10002
	codeNoResources   = 10023
	codeNoMemory      = 10028
	codeNoStorage     = 10047
	codeStoreFailed   = 10077
	codeNoPeers       = 10005 // no suitable peers for placement
	codeOverlap       = 10065 // subjects overlap with an existing stream
	codeNotForAccount = 10039
	codeNotEnabled    = 10076
)

// forbidden returns what the server has last forbidden on the connection, if one of our subjects is
// concerned. It does not answer what it forbids, so that the error comes by another way.
func forbidden(conn *nats.Conn) error {
	err := conn.LastError()
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil
	}
	for _, subject := range []string{"$JS.", "pacejobs.", "pacefleet.", cmp.Or(conn.Opts.InboxPrefix, "_INBOX") + "."} {
		if strings.Contains(err.Error(), `"`+subject) {
			return fmt.Errorf("%w: %w", ErrForbidden, err)
		}
	}
	return nil
}

// explain adds what is wrong to an error of the server's.
func explain(conn *nats.Conn, err error) error {
	api := new(jetstream.APIError)
	why := error(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api):
		switch api.ErrorCode {
		case codeNoQuorum, codeNoPeers:
			why = ErrNoAnswer
		case codeAccountFull, codeNoResources, codeNoMemory, codeNoStorage, codeStoreFailed:
			why = ErrFull
		case codeOverlap:
			why = ErrForeign
		case codeNotForAccount, codeNotEnabled:
			why = ErrNoJetStream
		}
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled),
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, jetstream.ErrNoStreamResponse):
		why = ErrNoJetStream
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthorization):
		why = ErrForbidden
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		why = ErrNoAnswer
		if no := forbidden(conn); no != nil {
			why = no
		}
	}
	if why == nil || errors.Is(err, ErrForbidden) || errors.Is(err, why) {
		return err
	}
	return fmt.Errorf("%w: %w", why, err)
}
