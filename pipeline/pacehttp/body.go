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

func (l *lifetime) Value(key any) any { return l.attempt.Value(key) }

// AfterFunc spares package context a goroutine, since Value is not that of the Context
// that it knows.
func (l *lifetime) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(l.Context, f) }

// A leg is one attempt of an exchange, and the response that outlives it.
type leg struct {
	life    lifetime
	ctx     context.Context // of the request: life, until cancel is called
	cancel  context.CancelCauseFunc
	stay    func() bool // of an attempt that is not the throttle's own
	hearing hearing
	body    body
}

// timed is the context of a throttle's attempt, where nothing is around it.
type timed interface {
	OnOverdue(interface{ Overdue() })
	StopOverdue() bool
}

// begin makes the context for a request that ends with the attempt until inTime is called, and
// with the caller's in any case.
func (l *leg) begin(attempt, caller context.Context, timeout time.Duration) {
	l.life = lifetime{caller, attempt}
	ctx, cancel := context.WithCancelCause(&l.life)
	l.ctx, l.cancel = ctx, limited(timeout, cancel)
	if t, ok := attempt.(timed); ok {
		t.OnOverdue(l)
		return
	}
	l.stay = context.AfterFunc(attempt, l.Overdue)
}

// Overdue ends a request whose attempt has ended.
func (l *leg) Overdue() { l.cancel(context.Cause(l.life.attempt)) }

// inTime lets the request go on when its attempt ends, and reports whether that was still under way.
func (l *leg) inTime() bool {
	if t, ok := l.life.attempt.(timed); ok {
		return t.StopOverdue() && l.life.Err() == nil
	}
	return l.stay()
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

// attach makes the body of a response end the request's context when it was read or is closed.
func (l *leg) attach(res *http.Response) {
	if res.Body == nil || res.Body == http.NoBody {
		res.Body = http.NoBody
		l.cancel(nil)
		return
	}
	l.body = body{res.Body, l}
	if w, ok := res.Body.(io.Writer); ok { // 101 Switching Protocols: the connection is the caller's
		res.Body = struct {
			io.ReadCloser
			io.Writer
		}{&l.body, w}
		return
	}
	res.Body = &l.body
}

type body struct {
	io.ReadCloser
	leg *leg
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = lateness(b.leg.ctx, err)
	}
	if err != nil {
		b.leg.cancel(nil)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.leg.cancel(nil)
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
