package main

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/paceline-go/paceline/clock"
)

// runIn runs against a backend of the bubble that the test is in.
func runIn(t *testing.T, o options, b *backend) *summary {
	t.Helper()
	var out bytes.Buffer
	sum, err := answerAll(t.Context(), o, b, clock.Real(), &out)
	if err != nil {
		t.Fatal(err)
	}
	sum.print(&out)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return sum
}

// longer is for how many minutes a quota is used by a server that grants a minute's at once.
var longer = max(minutes, 2)

// last has a run last so many minutes of the server's time that would last ten.
func (o *options) last(minutes int) { o.samples = (o.samples*minutes + 9) / 10 }

// TestQuotaIsKeptToTheTokenAndUsed: over ten minutes of the server's time, nothing is sent that is over a quota, in no minute,
// wherever it begins, more is let in than the quota, and at least 95% of it is used.
func TestQuotaIsKeptToTheTokenAndUsed(t *testing.T) {
	const least = 0.95
	for name, change := range map[string]func(*options){
		"tokens":             func(o *options) { o.samples = 20 },
		"tokens, streamed":   func(o *options) { o.samples, o.tpm, o.stream = 8, 12_000, true },
		"requests":           func(o *options) { o.samples, o.rpm = 15, 110 },
		"requests, streamed": func(o *options) { o.samples, o.rpm, o.stream = 6, 45, true },
		"both":               func(o *options) { o.samples, o.rpm = 20, 154 },
		"tokens, Anthropic":  func(o *options) { o.samples, o.provider, o.model = 20, anthropics, "claude-haiku-4-5" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := defaults(t)
			change(&o)
			o.last(minutes)
			synctest.Test(t, func(t *testing.T) {
				sum := runIn(t, o, piped(t, o, o.serverConfig()))
				l := sum.ledger
				if l.MostRequests > o.rpm || l.MostTokens > o.tpm {
					t.Errorf("got %d requests and %d tokens in a minute, want at most %d and %d", l.MostRequests, l.MostTokens, o.rpm, o.tpm)
				}
				if refused := sum.stats.RefusedRequests + sum.stats.RefusedTokens; refused != 0 {
					t.Errorf("got %d requests refused, want none over the quota", refused)
				}
				n, requests, tokens := l.Minutes()
				t.Logf("in %d minutes, %d of %d requests and %d of %d tokens", n, requests, int64(n)*o.rpm, tokens, int64(n)*o.tpm)
				share := max(float64(requests)/float64(int64(n)*o.rpm), float64(tokens)/float64(int64(n)*o.tpm))
				if n < minutes || share < least {
					t.Errorf("got %.1f%% of a quota used in %d minutes, want %.0f%% in %d", 100*share, n, 100*least, minutes)
				}
				if !sum.complete() || l.Tokens != sum.end.Tokens {
					t.Errorf("got %d of %d answers for %d tokens, want all for the %d of the server", sum.answered, sum.total, sum.end.Tokens, l.Tokens)
				}
			})
		})
	}
}

