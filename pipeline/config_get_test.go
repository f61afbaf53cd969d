package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestOneFieldIsUpdatedAndTheOthersAreKept(t *testing.T) {
	cfg := pipeline.Config{
		MaxConcurrency: 30, Budgets: []pipeline.Budget{{Name: "day", Tokens: 5, Window: time.Hour}},
		Breaker: &pipeline.Breaker{Failures: 3}, Retry: &pipeline.Retry{MaxAttempts: 7}, Rate: &pipeline.Rate{PerSecond: 3},
	}
	throttle := newThrottle(t, cfg)
	k := newKeyed(t, pipeline.KeyedConfig[int]{Each: cfg})
	for name, configured := range map[string]interface {
		Config() pipeline.Config
		Update(pipeline.Config) error
	}{"throttle": throttle, "keyed": k} {
		got := configured.Config()
		got.MaxConcurrency = 20 // below what was InitialConcurrency's default
		if err := configured.Update(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got.Budgets[0].Tokens, got.Retry.MaxAttempts = 99, 99 // is no business of the throttle's any more
		got = configured.Config()
		if got.MaxConcurrency != 20 || got.InitialConcurrency != 0 || len(got.Budgets) != 1 || got.Budgets[0].Tokens != 5 ||
			got.Breaker.Failures != 3 || got.Retry.MaxAttempts != 7 || got.Rate.PerSecond != 3 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if s := throttle.Snapshot(); s.MaxConcurrency != 20 || len(s.Budgets) != 1 {
		t.Errorf("in force: %+v", s)
	}
	cfg.Retry.MaxAttempts = 99
	if n := throttle.Config().Retry.MaxAttempts; n != 7 {
		t.Errorf("what the caller kept has changed ours: %d attempts", n)
	}
}

func TestIgnoredErrorIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ignore := func(error) pipeline.Verdict { return pipeline.Ignored }
		cfg := pipeline.Config{Classify: ignore, Retry: &pipeline.Retry{}}
		for _, r := range runAll(t, always(answer{ending: fails}), cfg, 3) {
			if r.Attempts != 1 || r.Err != errService {
				t.Errorf("job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
			}
		}
		l := teller{answer: func(_ int, jobs []int) ([]int, error) { return jobs, pipeline.Partial([]error{errService, nil}) }}
		for _, r := range collect(newBatches(t, &l, cfg, 2, time.Second).Run(t.Context(), feed(2))) {
			if r.Attempts != 1 {
				t.Errorf("job %d of a batch: %d attempts, %v", r.In, r.Attempts, r.Err)
			}
		}
		_, err := pipeline.Execute(t.Context(), newThrottle(t, cfg), func(context.Context) (int, error) { return 0, errService })
		if err != errService {
			t.Errorf("a call: %v", err)
		}
	})
}
