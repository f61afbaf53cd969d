package pacehttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// Transport is an [http.RoundTripper] over another that passes every request through
// a throttle: it waits for its turn, and is sent again as the throttle's Retry allows and
// the package comment says. Each hop of a redirect is a request. Its fields must not be
// changed once it is in use.
//
// The response is that of the last attempt: a 503 that stays one after all retries is
// a response, not an error, and its body is whole. An error is that of the last
// attempt if that had no response, or of the throttle, as from [pipeline.Execute]:
// errors.As finds a *CircuitOpenError, a *RetriesExhaustedError, and so on, through the
// client's *url.Error too. If a request was not sent again because its body can be
// read only once, the error says so.
//
// An attempt, and with it the AttemptTimeout of the throttle, ends when the header of
// the response is there: no slot is held for a body that nobody reads. What is read
// later is bounded by the request's context, and a body that breaks is the caller's to
// deal with; [Do] is for those who want it tried again. Up to 64 KiB of a body are read ahead,
// for at most 250 ms, if the attempt failed and may be tried again, or if the status may mean
// one thing or another (400, 403, 413, 429, 503).
//
// A client's Timeout is for everything, the wait for a turn and between attempts included,
// so that calls are lost that were never sent: [NewClient] makes it the Transport's, which is
// for an attempt.
//
// How long a request waits for its turn at most, and before which others, its context says:
// pipeline.WithMaxWait, WithShare, WithCost.
//
// Do not use a Transport with a Throttle for the work of a pipeline on that same throttle:
// it would wait for a slot while it holds one, so it gets pipeline.ErrNested. That is what
// one without a Throttle is for.
type Transport struct {
	// Throttle is what requests pass. Without one, a request belongs to the attempt
	// whose slot its context carries (see pipeline.SlotFrom): it is sent once, and what
	// the response says of limits is told to the slot. The Retry-After of one that is Busy
	// is not: Mark puts it into the error of the attempt.
	Throttle *pipeline.Throttle

	// ThrottleOf chooses what a request passes, such as [ByHost] does; nil, and where it returns
	// nil: Throttle. A redirect is a request of its own, and may pass another throttle.
	ThrottleOf func(*http.Request) *pipeline.Throttle

	// Base sends the requests; nil: http.DefaultTransport. The context of a request has
	// the attempt's slot.
	Base http.RoundTripper

	// Retry says which requests may be sent again even if the server may have done
	// what they ask for; nil: Idempotent. Any other request is sent again only if it
	// is known that the server did nothing with it.
	Retry func(*http.Request) bool

	// Timeout is for one attempt, from when it is sent until the body of its response
	// has been read; 0: none. What takes longer is a failure. It is not looked at without
	// a Throttle.
	Timeout time.Duration

	// Judge says what responses mean; nil: as the package comment says. That of a
	// request's context (see WithJudge) goes before it.
	Judge Judge
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

func (t *Transport) throttleOf(req *http.Request) *pipeline.Throttle {
	if t.ThrottleOf != nil {
		if throttle := t.ThrottleOf(req); throttle != nil {
			return throttle
		}
	}
	return t.Throttle
}

// CloseIdleConnections closes those of Base, if that has such a method.
func (t *Transport) CloseIdleConnections() {
	if b, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		b.CloseIdleConnections()
	}
}

// RoundTrip sends a request. See Transport.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	throttle := t.throttleOf(req)
	if throttle == nil {
		return t.once(req)
	}
	may := t.Retry
	if may == nil {
		may = Idempotent
	}
	x := &exchange{sending: sending{req: req, safe: may(req)}, base: t.base(), timeout: t.Timeout, judges: judgeOf(req.Context(), t.Judge)}
	_, err := pipeline.Execute(req.Context(), throttle, x.attempt)
	return x.result(err)
}

