package pacehttp

import (
	"context"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// NewClient returns a client that does as the given one (nil: http.DefaultClient), but whose
// requests pass a throttle: a copy, with a [Transport] over its own. A Timeout of the client
// becomes that of each attempt: it does not include the wait for a turn, nor that between
// attempts. What bounds the whole is the context of the request.
//
// NewClient panics if t is nil.
func NewClient(t *pipeline.Throttle, client *http.Client) *http.Client {
	mustHave("NewClient", t != nil, "throttle")
	if client == nil {
		client = http.DefaultClient
	}
	throttled := *client
	throttled.Transport = &Transport{Throttle: t, Base: client.Transport, Timeout: client.Timeout}
	throttled.Timeout = 0
	return &throttled
}

// A tooLong is the error of an attempt that took longer than it may: its Timeout.
type tooLong time.Duration

func (t tooLong) Error() string {
	return "paceline: attempt took longer than " + time.Duration(t).String()
}
func (t tooLong) Timeout() bool        { return true }
func (t tooLong) Temporary() bool      { return true }
func (t tooLong) Is(target error) bool { return target == context.DeadlineExceeded }
