package pipeline_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// Of several refusals in a call, the longest counts: nothing starts before it is over.
func TestTheLongestRefusalOfABatchCounts(t *testing.T) {
	busy := errors.New("busy")
	for name, errs := range map[string][]error{
		"last":                  {pipeline.Overloaded(busy, time.Second), pipeline.Overloaded(busy, time.Hour)},
		"first":                 {pipeline.Overloaded(busy, time.Hour), pipeline.Overloaded(busy, time.Second)},
		"beside a failure":      {busy, pipeline.Overloaded(busy, time.Hour)},
		"of what is final":      {busy, pipeline.Final(pipeline.Overloaded(busy, time.Hour))},
		"an error's own":        {pipeline.Overloaded(busy, time.Second), hintError{time.Hour}},
		"beside a longer fault": {pipeline.Overloaded(busy, time.Hour), pipeline.Fatal(hintError{2 * time.Hour})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				l := &teller{answer: func(number int, jobs []int) ([]int, error) {
					if number > 0 {
						return jobs, nil
					}
					return jobs, pipeline.Partial(errs)
				}}
				cfg := pipeline.Config{Retry: &pipeline.Retry{BaseDelay: 1, MaxDelay: 1}, Policy: pipeline.Static{}}
				throttle := newThrottle(t, cfg)
				collect(pipeline.Batch(pipeline.Attach(throttle, l.work), 2, time.Second).Run(t.Context(), feed(2)))
				if took := time.Since(begin); took < time.Hour {
					t.Errorf("tried again after %v, want an hour", took)
				}
				if n := throttle.Snapshot().Attempts.Overloaded; n != 1 {
					t.Errorf("%d refusals", n)
				}
			})
		})
	}
}
