package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// records is work that records so much by name.
func records(used pipeline.Amounts) func(context.Context, int) (int, error) {
	return func(ctx context.Context, job int) (int, error) {
		for name, n := range used {
			pipeline.SlotFrom(ctx).RecordUsage(name, n)
		}
		return job, nil
	}
}

func byName(name string, tokens int64, window time.Duration) pipeline.Budget {
	return pipeline.Budget{Name: name + " budget", Counts: name, Tokens: tokens, Window: window}
}

// usedOf returns what is used of each budget, in their order.
func usedOf(t *pipeline.Throttle) (used []int64) {
	for _, b := range t.Snapshot().Budgets {
		used = append(used, b.Used)
	}
	return used
}

// TestEveryDoorCountsByName: whichever way a job comes, its costs are reserved while it runs, and
// what it used is booked when it ends.
func TestEveryDoorCountsByName(t *testing.T) {
	costs, used := pipeline.Amounts{"": 4, "input": 10, "output": 20}, pipeline.Amounts{"": 3, "input": 9, "output": 21}
	reserved, settled := []int64{4, 10, 20}, []int64{3, 9, 21}
	for name, do := range map[string]func(*pipeline.Pool[string], func(context.Context, int) (int, error)){
		"a pipeline": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			p := pipeline.Attach(pool.Throttle("one"), work).Costs(func(int) pipeline.Amounts { return costs })
			collect(p.Run(context.Background(), feed(1)))
		},
		"a chain": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			first := pipeline.Attach(newThrottle(t, pipeline.Config{}), records(nil))
			p := pipeline.Attach(pool.Throttle("one"), work).Costs(func(int) pipeline.Amounts { return costs })
			for range pipeline.Then(first, p).Run(context.Background(), feed(1)) {
			}
		},
		"a batch": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			p := pipeline.Attach(pool.Throttle("one"), func(ctx context.Context, jobs []int) ([]int, error) {
				_, err := work(ctx, jobs[0])
				return jobs, err
			})
			p.Costs(func(jobs []int) pipeline.Amounts {
				return pipeline.Amounts{"": 4, "input": int64(10 * len(jobs)), "output": 20}
			})
			for range pipeline.Batch(p, 1, time.Second).Run(context.Background(), feed(1)) {
			}
		},
		"a call": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			ctx := pipeline.WithCosts(context.Background(), costs)
			pipeline.Execute(ctx, pool.Throttle("one"), func(ctx context.Context) (int, error) { return work(ctx, 0) })
		},
		"a slot": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			slot, err := pool.Throttle("one").Acquire(pipeline.WithCosts(context.Background(), costs))
			if err != nil {
				t.Error(err)
				return
			}
			for name, n := range used {
				slot.RecordUsage(name, n)
			}
			if got := slot.Usage(); !maps.Equal(got, used) {
				t.Errorf("got %v recorded, want %v", got, used)
			}
			slot.Release(nil)
		},
		"a job with many results": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			p := pipeline.FlatMap(pool.Throttle("one"), func(ctx context.Context, job int, _ *pipeline.Emitter[int, int]) error {
				_, err := work(ctx, job)
				return err
			})
			p.Costs(func(int) pipeline.Amounts { return costs })
			for range p.Each(context.Background(), slices.Values([]int{0})) {
			}
		},
		"a pool": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			p := pipeline.ByChoice(pool, func(ctx context.Context, _ string, job int) (int, error) { return work(ctx, job) })
			p.Costs(func(int) pipeline.Amounts { return costs })
			for range p.Run(context.Background(), feed(1)) {
			}
		},
		"a call of a pool": func(pool *pipeline.Pool[string], work func(context.Context, int) (int, error)) {
			ctx := pipeline.WithCosts(context.Background(), costs)
			pipeline.ExecuteAny(ctx, pool, func(ctx context.Context, _ string) (int, error) { return work(ctx, 0) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool, err := pipeline.NewPool(pipeline.Member[string]{Name: "one", Config: pipeline.Config{Policy: pipeline.Static{}, Budgets: []pipeline.Budget{
					{Tokens: 100, Window: time.Hour}, byName("input", 100, time.Hour), byName("output", 100, pipeline.Forever),
				}}})
				if err != nil {
					t.Fatal(err)
				}
				th := pool.Throttle("one")
				do(pool, func(ctx context.Context, job int) (int, error) {
					if got := usedOf(th); !slices.Equal(got, reserved) {
						t.Errorf("got %v reserved, want %v", got, reserved)
					}
					return records(used)(ctx, job)
				})
				s := th.Snapshot()
				if got := usedOf(th); !slices.Equal(got, settled) {
					t.Errorf("got %v used, want %v", got, settled)
				}
				if want := (pipeline.Amounts{"input": 9, "output": 21}); !maps.Equal(s.Used, want) || s.Tokens != 3 {
					t.Errorf("got %v and %d tokens in all, want %v and 3", s.Used, s.Tokens, want)
				}
				if s.Budgets[2].Mean != 21 || s.Budgets[2].Remaining != 79 {
					t.Errorf("got %+v, want a mean of 21 and 79 left", s.Budgets[2])
				}
			})
		})
	}
}

