package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/llm/server"
)

// TestQuotaIsKeptToTheTokenAndUsed: over ten minutes of the server's time, no request goes over a quota, in no minute wherever it
// begins is more let in than the quota, and at least 95% of it is used.
func TestQuotaIsKeptToTheTokenAndUsed(t *testing.T) {
	const minutes, least = 10, 0.95
	for name, change := range map[string]func(*options){
		"tokens":              func(o *options) { o.samples = 20 },
		"tokens, streamed":    func(o *options) { o.samples, o.stream = 20, true },
		"requests":            func(o *options) { o.samples, o.rpm, o.tpm = 15, 110, 1_000_000 },
		"requests, streamed":  func(o *options) { o.samples, o.rpm, o.tpm, o.stream = 15, 110, 1_000_000, true },
		"tokens of Anthropic": func(o *options) { o.samples, o.provider, o.model = 20, anthropics, "claude-haiku-4-5" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := defaults(t)
			change(&o)
			synctest.Test(t, func(t *testing.T) {
				cfg := o.serverConfig()
				b := piped(t, o, cfg)
				var out bytes.Buffer
				sum, err := answerAll(t.Context(), t.Context(), o, b, clock.Real(), &out)
				if err != nil {
					t.Fatal(err)
				}
				sum.print(&out)
				check := func(what string, n int, used, most, quota int64) (share float64) {
					if most > quota {
						t.Errorf("%s: got %d in a minute, want at most %d", what, most, quota)
					}
					return float64(used) / float64(int64(n)*quota)
				}
				l := sum.ledger
				n, requests, tokens := l.Minutes()
				share := max(
					check("requests", n, requests, l.MostRequests, cfg.Requests),
					check("tokens", n, tokens, l.MostTokens, cfg.Tokens))
				if n < minutes || share < least {
					t.Errorf("got %.1f%% of a quota used in %d minutes, want %.0f%% in %d", 100*share, n, 100*least, minutes)
				}
				if refused := sum.stats.RefusedRequests + sum.stats.RefusedTokens; refused != 0 {
					t.Errorf("got %d requests refused, want none over the quota", refused)
				}
				if !sum.complete() {
					t.Errorf("got %d of %d answers, want all", sum.before+sum.answered, sum.total)
				}
				if l.Tokens != sum.end.Tokens {
					t.Errorf("got %d tokens booked, want the %d of the server", sum.end.Tokens, l.Tokens)
				}
				t.Logf("%d minutes, %.2f%% of a quota\n%s", n, 100*share, out.String())
			})
		})
	}
}

var _ = server.Config{}
