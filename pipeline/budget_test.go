package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestBudgetIsNeverOvershotByMoreThanTheEstimatesErrors: in any window, what
// started did not use more than the budget, but for what it used beyond its
// estimate.
func TestBudgetIsNeverOvershotByMoreThanTheEstimatesErrors(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(1, 60).Draw(rt, "jobs")
		cfg := pipeline.Config{
			MaxConcurrency: rapid.IntRange(1, 10).Draw(rt, "max"),
			Policy:         pipeline.Static{},
			Retry:          &pipeline.Retry{BaseDelay: time.Millisecond, Park: rapid.Bool().Draw(rt, "park")},
			Seed:           1,
		}
		for range rapid.IntRange(1, 3).Draw(rt, "budgets") {
			cfg.Budgets = append(cfg.Budgets, pipeline.Budget{
				Tokens: rapid.Int64Range(10, 100).Draw(rt, "tokens"),
				Window: time.Duration(rapid.Int64Range(1, 2000).Draw(rt, "window")) * time.Millisecond,
			})
		}
		draw := func(what string, least, most int64) []int64 {
			return rapid.SliceOfN(rapid.Int64Range(least, most), 8, 8).Draw(rt, what)
		}
		costs, uses, takes := draw("costs", 0, 10), draw("uses", 0, 20), draw("takes", 0, int64(300*time.Millisecond))
		bad := rapid.SliceOfN(rapid.Bool(), 8, 8).Draw(rt, "bad")
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer {
				a := answer{takes: time.Duration(takes[(job+number)%8]), tokens: uses[(job+3*number)%8]}
				if bad[(job+number)%8] {
					a.ending = fails
				}
				return a
			}}
			cost := func(job int) int64 { return costs[job%8] }
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			n := len(collect(p.Cost(cost).Run(context.Background(), feed(jobs))))
			f.check(n == jobs, "%d results of %d", n, jobs)
			// What an attempt holds of the budget, as long as it counts.
			held := func(a *attempt) int64 {
				switch {
				case a.answer.tokens > 0:
					return min(a.answer.tokens, cost(a.job))
				}
				return cost(a.job) // also if it failed
			}
			for _, b := range cfg.Budgets {
				for i, first := range s.log {
					sum := int64(0)
					for _, a := range s.log[i:] {
						if a.start.Sub(first.start) < b.Window {
							sum += held(a)
						}
					}
					f.check(sum <= b.Tokens, "%d tokens in %v, budget %d", sum, b.Window, b.Tokens)
				}
			}
		}
	})
}

func budgetStarts(t *testing.T, s *service, jobs int, cost func(int) int64, budgets ...pipeline.Budget) []time.Duration {
	t.Helper()
	p := newLine(t, s, pipeline.Config{MaxConcurrency: 4, Budgets: budgets, Policy: pipeline.Static{}})
	if cost != nil {
		p.Cost(cost)
	}
	begin := time.Now()
	for r := range p.Run(t.Context(), feed(jobs)) {
		if r.Err != nil {
			t.Errorf("job %d: %v", r.In, r.Err)
		}
	}
	return s.starts(begin)
}

func constant(n int64) func(int) int64 { return func(int) int64 { return n } }

func TestBudgetComesBackAWindowAfterItWasSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := budgetStarts(t, always(answer{}), 6, constant(5), pipeline.Budget{Tokens: 10, Window: time.Minute})
		if want := seconds(0, 0, 60, 60, 120, 120); !slices.Equal(got, want) {
			t.Errorf("starts at %v, want %v", got, want)
		}
	})
}

func TestUnusedTokensAreFreeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: time.Minute, tokens: 1})
		got := budgetStarts(t, s, 5, constant(10), pipeline.Budget{Tokens: 13, Window: time.Hour})
		if want := seconds(0, 60, 120, 180, 3600); !slices.Equal(got, want) {
			t.Errorf("starts at %v, want %v", got, want)
		}
	})
}

