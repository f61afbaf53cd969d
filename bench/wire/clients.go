package main

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

const (
	callers = 64    // at once
	size    = 1_000 // of a body, about
)

// All clients may try a job ten times, after 100 ms, 200 ms … up to 2 s, and wait a second for an answer.
const (
	mostAttempts  = 10
	firstDelay    = 100 * time.Millisecond
	longestDelay  = 2 * time.Second
	answersWithin = time.Second
)

// A client is a way to call that tries again.
type client struct {
	name string
	wrap func(http.RoundTripper) (http.RoundTripper, *pipeline.Throttle) // the throttle is for Do; nil: there is none
}

var clients = []client{
	{"pacehttp Transport", func(base http.RoundTripper) (http.RoundTripper, *pipeline.Throttle) {
		return &pacehttp.Transport{Throttle: seek(), Base: base}, nil
	}},
	{"pacehttp Do", func(base http.RoundTripper) (http.RoundTripper, *pipeline.Throttle) { return base, seek() }},
	{"retryablehttp", func(base http.RoundTripper) (http.RoundTripper, *pipeline.Throttle) { return retryable(base), nil }},
	{"failsafehttp", func(base http.RoundTripper) (http.RoundTripper, *pipeline.Throttle) { return safe(base), nil }},
}

// seek is told nothing of the limit.
func seek() *pipeline.Throttle {
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency: callers,
		AttemptTimeout: answersWithin,
		Retry:          &pipeline.Retry{MaxAttempts: mostAttempts, BaseDelay: firstDelay, MaxDelay: longestDelay},
	})
	if err != nil {
		panic(err) // it is ours
	}
	return t
}

func retryable(base http.RoundTripper) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient.Transport = base
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax, c.Logger = mostAttempts-1, firstDelay, longestDelay, nil
	return &retryablehttp.RoundTripper{Client: c}
}

func safe(base http.RoundTripper) http.RoundTripper {
	return failsafehttp.NewRoundTripper(base, retries())
}

func retries() failsafe.Policy[*http.Response] {
	return failsafehttp.NewRetryPolicyBuilder().WithMaxRetries(mostAttempts-1).WithBackoff(firstDelay, longestDelay).Build()
}

// An outcome is what came of a client's jobs, and of the requests that it sent for them.
type outcome struct {
	requests, refused, broken int64
	done, failed, wrong       int64
	took                      time.Duration
}

// A counter counts what is sent.
type counter struct {
	base                      http.RoundTripper
	requests, refused, broken atomic.Int64
}

func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	res, err := c.base.RoundTrip(req)
	switch {
	case err != nil:
		c.broken.Add(1)
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		c.refused.Add(1)
	}
	return res, err
}

// run has callers do the jobs, one after another.
func (c client) run(ctx context.Context, url string, jobs int) (outcome, error) {
	base := &http.Transport{MaxIdleConnsPerHost: callers, ResponseHeaderTimeout: answersWithin}
	defer base.CloseIdleConnections()
	counted := &counter{base: base}
	transport, throttle := c.wrap(counted)
	r := &runner{client: &http.Client{Transport: transport}, throttle: throttle, url: url, jobs: int64(jobs)}
	begin := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() { r.work(ctx) })
	}
	all.Wait()
	return outcome{
		requests: counted.requests.Load(), refused: counted.refused.Load(), broken: counted.broken.Load(),
		done: r.done.Load(), failed: r.failed.Load(), wrong: r.wrong.Load(), took: time.Since(begin),
	}, ctx.Err()
}

// A runner does jobs with a client, or through a throttle with Do.
type runner struct {
	client              *http.Client
	throttle            *pipeline.Throttle // nil: with the client alone
	url                 string
	jobs                int64
	next                atomic.Int64
	done, failed, wrong atomic.Int64
}

func (r *runner) work(ctx context.Context) {
	for ctx.Err() == nil {
		job := int(r.next.Add(1) - 1)
		if int64(job) >= r.jobs {
			return
		}
		body, ok := r.call(ctx, job)
		switch {
		case !ok:
			r.failed.Add(1)
		case !bytes.Equal(body, content(job, size)):
			r.wrong.Add(1)
		default:
			r.done.Add(1)
		}
	}
}

// call does one job.
func (r *runner) call(ctx context.Context, job int) (body []byte, ok bool) {
	req, err := newRequest(ctx, r.url, job, size)
	if err != nil {
		return nil, false
	}
	if r.throttle != nil {
		body, err = pacehttp.Do(r.throttle, r.client, req, readAll)
		return body, err == nil
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, false
	}
	defer res.Body.Close()
	body, err = readAll(res)
	return body, err == nil && res.StatusCode == http.StatusOK
}
