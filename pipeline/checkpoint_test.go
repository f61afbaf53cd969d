package pipeline_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// restarted returns what a throttle of another process gets: the checkpoint as JSON.
func restarted(t *testing.T, throttle *pipeline.Throttle) pipeline.Checkpoint {
	t.Helper()
	text, err := json.Marshal(throttle.Checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	var c pipeline.Checkpoint
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A day's budget that one process has used up is used up for the next, for as long as it
// would have been for the first.
func TestWhatWasUsedOfABudgetStaysUsedInAnotherProcess(t *testing.T) {
	cfg := pipeline.Config{MaxConcurrency: 4, Policy: pipeline.Static{}, Budgets: []pipeline.Budget{
		{Name: "hour", Tokens: 10, Window: time.Hour, Requests: true},
		{Name: "day", Tokens: 2000, Window: 24 * time.Hour},
	}}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		first := newLine(t, always(answer{tokens: 100}), cfg)
		collect(first.Run(t.Context(), feed(6)))
		time.Sleep(20 * time.Minute)
		collect(first.Run(t.Context(), feed(2)))
		c := restarted(t, first.Throttle())

		time.Sleep(10 * time.Minute)
		s := always(answer{tokens: 100})
		next := newLine(t, s, cfg)
		if !next.Throttle().Resume(c) {
			t.Fatal("got a throttle that does not resume")
		}
		for i, want := range []int64{8, 800} {
			if used := next.Throttle().Snapshot().Budgets[i].Used; used != want {
				t.Errorf("budget %d: got %d used, want %d", i, used, want)
			}
		}
		collect(next.Run(t.Context(), feed(9)))
		starts := s.starts(begin)
		for i, want := range []time.Duration{30, 30, 60, 60, 60, 60, 60, 60, 80} {
			if starts[i] != want*time.Minute {
				t.Errorf("attempt %d: started after %v, want %dm", i, starts[i], want)
			}
		}
	})
}

func TestAPauseThatAServerAskedForIsWaitedOutByAnotherProcess(t *testing.T) {
	cfg := pipeline.Config{MaxConcurrency: 4, Retry: &pipeline.Retry{}}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		first := newLine(t, always(answer{ending: refuses, after: time.Hour}), cfg)
		results := first.Run(ctx, feed(1))
		time.Sleep(time.Minute)
		c := restarted(t, first.Throttle())
		cancel()
		collect(results)

		s := always(answer{})
		next := newLine(t, s, cfg)
		next.Throttle().Resume(c)
		collect(next.Run(t.Context(), feed(1)))
		if starts := s.starts(begin); starts[0] != time.Hour {
			t.Errorf("started after %v, want an hour", starts[0])
		}
	})
}

// What was learned is believed for an hour, and not by a throttle that has begun.
func TestWhatWasLearnedIsBelievedForAnHour(t *testing.T) {
	cfg := pipeline.Config{MaxConcurrency: 100}
	for _, test := range []struct {
		after time.Duration
		begun bool
		want  int
	}{{0, false, 100}, {59 * time.Minute, false, 100}, {61 * time.Minute, false, 1}, {-2 * time.Hour, false, 1}, {0, true, 10}} {
		synctest.Test(t, func(t *testing.T) {
			first := newLine(t, always(answer{takes: time.Second}), cfg)
			collect(first.Run(t.Context(), feed(1000)))
			c := restarted(t, first.Throttle())
			if c.Learned == nil || c.Learned.Limit != 100 {
				t.Fatalf("got %+v learned, want a limit of 100", c.Learned)
			}
			c.At = c.At.Add(-test.after)
			next := newLine(t, always(answer{takes: time.Second}), cfg)
			if test.begun {
				collect(next.Run(t.Context(), feed(1)))
			}
			if resumed := next.Throttle().Resume(c); resumed == test.begun {
				t.Errorf("got resumed %v of a throttle that has begun: %v", resumed, test.begun)
			}
			if s := next.Throttle().Snapshot(); s.Concurrency != test.want {
				t.Errorf("after %v: got a limit of %d, want %d", test.after, s.Concurrency, test.want)
			} else if recalled := s.Reason == pipeline.ReasonRecalled; recalled != (test.want == 100) {
				t.Errorf("after %v: got the reason %v", test.after, s.Reason)
			}
		})
	}
}

// A checkpoint of other budgets, or of nothing, changes nothing.
func TestACheckpointOfSomethingElseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{Budgets: []pipeline.Budget{{Name: "day", Tokens: 10, Window: time.Hour}}}
		before := newThrottle(t, cfg).Snapshot()
		for _, c := range []string{
			`{}`, `{"At": "2000-01-01T00:00:00Z"}`, `{"Budgets": null, "MeanTokens": -5}`,
			`{"Budgets": [{"Name": "night", "Spent": [{"At": "2000-01-01T00:00:00Z", "Tokens": 9}]}]}`,
			`{"Budgets": [{"Name": "day", "Requests": true, "Spent": [{"At": "2000-01-01T00:00:00Z", "Tokens": 9}]}]}`,
			`{"Budgets": [{"Name": "day", "Spent": [{"At": "2000-01-01T00:00:00Z", "Tokens": -9}]}]}`,
			`{"Budgets": [{"Name": "day", "Spent": [{"At": "1990-01-01T00:00:00Z", "Tokens": 9}]}]}`,
		} {
			var given pipeline.Checkpoint
			if err := json.Unmarshal([]byte(c), &given); err != nil {
				t.Fatal(err)
			}
			throttle := newThrottle(t, cfg)
			throttle.Resume(given)
			if after := throttle.Snapshot(); after.Budgets[0].Used != 0 || after.Concurrency != before.Concurrency || after.PausedFor != 0 {
				t.Errorf("%s: got %+v, want it unchanged", c, after)
			}
		}
	})
}
