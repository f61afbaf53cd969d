package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// Trouble is a refusal that holds up its own job alone, as long as it comes by chance.
func TestTroubleHoldsUpItsOwnJobAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		mark  func(error, time.Duration) error
		other time.Duration // when the other job starts
	}{
		{"Trouble", pipeline.Trouble, time.Second},
		{"Overloaded", pipeline.Overloaded, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, starts := time.Now(), map[string][]time.Duration{}
			work := func(_ context.Context, job string) (string, error) {
				starts[job] = append(starts[job], time.Since(began).Truncate(time.Second))
				if job == "unlucky" && len(starts[job]) == 1 {
					return "", c.mark(errors.New("529"), 10*time.Second)
				}
				time.Sleep(time.Second)
				return job, nil
			}
			p := newPipeline(t, work, pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{Park: true}})
			jobs := make(chan string)
			go func() {
				defer close(jobs)
				jobs <- "unlucky"
				time.Sleep(time.Second)
				jobs <- "other"
			}()
			for r := range p.Run(t.Context(), jobs) {
				if r.Err != nil {
					t.Errorf("%s: %v", c.name, r.Err)
				}
			}
			if got := starts["other"]; len(got) != 1 || got[0] < c.other || got[0] > c.other+2*time.Second || len(starts["unlucky"]) != 2 {
				t.Errorf("%s: started %v, want the other one at %v", c.name, starts, c.other)
			}
		})
	}
	if err := pipeline.Trouble(nil, time.Second); err != nil {
		t.Errorf("Trouble(nil, 1s) is %v", err)
	}
	if err := pipeline.Trouble(context.Canceled, 0); !errors.Is(err, context.Canceled) || pipeline.Classify(err) != pipeline.Overload {
		t.Errorf("got %v, %v", err, pipeline.Classify(err))
	}
}
