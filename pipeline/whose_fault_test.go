package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// The tests here are of what a user gets where some rows are bad: the good ones come
// back nearly as soon as they do under Static, and no row is tried too often.

const answersTake = 50 * time.Millisecond

// rows is a service whose bad rows always end the same way, all after 50 ms.
func rows(bad func(row int) bool, how ending) *service {
	return &service{answer: func(row, _ int) answer {
		if bad(row) {
			return answer{ending: how, takes: answersTake}
		}
		return answer{takes: answersTake}
	}}
}

// sideBySide are five rows one after another.
func sideBySide(first int) func(int) bool {
	return func(row int) bool { return row >= first && row < first+5 }
}

// fivePercent are bad by chance, which the seed decides.
func fivePercent(seed uint64) func(int) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	bad := make([]bool, 10_000)
	for i := range bad {
		bad[i] = random.Float64() < 0.05
	}
	return func(row int) bool { return bad[row] }
}

// took runs rows and returns how long it took until the last good row was back, and
// until everything was.
func took(t *testing.T, s *service, bad func(int) bool, cfg pipeline.Config, n int) (good, all time.Duration) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler) // or it is said loudly that nothing has succeeded
	begin := time.Now()
	back := 0
	for r := range newLine(t, s, cfg).Run(t.Context(), feed(n)) {
		back++
		if bad(r.In) != (r.Err != nil) {
			t.Errorf("row %d: %v", r.In, r.Err)
		}
		if !bad(r.In) {
			good = time.Since(begin)
		}
	}
	if back != n {
		t.Errorf("%d rows came back, want %d", back, n)
	}
	return good, time.Since(begin)
}

// mostTries returns how often the row was tried that was tried most.
func (s *service) mostTries() (most int) {
	for _, tries := range s.attempts {
		most = max(most, tries)
	}
	return most
}

func TestBadRowsHardlyHoldUpTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		rows    int
		bad     func(int) bool
		retry   pipeline.Retry
		breaker *pipeline.Breaker
	}{
		"side by side":                   {1000, sideBySide(500), pipeline.Retry{}, nil},
		"side by side, breaker":          {1000, sideBySide(500), pipeline.Retry{}, &pipeline.Breaker{}},
		"side by side, parked":           {1000, sideBySide(500), pipeline.Retry{Park: true}, nil},
		"side by side, parked, breaker":  {1000, sideBySide(500), pipeline.Retry{Park: true}, &pipeline.Breaker{}},
		"the last ones":                  {1000, sideBySide(995), pipeline.Retry{}, nil},
		"the first ones":                 {1000, sideBySide(0), pipeline.Retry{}, nil},
		"5% by chance":                   {1000, fivePercent(1), pipeline.Retry{}, nil},
		"5% by chance, others":           {1000, fivePercent(2), pipeline.Retry{}, nil},
		"5% of many by chance":           {aTable, fivePercent(3), pipeline.Retry{}, nil},
		"5% by chance, parked":           {1000, fivePercent(4), pipeline.Retry{Park: true}, nil},
		"5% by chance, breaker, retries": {1000, fivePercent(5), pipeline.Retry{MaxAttempts: 5}, &pipeline.Breaker{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := pipeline.Config{MaxConcurrency: 5, Retry: &c.retry, Breaker: c.breaker, Seed: 1}
				s := rows(c.bad, fails)
				good, all := took(t, s, c.bad, cfg, c.rows)

				cfg.Policy, cfg.Breaker = pipeline.Static{}, nil
				goodStatic, allStatic := took(t, rows(c.bad, fails), c.bad, cfg, c.rows)

				goodTimes, allTimes := good.Seconds()/goodStatic.Seconds(), all.Seconds()/allStatic.Seconds()
				t.Logf("good rows %v, %.2f times Static's; all %v, %.2f times", good, goodTimes, all, allTimes)
				const mostGood, mostAll = 1.3, 1.5
				if goodTimes > mostGood {
					t.Errorf("good rows took %v, %v under Static: %.2f times as long, want at most %.1f", good, goodStatic, goodTimes, mostGood)
				}
				if allTimes > mostAll {
					t.Errorf("all took %v, %v under Static: %.2f times as long, want at most %.1f", all, allStatic, allTimes, mostAll)
				}
				if most, may := s.mostTries(), max(c.retry.MaxAttempts, 3); most > may { // 3 is the default
					t.Errorf("a row was tried %d times, want at most %d", most, may)
				}
			})
		})
	}
}

