package pipeline_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A job for which there is nothing to do is not tried again, uses nothing of a budget, and is
// no sign that anything is wrong, however many of them come first.
func TestASkippedJobTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errKnown := errors.New("has a result")
		var told []pipeline.Event
		begin := time.Now()
		p, err := pipeline.New(func(ctx context.Context, in int) (int, error) {
			if in < 100 {
				return 0, pipeline.Skipped(errKnown)
			}
			pipeline.SlotFrom(ctx).RecordTokens(100)
			return in, nil
		}, pipeline.Config{
			MaxConcurrency: 4, Policy: pipeline.Static{}, Retry: &pipeline.Retry{}, Logger: slog.New(slog.DiscardHandler),
			Budgets: []pipeline.Budget{
				{Name: "calls", Tokens: 10, Window: time.Minute, Requests: true},
				{Name: "tokens", Tokens: 1000, Window: time.Minute},
			},
			Breaker:  &pipeline.Breaker{Failures: 3, Counts: func(error) bool { return true }},
			Classify: func(error) pipeline.Verdict { return pipeline.Overload },
			OnEvent:  func(e pipeline.Event) { told = append(told, e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for r := range p.Each(t.Context(), func(yield func(int) bool) {
			for in := 0; in < 110 && yield(in); in++ {
			}
		}) {
			if skipped := r.In < 100; r.Attempts != 1 || skipped != errors.Is(r.Err, errKnown) || skipped != (r.Err != nil) {
				t.Errorf("got %+v, want one attempt", r)
			}
		}
		if took := time.Since(begin); took >= time.Minute {
			t.Errorf("took %v, want that ten calls in a minute are enough", took)
		}
		if err := p.Throttle().Drain(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		for _, e := range told {
			if e.Kind == pipeline.EventNothingSucceeded || e.Kind == pipeline.EventRetry || e.Kind == pipeline.EventCircuitOpened {
				t.Errorf("told of %v, want nothing", e)
			}
		}
		if pipeline.Skipped(nil) != nil {
			t.Error("got an error of none")
		}
	})
}