func TestTokensUsedBeyondTheEstimateArePaidBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer { return answer{takes: time.Second, tokens: int64(30 - 29*min(job, 1))} }}
		got := budgetStarts(t, s, 2, constant(10), pipeline.Budget{Tokens: 15, Window: time.Minute})
		if want := seconds(0, 61); !slices.Equal(got, want) { // 10 of 30 come back at 60s, 20 at 61s
			t.Errorf("starts at %v, want %v", got, want)
		}
	})
}

func TestAttemptsForWhichNoWorkWasDoneCostNothing(t *testing.T) {
	for _, how := range []ending{refuses, failsFatally} {
		synctest.Test(t, func(t *testing.T) {
			s := always(answer{ending: how})
			p := newLine(t, s, pipeline.Config{Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}}})
			begin := time.Now()
			collect(p.Cost(constant(10)).Run(t.Context(), feed(20)))
			if took := time.Since(begin); took != 0 {
				t.Errorf("20 jobs that ended with %v took %v", how, took)
			}
		})
	}
}

// A service that times out, or breaks off, has begun the work and counts it.
func TestAttemptsThatFailOrTimeOutUseTheirCost(t *testing.T) {
	for name, a := range map[string]answer{
		"fails":            {ending: fails, takes: time.Second},
		"fails for a time": {ending: failsTransiently, takes: time.Second},
		"times out":        {ending: hangs},
		"is too late":      {ending: timesOut, takes: 20 * time.Second},
		"breaks off":       {ending: cancels, takes: time.Second},
		"panics":           {ending: panics, takes: time.Second},
		"ends the worker":  {ending: exits, takes: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const budget, cost = 90_000, 1000
				s := always(a)
				p := newLine(t, s, pipeline.Config{
					MaxConcurrency: 50, InitialConcurrency: 50, Policy: pipeline.Static{}, AttemptTimeout: 10 * time.Second,
					Retry:   &pipeline.Retry{GiveUpAfter: -1, MaxAttempts: 10},
					Budgets: []pipeline.Budget{{Tokens: budget, Window: time.Minute}},
				})
				ctx, cancel := context.WithTimeout(t.Context(), min(aFew, 10)*time.Minute)
				defer cancel()
				begin := time.Now()
				collect(p.Cost(constant(cost)).Run(ctx, feed(1000)))
				starts := s.starts(begin)
				for i, at := range starts {
					if i >= budget/cost && at-starts[i-budget/cost] < time.Minute {
						t.Fatalf("attempt %d starts at %v, %d attempts before it at %v", i, at, budget/cost, starts[i-budget/cost])
					}
				}
			})
		})
	}
}

func TestBatchThatIsDoneInPartUsesItsCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, bad := range []error{pipeline.Fatal(errService), pipeline.Overloaded(errService, 0), errService} {
			throttle := newThrottle(t, pipeline.Config{
				Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Minute}},
			})
			pipeline.Execute(pipeline.WithCost(t.Context(), 10), throttle, func(context.Context) (int, error) {
				return 0, pipeline.Partial([]error{nil, bad})
			})
			if used := throttle.Snapshot().TokensUsed; used != 10 {
				t.Errorf("%v: %d tokens used, want 10", bad, used)
			}
		}
	})
}

func TestAttemptWaitsForAllBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := budgetStarts(t, always(answer{}), 5, constant(1),
			pipeline.Budget{Name: "second", Tokens: 2, Window: time.Second}, pipeline.Budget{Name: "minute", Tokens: 3, Window: time.Minute})
		if want := seconds(0, 0, 1, 60, 60); !slices.Equal(got, want) {
			t.Errorf("starts at %v, want %v", got, want)
		}
	})
}

func TestWithoutEstimateTheRunningMeanIsReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first four may start with a share of the budget each; then it is
		// known that a job uses 20 of 100, and 5 fit in a minute.
		s := always(answer{takes: time.Second, tokens: 20})
		got := budgetStarts(t, s, 15, nil, pipeline.Budget{Tokens: 100, Window: time.Minute})
		for i := range got {
			fits := 0
			for _, start := range got[i:] {
				if start-got[i] < time.Minute {
					fits++
				}
			}
			if fits > 5 {
				t.Errorf("%d started within a minute: %v", fits, got)
			}
		}
		if last := got[len(got)-1]; last > 3*time.Minute {
			t.Errorf("the budget is not used: starts at %v", got)
		}
	})
}

func TestJobThatIsTooDearEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{})
		p := newLine(t, s, pipeline.Config{Budgets: []pipeline.Budget{
			{Name: "large", Tokens: 100, Window: time.Hour}, {Name: "small", Tokens: 10, Window: time.Hour},
		}}).Cost(func(job int) int64 { return int64(job - 1) })
		begin := time.Now()
		jobs := make(chan int, 3)
		jobs <- 12
		jobs <- 0
		jobs <- 11
		close(jobs)
		for r := range p.Run(t.Context(), jobs) {
			var cost *pipeline.CostError
			switch ok := errors.As(r.Err, &cost); {
			case r.In == 11:
				if r.Err != nil {
					t.Errorf("cost 10: %v", r.Err)
				}
			case !ok || r.Attempts != 0 || cost.Cost != int64(r.In-1):
				t.Errorf("cost %d: %d attempts, %v", r.In-1, r.Attempts, r.Err)
			case r.In == 12 && (cost.Limit != 10 || cost.Budget != "small"):
				t.Errorf("cost 11: %+v", cost)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestEmptyBudgetIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		p := newLine(t, always(answer{}), pipeline.Config{
			Budgets: []pipeline.Budget{{Name: "tpm", Tokens: 10, Window: time.Minute}}, OnEvent: log.add,
		}).Cost(constant(10))
		results := p.Run(t.Context(), feed(2))
		<-results
		synctest.Wait()
		snap := p.Throttle().Snapshot()
		if snap.TokensUsed != 10 || snap.TokensRemaining != 0 || snap.Budgets[0].Name != "tpm" || snap.Budgets[0].Used != 10 {
			t.Errorf("snapshot of an empty budget: %+v", snap)
		}
		collect(results)
		synctest.Wait()
		if want := "budget_exhausted budget_restored"; log.String() != want {
			t.Errorf("told %v, want %v", log.String(), want)
		}
		if e := log.events[0]; e.Budget != "tpm" || e.Wait != time.Minute {
			t.Errorf("told %+v", e)
		}
	})
}

func TestJobThatIsTooDearEndsAtOnceThoughAllSlotsAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, batched := range []bool{true, false} {
			s := always(answer{takes: time.Hour})
			p := newLine(t, s, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Minute}}})
			p.Cost(func(job int) int64 { return int64(job / 2 * 11) })
			begin, sent := time.Now(), time.Duration(0)
			results := p.Run(t.Context(), feed(3))
			if !batched {
				collect(results)
				jobs := make(chan int)
				results = p.Run(t.Context(), jobs)
				jobs <- 0
				jobs <- 1
				begin, sent = time.Now(), time.Minute
				go func() {
					time.Sleep(sent)
					jobs <- 2
					time.Sleep(sent)
					close(jobs)
				}()
			}
			if r := <-results; r.In != 2 || !errors.As(r.Err, new(*pipeline.CostError)) || time.Since(begin) != sent {
				t.Errorf("batched %v: job %d after %v: %v", batched, r.In, time.Since(begin), r.Err)
			}
			collect(results)
			if took := time.Since(begin); took != time.Hour {
				t.Errorf("batched %v: the others took %v", batched, took)
			}
		}
	})
}

func TestRunOnAnEmptyBudgetTakesOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{})
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 64, Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}},
		}).Cost(constant(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		collect(p.Run(ctx, feed(11))) // the last one is what finds out
		if s.count() != 10 {
			t.Errorf("%d attempts, want 10", s.count())
		}
		jobs := feed(100)
		results := p.Run(t.Context(), jobs)
		time.Sleep(time.Minute)
		if snap := p.Throttle().Snapshot(); len(jobs) != 99 || snap.Waiting != 1 || snap.TokensRemaining != 0 {
			t.Errorf("%d jobs taken, %d waiting, %d tokens left", 100-len(jobs), snap.Waiting, snap.TokensRemaining)
		}
		if n := len(collect(results)); n != 100 {
			t.Errorf("%d results of 100", n)
		}
	})
}
