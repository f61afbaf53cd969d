package pipeline_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// MaxAttempts is a maximum of what uses up attempts; refusals do not, and are said apart.
func TestAttemptsAndRefusalsAreSaidApart(t *testing.T) {
	script := []ending{refuses, fails, refuses, fails, fails}
	cfg := pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 3, BaseDelay: time.Second}}
	check := func(t *testing.T, r result, attempts, refusals int, err string) {
		t.Helper()
		if r.Attempts != attempts || r.Refusals != refusals || r.Err == nil || r.Err.Error() != err {
			t.Errorf("%d attempts, %d of them refusals, want %d, %d: %v", r.Attempts, r.Refusals, attempts, refusals, r.Err)
		}
	}
	const gaveUp = "paceline: gave up after 3 attempts and 2 refusals: service failed"
	t.Run("pipeline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: func(_, number int) answer { return answer{ending: script[number]} }}
			check(t, collect(newLine(t, s, cfg).Run(t.Context(), feed(1)))[0], 5, 2, gaveUp)
		})
	})
	t.Run("chain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			once := &service{answer: func(_, number int) answer { return answer{ending: []ending{refuses, succeeds}[number]} }}
			s := &service{answer: func(_, number int) answer { return answer{ending: script[number]} }}
			chain := pipeline.Then(newLine(t, once, cfg), newLine(t, s, cfg))
			check(t, collect(chain.Run(t.Context(), feed(1)))[0], 7, 3, gaveUp)
		})
	})
	t.Run("batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := teller{answer: func(number int, jobs []int) ([]int, error) {
				if number == 3 { // the first job is done with
					return jobs, pipeline.Partial([]error{pipeline.Fatal(errors.New("bad")), errService})
				}
				return jobs, answer{ending: script[number]}.err(t.Context())
			}}
			results := collect(newBatches(t, &l, cfg, 2, time.Second).Run(t.Context(), feed(2)))
			slices.SortFunc(results, func(a, b result) int { return a.In - b.In })
			check(t, results[0], 4, 2, "bad")
			check(t, results[1], 5, 2, gaveUp)
		})
	})
}
