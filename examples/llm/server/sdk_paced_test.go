package server_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/examples/llm/server"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// TestSDKsOverAThrottleGetEveryAnswer: below an SDK whose own retries are off, a Transport gets more
// calls done than a minute has room for, with failures and overload in between, and tells nobody.
func TestSDKsOverAThrottleGetEveryAnswer(t *testing.T) {
	const callers, calls = 8, 60
	for name, ask := range map[string]func(*server.Server, *http.Client) func() error{
		"OpenAI": func(s *server.Server, client *http.Client) func() error {
			sdk := openai.NewClient(option.WithBaseURL(s.URL()+"/v1"), option.WithAPIKey("key"), option.WithMaxRetries(0), option.WithHTTPClient(client))
			return func() error {
				_, err := sdk.Chat.Completions.New(t.Context(), asked(20))
				return err
			}
		},
		"Anthropic": func(s *server.Server, client *http.Client) func() error {
			sdk := anthropic.NewClient(anthropicoption.WithoutEnvironmentDefaults(), anthropicoption.WithBaseURL(s.URL()), anthropicoption.WithAPIKey("key"),
				anthropicoption.WithMaxRetries(0), anthropicoption.WithRequestTimeout(time.Hour), anthropicoption.WithHTTPClient(client))
			return func() error {
				_, err := sdk.Messages.New(t.Context(), message(20))
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := quick(t, server.Config{Requests: 20, Minute: 300 * time.Millisecond, FailShare: 0.1, OverloadShare: 0.1, Seed: 1})
			throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: callers, Retry: &pipeline.Retry{MaxAttempts: 6, BaseDelay: time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			defer throttle.Close()
			base := new(http.Transport)
			defer base.CloseIdleConnections()
			call := ask(s, &http.Client{Transport: &pacehttp.Transport{
				Throttle: throttle, Base: base, Retry: func(*http.Request) bool { return true },
			}})
			var left atomic.Int64
			left.Store(calls)
			var all conc.WaitGroup
			for range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if err := call(); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			if st, a := s.Stats(), throttle.Snapshot().Attempts; st.Requests() <= calls || a.Succeeded != calls {
				t.Errorf("got %+v and %+v, want %d answers, and more requests", st, a, calls)
			}
		})
	}
}
