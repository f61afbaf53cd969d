package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestASinglePromptWaitsForWhatIsInFlightAlone: while two slots are always taken by the bulk, a single prompt starts as soon as one
// of them is free, which is within the time of one answer, and all of the bulk is done.
func TestASinglePromptWaitsForWhatIsInFlightAlone(t *testing.T) {
	t.Parallel()
	o := defaults(t)
	o.limit, o.concurrency, o.single = 100, 2, 5*time.Second
	o.rpm, o.tpm = 100_000, 10_000_000
	synctest.Test(t, func(t *testing.T) {
		cfg := o.serverConfig()
		cfg.FailShare = 0
		cfg.FirstToken, cfg.PerSecond = time.Second, 100
		longest := cfg.FirstToken + time.Duration(float64(o.maxTokens)/cfg.PerSecond*float64(time.Second)) + time.Millisecond
		sum := runIn(t, o, piped(t, o, cfg))
		s := sum.single
		if !sum.complete() || len(s.took) < 10 || s.failed != 0 || len(sum.bulk) != o.limit {
			t.Errorf("got %d answers, %d singles, %d failed; want all, at least 10, none", sum.answered, len(s.took), s.failed)
		}
		waits := 0
		for i, w := range s.waited {
			if w > longest || s.took[i] > 2*longest {
				t.Errorf("single %d: waited for %v and took %v, want at most %v and twice that", i, w, s.took[i], longest)
			}
			if w > 0 {
				waits++
			}
		}
		if waits == 0 {
			t.Error("no single prompt had to wait: the slots were not full")
		}
	})
}