// TestMoneyThatIsSpentEndsTheRun: a budget that does not come back holds no job for ever. One waits
// as long as others may give something back.
func TestMoneyThatIsSpentEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		p, err := pipeline.New(func(ctx context.Context, job int) (int, error) {
			time.Sleep(time.Second)
			pipeline.SlotFrom(ctx).RecordUsage("money", 6)
			return job, nil
		}, pipeline.Config{
			MaxConcurrency: 4, Policy: pipeline.Static{}, OnEvent: log.add,
			Budgets: []pipeline.Budget{byName("money", 25, pipeline.Forever)},
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		done, spent := 0, 0
		for r := range p.Costs(func(int) pipeline.Amounts { return pipeline.Amounts{"money": 10} }).Run(t.Context(), feed(1000)) {
			want := &pipeline.CostError{Cost: 10, Limit: 7, Budget: "money budget", Counts: "money", Spent: true}
			switch cost := new(pipeline.CostError); {
			case r.Err == nil:
				done++
			case errors.As(r.Err, &cost) && *cost == *want && r.Attempts == 0:
				spent++
			default:
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
		// Two of 10 start; when 12 are used, one more; when 18 are, none.
		if took := time.Since(begin).Round(time.Millisecond); done != 3 || spent != 997 || took != 2*time.Second {
			t.Errorf("%d done and %d given up in %v, want 3 and 997 in 2s", done, spent, took)
		}
		synctest.Wait()
		s := p.Throttle().Snapshot()
		if want := "budget_exhausted budget_restored budget_exhausted"; log.String() != want || log.events[2].Wait != 0 {
			t.Errorf("told %v, for %v at last, want %v and no end", log.String(), log.events[len(log.events)-1].Wait, want)
		}
		if s.Failed != 997 || s.Completed != 3 || s.Budgets[0].Remaining != 7 {
			t.Errorf("got %+v", s)
		}
		if _, err := pipeline.Execute(pipeline.WithCosts(t.Context(), pipeline.Amounts{"money": 8}), p.Throttle(), func(context.Context) (int, error) { return 0, nil }); !errors.As(err, new(*pipeline.CostError)) {
			t.Errorf("a call that costs 8 of the 7 that are left: %v", err)
		}
		time.Sleep(1000 * time.Hour)
		cfg := p.Throttle().Config()
		cfg.Budgets[0].Tokens = 28
		if err := p.Throttle().Update(cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := pipeline.Execute(pipeline.WithCosts(t.Context(), pipeline.Amounts{"money": 10}), p.Throttle(), func(context.Context) (int, error) { return 0, nil }); err != nil {
			t.Errorf("a call that costs 10 of 28, with 18 used: %v", err)
		}
	})
}

// TestRetryThatCostsMoreThanIsLeftComesBackWithBothErrors: the attempts of a job are paid one by one.
func TestRetryThatCostsMoreThanIsLeftComesBackWithBothErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{ending: fails}), pipeline.Config{
			Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 10}, Budgets: []pipeline.Budget{byName("money", 25, pipeline.Forever)},
		})
		for r := range p.Costs(func(int) pipeline.Amounts { return pipeline.Amounts{"money": 10} }).Run(t.Context(), feed(1)) {
			var cost *pipeline.CostError
			if !errors.As(r.Err, &cost) || cost.Limit != 5 || !errors.Is(r.Err, errService) || r.Attempts != 2 {
				t.Errorf("got %v after %d attempts, want the service's error and 10 of 5 after 2", r.Err, r.Attempts)
			}
		}
		if s := p.Throttle().Snapshot(); s.Failed != 1 || s.Budgets[0].Used != 20 {
			t.Errorf("got %+v, want 1 failed and 20 used", s)
		}
	})
}

func TestCostByNameThatNoBudgetHasIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			costs pipeline.Amounts
			want  string
		}{
			{pipeline.Amounts{"output": 11}, `paceline: cost in output: got 11, want at most 10, all of budget "output budget"`},
			{pipeline.Amounts{"output": -1}, `paceline: cost in output: got -1, want at least 0`},
			{pipeline.Amounts{"": -1}, `paceline: cost: got -1, want at least 0`},
			{pipeline.Amounts{"output": 10, "input": 1 << 50}, ``},
		} {
			th := newThrottle(t, pipeline.Config{Budgets: []pipeline.Budget{byName("output", 10, time.Minute)}})
			got := ""
			if _, err := pipeline.Execute(pipeline.WithCosts(t.Context(), test.costs), th, func(context.Context) (int, error) { return 0, nil }); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%v: got %q, want %q", test.costs, got, test.want)
			}
		}
	})
}

// TestWithoutCostByNameTheMeanIsReserved: of each name by itself.
func TestWithoutCostByNameTheMeanIsReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: time.Second})
		th := newThrottle(t, pipeline.Config{MaxConcurrency: 10, Policy: pipeline.Static{}, Budgets: []pipeline.Budget{byName("output", 100, time.Minute)}})
		p := pipeline.Attach(th, func(ctx context.Context, job int) (int, error) {
			pipeline.SlotFrom(ctx).RecordUsage("output", 20)
			return s.work(ctx, job)
		})
		collect(p.Run(t.Context(), feed(1)))
		time.Sleep(time.Minute)
		begin := time.Now()
		collect(p.Run(t.Context(), feed(6)))
		if got, want := s.starts(begin)[1:], seconds(0, 0, 0, 0, 0, 60); !slices.Equal(got, want) {
			t.Errorf("starts at %v, want %v: five times 20 of 100", got, want)
		}
		if got := th.Checkpoint().Means; !maps.Equal(got, pipeline.Amounts{"output": 20}) {
			t.Errorf("got %v, want a mean of 20", got)
		}
	})
}

// TestUsageByNameSurvivesACheckpoint: written as JSON and read by another process.
func TestUsageByNameSurvivesACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{Budgets: []pipeline.Budget{byName("output", 100, time.Hour), byName("money", 100, pipeline.Forever)}}
		before, after := newThrottle(t, cfg), newThrottle(t, cfg)
		collect(pipeline.Attach(before, records(pipeline.Amounts{"output": 3, "money": 4})).Run(t.Context(), feed(5)))
		before.RecordUsage("money", 7)
		text, err := json.Marshal(before.Checkpoint())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		var c pipeline.Checkpoint
		if err := json.Unmarshal(text, &c); err != nil || !after.Resume(c) {
			t.Fatalf("%v, or it was not resumed", err)
		}
		if got, want := usedOf(after), []int64{0, 27}; !slices.Equal(got, want) {
			t.Errorf("got %v used after two hours, want %v", got, want)
		}
		if mean := after.Snapshot().Budgets[1].Mean; mean != 4 {
			t.Errorf("got a mean of %d, want 4", mean)
		}
	})
}

