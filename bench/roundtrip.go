package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// The targets of the project: a Transport with everything on, against failsafehttp, which only tries again.
const (
	maxOfFailsafehttp         = 1.2
	maxToldOfFailsafehttp     = 2
	maxAllocationsOfRoundTrip = 12
)

// What bench/README.md tells of these.
const (
	writtenOn   = 2.27
	writtenTold = 4.7
)

const (
	failsafehttpName  = "failsafehttp, retry"
	transportName     = "paceline on"
	transportToldName = "paceline on, two quotas told"
)

// A stub is a transport that answers at once: what is left is what a client costs beside sending.
type stub struct{ header http.Header }

func (s stub) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: s.header, Body: io.NopCloser(strings.NewReader("done"))}, nil
}

// A countdown is a stub that tells of two quotas, of which less is left with each answer. Its answers
// are written before: what that takes is not the client's.
type countdown struct {
	answers []stub
	next    int
}

const (
	quotaOfRequests = 5_000
	quotaOfTokens   = 160_000
)

func newCountdown() *countdown {
	c := &countdown{}
	for used := range quotaOfRequests / 2 {
		c.answers = append(c.answers, stub{http.Header{
			"Date":                           {"Sun, 21 Jun 2026 12:00:00 GMT"},
			"X-Ratelimit-Limit-Requests":     {fmt.Sprint(quotaOfRequests)},
			"X-Ratelimit-Limit-Tokens":       {fmt.Sprint(quotaOfTokens)},
			"X-Ratelimit-Remaining-Requests": {fmt.Sprint(quotaOfRequests - used)},
			"X-Ratelimit-Remaining-Tokens":   {fmt.Sprint(quotaOfTokens - 24*used)},
			"X-Ratelimit-Reset-Requests":     {"12ms"},
			"X-Ratelimit-Reset-Tokens":       {"9ms"},
		}})
	}
	return c
}

func (c *countdown) RoundTrip(req *http.Request) (*http.Response, error) {
	c.next = (c.next + 1) % len(c.answers)
	return c.answers[c.next].RoundTrip(req)
}

func transports() []guard {
	plain := stub{http.Header{"Date": {"Sun, 21 Jun 2026 12:00:00 GMT"}, "Content-Type": {"text/plain"}}}
	all := everythingOn(64)
	all.AttemptTimeout, all.Budgets = time.Minute, []pipeline.Budget{{Name: "requests", Tokens: 1 << 50, Window: time.Minute, Requests: true}}
	return []guard{
		{"bare", getThrough(plain)},
		{"bare, two quotas told", getThrough(newCountdown())},
		{"retryablehttp", getThrough(retryable(plain))},
		{failsafehttpName, getThrough(failsafehttp.NewRoundTripper(plain, failsafehttp.NewRetryPolicyBuilder().Build()))},
		{transportName, getThrough(paced64(all, plain))},
		{transportToldName, getThrough(paced64(all, newCountdown()))},
		{"paceline off", getThrough(paced64(everythingOff(64), plain))},
	}
}

func retryable(base http.RoundTripper) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient.Transport, c.Logger = base, nil
	return &retryablehttp.RoundTripper{Client: c}
}

func paced64(cfg pipeline.Config, base http.RoundTripper) http.RoundTripper {
	t, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err) // the configurations are ours
	}
	return &pacehttp.Transport{Throttle: t, Base: base}
}

// getThrough returns a GET whose body is read and closed.
func getThrough(transport http.RoundTripper) func(int) func(context.Context) (int, error) {
	return func(int) func(context.Context) (int, error) {
		req, err := http.NewRequest(http.MethodGet, "http://origin.test/", nil)
		if err != nil {
			panic(err) // the address is ours
		}
		return func(context.Context) (int, error) {
			res, err := transport.RoundTrip(req)
			if err != nil {
				return 0, err
			}
			defer res.Body.Close()
			if n, err := io.Copy(io.Discard, res.Body); n != int64(len("done")) || err != nil {
				return 0, fmt.Errorf("a body of %d bytes, want %d: %w", n, len("done"), err)
			}
			return 1, nil
		}
	}
}

const roundTripCaption = `## HTTP round trips

A GET that a stub answers at once, its body read and closed: what a client costs beside sending. %s requests, one after another; median
(min–max) of %d rounds, the contestants taking turns; ratios are medians of the ratios of each round. On: Seek, breaker, retry, a timeout
for each attempt, and a budget of requests that never binds. Two quotas told: each answer says how much is left of one of requests and
of one of tokens, which is less each time. CPU: as under Single calls.

`

// roundTrips shows what a request through a Transport costs.
func roundTrips(w io.Writer, size sizes) error {
	fmt.Fprintf(w, roundTripCaption, count(size.jobs/4), size.rounds)
	gs := transports()
	all, err := raceRounds(gs, size.rounds, 1, size.jobs/4)
	if err != nil {
		return err
	}
	t := newTable("", "ns per request", "CPU, ns", "allocations", "× failsafehttp", "CPU, ×")
	for _, g := range gs {
		m := all[g.name]
		t.addFor(g.name, spread(m.ns), spread(m.cpu), fmt.Sprintf("%.2f", quantile(m.allocs, 0.5)),
			fmt.Sprintf("%.2f", m.ns.over(all[failsafehttpName].ns)), fmt.Sprintf("%.2f", m.cpu.over(all[failsafehttpName].cpu)))
	}
	t.print(w)
	base, ours := all[failsafehttpName], all[transportName]
	ratio, told, allocs := ours.cpu.over(base.cpu), all[transportToldName].cpu.over(base.cpu), quantile(ours.allocs, 0.5)
	fmt.Fprintf(w, "Targets, paceline on: at most %.1f × failsafehttp: %s (%.2f); with two quotas told at most %d ×: %s (%.2f); at most %d allocations: %s (%.2f).\n\n",
		maxOfFailsafehttp, verdict(ratio <= maxOfFailsafehttp), ratio, maxToldOfFailsafehttp, verdict(told <= maxToldOfFailsafehttp), told,
		maxAllocationsOfRoundTrip, verdict(allocs <= maxAllocationsOfRoundTrip+0.1), allocs)
	return errors.Join(
		keep(size.check, "Transport against failsafehttp", ours.cpu, base.cpu, writtenOn),
		keep(size.check, "Transport with two quotas told against failsafehttp", all[transportToldName].cpu, base.cpu, writtenTold),
	)
}
