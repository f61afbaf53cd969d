package pacehttp

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A Judge says what a response means, where a server has ways of its own: a limit that it
// reports with 200, a status that means something else, a pause that is longer than anybody
// wants to wait. usual is what would be made of it otherwise. A Judge returns that, or
// changes what is wrong with it:
//
//	func(res *http.Response, head func() []byte, usual pacehttp.Meaning) pacehttp.Meaning {
//		usual.Pause = min(usual.Pause, time.Minute)
//		return usual
//	}
//
// head returns the beginning of the body, at most 4 KiB, and waits for it for at most 250 ms;
// it is empty if it takes longer. The response's Body is not to be read, nor is the
// response to be kept. Judges are called at the same time for several responses, and
// perhaps more than once for the same. A Kind that there is none of counts as [Failure], a
// Pause below 0 as none.
//
// A response that is said to be Done is given to the caller whatever its status is, and one
// that is not is a [*StatusError] for the throttle, even if its status is 200.
type Judge func(res *http.Response, head func() []byte, usual Meaning) Meaning

type judgeKey struct{}

// WithJudge returns a context in which responses mean what judge says: for requests with it
// that are sent by [Do], [Attempt] or a [Transport]. It goes before the Transport's own.
func WithJudge(ctx context.Context, judge Judge) context.Context {
	return context.WithValue(ctx, judgeKey{}, judge)
}

// judgeOf returns the Judge of a context, or else the given one; nil: there is none.
func judgeOf(ctx context.Context, otherwise Judge) Judge {
	if judge, _ := ctx.Value(judgeKey{}).(Judge); judge != nil {
		return judge
	}
	return otherwise
}

// A hearing finds out what a response means.
type hearing struct {
	ctx  context.Context // of the attempt
	res  *http.Response
	now  time.Time // when it came
	took time.Duration
	read *ahead // its body; nil: nobody has looked into it
	text []byte // the beginning of the body; after it was asked for
}

// meaning returns what the response means, and tells the slot what it says of limits.
func (h *hearing) meaning(judge Judge) Meaning {
	m := rule(h.res, h.now, "")
	if judge == nil {
		h.tell(m) // before the body, which may take its time
	}
	if tells(h.res.StatusCode) {
		m = rule(h.res, h.now, string(h.head()))
	}
	if judge == nil {
		return m
	}
	m = judge(h.res, h.head, m)
	m.Pause = max(m.Pause, 0)
	if m.Kind > OverQuota {
		m.Kind = Failure
	}
	h.tell(m)
	return m
}

// mostWay is how much of the time until an answer is believed to be the way to the server, with
// a connection to be made. Servers count from when a request arrives, and who comes too early
// is refused. Chosen.
const mostWay = 100 * time.Millisecond

// tell gives the slot the hints of the response.
func (h *hearing) tell(m Meaning) {
	slot := pipeline.SlotFrom(h.ctx)
	var few [fewHints]pipeline.Hint
	slot.HintAll(hints(few[:0], h.res, m, h.now, h.took-min(h.took, mostWay)))
}

// head reads the beginning of the body, which stays whole.
func (h *hearing) head() []byte {
	if h.read != nil {
		return h.text
	}
	if _, upgraded := h.res.Body.(io.Writer); h.res.Body == nil || upgraded {
		return nil
	}
	h.read = readAhead(h.res.Body)
	h.res.Body = h.read
	h.text = beginning(h.read.await(h.ctx))
	return h.text
}

// last returns the beginning of a body of which no more is wanted: what has come of it.
func (h *hearing) last(cancel func()) []byte {
	text := h.head()
	if text == nil && h.read != nil {
		cancel() // its text is not worth more
		<-h.read.done
		text = beginning(h.read.head)
	}
	return text
}
