package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// stub answers at once: what is left is what a client costs beyond sending.
type stub struct{ header http.Header }

func (s stub) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: s.header, Body: io.NopCloser(strings.NewReader("done"))}, nil
}

// BenchmarkRoundTrip is a GET that succeeds at the first attempt, its body read and closed.
func BenchmarkRoundTrip(b *testing.B) {
	plain := stub{http.Header{"Date": {"Sun, 21 Jun 2026 12:00:00 GMT"}, "Content-Type": {"text/plain"}}}
	quotas := stub{http.Header{
		"Date":                           {"Sun, 21 Jun 2026 12:00:00 GMT"},
		"X-Ratelimit-Limit-Requests":     {"5000"},
		"X-Ratelimit-Limit-Tokens":       {"160000"},
		"X-Ratelimit-Remaining-Requests": {"4999"},
		"X-Ratelimit-Remaining-Tokens":   {"159976"},
		"X-Ratelimit-Reset-Requests":     {"12ms"},
		"X-Ratelimit-Reset-Tokens":       {"9ms"},
	}}
	throttle := func(cfg pipeline.Config) *pipeline.Throttle {
		t, err := pipeline.NewThrottle(cfg)
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	static := pipeline.Config{MaxConcurrency: 64, Policy: pipeline.Static{}}
	everything := pipeline.Config{
		MaxConcurrency: 64, AttemptTimeout: time.Minute,
		Retry: &pipeline.Retry{}, Breaker: &pipeline.Breaker{},
		Budgets: []pipeline.Budget{{Name: "requests", Tokens: 1 << 50, Window: time.Minute, Requests: true}},
	}
	b.Run("Execute alone", func(b *testing.B) {
		b.ReportAllocs()
		t := throttle(static)
		for b.Loop() {
			if _, err := pipeline.Execute(b.Context(), t, func(context.Context) (int, error) { return 0, nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, bench := range []struct {
		name      string
		transport http.RoundTripper
	}{
		{"bare", plain},
		{"pacehttp, no throttle", &pacehttp.Transport{Base: plain}},
		{"pacehttp off", &pacehttp.Transport{Throttle: throttle(static), Base: plain}},
		{"pacehttp on", &pacehttp.Transport{Throttle: throttle(everything), Base: plain}},
		{"pacehttp on, two quotas told", &pacehttp.Transport{Throttle: throttle(everything), Base: quotas}},
		{"retryablehttp", retryable(plain)},
		{"failsafehttp", safe(plain)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			req, err := http.NewRequest(http.MethodGet, "http://origin.test/", nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				res, err := bench.transport.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					b.Fatal(err)
				}
				res.Body.Close()
			}
		})
	}
}
