package pacehttp_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// flowing is a server of 100 requests a minute that flow back all the time, as OpenAI's
// and Anthropic's do. It answers after a while.
type flowing struct {
	tell func(h http.Header, remaining int64, full time.Duration)

	mu                sync.Mutex
	used              time.Duration // until it is full
	at                time.Time
	accepted, refused int
}

const flows = 600 * time.Millisecond // until one comes back

func (f *flowing) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	now := time.Now()
	f.used, f.at = max(f.used-now.Sub(f.at), 0), now
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}
	if f.used+flows > 100*flows {
		f.refused++
		res.StatusCode = http.StatusTooManyRequests
	} else {
		f.accepted++
		f.used += flows
	}
	f.tell(res.Header, int64((100*flows-f.used)/flows), f.used)
	f.mu.Unlock()
	time.Sleep(1500 * time.Millisecond)
	res.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return res, nil
}

// TestQuotasThatFlowBackAreUsedUp: that they do is found out from headers as OpenAI and as
// Anthropic write them, so that hardly any request is refused, and none waits for all of
// the quota to come back.
func TestQuotasThatFlowBackAreUsedUp(t *testing.T) {
	for name, tell := range map[string]func(http.Header, int64, time.Duration){
		"OpenAI": func(h http.Header, remaining int64, full time.Duration) {
			h.Set("X-Ratelimit-Limit-Requests", "100")
			h.Set("X-Ratelimit-Remaining-Requests", fmt.Sprint(remaining))
			h.Set("X-Ratelimit-Reset-Requests", (full + time.Millisecond - 1).Truncate(time.Millisecond).String())
		},
		"Anthropic": func(h http.Header, remaining int64, full time.Duration) {
			at := time.Now().Add(full + time.Second - 1).Truncate(time.Second)
			h.Set("Anthropic-Ratelimit-Requests-Limit", "100")
			h.Set("Anthropic-Ratelimit-Requests-Remaining", fmt.Sprint(remaining))
			h.Set("Anthropic-Ratelimit-Requests-Reset", at.UTC().Format(time.RFC3339))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &flowing{tell: tell, at: time.Now()}
				throttle, err := pipeline.NewThrottle(pipeline.Config{
					MaxConcurrency: 16, Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 9},
				})
				if err != nil {
					t.Fatal(err)
				}
				client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Base: f}}
				begin := time.Now()
				var all sync.WaitGroup
				for range 16 {
					all.Go(func() {
						for time.Since(begin) < 10*time.Minute {
							res, err := client.Get("http://service/")
							if err != nil {
								t.Error(err)
								return
							}
							io.Copy(io.Discard, res.Body)
							res.Body.Close()
						}
					})
				}
				all.Wait()
				possible := 100 + int(time.Since(begin)/flows)
				if f.refused > f.accepted/100 || f.accepted < possible*97/100 {
					t.Errorf("%d accepted of %d, %d refused", f.accepted, possible, f.refused)
				}
			})
		})
	}
}

// A middleware that only delays says so of each request that it lets through.
func TestAQuotaOfNothingIsNoneIfTheRequestWasAccepted(t *testing.T) {
	for status, want := range map[int]int{200: 0, 404: 1, 429: 1} {
		res := &http.Response{StatusCode: status, Header: header(`X-RateLimit-Limit: 0
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: 20`)}
		if got := pacehttp.Hints(res, noon, 0); len(got) != want {
			t.Errorf("%d: %s", status, strings.TrimSpace(fmt.Sprint(got)))
		}
	}
}
