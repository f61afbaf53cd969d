package pacehttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A lifetime is the context of a request whose response is read when the attempt that
// it belongs to is over: it has the attempt's values, but ends with its caller.
type lifetime struct {
	context.Context // of the caller
	attempt         context.Context
}

func (l lifetime) Value(key any) any { return l.attempt.Value(key) }

// AfterFunc spares package context a goroutine, since Value is not that of the Context
// that it knows.
func (l lifetime) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(l.Context, f) }

// outlive returns a context for a request that ends with the attempt until stay is
// called, and with the caller's in any case. stay reports whether the attempt was still
// under way.
func outlive(attempt, caller context.Context) (ctx context.Context, cancel context.CancelCauseFunc, stay func() bool) {
	ctx, cancel = context.WithCancelCause(lifetime{caller, attempt})
	if attempt.Done() == caller.Done() {
		return ctx, cancel, func() bool { return attempt.Err() == nil }
	}
	return ctx, cancel, context.AfterFunc(attempt, func() { cancel(context.Cause(attempt)) })
}

// limited returns a cancel that is called after timeout unless it was before; 0: never.
func limited(timeout time.Duration, cancel context.CancelCauseFunc) context.CancelCauseFunc {
	if timeout <= 0 {
		return cancel
	}
	timer := clock.Real().AfterFunc(timeout, func() { cancel(tooLong(timeout)) })
	return func(cause error) {
		timer.Stop()
		cancel(cause)
	}
}

// lateness returns err, or what it comes from: that the request took longer than it may.
func lateness(ctx context.Context, err error) error {
	if late := tooLong(0); errors.As(context.Cause(ctx), &late) {
		return late
	}
	return err
}

// attach makes the body of a response end ctx, the request's context, when it was read or
// is closed.
func attach(ctx context.Context, res *http.Response, cancel context.CancelCauseFunc) {
	if res.Body == nil || res.Body == http.NoBody {
		res.Body = http.NoBody
		cancel(nil)
		return
	}
	b := &body{res.Body, ctx, cancel}
	if w, ok := res.Body.(io.Writer); ok { // 101 Switching Protocols: the connection is the caller's
		res.Body = struct {
			io.ReadCloser
			io.Writer
		}{b, w}
		return
	}
	res.Body = b
}

type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = lateness(b.ctx, err)
	}
	if err != nil {
		b.cancel(nil)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// patience is how long we wait for what is left of a body that nobody may want. What
// does not come by then is not worth a slot.
const patience = 250 * time.Millisecond

// mostAhead is how much of the body of a failed attempt is kept in memory. Nearly all
// are shorter; their connection is free for others while the job backs off.
const mostAhead = 64 << 10

// ahead is the body of a response that will be discarded, or else is the last one and
// the caller's: its beginning is read ahead, the rest is still unread behind it.
type ahead struct {
	rest io.ReadCloser
	done chan struct{} // closed when the beginning was read
	head []byte        // what of it is still to be read; after done
	read bytes.Reader
	err  error // that follows it; nil: the rest does
}

// readAhead begins to read. Closing it ends that too.
func readAhead(rest io.ReadCloser) *ahead {
	a := &ahead{rest: rest, done: make(chan struct{})}
	go a.fill()
	return a
}

// fill runs on a goroutine that nobody else can recover: a panic of the body is its error.
func (a *ahead) fill() {
	defer close(a.done)
	defer func() {
		if v := recover(); v != nil {
			a.err = &pipeline.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	a.head, a.err = io.ReadAll(io.LimitReader(a.rest, mostAhead))
	a.read.Reset(a.head)
	if a.err == nil && len(a.head) < mostAhead {
		a.err = io.EOF
	}
}

// await returns what was read within a while; nothing if it takes longer.
func (a *ahead) await(ctx context.Context) []byte {
	timer := clock.Real().Timer(patience)
	defer timer.Stop()
	select {
	case <-a.done:
		return a.head
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

func (a *ahead) Read(p []byte) (int, error) {
	<-a.done
	switch {
	case a.read.Len() > 0:
		return a.read.Read(p)
	case a.err != nil:
		return 0, a.err
	}
	return a.rest.Read(p)
}

func (a *ahead) Close() error { return a.rest.Close() }

// drain reads what is left of a body, so that its connection can be used again, and
// closes it. If there is more than a little, or it does not come, cancel has to break
// it off.
func drain(body io.ReadCloser, cancel func()) {
	timer := clock.Real().AfterFunc(patience, cancel)
	_, _ = io.CopyN(io.Discard, body, mostAhead) // if it breaks, so does the connection
	timer.Stop()
	body.Close()
}
