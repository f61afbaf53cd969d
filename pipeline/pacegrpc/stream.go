package pacegrpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/paceline-go/paceline/pipeline"
)

// Stream returns an interceptor that has each stream wait for a slot of t before it
// is opened. The slot is held until the server has answered: by its headers, which
// most servers send with the first message, or by the end of the stream. So a server
// that is slow to begin holds it, but not messages that come for hours, and not a
// reader who takes his time.
//
// As gRPC itself asks of those who open a stream, read it until an error, or cancel
// its context: what gives the slot of one that nobody reads back is only the end of
// its context.
//
// How the stream ended before the server's answer is the attempt's outcome, as the
// package comment says of status codes; after that, only a delay counts that the
// server asks for. A stream is not tried again, because what was sent may be gone;
// errors are gRPC's own. If the throttle did not let the stream be opened, the error
// has a status as that of Unary has.
//
// Stream panics if t is nil.
func Stream(t *pipeline.Throttle) grpc.StreamClientInterceptor {
	if t == nil {
		panic("pacegrpc: Stream: throttle is nil")
	}
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		slot, err := t.Acquire(ctx)
		if err != nil {
			return nil, withStatus(err)
		}
		err = errNotOpened
		defer func() {
			if err != nil {
				slot.Release(mark(err, nil, false))
			}
		}()
		var s grpc.ClientStream
		if s, err = open(ctx, desc, conn, method, opts...); err != nil {
			return nil, err
		}
		p := &paced{ClientStream: s, ctx: ctx, slot: slot}
		p.forget = context.AfterFunc(ctx, func() { slot.Release(pipeline.Fatal(context.Cause(ctx))) })
		return p, nil
	}
}

// errNotOpened is what a panic leaves, which tells nothing of the server.
var errNotOpened = pipeline.Fatal(errors.New("pacegrpc: the stream was not opened"))

// paced is a stream that gives its slot back when the server has answered. The slot
// takes care that only the first of those who give it back does.
type paced struct {
	grpc.ClientStream
	ctx      context.Context // the caller's
	slot     *pipeline.Slot
	forget   func() bool // the end of the context
	answered bool        // only the reader looks at it
}

func (p *paced) release(err error) {
	p.forget()
	settle(p.ctx, err)
	if err != nil && p.ctx.Err() != nil {
		err = pipeline.Fatal(err) // how long a caller waits says nothing of the server
	}
	p.slot.Release(err)
}

func (p *paced) Header() (metadata.MD, error) {
	headers, err := p.ClientStream.Header()
	if headers != nil { // nil: RecvMsg will tell how the stream ended
		p.release(nil)
	}
	return headers, err
}

func (p *paced) RecvMsg(m any) error {
	if !p.answered {
		headers, _ := p.Header()
		p.answered = headers != nil
	}
	err := p.ClientStream.RecvMsg(m)
	switch {
	case err == nil:
	case p.answered:
		if wait := delay(err, p.Trailer()); wait > 0 {
			p.slot.Hint(pipeline.Hint{RetryAfter: wait})
		}
	case errors.Is(err, io.EOF):
		p.release(nil)
	default:
		p.release(mark(err, p.Trailer(), false))
	}
	return err
}

func (p *paced) SendMsg(m any) error {
	err := p.ClientStream.SendMsg(m)
	if err != nil && !errors.Is(err, io.EOF) { // of EOF, RecvMsg will tell the reason
		p.release(mark(err, nil, false))
	}
	return err
}
