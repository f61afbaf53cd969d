package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// TestNoAttemptStartsLaterThanItsOwnThrottleWants: of many keys, a thousand of which are live at a time, each with a pace of its
// own, no attempt starts later than the one before it in its key and its pace say, by more than a hundredth of the pace, once
// its job is taken.
func TestNoAttemptStartsLaterThanItsOwnThrottleWants(t *testing.T) {
	keys, live, each := 2000, 1000, 5
	if os.Getenv("PACELINE_FULL") != "" {
		keys = 100_000
	}
	synctest.Test(t, func(t *testing.T) {
		pace := func(key int) time.Duration { return time.Duration(50+key%101) * time.Millisecond }
		k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{
			Each: pipeline.Config{Policy: pipeline.Static{}, Spread: -1},
			ConfigOf: func(key int, each pipeline.Config) pipeline.Config {
				each.MinDispatchInterval = pace(key)
				return each
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		type start struct {
			key int
			at  time.Time
		}
		starts := make([]start, keys*each)
		var mu sync.Mutex
		// The jobs of a thousand keys, in turn, then those of the next thousand.
		keyOf := func(job int) int { return job/(live*each)*live + job%live }
		p := pipeline.ByKey(k, keyOf, func(_ context.Context, job int) (int, error) {
			mu.Lock()
			starts[job] = start{keyOf(job), time.Now()}
			mu.Unlock()
			time.Sleep(20 * time.Millisecond)
			return 0, nil
		})
		taken := make([]time.Time, len(starts))
		for r := range p.Run(t.Context(), feed(len(starts))) {
			taken[r.In] = starts[r.In].at.Add(-r.Waited)
		}
		last := make(map[int]time.Time)
		late, most := 0, ""
		var worst float64
		for job, s := range starts { // those of a key start in the order of the jobs
			due := taken[job]
			if before, ok := last[s.key]; ok && before.Add(pace(s.key)).After(due) {
				due = before.Add(pace(s.key))
			}
			last[s.key] = s.at
			share := float64(s.at.Sub(due)) / float64(pace(s.key))
			if share > 0.01 {
				late++
			}
			if share > worst {
				worst, most = share, fmt.Sprintf("job %d of key %d was due at %v and started %v later", job, s.key, due, s.at.Sub(due))
			}
		}
		t.Logf("%d of %d attempts late by more than 1%% of the pace, at most by %.3f of it: %s", late, len(starts), worst, most)
		if late > 0 {
			t.Errorf("%d of %d attempts started late, the latest: %s", late, len(starts), most)
		}
	})
}
