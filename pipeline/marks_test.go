package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestClassifyIsWhatAConfigWithoutOneDoes(t *testing.T) {
	failure := errors.New("failed")
	for _, c := range []struct {
		err  error
		want pipeline.Verdict
	}{
		{nil, pipeline.Succeeded},
		{failure, pipeline.Failed},
		{pipeline.Transient(failure), pipeline.Failed},
		{pipeline.Overloaded(failure, 0), pipeline.Overload},
		{pipeline.Fatal(failure), pipeline.Ignored},
		{context.Canceled, pipeline.Ignored},
		{&pipeline.PanicError{}, pipeline.Ignored},
	} {
		if got := pipeline.Classify(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestFinalIsJudgedButNotTriedAgain: a refusal of what cannot be sent twice is one
// for the throttle, and the end of its job.
func TestFinalIsJudgedButNotTriedAgain(t *testing.T) {
	failure := errors.New("failed")
	for _, c := range []struct {
		err  error
		want pipeline.AttemptCounts
	}{
		{failure, pipeline.AttemptCounts{Failed: 1}},
		{pipeline.Transient(failure), pipeline.AttemptCounts{Failed: 1}},
		{pipeline.Overloaded(failure, time.Minute), pipeline.AttemptCounts{Overloaded: 1}},
		{pipeline.Fatal(failure), pipeline.AttemptCounts{Ignored: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			throttle, err := pipeline.NewThrottle(pipeline.Config{Policy: pipeline.Static{}, Spread: -1, Retry: &pipeline.Retry{}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) {
				return 0, pipeline.Final(c.err)
			})
			var exhausted *pipeline.RetriesExhaustedError
			if !errors.Is(err, failure) || errors.As(err, &exhausted) || err.Error() != failure.Error() {
				t.Errorf("%v: got %v", c.err, err)
			}
			if got := throttle.Snapshot().Attempts; got != c.want {
				t.Errorf("%v: %+v, want %+v", c.err, got, c.want)
			}
			if wait := throttle.Snapshot().PausedFor; (wait == time.Minute) != (c.want.Overloaded == 1) {
				t.Errorf("%v: paused for %v", c.err, wait)
			}
		})
	}
	if err := pipeline.Final(nil); err != nil {
		t.Errorf("Final(nil) is %v", err)
	}
}
