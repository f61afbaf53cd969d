package main

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestQuotasOfInputAndOutputAreKeptAndUsed: a server that counts input and output tokens apart, the longest answer that is allowed at
// first and what was used at the end, refuses nothing for a quota in ten minutes of its time, at least 95% of whichever quota
// binds is used, and no minute, wherever it begins, has more than a quota. What the server charges for is never more than what the
// throttle has booked.
func TestQuotasOfInputAndOutputAreKeptAndUsed(t *testing.T) {
	const least = 0.95
	for name, change := range map[string]func(*options){
		"output binds":           func(o *options) { o.samples, o.itpm, o.otpm = 24, 30_000, 16_000 },
		"output binds, streamed": func(o *options) { o.samples, o.itpm, o.otpm, o.stream = 14, 30_000, 8_000, true },
		"input binds":            func(o *options) { o.samples, o.itpm, o.otpm = 20, 16_000, 60_000 },
		"requests bind":          func(o *options) { o.samples, o.itpm, o.otpm, o.rpm = 15, 60_000, 60_000, 110 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := defaults(t)
			o.provider, o.model, o.prices, o.dollars = anthropics, "claude-haiku-4-5", listPrices["claude-haiku-4-5"], 100
			change(&o)
			o.last(minutes)
			synctest.Test(t, func(t *testing.T) {
				sum := runIn(t, o, piped(t, o, o.serverConfig()))
				n, requests, _ := sum.ledger.Minutes()
				share := float64(requests) / float64(int64(n)*o.rpm)
				for _, l := range sum.apart {
					_, _, tokens := l.Minutes()
					t.Logf("in %d minutes, %d of %d %s", n, tokens, int64(n)*l.quota, l.name)
					share = max(share, float64(tokens)/float64(int64(n)*l.quota))
					if l.MostTokens > l.quota {
						t.Errorf("got %d %s in a minute, want at most %d", l.MostTokens, l.name, l.quota)
					}
				}
				if n < minutes || share < least {
					t.Errorf("got %.1f%% of a quota used in %d minutes, want %.0f%% in %d", 100*share, n, 100*least, minutes)
				}
				if refused := sum.stats.RefusedRequests + sum.stats.RefusedTokens; refused != 0 || !sum.complete() {
					t.Errorf("got %d requests refused, and %d of %d answers; want none over a quota, and all", refused, sum.answered, sum.total)
				}
				booked := sum.end.Budgets[len(sum.end.Budgets)-1].Used
				if charged := o.prices.of(sum.stats.Input, sum.stats.Output); charged > booked || charged == 0 {
					t.Errorf("got %s charged and %s booked", inDollars(charged), inDollars(booked))
				}
			})
		})
	}
}

// TestMoneyNeverGoesOver: the run ends when the money does, and the next one with more money goes on from there.
func TestMoneyNeverGoesOver(t *testing.T) {
	t.Parallel()
	o := defaults(t)
	o.provider, o.model, o.prices, o.dollars = anthropics, "claude-haiku-4-5", listPrices["claude-haiku-4-5"], 0.05
	synctest.Test(t, func(t *testing.T) {
		b := piped(t, o, o.serverConfig())
		most := int64(0)
		for run := 1; run <= 2; run++ {
			most = int64(o.dollars * dollar)
			sum := runIn(t, o, b)
			var said strings.Builder
			sum.print(&said)
			if sum.complete() || !sum.spent || !strings.Contains(said.String(), "the money is spent") {
				t.Errorf("run %d: got %d of %d answers, want some left, and why:\n%s", run, sum.before+sum.answered, sum.total, said.String())
			}
			charged := o.prices.of(sum.stats.Input, sum.stats.Output)
			if charged > most || float64(charged) < 0.9*float64(most) {
				t.Errorf("run %d: got %s charged in all, want at most %s, and nearly that", run, inDollars(charged), inDollars(most))
			}
			o.dollars += 0.05
		}
	})
}
