package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestASinglePromptWaitsForWhatIsInFlightAlone: there is one slot, which the bulk always takes, and single prompts come one after another. Each
// starts as soon as the answer that is being written is there. They cost more than those of the bulk, so fair turns would have them wait
// for several answers.
func TestASinglePromptWaitsForWhatIsInFlightAlone(t *testing.T) {
	t.Parallel()
	o := defaults(t)
	o.prompts = filepath.Join(t.TempDir(), "short.jsonl")
	var short []byte
	for n := range 100 {
		short = fmt.Appendf(short, `{"id": "%d", "prompt": "Why?"}`+"\n", n)
	}
	if err := os.WriteFile(o.prompts, short, 0o600); err != nil {
		t.Fatal(err)
	}
	o.samples, o.concurrency, o.single, o.maxTokens = 1, 1, 100*time.Millisecond, 20
	o.rpm, o.tpm = 100_000, 10_000_000
	synctest.Test(t, func(t *testing.T) {
		cfg := o.serverConfig()
		cfg.FailShare = 0
		cfg.FirstToken, cfg.PerSecond = time.Second, 100
		longest := cfg.FirstToken + time.Duration(float64(o.maxTokens)/cfg.PerSecond*float64(time.Second)) + time.Millisecond
		sum := runIn(t, o, piped(t, o, cfg))
		s := sum.single
		if !sum.complete() || len(s.took) < 50 || s.failed != 0 || len(sum.bulk) != 100 {
			t.Errorf("got %d answers, %d singles, %d failed; want all, at least 50, none", sum.answered, len(s.took), s.failed)
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
			t.Error("no single prompt had to wait: the slot was not taken")
		}
		t.Logf("%d singles, %d of which waited, %v at most", len(s.took), waits, longest)
	})
}
