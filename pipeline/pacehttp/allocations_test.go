//go:build !race

package pacehttp_test

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

// TestRoundTripAllocatesLittle: with everything on, of which three are the response's own, and as many
// when it tells of quotas.
func TestRoundTripAllocatesLittle(t *testing.T) {
	for name, fields := range map[string]string{"nothing told": common, "two quotas told": common + answers[4].fields} {
		h := header(fields)
		transport := &pacehttp.Transport{
			Throttle: newThrottle(t, pipeline.Config{
				MaxConcurrency: 64, AttemptTimeout: time.Minute, Retry: &pipeline.Retry{}, Breaker: &pipeline.Breaker{},
				Budgets: []pipeline.Budget{{Name: "requests", Tokens: 1 << 50, Window: time.Minute, Requests: true}},
			}),
			Base: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(strings.NewReader("done"))}, nil
			}),
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://origin.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(2_000, func() {
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
		if got > 12 {
			t.Errorf("%s: got %v allocations for a round trip, want at most 12", name, got)
		}
	}
}