// TestHeadersAloneAreEnough: without budgets, the throttle goes by what the server's headers say. Over ten minutes at least
// 97% of what the server allows is used, refusals by chance included, and hardly anything is sent that is over it. It allows a
// minute's quota at once, and the same again in each minute.
func TestHeadersAloneAreEnough(t *testing.T) {
	const least, mostRefused = 0.97, 0.005
	for name, change := range map[string]func(*options){
		"tokens":                 func(o *options) { o.samples = 20 },
		"tokens, streamed":       func(o *options) { o.samples, o.tpm, o.stream = 8, 12_000, true },
		"requests":               func(o *options) { o.samples, o.rpm = 15, 110 },
		"tokens, 1% by chance":   func(o *options) { o.samples, o.overloaded = 20, 0.01 },
		"tokens, more by chance": func(o *options) { o.samples, o.overloaded, o.seed = 20, mostByChance, 61 }, // and four more seeds
		"tokens, Anthropic":      func(o *options) { o.samples, o.provider, o.model = 20, anthropics, "claude-haiku-4-5" },
		"tokens, Anthropic, 1% by chance": func(o *options) {
			o.samples, o.provider, o.model, o.overloaded = 20, anthropics, "claude-haiku-4-5", 0.01
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var shares []float64
			for seeds := 1; len(shares) < seeds; {
				o := defaults(t)
				o.budgets = false
				change(&o)
				o.last(longer)
				if o.overloaded == mostByChance {
					seeds = 5 // two refusals by chance among the first ten answers look like a limit, and a minute is short
				}
				o.seed += uint64(len(shares))
				synctest.Test(t, func(t *testing.T) {
					sum := runIn(t, o, piped(t, o, o.serverConfig()))
					l := sum.ledger
					n, requests, tokens := l.Minutes()
					allowed := int64(n + 1)
					t.Logf("in %d minutes, %d of %d requests and %d of %d tokens", n, requests, allowed*o.rpm, tokens, allowed*o.tpm)
					share := max(float64(requests)/float64(allowed*o.rpm), float64(tokens)/float64(allowed*o.tpm))
					if n < longer-1 { // all is done before so much has flowed in: more than the quota of a minute was there at once
						share = min(float64(sum.end.Tokens)/float64(int64(longer)*o.tpm), 1)
					}
					shares = append(shares, share)
					refused := sum.stats.RefusedRequests + sum.stats.RefusedTokens
					if float64(refused) > mostRefused*float64(l.Requests) || !sum.complete() {
						t.Errorf("got %d of %d requests refused, %d of %d answered", refused, l.Requests, sum.answered, sum.total)
					}
				})
			}
			slices.Sort(shares)
			if median := shares[len(shares)/2]; median < least {
				t.Errorf("got %.1f%% of a quota used at the median of %v, want %.0f%%, within %d minutes", 100*median, shares, 100*least, longer-1)
			}
		})
	}
}

// TestHeadersTellWhatAServerKeeps: one that keeps charging for the longest answer says so, and goes on being used up.
func TestHeadersTellWhatAServerKeeps(t *testing.T) {
	t.Parallel()
	o := defaults(t)
	o.samples, o.budgets = 16, false
	o.last(longer)
	synctest.Test(t, func(t *testing.T) {
		cfg := o.serverConfig()
		cfg.KeepsReserve = true
		sum := runIn(t, o, piped(t, o, cfg))
		n, _, tokens := sum.ledger.Minutes()
		if share := float64(tokens) / float64(int64(n+1)*o.tpm); n < longer || share < 0.97 {
			t.Errorf("got %.1f%% of what is granted used in %d minutes, want 97%% in %d", 100*share, n, longer)
		}
		if refused := sum.stats.RefusedTokens; refused > sum.ledger.Requests/200 || !sum.complete() {
			t.Errorf("got %d of %d requests refused, want one in two hundred at most", refused, sum.ledger.Requests)
		}
	})
}

// A server that keeps charging for the longest answer that was allowed grants less than it seems. What its headers say is
// listened to: a request in fifty is refused at most. What a header says is left is taken to be all until the quota is
// whole again, while it flows back all the time; so now and then some of it is not used.
func TestQuotaOfAServerThatGivesNothingBackIsFoundOut(t *testing.T) {
	t.Parallel()
	o := defaults(t)
	o.samples = 16
	o.last(minutes)
	synctest.Test(t, func(t *testing.T) {
		cfg := o.serverConfig()
		cfg.KeepsReserve = true
		sum := runIn(t, o, piped(t, o, cfg))
		n, _, tokens := sum.ledger.Minutes()
		if share := float64(tokens) / float64(int64(n)*o.tpm); n < minutes || share < 0.8 {
			t.Errorf("got %.1f%% of what is granted used in %d minutes, want 80%% in %d", 100*share, n, minutes)
		}
		if refused := sum.stats.RefusedTokens; refused > sum.ledger.Requests/50 || !sum.complete() {
			t.Errorf("got %d of %d requests refused, want one in fifty at most", refused, sum.ledger.Requests)
		}
	})
}
