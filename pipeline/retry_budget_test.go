package pipeline_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestRetriesAreAShareOfAllAttempts when every attempt fails, beside those in hand:
// no more, and hardly fewer.
func TestRetriesAreAShareOfAllAttempts(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := pipeline.Config{
			MaxConcurrency: rapid.SampledFrom([]int{1, 3, 10, 11, 30}).Draw(rt, "max"),
			Policy:         pipeline.Static{}, Seed: 1,
			Retry: &pipeline.Retry{
				MaxAttempts: rapid.SampledFrom([]int{2, 3, 1000}).Draw(rt, "maxAttempts"),
				Backoff:     pipeline.Fixed,
				BaseDelay:   time.Duration(rapid.Int64Range(1, 1e9).Draw(rt, "delay")),
				Park:        rapid.Bool().Draw(rt, "park"),
				Budget:      rapid.SampledFrom([]float64{1e-9, 0.01, 0.1, 0.2, 0.5, 0.9}).Draw(rt, "share"),
			},
		}
		jobs, calls := rapid.IntRange(0, 200).Draw(rt, "jobs"), rapid.IntRange(0, 20).Draw(rt, "calls")
		takes := time.Duration(rapid.Int64Range(0, 1e9).Draw(rt, "takes"))
		return func(f *faults) {
			s := always(answer{ending: fails, takes: takes})
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			all.Go(func() {
				for r := range pipeline.Attach(throttle, s.work).Run(context.Background(), feed(jobs)) {
					var exhausted *pipeline.RetriesExhaustedError
					ok := errors.As(r.Err, &exhausted) && exhausted.Attempts == r.Attempts && errors.Is(r.Err, errService)
					f.check(ok && r.Attempts >= 1 && r.Attempts <= cfg.Retry.MaxAttempts, "%d attempts, %v", r.Attempts, r.Err)
				}
			})
			for i := range calls {
				all.Go(func() {
					_, err := pipeline.Wrap(throttle, s.work)(context.Background(), jobs+i)
					f.check(errors.As(err, new(*pipeline.RetriesExhaustedError)), "call: %v", err)
				})
			}
			all.Wait()
			attempts, inHand := float64(s.count()), float64(max(10, cfg.MaxConcurrency))
			retries := attempts - float64(jobs+calls)
			share := cfg.Retry.Budget
			f.check(retries <= share*attempts+inHand, "%v of %v attempts were retries, share %v", retries, attempts, share)
			f.check(float64(throttle.Snapshot().Retries) == retries, "the snapshot says %d retries, want %v", throttle.Snapshot().Retries, retries)
			if cfg.Retry.MaxAttempts == 1000 && jobs > 0 { // as many as there may be: all but what does not add up to one, and what came while all were in hand
				least := share*(attempts-float64(cfg.MaxConcurrency)-1) + inHand - 1.01
				f.check(retries >= least, "%v of %v attempts were retries, want at least %v", retries, attempts, least)
			}
		}
	})
}

// attemptsOf returns how many attempts each job got, in the order of the jobs.
func attemptsOf(results []result) (attempts []int) {
	slices.SortFunc(results, func(a, b result) int { return a.In - b.In })
	for _, r := range results {
		attempts = append(attempts, r.Attempts)
	}
	return attempts
}

func TestJobsBeyondTheRetryBudgetEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := attemptsOf(runAll(t, always(answer{ending: fails}), pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 5, Budget: 0.25, BaseDelay: 1},
		}, 12))
		// Of ten in hand and a quarter from each attempt but the first, when no more
		// could be saved up, three jobs take 12 and leave 1.5; then a retry is there
		// for every three first attempts.
		want := []int{5, 5, 5, 3, 1, 1, 2, 1, 1, 2, 1, 1}
		if !slices.Equal(got, want) {
			t.Errorf("attempts %v, want %v", got, want)
		}
	})
}

func TestWithoutARetryBudgetThereIsNoBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails})
		runAll(t, s, pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 10, BaseDelay: 1}}, 100)
		if s.count() != 1000 {
			t.Errorf("%d attempts, want 1000", s.count())
		}
	})
}

func TestSuccessesEarnRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, number int) answer {
			if job < 10 || job%5 == 0 && number == 0 {
				return answer{ending: fails}
			}
			return answer{}
		}}
		results := runAll(t, s, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 2, Budget: 0.2, BaseDelay: 1},
		}, 500)
		failed := 0
		for _, r := range results {
			if r.In >= 20 && r.Err != nil {
				failed++
			}
		}
		if failed > 0 { // each sixth attempt is a retry
			t.Errorf("%d of 500 jobs failed though a fifth of all attempts may be retries", failed)
		}
	})
}

func TestRefusalsAreNoneOfTheRetryBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, how := range []ending{refuses, hints} {
			s := &service{answer: func(_, number int) answer {
				if number < 30 {
					return answer{ending: how}
				}
				return answer{}
			}}
			for _, r := range runAll(t, s, pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{Budget: 1e-9, MaxDelay: time.Second}}, 10) {
				if r.Err != nil || r.Attempts != 31 {
					t.Errorf("%d attempts, %v", r.Attempts, r.Err)
				}
			}
		}
	})
}

func TestWhatIsNotTriedAgainSpendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, how := range []ending{failsFatally, panics, cancels} {
			s := &service{answer: func(job, number int) answer {
				switch {
				case job < 50:
					return answer{ending: how}
				case number == 0:
					return answer{ending: fails}
				}
				return answer{}
			}}
			for _, r := range runAll(t, s, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Budget: 1e-9}}, 60) {
				if r.In >= 50 && r.Err != nil {
					t.Errorf("ending %d: job %d: %v", how, r.In, r.Err)
				}
			}
		}
	})
}

// TestBreakerSeesWhatRetriesDidNotMend: a breaker that counts only jobs that were
// given up counts those beyond the retry budget too.
func TestBreakerSeesWhatRetriesDidNotMend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		s := always(answer{ending: fails})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errLeft)
		defer cancel()
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, OnEvent: log.add,
			Retry: &pipeline.Retry{MaxAttempts: 1000, Budget: 1e-9, BaseDelay: 1},
			Breaker: &pipeline.Breaker{Failures: 3, OpenFor: time.Hour, Counts: func(err error) bool {
				return errors.As(err, new(*pipeline.RetriesExhaustedError))
			}},
		})
		attempts := attemptsOf(collect(p.Run(ctx, feed(4))))
		if want := []int{11, 1, 1, 0}; !slices.Equal(attempts, want) { // ten in hand
			t.Errorf("attempts %v, want %v", attempts, want)
		}
		synctest.Wait()
		opened := log.of(pipeline.EventCircuitOpened)
		if len(opened) != 1 || !errors.As(opened[0].Err, new(*pipeline.RetriesExhaustedError)) {
			t.Errorf("circuit opened: %v", opened)
		}
	})
}

func TestRetryBudgetHasAsManyInHandAsThereAreSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 20, Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 2, Budget: 1e-9}}
		s := always(answer{ending: fails})
		runAll(t, s, cfg, 100)
		if s.count() != 120 {
			t.Errorf("%d attempts, want 120", s.count())
		}
		s = always(answer{ending: fails})
		p := newLine(t, s, cfg)
		cfg.MaxConcurrency = 50
		if err := p.Throttle().Update(cfg); err != nil {
			t.Fatal(err)
		}
		collect(p.Run(t.Context(), feed(100)))
		if s.count() != 150 {
			t.Errorf("after an update to 50 slots: %d attempts, want 150", s.count())
		}
	})
}

func TestRetryBudgetOfAnUpdateHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 3, BaseDelay: 1}}
		s := always(answer{ending: fails})
		p := newLine(t, s, cfg)
		for _, step := range []struct {
			budget float64
			want   int // attempts of 30 jobs
		}{{0, 90}, {1e-9, 40}, {1e-9, 30}, {0, 90}} {
			retry := *cfg.Retry
			retry.Budget = step.budget
			cfg.Retry = &retry
			if err := p.Throttle().Update(cfg); err != nil {
				t.Fatal(err)
			}
			before := s.count()
			collect(p.Run(t.Context(), feed(30)))
			if got := s.count() - before; got != step.want {
				t.Errorf("share %v: %d attempts of 30 jobs, want %d", step.budget, got, step.want)
			}
		}
	})
}

func TestRetryBudgetIsAShare(t *testing.T) {
	for share, ok := range map[float64]bool{
		0: true, 1e-9: true, 0.1: true, 1: true, -0.1: false, 1.1: false, math.Inf(1): false, math.NaN(): false,
	} {
		err := pipeline.Config{Retry: &pipeline.Retry{Budget: share}}.Validate()
		var fault *pipeline.ConfigError
		if (err == nil) != ok || !ok && (!errors.As(err, &fault) || fault.Field != "retry.budget") {
			t.Errorf("share %v: %v", share, err)
		}
	}
}
