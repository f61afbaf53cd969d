package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// strange is a Classify with a verdict of its own on errService.
func strange(err error) pipeline.Verdict {
	if errors.Is(err, errService) {
		return pipeline.Verdict(9)
	}
	return pipeline.Classify(err)
}

func TestAnUnknownVerdictIsAFailureAndTheErrorSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer { return answer{ending: ending(job % 2)} }}
		var log eventLog
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Classify: strange, OnEvent: log.add,
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Second}, // so that each second job is a probe
			Retry:   &pipeline.Retry{MaxAttempts: 2},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		results := collect(p.Run(ctx, feed(10)))
		for _, r := range results {
			failed := r.In%2 == 1
			if failed != (r.Err != nil) || failed && (r.Attempts != 2 || !errors.Is(r.Err, errService) || !strings.Contains(r.Err.Error(), "classify: got verdict(9), want ")) {
				t.Errorf("job %d: %v after %d attempts", r.In, r.Err, r.Attempts)
			}
		}
		if n := p.Throttle().Snapshot().Attempts.Failed; len(results) != 10 || n != 10 {
			t.Errorf("%d results, %d attempts failed", len(results), n)
		}
		synctest.Wait()
		retries := log.of(pipeline.EventRetry)
		if len(retries) != 5 || !strings.Contains(retries[0].Err.Error(), "classify: got verdict(9)") {
			t.Errorf("got events %v, want one for each attempt with that verdict that is followed by another", retries)
		}
	})
}

func TestARefusalInABatchOutweighsAnUnknownVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := teller{answer: func(_ int, jobs []int) ([]int, error) {
			return jobs, pipeline.Partial([]error{errService, pipeline.Overloaded(errors.New("busy"), time.Second)})
		}}
		throttle := newThrottle(t, pipeline.Config{Classify: strange})
		collect(pipeline.Batch(pipeline.Attach(throttle, l.work), 2, time.Second).Run(t.Context(), feed(2)))
		if got := throttle.Snapshot().Attempts; got.Overloaded != 1 {
			t.Errorf("one call was refused, but %+v", got)
		}
	})
}