// once sends a request that belongs to an attempt of somebody else's.
func (t *Transport) once(req *http.Request) (*http.Response, error) {
	begin := clock.Real().Now()
	res, err := t.base().RoundTrip(req)
	if err != nil || res == nil {
		return res, err
	}
	took := clock.Real().Since(begin)
	h := &hearing{ctx: req.Context(), res: res, now: begin.Add(took), took: took}
	if judge := judgeOf(req.Context(), t.Judge); judge != nil {
		h.meaning(judge)
	} else {
		h.tell(rule(res, h.now, ""))
	}
	return res, nil
}

// errNoResponse is the error for a RoundTripper that does not keep its contract.
var errNoResponse = errors.New("paceline: base: got neither a response nor an error")

// An exchange is a request and what became of it.
type exchange struct {
	sending
	base    http.RoundTripper
	timeout time.Duration  // of an attempt; 0: none
	judges  Judge          // nil: as usual
	res     *http.Response // of the last attempt; nil: it had none
	first   leg            // mostly there is no other
}

// leg returns the one for another attempt. Those before may be in use still.
func (x *exchange) leg() *leg {
	if x.sent == 0 {
		return &x.first
	}
	return new(leg)
}

// attempt sends the request once.
func (x *exchange) attempt(ctx context.Context) (none struct{}, err error) {
	x.discard()
	l := x.leg()
	l.begin(ctx, x.req.Context(), x.timeout)
	defer func() {
		if x.res == nil { // also if the base has panicked
			l.cancel(nil)
		}
	}()
	req, err := x.next(l.ctx)
	if err != nil {
		return none, err
	}
	begin := clock.Real().Now()
	res, err := x.base.RoundTrip(req)
	took := clock.Real().Since(begin)
	inTime := l.inTime()
	switch {
	case !inTime:
		err = context.Cause(ctx) // whatever it looks like from where the request was sent
	case err != nil:
		err = lateness(l.ctx, err)
	case res == nil:
		err = pipeline.Fatal(errNoResponse)
	}
	if err != nil {
		if res != nil && res.Body != nil {
			res.Body.Close()
		}
		return none, x.judge(Mark(ended(ctx, err), nil), isUnsent(err))
	}
	l.attach(res)
	res.Request, x.res = x.req, res
	l.hearing = hearing{ctx: ctx, res: res, now: begin.Add(took), took: took}
	return none, x.check(&l.hearing)
}

// check returns the error that the response is for the throttle. A body that will
// be discarded if another attempt follows is read ahead, and so is one that may say what
// the status means.
func (x *exchange) check(h *hearing) error {
	m := h.meaning(x.judges)
	if m.Kind == Done {
		return nil
	}
	if m.Kind != OwnFault && x.repeatable(m.Undone) {
		h.head()
	}
	return x.judge(newStatusError(x.res, h.text, m), m.Undone)
}

// discard closes the response of the attempt before. What was read ahead of it is all,
// mostly, and then its connection is in use again already.
func (x *exchange) discard() {
	if x.res != nil {
		x.res.Body.Close()
		x.res = nil
	}
}

// result returns the last response if there is one that can be read, also if it means
// that the call has failed.
func (x *exchange) result(err error) (*http.Response, error) {
	x.end()
	switch {
	case err == nil:
		return x.res, nil
	case x.res == nil, x.req.Context().Err() != nil, hasPanicked(err):
		x.discard()
		return nil, asTimeout(err)
	}
	return x.res, nil
}

func hasPanicked(err error) bool {
	var panicked *pipeline.PanicError
	return errors.As(err, &panicked)
}

// asTimeout returns an error that wraps a timeout as one that says so itself: a
// *url.Error looks no further.
func asTimeout(err error) error {
	var wrapped interface{ Timeout() bool }
	if errors.As(err, &wrapped) && wrapped.Timeout() {
		return timeout{err}
	}
	return err
}

type timeout struct{ error }

func (t timeout) Timeout() bool { return true }
func (t timeout) Unwrap() error { return t.error }