// TestABlockOfBadRowsHardlyHoldsUpTheOthers, though it looks like a service that is down.
func TestABlockOfBadRowsHardlyHoldsUpTheOthers(t *testing.T) {
	for _, c := range []struct {
		atOnce, bad int
		park        bool
	}{{1, 40, false}, {1, 300, true}, {5, 80, true}, {5, 300, false}, {20, 300, true}, {20, 300, false}, {20, 900, false}} {
		t.Run(fmt.Sprintf("%d of %d, %d at once, parked %v", c.bad, aTable, c.atOnce, c.park), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				bad := func(row int) bool { return row >= 500 && row < 500+c.bad }
				cfg := pipeline.Config{MaxConcurrency: c.atOnce, Retry: &pipeline.Retry{Park: c.park}, Seed: 1}
				s := rows(bad, fails)
				good, _ := took(t, s, bad, cfg, aTable)

				cfg.Policy = pipeline.Static{}
				static, _ := took(t, rows(bad, fails), bad, cfg, aTable)

				times := good.Seconds() / static.Seconds()
				t.Logf("good rows %v, %.2f times Static's", good, times)
				if times > 1.3 {
					t.Errorf("good rows took %v, %v under Static: %.2f times as long, want at most 1.3", good, static, times)
				}
				if most := s.mostTries(); most > 3 {
					t.Errorf("a row was tried %d times, want at most 3", most)
				}
			})
		})
	}
}

// TestWorkThatAlwaysErrsComesBackAndIsTold: a wrong port is no reason to wait for.
func TestWorkThatAlwaysErrsComesBackAndIsTold(t *testing.T) {
	everything := func(int) bool { return true }
	for name, park := range map[string]bool{"holding its place": false, "parked": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var told []pipeline.Event
				cfg := pipeline.Config{MaxConcurrency: 5, Retry: &pipeline.Retry{Park: park}, Seed: 1, OnEvent: func(e pipeline.Event) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, e)
				}}
				s := rows(everything, fails)
				_, all := took(t, s, everything, cfg, 300)
				synctest.Wait()

				cfg.Policy, cfg.OnEvent = pipeline.Static{}, nil
				_, static := took(t, rows(everything, fails), everything, cfg, 300)

				times := all.Seconds() / static.Seconds()
				t.Logf("%v, %.2f times Static's", all, times)
				if times > 1.5 {
					t.Errorf("took %v, %v under Static: %.2f times as long, want at most 1.5", all, static, times)
				}
				if most := s.mostTries(); most > 3 {
					t.Errorf("a row was tried %d times, want at most 3", most)
				}
				mu.Lock()
				defer mu.Unlock()
				said := slices.DeleteFunc(slices.Clone(told), func(e pipeline.Event) bool { return e.Kind != pipeline.EventNothingSucceeded })
				if len(said) != 1 || said[0].Err == nil {
					t.Errorf("told %v that nothing has succeeded, want once, with the error", said)
				}
				if slices.ContainsFunc(told, func(e pipeline.Event) bool { return e.Kind == pipeline.EventDown }) {
					t.Error("told that a service is down that never worked")
				}
			})
		})
	}
}

// TestARowThatIsRefusedForEverHardlyHoldsUpTheOthers, as one that is too large.
func TestARowThatIsRefusedForEverHardlyHoldsUpTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		row  int
		park bool
	}{
		"in the middle": {500, false}, "in the middle, parked": {500, true}, "early": {20, false}, "late": {950, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := func(row int) bool { return row == c.row }
				cfg := pipeline.Config{MaxConcurrency: 5, Retry: &pipeline.Retry{Park: c.park}, Seed: 1}
				good, all := took(t, rows(bad, refuses), bad, cfg, 1000)

				cfg.Policy = pipeline.Static{}
				goodStatic, allStatic := took(t, rows(bad, refuses), bad, cfg, 1000)

				times := good.Seconds() / goodStatic.Seconds()
				t.Logf("good rows %v, %.2f times Static's; all %v, %v under Static", good, times, all, allStatic)
				if times > 1.3 {
					t.Errorf("good rows took %v, %v under Static: %.2f times as long, want at most 1.3", good, goodStatic, times)
				}
			})
		})
	}
}

// TestInOrderARowThatIsRefusedForEverIsFoundOut: all rows behind it wait for it, so further ones are taken, one after
// another, to see whether they are accepted. The service is not taken for down.
func TestInOrderARowThatIsRefusedForEverIsFoundOut(t *testing.T) {
	for _, row := range []int{0, 20, 500} {
		for _, park := range []bool{false, true} {
			for _, policy := range []pipeline.Policy{nil, pipeline.Static{}} {
				t.Run(fmt.Sprintf("row %d, park %v, %T", row, park, policy), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var heard eventLog
						p := newLine(t, rows(func(r int) bool { return r == row }, refuses), pipeline.Config{
							MaxConcurrency: 5, Retry: &pipeline.Retry{Park: park}, Policy: policy, OnEvent: heard.add, Seed: 1,
						}).Ordered()
						next, begin := 0, time.Now()
						for r := range p.Run(t.Context(), feed(1000)) {
							if r.In != next || (r.In == row) != (r.Err != nil) {
								t.Errorf("got row %d with %v, want %d, and an error of row %d alone", r.In, r.Err, next, row)
							}
							next++
						}
						if passed := time.Since(begin); next != 1000 || passed > 3*time.Minute {
							t.Errorf("got %d rows after %v, want 1000 within 3m", next, passed)
						}
						if down := heard.of(pipeline.EventDown); len(down) > 0 {
							t.Errorf("got %v, want a service that is not taken for down", down)
						}
					})
				})
			}
		}
	}
}

// TestInOrderFewRowsAreTriedWhileAllAreRefused: none is lost, and hardly more are tried than the run holds anyway.
func TestInOrderFewRowsAreTriedWhileAllAreRefused(t *testing.T) {
	for _, park := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			tried := make(map[int]bool)
			s := &service{answer: func(row, _ int) answer {
				passed := time.Since(begin)
				if passed < 5*time.Second || passed > 10*time.Minute {
					return answer{takes: answersTake}
				}
				tried[row] = true
				return answer{takes: answersTake, ending: refuses}
			}}
			p := newLine(t, s, pipeline.Config{MaxConcurrency: 5, Retry: &pipeline.Retry{Park: park}, Seed: 1}).Ordered()
			back := 0
			for r := range p.Run(t.Context(), feed(1000)) {
				if back++; r.Err != nil {
					t.Errorf("row %d: %v", r.In, r.Err)
				}
			}
			if most := 4*5 + 1; back != 1000 || len(tried) > most {
				t.Errorf("park %v: got %d rows, %d of them tried while all are refused, want 1000, and at most %d", park, back, len(tried), most)
			}
		})
	}
}

