package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// TestHeldTellsWhatHoldsUpTheNextAttempt: each of the things that may, alone, while
// it does, and for how long it has.
func TestHeldTellsWhatHoldsUpTheNextAttempt(t *testing.T) {
	for _, c := range []struct {
		by   pipeline.Hold
		name string
		cfg  pipeline.Config
		end  answer // of each attempt, which takes no time unless said
		half time.Duration
		held func(pipeline.HeldTimes) time.Duration
	}{
		{pipeline.HeldByLimit, "limit", pipeline.Config{MaxConcurrency: 1}, answer{takes: 10 * time.Second},
			5 * time.Second, func(h pipeline.HeldTimes) time.Duration { return h.Limit }},
		{pipeline.HeldByPace, "pace", pipeline.Config{MinDispatchInterval: 10 * time.Second}, answer{},
			5 * time.Second, func(h pipeline.HeldTimes) time.Duration { return h.Pace }},
		{pipeline.HeldByBudget, "budget", pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 1, Window: 10 * time.Second, Requests: true}}}, answer{},
			5 * time.Second, func(h pipeline.HeldTimes) time.Duration { return h.Budget }},
		{pipeline.HeldByRate, "rate", pipeline.Config{Rate: &pipeline.Rate{PerSecond: 0.1, Burst: 1}}, answer{},
			5 * time.Second, func(h pipeline.HeldTimes) time.Duration { return h.Rate }},
		{pipeline.HeldByCircuit, "circuit", pipeline.Config{MaxConcurrency: 1, Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 10 * time.Second}}, answer{ending: fails},
			5 * time.Second, func(h pipeline.HeldTimes) time.Duration { return h.Circuit }},
	} {
		synctest.Test(t, func(t *testing.T) {
			c.cfg.Policy = pipeline.Static{}
			p := newLine(t, always(c.end), c.cfg)
			results := p.Run(t.Context(), feed(2))
			go collect(results)
			time.Sleep(c.half)
			synctest.Wait()
			snap := p.Throttle().Snapshot()
			if snap.HeldBy != c.by || snap.HeldBy.String() != c.name {
				t.Errorf("%v: held by %v", c.name, snap.HeldBy)
			}
			if got := c.held(snap.Held); got != c.half {
				t.Errorf("%v: after %v held for %v", c.name, c.half, got)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			snap = p.Throttle().Snapshot()
			var want pipeline.HeldTimes
			want.Add(c.by, 10*time.Second)
			if snap.Held != want || snap.HeldBy != pipeline.HeldByNothing {
				t.Errorf("%v: at the end %v, %+v, want %+v", c.name, snap.HeldBy, snap.Held, want)
			}
		})
	}
}

func TestHeldByServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hint := firstHints(pipeline.Hint{RetryAfter: 7 * time.Second}, answer{})
		starts := hintedStarts(t, hint, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}, 2)
		wantStarts(t, starts, seconds(0, 7))
	})
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{Spread: -1, Policy: pipeline.Static{}})
		if err != nil {
			t.Fatal(err)
		}
		call := func(ctx context.Context) (int, error) {
			pipeline.SlotFrom(ctx).Hint(pipeline.Hint{RetryAfter: 7 * time.Second})
			return 0, nil
		}
		for range 2 {
			if _, err := pipeline.Execute(t.Context(), throttle, call); err != nil {
				t.Error(err)
			}
		}
		if held := throttle.Snapshot().Held; held != (pipeline.HeldTimes{Server: 7 * time.Second}) {
			t.Errorf("held: %+v", held)
		}
	})
}

// TestAttemptsAreCountedByVerdict, those that were recorded too, and what they used.
func TestAttemptsAreCountedByVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{Spread: -1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 4}})
		if err != nil {
			t.Fatal(err)
		}
		failure := errors.New("failed")
		ends := []error{failure, pipeline.Overloaded(failure, 0), pipeline.Overloaded(failure, 0), nil}
		if _, err := pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (int, error) {
			slot := pipeline.SlotFrom(ctx)
			slot.RecordTokens(10)
			return 0, ends[slot.Attempt()]
		}); err != nil {
			t.Error(err)
		}
		if _, err := pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) {
			return 0, pipeline.Fatal(failure)
		}); !errors.Is(err, failure) {
			t.Error(err)
		}
		throttle.RecordSuccess(time.Second, 5)
		throttle.RecordFailure(failure)
		throttle.RecordTokens(100)
		snap := throttle.Snapshot()
		if want := (pipeline.AttemptCounts{Succeeded: 2, Failed: 2, Overloaded: 2, Ignored: 1}); snap.Attempts != want {
			t.Errorf("attempts: %+v, want %+v", snap.Attempts, want)
		}
		if snap.Tokens != 145 {
			t.Errorf("%d tokens, want 145", snap.Tokens)
		}
	})
}
