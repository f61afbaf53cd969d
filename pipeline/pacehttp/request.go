package pacehttp

import (
	"context"
	"errors"
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

	redirected bool // by a server, which has done what it was asked for
}

// watch returns a client that does as the given one (nil: http.DefaultClient), and notes
// whether the request was redirected.
func (s *sending) watch(client *http.Client) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	if s.safe {
		return client
	}
	watched, check := *client, client.CheckRedirect
	watched.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		s.redirected = true
		switch {
		case check != nil:
			return check(req, via)
		case len(via) >= 10: // as net/http does if there is no CheckRedirect
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &watched
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

// end closes the body of a request that was never sent. One that is sent is closed by its sender.
func (s *sending) end() {
	if s.sent == 0 && s.req.Body != nil {
		s.req.Body.Close()
	}
}

// judge returns the error of an attempt so that the request is only sent again if it
// may be. It counts for the throttle all the same. undone: it is known that nothing was
// done by the server that was sent to last.
func (s *sending) judge(err error, undone bool) error {
	switch {
	case pipeline.Classify(err) == pipeline.Ignored: // it is not sent again anyway
		return err
	case !s.replayable():
		return pipeline.Final(fmt.Errorf("%w; not sent again: its body can be read only once, as it has no GetBody", err))
	case undone && s.redirected && !s.safe:
		return pipeline.Final(fmt.Errorf("%w; not sent again: it was redirected, and may have been done", err))
	case !s.repeatable(undone):
		return pipeline.Final(err)
	}
	return err
}

// repeatable reports whether the request may be sent again. What was done by the server
// that redirected it is done, whatever the next one says.
func (s *sending) repeatable(undone bool) bool {
	return s.replayable() && (s.safe || undone && !s.redirected)
}

func (s *sending) replayable() bool { return !hasBody(s.req) || s.req.GetBody != nil }

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }
