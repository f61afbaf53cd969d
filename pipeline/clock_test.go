package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// TestTimeIsAParameter: time comes from the clock that was passed in. Years of the
// bubble's time change nothing, and a moment of the mock's starts the next attempt to
// the nanosecond.
func TestTimeIsAParameter(t *testing.T) {
	for name, test := range map[string]struct {
		cfg    pipeline.Config
		answer answer
		before int           // attempts before the mock moves
		wait   time.Duration // by which it has to
		after  int           // attempts then
	}{
		"pace": {
			cfg:    pipeline.Config{MinDispatchInterval: time.Second},
			before: 1, wait: time.Second, after: 2,
		},
		"rate": {
			cfg:    pipeline.Config{Rate: &pipeline.Rate{PerSecond: 0.5, Burst: 2}},
			before: 2, wait: 2 * time.Second, after: 3,
		},
		"budget": {
			cfg:    pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 30, Window: time.Minute}}},
			answer: answer{tokens: 10},
			before: 3, wait: time.Minute, after: 6,
		},
		"breaker": {
			cfg:    pipeline.Config{MaxConcurrency: 1, Breaker: &pipeline.Breaker{Failures: 4, OpenFor: time.Hour}},
			answer: answer{ending: fails},
			before: 4, wait: time.Hour, after: 5,
		},
		"backoff": {
			cfg: pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{
				Backoff: pipeline.Fixed, BaseDelay: 3 * time.Second,
			}},
			answer: answer{ending: fails},
			before: 1, wait: 3 * time.Second, after: 2,
		},
		"retry after": {
			cfg:    pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{BaseDelay: time.Nanosecond}},
			answer: answer{ending: refuses, after: 10 * time.Minute},
			before: 1, wait: 10 * time.Minute, after: 2,
		},
		"attempt timeout": {
			cfg:    pipeline.Config{MaxConcurrency: 2, AttemptTimeout: time.Minute},
			answer: answer{ending: hangs},
			before: 2, wait: time.Minute, after: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mock := clock.NewMock()
				test.cfg.Clock, test.cfg.Policy = mock, pipeline.Static{}
				s := always(test.answer)
				s.clock = mock
				p := newLine(t, s, test.cfg).Cost(func(int) int64 { return 10 })
				jobs := make(chan int)
				go func() {
					for job := 0; ; job++ {
						select {
						case jobs <- job:
						case <-t.Context().Done():
							return
						}
					}
				}()
				results := p.Run(t.Context(), jobs)
				go collect(results)
				expect := func(when string, want int) {
					t.Helper()
					synctest.Wait()
					if got := s.count(); got != want {
						t.Errorf("%s: %d attempts, want %d", when, got, want)
					}
				}
				time.Sleep(100 * 24 * time.Hour)
				expect("mock stands", test.before)
				mock.Add(test.wait - 1)
				time.Sleep(100 * 24 * time.Hour)
				expect("a nanosecond too early", test.before)
				mock.Add(1)
				expect("in time", test.after)
			})
		})
	}
}

func TestResultsTellTheTimeOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		s := always(answer{takes: time.Hour})
		p := newLine(t, s, pipeline.Config{Clock: mock, MaxConcurrency: 1, TotalJobs: 2, OnEvent: func(e pipeline.Event) {
			if e.At.Year() != 1970 {
				t.Errorf("%v at %v", e.Kind, e.At)
			}
		}})
		results := p.Run(t.Context(), feed(2))
		synctest.Wait()
		mock.Add(time.Second)
		time.Sleep(time.Hour)
		if r := <-results; r.Took != time.Second || r.Waited != 0 {
			t.Errorf("first job waited %v, took %v", r.Waited, r.Took)
		}
		synctest.Wait()
		if eta := p.Throttle().Snapshot().ETA.Round(time.Millisecond); eta != time.Second {
			t.Errorf("ETA %v after half the jobs in a second", eta)
		}
		mock.Add(time.Minute)
		time.Sleep(time.Hour)
		if r := <-results; r.Took != time.Minute || r.Waited != time.Second {
			t.Errorf("second job waited %v, took %v", r.Waited, r.Took)
		}
		p.Throttle().Close()
	})
}
