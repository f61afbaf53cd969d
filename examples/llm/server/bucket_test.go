package server

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// What users were told (see bucket) is what ours would have told them.
func TestBucketSaysWhatOpenAISaid(t *testing.T) {
	for _, c := range []struct {
		limit, used, requested int64
		again                  string
	}{
		{200_000, 162_960, 42_288, "1.574s"}, // github.com/openai/codex/issues/88
		{30_000, 29_937, 385, "644ms"},       // github.com/BuilderIO/micro-agent/issues/86
		{30_000, 14_567, 24_754, "18.642s"},  // github.com/semanser/codel/issues/72
		{10_000, 8_554, 3_082, "9.816s"},     // github.com/FoundationAgents/MetaGPT/issues/523
	} {
		b := bucket{limit: c.limit, minute: time.Minute, at: start}
		b.take(c.used)
		wait := b.wait(start, c.requested)
		if got := wait.Round(time.Millisecond).String(); got != c.again {
			t.Errorf("limit %d, used %d, requested %d: got %s, want %s", c.limit, c.used, c.requested, got, c.again)
		}
		if b.wait(start.Add(wait-1), c.requested) == 0 || b.wait(start.Add(wait), c.requested) != 0 {
			t.Errorf("limit %d, used %d, requested %d: there is room before, or not yet after %v", c.limit, c.used, c.requested, wait)
		}
	}
	b := bucket{limit: 5_000, minute: time.Minute, at: start} // community.openai.com/t/1268905
	b.take(1)
	if got := duration(b.reset()); b.remaining() != 4_999 || got != "12ms" {
		t.Errorf("got %d remaining and reset in %s, want 4999 and 12ms", b.remaining(), got)
	}
}

// A caller who keeps to the quota in every minute, wherever it begins, is never refused.
func TestWhoKeepsToAMinuteIsNotRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 1_000).Draw(t, "limit")
		b := bucket{limit: limit, minute: time.Minute, at: start}
		type request struct {
			at     time.Time
			tokens int64
		}
		var all []request
		now := start
		for range rapid.IntRange(1, 50).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "gap")))
			left := limit
			for _, r := range all {
				if now.Sub(r.at) < time.Minute {
					left -= r.tokens
				}
			}
			n := rapid.Int64Range(0, left).Draw(t, "tokens")
			if wait := b.wait(now, n); wait > 0 {
				t.Fatalf("%d tokens of the %d that are left: refused for %v", n, left, wait)
			}
			b.take(n)
			all = append(all, request{now, n})
		}
	})
}

// TestLedgerCounts compares the ledger with sums over all requests.
func TestLedgerCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Ledger{minute: time.Minute}
		type request struct {
			*entry
			at     time.Time
			tokens int64
		}
		var all []*request
		now := start
		var mostRequests, mostTokens int64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "gap")).Round(time.Second))
			if len(all) > 0 && rapid.Bool().Draw(t, "settle") {
				r := rapid.SampledFrom(all).Draw(t, "which")
				r.tokens = rapid.Int64Range(0, r.tokens).Draw(t, "used")
				l.settle(r.entry, r.tokens)
				continue
			}
			n := rapid.Int64Range(0, 100).Draw(t, "tokens")
			all = append(all, &request{l.enter(now, n), now, n})
			var requests, tokens int64
			for _, r := range all {
				if now.Sub(r.at) < time.Minute {
					requests++
					tokens += r.tokens
				}
			}
			mostRequests, mostTokens = max(mostRequests, requests), max(mostTokens, tokens)
		}
		if len(all) == 0 {
			return
		}
		last := int(all[len(all)-1].at.Sub(all[0].at) / time.Minute)
		var wholeRequests, wholeTokens, sum int64
		for _, r := range all {
			sum += r.tokens
			if int(r.at.Sub(all[0].at)/time.Minute) < last {
				wholeRequests++
				wholeTokens += r.tokens
			}
		}
		minutes, requests, tokens := l.Minutes()
		got := []int64{l.Requests, l.Tokens, l.MostRequests, l.MostTokens, int64(minutes), requests, tokens}
		want := []int64{int64(len(all)), sum, mostRequests, mostTokens, int64(last), wholeRequests, wholeTokens}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
