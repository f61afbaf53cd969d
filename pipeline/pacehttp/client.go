package pacehttp

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// NewClient returns a client that does as the given one (nil: http.DefaultClient), but whose
// requests pass a throttle: a copy, with a [Transport] over its own. A Timeout of the client
// becomes that of each attempt: it does not include the wait for a turn, nor that between
// attempts. What bounds the whole is the context of the request.
//
// What is sent again is up to the throttle's configuration. Without a Retry, nothing is: requests
// slow down, but a response that refuses, such as a 429, is what the caller gets.
//
//	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 20, Retry: &pipeline.Retry{}})
//	…
//	client := pacehttp.NewClient(throttle, &http.Client{Timeout: 10 * time.Second})
//	res, err := client.Get(url) // and all else as before
//
// NewClient panics if t is nil.
func NewClient(t *pipeline.Throttle, client *http.Client) *http.Client {
	mustHave("NewClient", t != nil, "throttle")
	return clientOver(client, &Transport{Throttle: t})
}

// NewHostClient is NewClient with a throttle for each host; see [ByHost].
//
// It panics if hosts is nil.
func NewHostClient(hosts *pipeline.Keyed[string], client *http.Client) *http.Client {
	mustHave("NewHostClient", hosts != nil, "keyed")
	return clientOver(client, &Transport{ThrottleOf: ByHost(hosts)})
}

// ByHost returns a function for [Transport].ThrottleOf: a request passes the throttle of its host,
// such as "example.com" or "example.com:8080": the URL's, in lower case, without the port if that
// is the scheme's own. For another key, write such a function yourself:
//
//	func(req *http.Request) *pipeline.Throttle { return tenants.Throttle(req.Header.Get("Tenant")) }
//
// ByHost panics if hosts is nil.
func ByHost(hosts *pipeline.Keyed[string]) func(*http.Request) *pipeline.Throttle {
	mustHave("ByHost", hosts != nil, "keyed")
	return func(req *http.Request) *pipeline.Throttle { return hosts.Throttle(HostOf(req.URL)) }
}

// HostOf returns the key by which [ByHost] tells hosts apart, with the port if it is not that of the scheme, for a pipeline.ByKey on the same
// hosts.
func HostOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		return host
	}
	return net.JoinHostPort(host, port)
}

// clientOver returns a copy of client with a transport over its own.
func clientOver(client *http.Client, t *Transport) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	t.Base, t.Timeout = client.Transport, client.Timeout
	c := *client
	c.Transport, c.Timeout = t, 0
	return &c
}

// A tooLong is the error of an attempt that took longer than it may: its Timeout.
type tooLong time.Duration

func (t tooLong) Error() string {
	return "paceline: attempt took longer than " + time.Duration(t).String()
}
func (t tooLong) Timeout() bool        { return true }
func (t tooLong) Temporary() bool      { return true }
func (t tooLong) Is(target error) bool { return target == context.DeadlineExceeded }
