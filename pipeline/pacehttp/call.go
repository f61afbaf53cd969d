package pacehttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// Do is [pipeline.Execute] for a whole call: it sends req with client (nil:
// http.DefaultClient), has read make something of the response, and does that again as
// the throttle's Retry allows and the package comment says. A body that ends early is a
// failed attempt; a decoder's error is too, if Retry.Retryable takes it for one. The slot
// is held until read has returned; AttemptTimeout and a client's Timeout are for one attempt.
//
// read is only called for a response below 400, or one that a [Judge] says is Done. It need
// not read all, nor close it; it must not keep it. What it returned last is what Do returns.
// A request that is not idempotent is not sent again for an error of read, nor once it was
// redirected: it may have been done.
//
// The error is that of the last attempt: read's own, a [*StatusError], the client's; or
// it is from Execute. Do panics if t, req or read is nil.
func Do[T any](t *pipeline.Throttle, client *http.Client, req *http.Request, read func(*http.Response) (T, error)) (T, error) {
	mustHave("Do", req != nil, "request")
	mustHave("Do", read != nil, "function")
	s := &sending{req: req, safe: Idempotent(req)}
	defer s.end()
	client = s.watch(client)
	return pipeline.Execute(req.Context(), t, func(ctx context.Context) (out T, err error) {
		req, err := s.next(ctx)
		if err != nil {
			return out, err
		}
		out, undone, err := attempt(client, req, read)
		return out, s.judge(err, undone)
	})
}

// Attempt is one attempt of a call, for the work of a pipeline or of Execute, whose
// context req must have: it sends req, tells the slot what the response says of limits,
// and has read make something of it. The error is that of [Check], that of [Mark] for one
// of the client, or read's own; but if the body broke, it says that, and is Transient,
// whatever read made of it.
//
// Whether req may be sent twice is not asked here: with a Retry, the pipeline repeats its
// jobs. [pipeline.Final] is for an error after which it must not.
//
// Attempt panics if req or read is nil.
func Attempt[T any](client *http.Client, req *http.Request, read func(*http.Response) (T, error)) (out T, err error) {
	mustHave("Attempt", req != nil, "request")
	mustHave("Attempt", read != nil, "function")
	out, _, err = attempt(client, req, read)
	return out, err
}

// attempt is Attempt, and reports whether it is known that the server which answered last,
// or was to be sent to, did nothing with the request. Once it has accepted it, it is not,
// whatever read fails with: that may be of another request.
func attempt[T any](client *http.Client, req *http.Request, read func(*http.Response) (T, error)) (out T, undone bool, err error) {
	if client == nil {
		client = http.DefaultClient
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	begin := clock.Real().Now()
	res, err := client.Do(req.WithContext(ctx))
	if err != nil {
		return out, isUnsent(err), Mark(ended(req.Context(), err), nil)
	}
	took := clock.Real().Since(begin)
	h := &hearing{ctx: ctx, res: res, now: begin.Add(took), took: took}
	if m := h.meaning(judgeOf(ctx, nil)); m.Kind != Done {
		err := newStatusError(res, h.last(cancel), m)
		drain(res.Body, cancel)
		return out, m.Undone, err
	}
	if _, ok := res.Body.(io.Writer); ok { // 101 Switching Protocols: the connection is read's
		defer res.Body.Close()
		out, err = read(res)
		return out, false, err
	}
	w := &watched{ReadCloser: res.Body}
	res.Body = w
	defer w.end(cancel)
	out, err = read(res)
	if w.err != nil && w.err != io.EOF {
		return out, false, broken(ended(req.Context(), w.err))
	}
	return out, false, err
}

// broken returns the error for a body that could not be read to its end.
func broken(err error) error {
	err = fmt.Errorf("response body: %w", err)
	if pipeline.Classify(err) == pipeline.Failed {
		return pipeline.Transient(err)
	}
	return err // cancelled
}

// ended returns err so that it can be seen that its context has ended: what net/http
// returns then is the cause.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// watched notes how the reading of a body ended.
type watched struct {
	io.ReadCloser
	err error // nil: it did not
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// end closes the body, and lets its connection be used again if nothing much is left.
func (w *watched) end(cancel func()) {
	if w.err == nil {
		drain(w.ReadCloser, cancel)
		return
	}
	w.Close()
}

func mustHave(function string, ok bool, what string) {
	if !ok {
		panic("paceline: " + function + ": " + what + " is nil")
	}
}
