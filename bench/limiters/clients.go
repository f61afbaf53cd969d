package main

import (
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/time/rate"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// callers is how many jobs are under way at once.
const callers = 16

// A client is a way to call that tries again.
type client struct {
	name string
	wrap func(base http.RoundTripper, perSecond float64) http.RoundTripper
}

func (c client) ID() string { return c.name }

// Peers try a job as often and wait as long as retryablehttp does by default: five attempts, after 1 s, 2 s … up to 30 s,
// or when Retry-After says. That failsafehttp's default, two retries at once, would fail nearly all jobs shows nothing.
const (
	mostRetries  = 4
	firstDelay   = time.Second
	longestDelay = 30 * time.Second
)

var clients = []client{
	{"paceline", func(base http.RoundTripper, _ float64) http.RoundTripper {
		t, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: callers, Retry: &pipeline.Retry{}})
		if err != nil {
			panic(err) // it is ours
		}
		return &pacehttp.Transport{Throttle: t, Base: base}
	}},
	{"failsafehttp", func(base http.RoundTripper, _ float64) http.RoundTripper {
		return failsafehttp.NewRoundTripper(base, failsafehttp.NewRetryPolicyBuilder().
			WithMaxRetries(mostRetries).WithBackoff(firstDelay, longestDelay).Build())
	}},
	{"retryablehttp", func(base http.RoundTripper, _ float64) http.RoundTripper { return retryable(base) }},
	{"told", func(base http.RoundTripper, perSecond float64) http.RoundTripper {
		return retryable(&paced{base, rate.NewLimiter(rate.Limit(perSecond), 1)})
	}},
}

func retryable(base http.RoundTripper) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient.Transport = base
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax, c.Logger = mostRetries, firstDelay, longestDelay, nil
	return &retryablehttp.RoundTripper{Client: c}
}

// paced is told the rate.
type paced struct {
	base    http.RoundTripper
	limiter *rate.Limiter
}

func (p *paced) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := p.limiter.Wait(req.Context()); err != nil {
		return nil, err
	}
	return p.base.RoundTrip(req)
}
