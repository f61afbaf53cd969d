package pacehttp

import (
	"context"
	"fmt"
	"net/http"

	"github.com/paceline-go/paceline/pipeline"
)

// Idempotent reports whether a request may be sent twice, because the server will
// then be as if it had been sent once: its method says so (RFC 9110, section 9.2.2), or
// it has an Idempotency-Key or X-Idempotency-Key. As in net/http, a key that is there
// without a value promises the same, and is not sent:
//
//	req.Header["Idempotency-Key"] = nil
func Idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, xKey := req.Header["X-Idempotency-Key"]
	return key || xKey
}

// A sending is a request that is sent, perhaps several times.
type sending struct {
	req  *http.Request // as it was given to us: never changed
	safe bool          // to send twice
	sent int
}

// next returns the request for another attempt, with a body that was not read yet.
func (s *sending) next(ctx context.Context) (*http.Request, error) {
	req := s.req.WithContext(ctx)
	s.sent++
	if s.sent > 1 && hasBody(req) {
		body, err := req.GetBody()
		if err != nil {
			return nil, pipeline.Fatal(fmt.Errorf("paceline: body of attempt %d: %w", s.sent, err))
		}
		req.Body = body
	}
	return req, nil
}

// end closes the body of a request that was never sent: whoever sends it closes it.
func (s *sending) end() {
	if s.sent == 0 && s.req.Body != nil {
		s.req.Body.Close()
	}
}

// judge returns the error of an attempt so that the request is only sent again if it
// may be. It counts for the throttle all the same.
func (s *sending) judge(err error) error {
	switch {
	case pipeline.Classify(err) == pipeline.Ignored: // it is not sent again anyway
		return err
	case !s.replayable():
		return pipeline.Final(fmt.Errorf("%w; not sent again: its body can be read only once, as it has no GetBody", err))
	case !s.repeatable(err):
		return pipeline.Final(err)
	}
	return err
}

// repeatable reports whether the request may be sent again after err.
func (s *sending) repeatable(err error) bool {
	return s.replayable() && (s.safe || isUndone(err))
}

func (s *sending) replayable() bool { return !hasBody(s.req) || s.req.GetBody != nil }

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }
