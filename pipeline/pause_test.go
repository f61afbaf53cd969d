package pipeline_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

const month = 30 * 24 * time.Hour

// refusesOnce refuses the first job for a while, and accepts the others.
func refusesOnce(how ending, after time.Duration) *service {
	return &service{answer: func(job, _ int) answer {
		if job == 0 {
			return answer{ending: how, after: after}
		}
		return answer{takes: time.Second}
	}}
}

func TestNoServerHoldsEverythingForLongerThanMaxPause(t *testing.T) {
	for name, test := range map[string]struct {
		maxPause, asked, want time.Duration
	}{
		"by default":           {0, month, 2 * time.Hour},
		"the largest duration": {0, math.MaxInt64, 2 * time.Hour},
		"as configured":        {time.Minute, time.Hour, time.Minute},
		"without a bound":      {-1, math.MaxInt64, 10_000 * time.Hour},
		"a shorter pause":      {time.Hour, time.Minute, time.Minute},
	} {
		for _, how := range []ending{refuses, hints} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log eventLog
					s := refusesOnce(how, test.asked)
					throttle := newThrottle(t, pipeline.Config{
						MaxConcurrency: 2, Policy: pipeline.Static{}, MaxPause: test.maxPause, OnEvent: log.add,
					})
					begin := time.Now()
					if _, err := callService(t.Context(), throttle, s, 0); err == nil {
						t.Error("the refused call has no error")
					}
					if left := throttle.Snapshot().PausedFor; left != test.want {
						t.Errorf("paused for %v, want %v", left, test.want)
					}
					if _, err := callService(t.Context(), throttle, s, 1); err != nil {
						t.Error(err)
					}
					if passed := time.Since(begin); passed != test.want+time.Second {
						t.Errorf("the other call took %v, want %v", passed, test.want+time.Second)
					}
					synctest.Wait()
					want := "paused resumed"
					if test.maxPause >= 0 && test.asked > test.want {
						want = "pause_bounded " + want
						if e := log.of(pipeline.EventPauseBounded); e[0].Wait != min(test.asked, 10_000*time.Hour) {
							t.Errorf("the event says %v, want what the server asked for", e[0].Wait)
						}
					}
					if got := log.String(); got != want {
						t.Errorf("events %v, want %v", got, want)
					}
				})
			})
		}
	}
}

func TestJobThatIsToWaitLongerThanMaxPauseComesBackAtOnce(t *testing.T) {
	for _, park := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			p := newLine(t, refusesOnce(refuses, month), pipeline.Config{
				MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Park: park, GiveUpAfter: -1},
			})
			results := p.Run(t.Context(), feed(3))
			r := <-results
			var pause *pipeline.PauseError
			var exhausted *pipeline.RetriesExhaustedError
			if !errors.As(r.Err, &pause) || !errors.As(r.Err, &exhausted) || !errors.Is(r.Err, errService) {
				t.Fatalf("got %v", r.Err)
			}
			if pause.RetryAfter != month || pause.MaxPause != 2*time.Hour || r.Attempts != 1 || time.Since(begin) != 0 {
				t.Errorf("%+v after %d attempts and %v", pause, r.Attempts, time.Since(begin))
			}
			for _, r := range collect(results) {
				if r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
	}
}

// That calls of others go on does not keep those of a resource waiting for longer.
func TestUsedUpResourceIsAskedForAgainAfterMaxPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}, MaxPause: time.Hour})
		s := always(answer{})
		graphql, core := pipeline.WithResource(t.Context(), "graphql"), pipeline.WithResource(t.Context(), "core")
		pipeline.Execute(graphql, throttle, func(ctx context.Context) (int, error) {
			pipeline.SlotFrom(ctx).Hint(pipeline.Hint{Budget: "graphql", Resource: "graphql", Requests: true, Limit: 10, Reset: month})
			return 0, nil
		})
		begin := time.Now()
		for range 90 {
			time.Sleep(time.Minute)
			if _, err := callService(core, throttle, s, 1); err != nil {
				t.Error(err)
			}
		}
		if _, err := callService(graphql, throttle, s, 0); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begin); waited != 90*time.Minute {
			t.Errorf("asked again after %v, want as soon as there is a call", waited)
		}
	})
}

// An empty quota asks for a pause too.
func TestEmptyQuotaIsAskedForAgainAfterMaxPause(t *testing.T) {
	for name, hint := range map[string]pipeline.Hint{
		"no name":   {Limit: 10, Remaining: 0, Reset: month},
		"a budget":  {Budget: "calls", Limit: 10, Remaining: 0, Reset: month},
		"no budget": {Budget: "others", Limit: 10, Remaining: 0, Reset: month, Requests: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{takes: time.Second})
				throttle := newThrottle(t, pipeline.Config{
					MaxConcurrency: 5, Policy: pipeline.Static{}, MaxPause: time.Hour,
					Budgets: []pipeline.Budget{{Name: "calls", Tokens: 100, Window: time.Minute, Requests: true}},
				})
				begin := time.Now()
				pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (int, error) {
					pipeline.SlotFrom(ctx).Hint(hint)
					return 0, nil
				})
				for range 3 {
					go callService(t.Context(), throttle, s, 1)
				}
				time.Sleep(4 * time.Hour)
				got := s.starts(begin)
				if len(got) != 3 || got[0] != time.Hour {
					t.Errorf("attempts at %v, want the first after an hour", got)
				}
				if name != "a budget" && got[1] < 2*time.Hour {
					t.Errorf("attempts at %v, want one an hour: nothing says that there is more", got)
				}
			})
		})
	}
}

func TestUpdateLiftsAPause(t *testing.T) {
	for name, how := range map[string]ending{"of an error": refuses, "of a hint": succeeds} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log eventLog
				s := &service{answer: func(job, number int) answer {
					if job == 0 && number == 0 {
						return answer{ending: how, after: time.Hour}
					}
					return answer{}
				}}
				cfg := pipeline.Config{
					MaxConcurrency: 2, InitialConcurrency: 2, Policy: pipeline.Static{}, OnEvent: log.add,
					Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second},
				}
				p := newLine(t, s, cfg)
				begin := time.Now()
				jobs := make(chan int, 3)
				jobs <- 0
				results := p.Run(t.Context(), jobs)
				synctest.Wait()
				if how == succeeds {
					pipeline.Execute(t.Context(), p.Throttle(), func(ctx context.Context) (int, error) {
						pipeline.SlotFrom(ctx).Hint(pipeline.Hint{RetryAfter: time.Hour, Remaining: 0, Reset: time.Hour})
						return 0, nil
					})
				}
				jobs <- 1
				close(jobs)
				time.Sleep(time.Minute)
				if err := p.Throttle().Update(cfg); err != nil {
					t.Fatal(err)
				}
				if left := p.Throttle().Snapshot().PausedFor; left != 0 && how == refuses {
					t.Errorf("paused for another %v", left)
				}
				for _, r := range collect(results) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
				got := s.starts(begin)
				if last := got[len(got)-1]; last > time.Minute+time.Second {
					t.Errorf("attempts at %v, want none after the update's second", got)
				}
				synctest.Wait()
				if len(log.of(pipeline.EventResumed)) == 0 {
					t.Errorf("events %v, want one that says that the pause is over", log.String())
				}
			})
		})
	}
}