func TestAJobThatUsesMoreByNameThanABudgetHasIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		th := newThrottle(t, pipeline.Config{OnEvent: log.add, Budgets: []pipeline.Budget{byName("input", 100, time.Hour), byName("output", 10, time.Hour)}})
		collect(pipeline.Attach(th, records(pipeline.Amounts{"input": 11, "output": 11})).Run(t.Context(), feed(1)))
		synctest.Wait()
		if log.String() != "budget_too_small" || log.events[0].Budget != "output budget" {
			t.Errorf("told %v of %v, want budget_too_small of the output", log.String(), log.events)
		}
	})
}

// TestStrayUsageIsTakenOut: it may come before, and from nobody.
func TestStrayUsageIsTakenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}, byName("input", 100, time.Hour)}})
		th.RecordUsage("input", 7)
		th.RecordUsage("", 3)
		th.RecordUsage("unheard of", 5)
		if got := usedOf(th); !slices.Equal(got, []int64{3, 7}) {
			t.Errorf("got %v used, want 3 and 7", got)
		}
		if got := th.Snapshot().Used; got["unheard of"] != 5 {
			t.Errorf("got %v recorded", got)
		}
		pipeline.SlotFrom(t.Context()).RecordUsage("input", 5) // outside an attempt
		if got := usedOf(th); got[1] != 7 {
			t.Errorf("got %v used, want no more", got)
		}
		for _, record := range []func(){
			func() { th.RecordUsage("input", -1) },
			func() { pipeline.SlotFrom(t.Context()).RecordUsage("input", -1) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("-1 was taken")
					}
				}()
				record()
			}()
		}
	})
}

// TestUsageAfterTheEndIsNotCounted: a goroutine that the work has left behind records nothing.
func TestUsageAfterTheEndIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, pipeline.Config{Budgets: []pipeline.Budget{byName("input", 100, time.Hour)}})
		var slot *pipeline.Slot
		pipeline.Execute(t.Context(), th, func(ctx context.Context) (int, error) {
			slot = pipeline.SlotFrom(ctx)
			slot.RecordUsage("input", 5)
			return 0, errService
		})
		slot.RecordUsage("input", 50)
		synctest.Wait()
		if got := usedOf(th); got[0] != 5 {
			t.Errorf("got %v used, want 5", got)
		}
	})
}

// TestHintOfABudgetByNameCountsWhatHasTheName: what the server says is left of output tokens is
// used by output tokens alone, also by those of attempts that have started since, and of all keys.
func TestHintOfABudgetByNameCountsWhatHasTheName(t *testing.T) {
	budgets := []pipeline.Budget{
		{Name: "input-tokens", Counts: "input", Tokens: 1000, Window: time.Hour}, {Name: "output-tokens", Counts: "output", Tokens: 1000, Window: time.Hour},
	}
	costs := func(int) pipeline.Amounts { return pipeline.Amounts{"": 1000, "input": 100, "output": 10} }
	for name, run := range map[string]func(work pipeline.Work[int, int]) []result{
		"own": func(work pipeline.Work[int, int]) []result {
			p := pipeline.Attach(newThrottle(t, pipeline.Config{Policy: pipeline.Static{}, Budgets: budgets, MaxConcurrency: 2}), work)
			return collect(p.Costs(costs).Run(context.Background(), feed(6)))
		},
		"shared": func(work pipeline.Work[int, int]) []result {
			each := pipeline.Config{Policy: pipeline.Static{}, MaxConcurrency: 1, Spread: -1}
			k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{Each: each, Shared: budgets})
			if err != nil {
				t.Fatal(err)
			}
			return collect(pipeline.ByKey(k, func(job int) int { return job % 2 }, work).Costs(costs).Run(context.Background(), feed(6)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{takes: time.Second})
				begin := time.Now()
				run(func(ctx context.Context, job int) (int, error) {
					out, err := s.work(ctx, job)
					if job == 0 { // of 35 that were left when it started, another one has taken 10
						pipeline.SlotFrom(ctx).Hint(pipeline.Hint{Budget: "output-tokens", Limit: 1000, Remaining: 35, Reset: time.Minute})
					}
					return out, err
				})
				if got, want := s.starts(begin), seconds(0, 0, 1, 1, 61, 61); !slices.Equal(got, want) {
					t.Errorf("starts at %v, want %v", got, want)
				}
			})
		})
	}
}