// TestAServiceThatIsDownIsToldToBeDownAndBack, and no job is lost by it that could be
// tried again.
func TestAServiceThatIsDownIsToldToBeDownAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		var told []pipeline.EventKind
		p, err := pipeline.New(func(ctx context.Context, row int) (int, error) {
			time.Sleep(answersTake)
			if passed := time.Since(begin); passed > 10*time.Second && passed < 40*time.Second {
				return 0, errService
			}
			return row, nil
		}, pipeline.Config{MaxConcurrency: 5, Retry: &pipeline.Retry{}, Seed: 1, OnEvent: func(e pipeline.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == pipeline.EventDown || e.Kind == pipeline.EventBack {
				told = append(told, e.Kind)
				if want := map[pipeline.EventKind]pipeline.Reason{
					pipeline.EventDown: pipeline.ReasonDown, pipeline.EventBack: pipeline.ReasonBack,
				}[e.Kind]; e.To.Reason != want {
					t.Errorf("%v because of %q, want %q", e.Kind, e.To.Reason, want)
				}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for r := range p.Run(t.Context(), feed(3000)) {
			if r.Err != nil {
				failed++
			}
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%d of 3000 failed, %v, %v", failed, told, time.Since(begin))
		if want := []pipeline.EventKind{pipeline.EventDown, pipeline.EventBack}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		if failed > 60 { // probes ask with jobs that have not failed yet, at an attempt's cost
			t.Errorf("%d of 3000 rows failed while it was down", failed)
		}
	})
}

// TestBatchesWithABadRowEachHardlyTakeLonger: a call of which the most was done worked.
func TestBatchesWithABadRowEachHardlyTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(policy pipeline.Policy) time.Duration {
			begin := time.Now()
			p, err := pipeline.New(func(_ context.Context, rows []int) ([]int, error) {
				time.Sleep(answersTake)
				errs := make([]error, len(rows))
				for i, row := range rows {
					if row%10 == 3 {
						errs[i] = errService
					}
				}
				return rows, pipeline.Partial(errs)
			}, pipeline.Config{MaxConcurrency: 5, Retry: &pipeline.Retry{}, Policy: policy, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			for r := range pipeline.Batch(p, 10, time.Second).Run(t.Context(), feed(2000)) {
				if bad := r.In%10 == 3; bad != (r.Err != nil) {
					t.Errorf("row %d: %v", r.In, r.Err)
				}
			}
			return time.Since(begin)
		}
		all, static := run(nil), run(pipeline.Static{})
		t.Logf("%v, %v under Static", all, static)
		if all.Seconds() > 1.5*static.Seconds() {
			t.Errorf("took %v, %v under Static, want at most 1.5 times as long", all, static)
		}
	})
}

// TestCallsBesideBadRowsSucceed: a pipeline and single calls on the throttle through which
// somebody else's bad rows go.
func TestCallsBesideBadRowsSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(policy pipeline.Policy) (good, slowest time.Duration) {
			throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 10, Retry: &pipeline.Retry{}, Policy: policy, Seed: 1})
			begin := time.Now()
			bad, healthy := rows(sideBySide(200), fails), rows(func(int) bool { return false }, fails)
			var all sync.WaitGroup
			all.Go(func() { collect(pipeline.Attach(throttle, bad.work).Run(t.Context(), feed(500))) })
			all.Go(func() {
				for r := range pipeline.Attach(throttle, healthy.work).Run(t.Context(), feed(1000)) {
					if r.Err != nil {
						t.Errorf("row %d: %v", r.In, r.Err)
					}
				}
				good = time.Since(begin)
			})
			for range 19 {
				time.Sleep(300 * time.Millisecond)
				asked := time.Now()
				if _, err := pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (int, error) { return healthy.work(ctx, -1) }); err != nil {
					t.Errorf("a good call: %v", err)
				}
				slowest = max(slowest, time.Since(asked))
			}
			all.Wait()
			return good, slowest
		}
		good, slowest := run(nil)
		goodStatic, slowestStatic := run(pipeline.Static{})
		t.Logf("good rows %v, slowest call %v; under Static %v, %v", good, slowest, goodStatic, slowestStatic)
		if good.Seconds() > 1.3*goodStatic.Seconds() {
			t.Errorf("good rows took %v, %v under Static, want at most 1.3 times as long", good, goodStatic)
		}
		if slowest > slowestStatic+2*time.Second {
			t.Errorf("a call took %v, %v under Static", slowest, slowestStatic)
		}
	})
}
