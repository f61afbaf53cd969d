package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// mustUpdate puts cfg in force.
func mustUpdate(t *testing.T, throttle *pipeline.Throttle, cfg pipeline.Config) {
	t.Helper()
	cfg.Spread = exact(cfg.Spread)
	if err := throttle.Update(cfg); err != nil {
		t.Fatal(err)
	}
}

// running returns how many attempts the service is at once nothing moves any
// more.
func (s *service) running() int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

// flow is a pipeline whose results are read as they come, until the test ends.
func flow(t *testing.T, p *line, jobs <-chan int) (ended <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		collect(p.Run(ctx, jobs))
	}()
	t.Cleanup(func() { cancel(); <-done })
	return done
}

// static is a config of so many at once, and nothing else.
func static(limit int) pipeline.Config {
	return pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}}
}

func TestRaisedLimitIsUsedByRunsUnderWay(t *testing.T) {
	parked := pipeline.Retry{BaseDelay: time.Hour, Backoff: pipeline.Fixed, Park: true}
	for _, test := range []struct {
		name    string
		answer  func(job, number int) answer
		ordered bool
		retry   *pipeline.Retry
		limits  []int
	}{
		{name: "once", limits: []int{500}},
		{name: "step by step", limits: []int{6, 7, 80, 81, 500}},
		{name: "up and down", limits: []int{100, 5, 200, 1, 500, 500}},
		{name: "ordered", ordered: true, limits: []int{50, 500}},
		{
			name: "the first of an ordered run hangs", ordered: true, limits: []int{50, 500},
			answer: func(job, _ int) answer {
				if job == 0 || job >= 20 {
					return answer{takes: time.Hour}
				}
				return answer{}
			},
		},
		{
			name: "all of the first jobs are parked", retry: &parked, limits: []int{500},
			answer: func(job, _ int) answer {
				if job < 20 {
					return answer{ending: fails}
				}
				return answer{takes: time.Hour}
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{takes: 3 * time.Hour})
				if test.answer != nil {
					s.answer = test.answer
				}
				cfg := static(5)
				cfg.Retry = test.retry
				p := newLine(t, s, cfg)
				if test.ordered {
					p.Ordered()
				}
				flow(t, p, feed(600))
				synctest.Wait()
				for _, limit := range test.limits {
					time.Sleep(time.Minute)
					was := s.running()
					cfg.MaxConcurrency = limit
					mustUpdate(t, p.Throttle(), cfg)
					if got := s.running(); got != max(limit, was) {
						t.Errorf("%d in flight after a limit of %d was put in force, %d before", got, limit, was)
					}
				}
				time.Sleep(24 * time.Hour) // those of the old pools end
			})
		})
	}
}

// TestRaisedLimitIsUsedByQuickJobs: attempts that were handed over ahead are
// taken back, and then the new pool gets them.
func TestRaisedLimitIsUsedByQuickJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := static(2)
		r := rehearse(t, cfg, func(*line) {})
		cfg.MaxConcurrency = 100
		mustUpdate(t, r.throttle, cfg)
		if got := r.started(); got != warm+100 {
			t.Errorf("%d are at it, want 100", got-warm)
		}
		r.end(t)
	})
}

func TestLoweredLimitHoldsFromTheNextAttempt(t *testing.T) {
	for _, quickly := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := static(8)
			cfg.Retry = &pipeline.Retry{BaseDelay: time.Nanosecond}
			if quickly {
				r := rehearse(t, cfg, func(*line) {})
				cfg.MaxConcurrency = 1
				mustUpdate(t, r.throttle, cfg)
				for range 7 {
					r.cue <- answer{}
				}
				if got := r.started(); got != warm+8 {
					t.Errorf("%d attempts started while as many ran as are allowed, want %d", got, warm+8)
				}
				r.cue <- answer{}
				if got := r.started(); got != warm+9 {
					t.Errorf("%d attempts started when all had ended, want %d", got, warm+9)
				}
				r.end(t)
				return
			}
			s := &service{answer: func(job, _ int) answer { return answer{takes: time.Duration(job%8+1) * time.Second} }}
			p := newLine(t, s, cfg)
			flow(t, p, feed(20))
			synctest.Wait()
			cfg.MaxConcurrency = 1
			mustUpdate(t, p.Throttle(), cfg)
			time.Sleep(time.Hour)
			if got := s.count(); got != 20 {
				t.Fatalf("%d attempts, want 20", got)
			}
			for _, a := range s.log[8:] {
				if a.inFlight != 1 {
					t.Errorf("job %d started with %d in flight, limit 1", a.job, a.inFlight)
				}
			}
		})
	}
}

func TestChangedIntervalHoldsFromTheNextGap(t *testing.T) {
	paced := func(interval time.Duration) pipeline.Config {
		cfg := static(5)
		cfg.MinDispatchInterval = interval
		return cfg
	}
	for _, test := range []struct {
		name      string
		first     time.Duration
		intervals []time.Duration // one a second
		want      time.Duration   // of the second start
	}{
		{"longer", 2 * time.Second, []time.Duration{time.Minute}, time.Minute},
		{"none", time.Hour, []time.Duration{0}, time.Second},
		{"shorter", time.Hour, []time.Duration{10 * time.Second}, 10 * time.Second},
		{"shorter than what has passed", time.Hour, []time.Duration{time.Minute, time.Millisecond}, 2 * time.Second},
		{"back and forth", 10 * time.Second, seconds(9, 10, 5, 10, 9, 10, 9, 10), 10 * time.Second},
		{"longer and back", time.Hour, []time.Duration{2 * time.Hour, time.Hour, 3 * time.Hour, time.Hour}, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{})
				p := newLine(t, s, paced(test.first))
				begin := time.Now()
				flow(t, p, feed(2))
				for _, interval := range test.intervals {
					time.Sleep(time.Second)
					mustUpdate(t, p.Throttle(), paced(interval))
				}
				time.Sleep(24 * time.Hour)
				if got, want := s.starts(begin), []time.Duration{0, test.want}; !slices.Equal(got, want) {
					t.Errorf("starts at %v, want %v", got, want)
				}
			})
		})
	}
}

// TestWhatHeldJobsUpHoldsNoMoreOnceItIsRemoved, and not a moment longer.
func TestWhatHeldJobsUpHoldsNoMoreOnceItIsRemoved(t *testing.T) {
	const hour = time.Hour
	failing := answer{ending: fails}
	for _, test := range []struct {
		name   string
		with   func(*pipeline.Config)
		first  answer // to the first job; nil error to the others
		before int    // attempts until then
		stays  int    // the job whose later attempt stays out
	}{
		{"interval", func(cfg *pipeline.Config) { cfg.MinDispatchInterval = hour }, answer{}, 1, 0},
		{"rate", func(cfg *pipeline.Config) { cfg.Rate = &pipeline.Rate{PerSecond: 1e-4, Burst: 2} }, answer{}, 2, 0},
		{"budget", func(cfg *pipeline.Config) { cfg.Budgets = []pipeline.Budget{{Tokens: 15, Window: hour}} }, answer{}, 3, 0},
		{"another budget", func(cfg *pipeline.Config) {
			cfg.Budgets = []pipeline.Budget{{Name: "large", Tokens: 100, Window: hour}, {Name: "small", Tokens: 15, Window: hour}}
		}, answer{}, 3, 0},
		{"open circuit", func(cfg *pipeline.Config) { cfg.Breaker = &pipeline.Breaker{Failures: 1, OpenFor: hour} }, failing, 1, 0},
		{"half-open circuit", func(cfg *pipeline.Config) {
			cfg.Breaker = &pipeline.Breaker{Failures: 1, OpenFor: time.Second}
			cfg.Retry = &pipeline.Retry{BaseDelay: time.Millisecond}
		}, failing, 2, 1}, // the probe is made with a fresh one
		{"cut", func(cfg *pipeline.Config) {
			cfg.Policy = pipeline.AIMD{FailureThreshold: 1}
			cfg.MaxDispatchInterval = 2 * hour
			cfg.MinDispatchInterval = hour
		}, failing, 1, 0},
		{"slots held while backing off", func(cfg *pipeline.Config) {
			cfg.Retry = &pipeline.Retry{BaseDelay: hour, MaxDelay: hour, Backoff: pipeline.Fixed}
			cfg.MaxConcurrency = 1
		}, failing, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{answer: func(job, number int) answer {
					switch {
					case job == 0 && number == 0:
						return test.first
					case job == test.stays:
						return answer{takes: 10 * hour}
					}
					return answer{}
				}}
				cfg := static(1)
				test.with(&cfg)
				p := newLine(t, s, cfg).Cost(constant(5))
				begin := time.Now()
				flow(t, p, feed(20))
				time.Sleep(time.Minute)
				if got := s.count(); got != test.before {
					t.Fatalf("%d attempts before, want %d", got, test.before)
				}
				mustUpdate(t, p.Throttle(), static(2))
				if synctest.Wait(); s.count() < 20 {
					t.Errorf("%d attempts at %v, want 20", s.count(), time.Since(begin))
				}
				time.Sleep(24 * hour)
			})
		})
	}
}

// TestBudgetsComeAndGoWhileAttemptsAreInFlight: what an attempt holds of budgets
// that have gone does not get mixed up with what it holds of others later.
func TestBudgetsComeAndGoWhileAttemptsAreInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, number int) answer {
			a := answer{takes: 2 * time.Second, tokens: 7}
			if number == 0 {
				a.ending = fails
			}
			return a
		}}
		without := static(2)
		without.Retry = &pipeline.Retry{BaseDelay: 10 * time.Second, Backoff: pipeline.Fixed}
		with := without
		with.Budgets = []pipeline.Budget{{Name: "a", Tokens: 100, Window: time.Hour}, {Name: "b", Tokens: 200, Window: time.Hour}}
		p := newLine(t, s, with).Cost(constant(5))
		flow(t, p, feed(2))
		time.Sleep(time.Second)
		mustUpdate(t, p.Throttle(), without) // both are in flight
		time.Sleep(2 * time.Second)
		mustUpdate(t, p.Throttle(), with) // both back off
		time.Sleep(time.Minute)
		for _, b := range p.Throttle().Snapshot().Budgets {
			if b.Used != 14 {
				t.Errorf("budget %s: %d used, want 14", b.Name, b.Used)
			}
		}
		if s.count() != 4 {
			t.Errorf("%d attempts, want 4", s.count())
		}
	})
}

// TestAttemptOfAFormerCircuitIsNoProbeOfAnother that is in the same state.
func TestAttemptOfAFormerCircuitIsNoProbeOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		without := static(5)
		with := without
		with.Breaker = &pipeline.Breaker{Failures: 1, OpenFor: time.Minute}
		throttle := newThrottle(t, with)
		throttle.RecordFailure(errService)
		time.Sleep(time.Minute)
		former, err := throttle.Acquire(t.Context()) // the first circuit's probe
		if err != nil {
			t.Fatal(err)
		}
		mustUpdate(t, throttle, without)
		mustUpdate(t, throttle, with)
		throttle.RecordFailure(errService)
		time.Sleep(time.Minute)
		throttle.Snapshot() // lets the circuit look at the time
		former.Release(nil)
		if got := throttle.Snapshot().Circuit; got != pipeline.BreakerHalfOpen {
			t.Errorf("circuit %v though its probe was not sent yet", got)
		}
	})
}

func TestJobThatASmallerBudgetHasNoRoomForEnds(t *testing.T) {
	const hour = time.Hour
	smaller := func(cfg *pipeline.Config) { cfg.Budgets = []pipeline.Budget{{Name: "b", Tokens: 10, Window: hour}} }
	lighter := func(cfg *pipeline.Config) { cfg.Rate = &pipeline.Rate{PerSecond: 1, Burst: 1} }
	for _, test := range []struct {
		name   string
		change func(*pipeline.Config)
		is     func(error) bool
	}{
		{"dear", smaller, func(err error) bool {
			var cost *pipeline.CostError
			return errors.As(err, &cost) && cost.Cost == 50 && cost.Limit == 10 && cost.Budget == "b"
		}},
		{"heavy", lighter, func(err error) bool {
			var weight *pipeline.WeightError
			return errors.As(err, &weight) && weight.Weight == 2 && weight.Burst == 1
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Of five jobs, the first two fail at once and back off, the next
				// two will when the update is over, and the last has to wait.
				s := &service{answer: func(job, _ int) answer {
					return answer{ending: fails, takes: time.Duration(job/2) * time.Second, tokens: 1}
				}}
				cfg := static(4)
				cfg.Budgets = []pipeline.Budget{{Name: "b", Tokens: 1000, Window: hour}}
				cfg.Rate = &pipeline.Rate{PerSecond: 100, Burst: 1000}
				cfg.Retry = &pipeline.Retry{BaseDelay: 10 * time.Second, Backoff: pipeline.Fixed}
				p := newLine(t, s, cfg).Cost(constant(50)).Weight(func(int) float64 { return 2 })
				ctx, cancel := context.WithTimeout(t.Context(), hour)
				defer cancel()
				begin := time.Now()
				results := p.Run(ctx, feed(5))
				synctest.Wait()

				var calls sync.WaitGroup
				defer calls.Wait()
				call := func(what string, do func(context.Context) error) {
					calls.Go(func() {
						err := do(pipeline.WithWeight(pipeline.WithCost(ctx, 50), 2))
						if !test.is(err) || time.Since(begin) != 500*time.Millisecond {
							t.Errorf("%s after %v: %v", what, time.Since(begin), err)
						}
					})
				}
				call("Acquire", func(ctx context.Context) error { _, err := p.Throttle().Acquire(ctx); return err })
				call("Execute", func(ctx context.Context) error {
					_, err := pipeline.Execute(ctx, p.Throttle(), func(context.Context) (int, error) { return 0, nil })
					return err
				})
				time.Sleep(500 * time.Millisecond)
				test.change(&cfg)
				mustUpdate(t, p.Throttle(), cfg)
				for r := range results {
					started := r.In < 4
					switch {
					case !test.is(r.Err) || started != (r.Attempts == 1) || started != errors.Is(r.Err, errService):
						t.Errorf("job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
					case r.In/2 != 1 && time.Since(begin) != 500*time.Millisecond,
						r.In/2 == 1 && time.Since(begin) > 11*time.Second:
						t.Errorf("job %d ends after %v", r.In, time.Since(begin))
					}
				}
				if s.count() != 4 {
					t.Errorf("%d attempts, want 4", s.count())
				}
			})
		})
	}
}

// TestWhatAIMDLearnedSurvivesAnUpdate of other things, and goes on to count.
func TestWhatAIMDLearnedSurvivesAnUpdate(t *testing.T) {
	aimd := pipeline.AIMD{FailureThreshold: 2, CoolingPeriod: time.Minute, FailureWindow: time.Hour}
	for _, test := range []struct {
		name   string
		change func(*pipeline.Config)
		want   func(before, after pipeline.Snapshot) bool // beside limit, interval and cooling, which stay
	}{
		{"nothing", func(*pipeline.Config) {}, sameCeilingAndCount},
		{"other things", func(cfg *pipeline.Config) {
			cfg.Retry, cfg.Breaker, cfg.AttemptTimeout, cfg.Jitter = &pipeline.Retry{}, &pipeline.Breaker{}, time.Minute, 0.5
			cfg.Budgets = []pipeline.Budget{{Tokens: 1000, Window: time.Minute}}
		}, sameCeilingAndCount},
		{"a higher maximum", func(cfg *pipeline.Config) { cfg.MaxConcurrency = 100 }, sameCeilingAndCount},
		{"a lower maximum that is not reached", func(cfg *pipeline.Config) { cfg.MaxConcurrency = 20 }, sameCeilingAndCount},
		{"a maximum below the ceiling", func(cfg *pipeline.Config) { cfg.MaxConcurrency, cfg.InitialConcurrency = 10, 0 }, func(_, after pipeline.Snapshot) bool {
			return after.SafeCeiling == 10 && after.FailureCount == 1
		}},
		{"its threshold", func(cfg *pipeline.Config) { cfg.Policy = pipeline.AIMD{FailureThreshold: 4} }, func(before, after pipeline.Snapshot) bool {
			return after.SafeCeiling == before.SafeCeiling
		}},
		{"its cooling period", func(cfg *pipeline.Config) {
			a := aimd
			a.CoolingPeriod = time.Hour
			cfg.Policy = a
		}, sameCeilingAndCount},
	} {
		for _, ceiling := range []int{16, 32} { // below the maximum; and at it, where it was learned too
			t.Run(fmt.Sprint(test.name, ", ceiling ", ceiling), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := pipeline.Config{MaxConcurrency: 32, Policy: aimd}
					cfg.InitialConcurrency = ceiling
					throttle := newThrottle(t, cfg)
					for range 3 {
						throttle.RecordFailure(errService)
					}
					if ceiling == 32 && test.name == "a lower maximum that is not reached" {
						return // it is
					}
					before := throttle.Snapshot()
					if before.Concurrency != ceiling/2 || before.SafeCeiling != ceiling || before.State != pipeline.Cooling || before.FailureCount != 1 {
						t.Fatalf("not cut as expected: %+v", before)
					}
					test.change(&cfg)
					mustUpdate(t, throttle, cfg)
					after := throttle.Snapshot()
					limit := min(before.Concurrency, cfg.MaxConcurrency)
					if after.Concurrency != limit || after.DispatchInterval != before.DispatchInterval || after.State != pipeline.Cooling {
						t.Errorf("was %+v, is %+v", before, after)
					}
					if !test.want(before, after) {
						t.Errorf("ceiling was %d, is %d; failures were %d, are %d", before.SafeCeiling, after.SafeCeiling, before.FailureCount, after.FailureCount)
					}
					time.Sleep(time.Minute - 1)
					if got := throttle.Snapshot().State; got != pipeline.Cooling {
						t.Errorf("%v within the cooling period", got)
					}
					time.Sleep(time.Nanosecond)
					if got := throttle.Snapshot().State; got != pipeline.Running {
						t.Errorf("%v after the cooling period", got)
					}
				})
			})
		}
	}
}

func sameCeilingAndCount(before, after pipeline.Snapshot) bool {
	return after.SafeCeiling == before.SafeCeiling && after.FailureCount == before.FailureCount
}

// TestAIMDGoesByItsNewParameters from the next outcome on.
func TestAIMDGoesByItsNewParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 64, Policy: pipeline.AIMD{FailureThreshold: 100, CoolingPeriod: time.Hour}}
		throttle := newThrottle(t, cfg)
		fail := func(n, want int) {
			t.Helper()
			for range n {
				throttle.RecordFailure(errService)
			}
			if got := throttle.Snapshot().Concurrency; got != want {
				t.Errorf("limit %d after %d failures, want %d", got, n, want)
			}
		}
		fail(50, 64)
		cfg.Policy = pipeline.AIMD{FailureThreshold: 2, CoolingPeriod: time.Second}
		mustUpdate(t, throttle, cfg)
		fail(1, 64)
		fail(1, 32)
		time.Sleep(time.Second)
		throttle.RecordSuccess(0, 0)
		if got := throttle.Snapshot(); got.Concurrency <= 32 {
			t.Errorf("no growth after the new cooling period: %+v", got)
		}
		cfg.Policy = pipeline.Static{}
		mustUpdate(t, throttle, cfg)
		fail(10, 64)
	})
}

func TestWhatWasUsedOfABudgetStaysUsed(t *testing.T) {
	budget := func(name string, tokens int64, window time.Duration) pipeline.Budget {
		return pipeline.Budget{Name: name, Tokens: tokens, Window: window}
	}
	first := []pipeline.Budget{budget("a", 100, time.Minute), budget("b", 1000, time.Hour)}
	for _, test := range []struct {
		name    string
		budgets []pipeline.Budget
		used    []int64       // just after the update, 30 s after 60 tokens were used
		back    time.Duration // when those are free of a
	}{
		{"the same", first, []int64{60, 60}, 30 * time.Second},
		{"another order", []pipeline.Budget{first[1], first[0]}, []int64{60, 60}, 30 * time.Second},
		{"one renamed", []pipeline.Budget{budget("c", 100, time.Minute), first[0]}, []int64{0, 60}, 30 * time.Second},
		{"smaller", []pipeline.Budget{budget("a", 50, time.Minute)}, []int64{60}, 30 * time.Second},
		{"larger", []pipeline.Budget{budget("a", 500, time.Minute)}, []int64{60}, 30 * time.Second},
		{"a longer window", []pipeline.Budget{budget("a", 100, time.Hour)}, []int64{60}, time.Hour},
		{"a shorter window", []pipeline.Budget{budget("a", 100, time.Second)}, []int64{60}, time.Second},
		{"another after it", []pipeline.Budget{budget("a", 100, time.Minute), budget("d", 10, time.Minute)}, []int64{60, 0}, 30 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := static(5)
				cfg.Budgets = first
				throttle := newThrottle(t, cfg)
				throttle.RecordTokens(60)
				time.Sleep(30 * time.Second)
				cfg.Budgets = test.budgets
				mustUpdate(t, throttle, cfg)
				used := func(name string) int64 {
					for _, b := range throttle.Snapshot().Budgets {
						if b.Name == name {
							return b.Used
						}
					}
					return -1
				}
				for i, b := range throttle.Snapshot().Budgets {
					if b.Budget != test.budgets[i] || b.Used != test.used[i] || b.Remaining != max(b.Tokens-b.Used, 0) {
						t.Errorf("budget %d: %+v, want %+v with %d used", i, b, test.budgets[i], test.used[i])
					}
				}
				time.Sleep(test.back - 1)
				if got := used("a"); got != 60 {
					t.Errorf("%d used a moment before they come back, want 60", got)
				}
				time.Sleep(time.Nanosecond)
				if got := used("a"); got != 0 {
					t.Errorf("%d used when they are to be back", got)
				}
			})
		})
	}
}

// TestUnusedTokensAreFreeAtOnceThoughTheWindowHasChanged meanwhile: what an
// attempt has reserved is not used yet.
func TestUnusedTokensAreFreeAtOnceThoughTheWindowHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: 10 * time.Second, tokens: 1})
		cfg := static(5)
		cfg.Budgets = []pipeline.Budget{{Name: "a", Tokens: 100, Window: time.Minute}}
		p := newLine(t, s, cfg).Cost(constant(100))
		begin := time.Now()
		flow(t, p, feed(1))
		time.Sleep(time.Second)
		cfg.Budgets = []pipeline.Budget{{Name: "a", Tokens: 100, Window: 24 * time.Hour}}
		mustUpdate(t, p.Throttle(), cfg)
		time.Sleep(10 * time.Second)
		if got := p.Throttle().Snapshot().TokensUsed; got != 1 {
			t.Errorf("%d tokens are used %v after the start of an attempt that took 10s and used 1", got, time.Since(begin))
		}
	})
}

// A scribe is a policy that takes as long as it is told.
type scribe struct{ judge chan struct{} }

func (p scribe) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	return p, pipeline.Setting{Limit: b.MaxLimit}
}

func (p scribe) Next(time.Time, pipeline.Outcome) pipeline.Setting {
	<-p.judge
	return pipeline.Setting{Limit: 5}
}

// TestEventsGoToWhoeverIsToBeToldWhenTheyHappen, also when the controller has no
// time for the update yet.
func TestEventsGoToWhoeverIsToBeToldWhenTheyHappen(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy: %v", busy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var removed, added eventLog
				judge := make(chan struct{})
				cfg := pipeline.Config{Policy: scribe{judge}, OnEvent: removed.add, Breaker: &pipeline.Breaker{Failures: 2, OpenFor: time.Minute}}
				throttle := newThrottle(t, cfg)
				throttle.RecordFailure(errService)
				synctest.Wait()
				if !busy {
					close(judge)
				}
				throttle.RecordFailure(errService) // opens the circuit
				synctest.Wait()
				cfg.OnEvent = added.add
				mustUpdate(t, throttle, cfg)
				throttle.Close()
				cfg.OnEvent = nil
				mustUpdate(t, throttle, cfg)
				if busy {
					synctest.Wait()
					close(judge)
				}
				if err := throttle.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got, want := removed.String(), "circuit_opened"; got != want {
					t.Errorf("the removed callback was told %q, want %q", got, want)
				}
				if got, want := added.String(), "closed drained"; got != want {
					t.Errorf("the new callback was told %q, want %q", got, want)
				}
			})
		})
	}
}

// TestOutcomesAfterAnUpdateAreJudgedByTheNewPolicy, also when the controller has
// no time for the update yet.
func TestOutcomesAfterAnUpdateAreJudgedByTheNewPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge := make(chan struct{})
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 64, Policy: scribe{judge}})
		throttle.RecordFailure(errService)
		synctest.Wait() // the former policy is at it
		mustUpdate(t, throttle, pipeline.Config{MaxConcurrency: 64, Policy: pipeline.AIMD{FailureThreshold: 1}})
		throttle.RecordFailure(errService)
		close(judge)
		if got := throttle.Snapshot().Concurrency; got != 32 {
			t.Errorf("limit %d after a failure that makes a cut, want 32", got)
		}
	})
}

// TestAddedCallbackIsTold though nobody was to be told before.
func TestAddedCallbackIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var added eventLog
		throttle := newThrottle(t, pipeline.Config{})
		mustUpdate(t, throttle, pipeline.Config{OnEvent: added.add})
		throttle.Close()
		synctest.Wait()
		if got, want := added.String(), "closed drained"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestProgressIsToldThoughTheTotalHasChanged.
func TestProgressIsToldThoughTheTotalHasChanged(t *testing.T) {
	for _, totals := range [][]int{{0, 100}, {100, 0}, {100, 1000}, {0, 1000, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			told := 0
			cfg := static(5)
			cfg.OnProgress = func(pipeline.Snapshot) {
				mu.Lock()
				defer mu.Unlock()
				told++
			}
			var throttle *pipeline.Throttle
			for i, total := range totals {
				cfg.TotalJobs = total
				if throttle == nil {
					throttle = newThrottle(t, cfg)
				}
				mustUpdate(t, throttle, cfg)
				told = 0
				for range 20 {
					throttle.RecordSuccess(0, 0)
					time.Sleep(time.Second)
				}
				synctest.Wait()
				if told == 0 {
					t.Errorf("totals %v: nothing is told with %d", totals[:i+1], total)
				}
				if got := throttle.Snapshot().Total; got != int64(total) {
					t.Errorf("total %d, want %d", got, total)
				}
			}
		})
	}
}

func TestRefusedUpdateChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		good := pipeline.Config{
			MaxConcurrency: 7, TotalJobs: 70, MinDispatchInterval: time.Second,
			Budgets: []pipeline.Budget{{Name: "a", Tokens: 100, Window: time.Minute}},
		}
		for _, test := range []struct {
			own    clock.Clock // of the throttle
			spoil  func(*pipeline.Config)
			faults []string
		}{
			{nil, func(cfg *pipeline.Config) { cfg.MaxConcurrency = -1 }, []string{"max_concurrency"}},
			{nil, func(cfg *pipeline.Config) { cfg.Jitter, cfg.TotalJobs = 2, -1 }, []string{"jitter", "total_jobs"}},
			{nil, func(cfg *pipeline.Config) { cfg.Policy = &pipeline.AIMD{} }, []string{"policy"}},
			{nil, func(cfg *pipeline.Config) { cfg.Clock = mock }, []string{"clock"}},
			{mock, func(cfg *pipeline.Config) { cfg.Clock = clock.NewMock() }, []string{"clock"}},
			{&stepClock{Clock: clock.Real()}, func(cfg *pipeline.Config) { cfg.Clock = mock }, []string{"clock"}},
			{sliceClock{clock.Real(), nil}, func(cfg *pipeline.Config) { cfg.Clock = sliceClock{mock, nil} }, []string{"clock"}},
			{mock, func(cfg *pipeline.Config) { cfg.Clock, cfg.Jitter = clock.NewMock(), 2 }, []string{"clock", "jitter"}},
		} {
			old := good
			old.Clock = test.own
			throttle := newThrottle(t, old)
			throttle.RecordTokens(40)
			before := throttle.Snapshot()
			bad := pipeline.Config{
				MaxConcurrency: 3, TotalJobs: 30,
				Budgets: []pipeline.Budget{{Name: "a", Tokens: 10, Window: time.Hour}},
				OnEvent: func(e pipeline.Event) { t.Errorf("a refused callback was told %v", e) },
			}
			test.spoil(&bad)
			err := throttle.Update(bad)
			named := faultsOf(err)
			for _, field := range test.faults {
				if named[field] == nil {
					t.Errorf("%v: does not name %s", err, field)
				}
			}
			if len(named) != len(test.faults) {
				t.Errorf("%v: want %v", err, test.faults)
			}
			if after := throttle.Snapshot(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("was\n%+v, is\n%+v", before, after)
			}
			old.Jitter = 0.5
			if _, vague := test.own.(sliceClock); !vague {
				mustUpdate(t, throttle, old) // with the clock that it has
			}
			old.Clock = nil
			mustUpdate(t, throttle, old)
			throttle.Close()
			synctest.Wait()
		}
	})
}

// A sliceClock cannot be compared.
type sliceClock struct {
	clock.Clock
	_ []int
}

// TestConcurrentUpdatesLeaveOneOfThemInForce as a whole.
func TestConcurrentUpdatesLeaveOneOfThemInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: 10 * time.Second})
		p := newLine(t, s, static(5))
		flow(t, p, feed(300))
		for round := range 10 {
			var all sync.WaitGroup
			for n := 1; n <= 8; n++ {
				all.Go(func() {
					cfg := static(n)
					cfg.TotalJobs = n
					cfg.Budgets = []pipeline.Budget{{Name: fmt.Sprint(n), Tokens: int64(n), Window: time.Hour}}
					cfg.MinDispatchInterval = time.Duration(n)
					if err := p.Throttle().Update(cfg); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			snap := p.Throttle().Snapshot()
			n := snap.MaxConcurrency
			if snap.Concurrency != n || snap.Total != int64(n) || snap.DispatchInterval != time.Duration(n) || snap.Budgets[0].Name != fmt.Sprint(n) {
				t.Errorf("round %d: a mixture: %+v", round, snap)
			}
			time.Sleep(time.Minute)
			if got := s.running(); got > n {
				t.Errorf("round %d: %d in flight, limit %d", round, got, n)
			}
		}
	})
}

func TestUpdateLeavesNoGoroutineBehind(t *testing.T) {
	larger := everything()
	larger.MaxConcurrency = 200
	for _, test := range []struct {
		name string
		do   func(t *testing.T, throttle *pipeline.Throttle)
		want pipeline.State
	}{
		{"idle", func(*testing.T, *pipeline.Throttle) {}, pipeline.Running},
		{"after a run", func(t *testing.T, throttle *pipeline.Throttle) {
			collect(pipeline.Attach(throttle, always(answer{takes: time.Second}).work).Run(t.Context(), feed(20)))
		}, pipeline.Running},
		{"closed", func(_ *testing.T, throttle *pipeline.Throttle) { throttle.Close() }, pipeline.Closed},
		{"drained", func(t *testing.T, throttle *pipeline.Throttle) {
			if err := throttle.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		}, pipeline.Closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, everything())
				test.do(t, throttle)
				mustUpdate(t, throttle, larger)
				mustUpdate(t, throttle, static(3))
				for _, stack := range ours() {
					t.Errorf("still there:\n%s", stack)
				}
				if snap := throttle.Snapshot(); snap.State != test.want || snap.MaxConcurrency != 3 {
					t.Errorf("%v, max %d; want %v, 3", snap.State, snap.MaxConcurrency, test.want)
				}
				_, err := pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) { return 1, nil })
				if closed := test.want == pipeline.Closed; errors.Is(err, pipeline.ErrClosed) != closed {
					t.Errorf("Execute: %v", err)
				}
				if err := throttle.Drain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestResultsCloseWhenTheOldPoolHasEnded, and not before: nothing of a run is
// left then.
func TestResultsCloseWhenTheOldPoolHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer {
			if job < 5 {
				return answer{takes: time.Hour}
			}
			return answer{takes: time.Second}
		}}
		p := newLine(t, s, static(5))
		ended := flow(t, p, feed(100))
		synctest.Wait()
		for _, limit := range []int{50, 100, 200} {
			mustUpdate(t, p.Throttle(), static(limit))
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			if err := p.Throttle().Drain(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Hour - 1)
		select {
		case <-ended:
			t.Error("the run ended before its attempts")
		case <-drained:
			t.Error("drained before the last attempt")
		default:
		}
		time.Sleep(time.Nanosecond)
		<-drained
		<-ended
		for _, stack := range ours() {
			t.Errorf("still there:\n%s", stack)
		}
	})
}

// A starter is a policy that does something when it is started.
type starter struct{ start func() }

func (p starter) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	p.start()
	return pipeline.Static{}.Start(b)
}

// TestPolicyThatFailsInStartLeavesTheFormerOne, and its limit within the new
// bounds.
func TestPolicyThatFailsInStartLeavesTheFormerOne(t *testing.T) {
	for name, start := range map[string]func(){
		"panics": func() { panic("Start") },
		"exits":  func() { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{takes: time.Second})
				cfg := static(20)
				cfg.InitialConcurrency = 12
				p := newLine(t, s, cfg)
				flow(t, p, feed(300))
				for _, test := range []struct{ limit, want int }{{30, 12}, {8, 8}, {30, 12}} {
					mustUpdate(t, p.Throttle(), pipeline.Config{MaxConcurrency: test.limit, Policy: starter{start}})
					time.Sleep(1400 * time.Millisecond)
					if snap := p.Throttle().Snapshot(); snap.Concurrency != test.want || snap.MaxConcurrency != test.limit || snap.InFlight != test.want {
						t.Errorf("limit %d, %d in flight, max %d; want %d", snap.Concurrency, snap.InFlight, snap.MaxConcurrency, test.want)
					}
				}
				mustUpdate(t, p.Throttle(), pipeline.Config{MaxConcurrency: 40, Policy: starter{func() {}}})
				time.Sleep(1400 * time.Millisecond)
				if got := s.running(); got != 40 {
					t.Errorf("%d in flight under a policy that starts, want 40", got)
				}
			})
		})
	}
}

// TestAttemptsEndUnderTheConfigurationTheyBeganUnder, and the next ones begin
// under the new one.
func TestAttemptsEndUnderTheConfigurationTheyBeganUnder(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after func(*pipeline.Config)
		answers       []answer
		attempts      int           // of the job
		ends          time.Duration // the job
		ok            bool
	}{
		{
			"a longer timeout",
			func(cfg *pipeline.Config) { cfg.AttemptTimeout = 2 * time.Second },
			func(cfg *pipeline.Config) { cfg.AttemptTimeout = time.Minute },
			[]answer{{ending: hangs}, {ending: hangs}, {}}, 3, 64 * time.Second, true,
		},
		{
			"no timeout",
			func(cfg *pipeline.Config) { cfg.AttemptTimeout = 2 * time.Second },
			func(cfg *pipeline.Config) { cfg.AttemptTimeout = 0 },
			[]answer{{ending: hangs}, {takes: time.Hour}}, 2, time.Hour + 3*time.Second, true,
		},
		{
			"a timeout",
			func(*pipeline.Config) {},
			func(cfg *pipeline.Config) { cfg.AttemptTimeout = 2 * time.Second },
			[]answer{{takes: time.Hour, ending: fails}, {ending: hangs}, {}}, 3, time.Hour + 4*time.Second, true,
		},
		{
			"another verdict",
			func(*pipeline.Config) {},
			func(cfg *pipeline.Config) { cfg.Classify = func(error) pipeline.Verdict { panic("no idea") } },
			[]answer{{takes: 2 * time.Second, ending: fails}, {ending: fails}}, 2, 3 * time.Second, false,
		},
		{
			"more attempts",
			func(cfg *pipeline.Config) { cfg.Retry.MaxAttempts = 2 },
			func(cfg *pipeline.Config) { cfg.Retry.MaxAttempts = 4 },
			[]answer{{takes: 2 * time.Second, ending: fails}, {ending: fails}, {ending: fails}, {}}, 4, 5 * time.Second, true,
		},
		{
			"fewer attempts",
			func(cfg *pipeline.Config) { cfg.Retry.MaxAttempts = 9 },
			func(cfg *pipeline.Config) { cfg.Retry.MaxAttempts = 2 },
			[]answer{{takes: 2 * time.Second, ending: fails}, {ending: fails}, {}}, 2, 3 * time.Second, false,
		},
		{
			"a longer backoff",
			func(*pipeline.Config) {},
			func(cfg *pipeline.Config) { cfg.Retry.BaseDelay, cfg.Retry.MaxDelay = time.Hour, time.Hour },
			[]answer{{takes: 2 * time.Second, ending: fails}, {}}, 2, time.Hour + 2*time.Second, true,
		},
		{
			"no retries",
			func(*pipeline.Config) {},
			func(cfg *pipeline.Config) { cfg.Retry = nil },
			[]answer{{takes: 2 * time.Second, ending: fails}, {}}, 1, 2 * time.Second, false,
		},
		{
			"retries",
			func(cfg *pipeline.Config) { cfg.Retry = nil },
			func(cfg *pipeline.Config) {
				cfg.Retry = &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second}
			},
			[]answer{{takes: 2 * time.Second, ending: fails}, {}}, 1, 2 * time.Second, false,
		},
	} {
		for _, call := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, call: %v", test.name, call), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &service{answer: func(_, number int) answer { return test.answers[number] }}
					cfg := static(2)
					cfg.Retry = &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second}
					test.before(&cfg)
					p := newLine(t, s, cfg)
					begin := time.Now()
					time.AfterFunc(time.Second, func() {
						cfg := static(2)
						cfg.Retry = &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second}
						test.after(&cfg)
						if err := p.Throttle().Update(cfg); err != nil {
							t.Error(err)
						}
					})
					var err error
					if call {
						_, err = pipeline.Wrap(p.Throttle(), s.work)(t.Context(), 0)
					} else {
						err = collect(p.Run(t.Context(), feed(1)))[0].Err
					}
					if s.count() != test.attempts || time.Since(begin) != test.ends || (err == nil) != test.ok {
						t.Errorf("%d attempts, %v, %v; want %d, %v, ok: %v", s.count(), time.Since(begin), err, test.attempts, test.ends, test.ok)
					}
				})
			})
		}
	}
}

// A revision is a configuration that is put in force at some time.
type revision struct {
	at  time.Duration
	cfg pipeline.Config
}

func drawRevisions(t *rapid.T, draw func(*rapid.T) pipeline.Config) (all []revision) {
	for range rapid.IntRange(1, 8).Draw(t, "revisions") {
		all = append(all, revision{max(drawMoment(t, "at"), 0), draw(t)})
	}
	return all
}

// A visitor makes single calls through a throttle, or takes slots.
type visitor struct {
	job    int
	at     time.Duration
	slot   bool // Acquire instead of Execute
	fails  bool // releases the slot with an error
	leaves time.Duration
}

func drawVisitor(t *rapid.T, job int) visitor {
	return visitor{
		job:    job,
		at:     max(drawMoment(t, "calls"), 0),
		slot:   rapid.Bool().Draw(t, "slot"),
		fails:  rapid.Bool().Draw(t, "fails"),
		leaves: drawMoment(t, "leaves"),
	}
}

// call makes the call and checks that it comes to an end that the service
// knows of.
func (c visitor) call(f *faults, throttle *pipeline.Throttle, s *service) {
	time.Sleep(c.at)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	at(c.leaves, ended, func() { cancel(errLeft) })
	at(24*time.Hour, ended, func() {
		f.add("call %d has waited for a day: %+v", c.job, throttle.Snapshot())
		cancel(errStalled)
	})
	if c.slot {
		slot, err := throttle.Acquire(ctx)
		f.check((slot == nil) == (err != nil), "call %d: slot %v, %v", c.job, slot, err)
		if err != nil {
			return
		}
		a := s.begin(c.job)
		pass(context.Background(), a.answer)
		s.finish(a)
		if c.fails {
			err = errService
		}
		slot.Release(err)
		return
	}
	out, err := pipeline.Wrap(throttle, s.work)(ctx, c.job)
	log := s.of(c.job)
	if err == nil {
		f.check(len(log) > 0 && log[len(log)-1].answer.ending == succeeds, "call %d succeeded, the service says %v", c.job, log)
		f.check(out == c.job*c.job, "call %d: got %d", c.job, out)
		return
	}
	for _, a := range log {
		f.check(a.answer.ending != succeeds, "call %d: %v though it succeeded", c.job, err)
	}
}

// TestUpdatesLoseNoJob, double none, and keep the order of ordered runs, whatever
// is inside and whatever is changed.
func TestUpdatesLoseNoJob(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		revisions := drawRevisions(rt, drawRevision)
		var visits []visit
		var visitors []visitor
		jobs := 0
		for range rapid.IntRange(0, 3).Draw(rt, "visits") {
			v := drawVisit(rt, jobs)
			jobs += v.jobs
			visits = append(visits, v)
		}
		for range rapid.IntRange(0, 12).Draw(rt, "visitors") {
			visitors = append(visitors, drawVisitor(rt, jobs))
			jobs++
		}
		closeAt := drawMoment(rt, "closeAt")
		answers := drawAnswers(rt, pipeline.Config{}, jobs) // nothing may hang: there may be no timeout
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			for _, v := range visits {
				all.Go(func() { v.pay(f, v.pipeline(throttle, s), s, everything()) })
			}
			for _, c := range visitors {
				all.Go(func() { c.call(f, throttle, s) })
			}
			for _, r := range revisions {
				all.Go(func() {
					time.Sleep(r.at)
					if err := throttle.Update(r.cfg); err != nil {
						f.add("%v", err)
					}
				})
			}
			ended := make(chan struct{})
			at(closeAt, ended, throttle.Close)
			all.Wait()
			close(ended)
			time.Sleep(time.Minute)
			snap := throttle.Snapshot()
			f.check(snap.InFlight == 0 && snap.Waiting == 0, "%d in flight, %d wait after all", snap.InFlight, snap.Waiting)
		}
	})
}

// drawRevision draws a configuration that may be much larger than another one.
func drawRevision(t *rapid.T) pipeline.Config {
	cfg := drawConfig(t)
	cfg.MaxConcurrency = rapid.SampledFrom([]int{1, 2, cfg.MaxConcurrency, 20, 100}).Draw(t, "max")
	cfg.InitialConcurrency = 0
	if cfg.Breaker != nil {
		cfg.Breaker.Wait = rapid.Bool().Draw(t, "wait")
	}
	return cfg
}

// history is which configurations were put in force when, in order.
type history []struct {
	at  time.Time
	cfg pipeline.Config
}

// at returns the configurations that were in force at some time of a moment.
func (h history) at(t time.Time) (in history) {
	for i, r := range h {
		if !r.at.After(t) && (i == len(h)-1 || !h[i+1].at.Before(t)) {
			in = append(in, r)
		}
	}
	return in
}

// TestNothingStartsThatAnUpdateDoesNotAllow once it has returned: beyond its
// limit, sooner than its interval, or beyond its rate and its budget, of which
// what was used before counts.
func TestNothingStartsThatAnUpdateDoesNotAllow(t *testing.T) {
	const budgetWindow = 500 * time.Millisecond
	attack(t, func(rt *rapid.T) func(*faults) {
		draw := rapid.Custom(func(t *rapid.T) pipeline.Config {
			cfg := static(rapid.SampledFrom([]int{1, 2, 5, 8, 30}).Draw(t, "max"))
			cfg.MinDispatchInterval = rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond}).Draw(t, "interval")
			if rapid.Bool().Draw(t, "rated") {
				cfg.Rate = &pipeline.Rate{PerSecond: rapid.Float64Range(20, 200).Draw(t, "rate"), Burst: rapid.Float64Range(1, 10).Draw(t, "burst")}
			}
			if rapid.Bool().Draw(t, "budgeted") {
				cfg.Budgets = []pipeline.Budget{{Name: "a", Tokens: rapid.Int64Range(10, 100).Draw(t, "tokens"), Window: budgetWindow}}
			}
			return cfg
		})
		configs := rapid.SliceOfN(draw, 2, 6).Draw(rt, "configs")
		gaps := rapid.SliceOfN(rapid.Int64Range(0, int64(300*time.Millisecond)), len(configs), len(configs)).Draw(rt, "gaps")
		numbers := func(what string, most int64) []int64 {
			return rapid.SliceOfN(rapid.Int64Range(0, most), 8, 8).Draw(rt, what)
		}
		costs, takes, uses := numbers("costs", 10), numbers("takes", int64(200*time.Millisecond)), numbers("uses", 10)
		jobs := rapid.IntRange(1, 120).Draw(rt, "jobs")
		ordered := rapid.Bool().Draw(rt, "ordered")
		called := rapid.Bool().Draw(rt, "called") // Execute instead
		return func(f *faults) {
			cost := func(job int) int64 { return costs[job%8] }
			s := &service{answer: func(job, _ int) answer {
				return answer{takes: time.Duration(takes[job%8]), tokens: min(uses[job%7], costs[job%8])}
			}}
			p, err := pipeline.New(s.work, configs[0])
			if err != nil {
				f.add("%v", err)
				return
			}
			if p.Cost(cost); ordered {
				p.Ordered()
			}
			past := history{{time.Now(), configs[0]}}
			var all sync.WaitGroup
			if called {
				for job := range jobs {
					all.Go(func() {
						_, err := pipeline.Wrap(p.Throttle(), s.work)(pipeline.WithCost(context.Background(), cost(job)), job)
						f.check(err == nil, "call %d: %v", job, err)
					})
				}
			} else {
				all.Go(func() {
					n := len(collect(p.Run(context.Background(), feed(jobs))))
					f.check(n == jobs, "%d results of %d", n, jobs)
				})
			}
			for i, cfg := range configs[1:] {
				time.Sleep(time.Duration(gaps[i]))
				if err := p.Throttle().Update(cfg); err != nil {
					f.add("%v", err)
				}
				past = append(past, history{{time.Now(), cfg}}...)
			}
			all.Wait()
			past.judge(f, s, cost)
		}
	})
}

// judge looks at each attempt that the service has seen start.
func (h history) judge(f *faults, s *service, cost func(int) int64) {
	for i, a := range s.log {
		limit, interval := 0, time.Duration(1<<62)
		in := h.at(a.start)
		for _, r := range in {
			limit, interval = max(limit, r.cfg.MaxConcurrency), min(interval, r.cfg.MinDispatchInterval)
		}
		f.check(a.inFlight <= limit, "job %d started with %d in flight, limit %d", a.job, a.inFlight, limit)
		if i > 0 {
			gap := a.start.Sub(s.log[i-1].start)
			f.check(gap >= interval, "a gap of %v, interval %v", gap, interval)
		}
		if len(in) > 1 {
			continue // it may have started before or after
		}
		sent, used := 0, int64(0)
		for back := i; back >= 0; back-- {
			b := s.log[back]
			if rate := in[0].cfg.Rate; rate != nil && b.start.After(in[0].at) {
				sent++
				most := rate.Burst + rate.PerSecond*a.start.Sub(b.start).Seconds() + 1e-6
				f.check(float64(sent) <= most, "%d started within %v, rate %+v", sent, a.start.Sub(b.start), *rate)
			}
			if budgets := in[0].cfg.Budgets; budgets != nil && b.start.After(h.budgetedSince(a.start)) && a.start.Sub(b.start) < budgets[0].Window {
				if used += cost(b.job); b.answer.tokens > 0 && !b.end.After(a.start) {
					used += b.answer.tokens - cost(b.job)
				}
				f.check(used <= budgets[0].Tokens, "%d tokens within %v, budget %+v", used, a.start.Sub(b.start), budgets[0])
			}
		}
	}
}

// budgetedSince returns since when there has been a budget without a break.
func (h history) budgetedSince(t time.Time) (since time.Time) {
	for _, r := range slices.Backward(h) {
		if r.at.Before(t) && r.cfg.Budgets == nil {
			return since
		}
		since = r.at
	}
	return since.Add(-1) // from the very first attempt on
}

// TestUpdatesOfQuickJobs that are handed over ahead lose none and keep their
// order, wherever they come from, and the highest limit holds.
func TestUpdatesOfQuickJobs(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		const jobs = 1500
		ordered, byWork := rapid.Bool().Draw(rt, "ordered"), rapid.Bool().Draw(rt, "by the work")
		retry := rapid.Bool().Draw(rt, "retry")
		updates := make(map[int]int) // limit to be put in force, by the attempt that is under way
		for range rapid.IntRange(1, 6).Draw(rt, "updates") {
			updates[rapid.IntRange(0, jobs).Draw(rt, "when")] = rapid.SampledFrom([]int{1, 2, 8, 100}).Draw(rt, "limit")
		}
		bad := rapid.SampledFrom([]int{0, 97, 400}).Draw(rt, "bad") // one of so many fails
		config := func(limit int) pipeline.Config {
			cfg := static(limit)
			if retry {
				cfg.Retry = &pipeline.Retry{BaseDelay: time.Microsecond, Park: limit%2 == 0}
			}
			if limit == 2 {
				cfg.Budgets = []pipeline.Budget{{Tokens: 1 << 40, Window: time.Second}}
			}
			return cfg
		}
		return func(f *faults) {
			cfg := config(8)
			cfg.Clock = &quickClock{Clock: clock.Real()}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var mu sync.Mutex
			limit, inFlight, n := 8, 0, 0
			var all sync.WaitGroup
			defer all.Wait()
			update := func(to int) {
				mu.Lock()
				limit = max(limit, to) // until it is in force, either may be
				mu.Unlock()
				if err := throttle.Update(config(to)); err != nil {
					f.add("%v", err)
				}
			}
			p := pipeline.Attach(throttle, func(_ context.Context, job int) (int, error) {
				mu.Lock()
				inFlight++
				n++
				f.check(inFlight <= limit, "job %d started with %d in flight, limit %d", job, inFlight, limit)
				to, now := updates[n]
				failing := bad > 0 && n%bad == 0
				mu.Unlock()
				switch {
				case now && byWork:
					update(to)
				case now:
					all.Go(func() { update(to) })
				}
				mu.Lock()
				defer mu.Unlock()
				inFlight--
				if failing {
					return 0, errService
				}
				return job * job, nil
			})
			if ordered {
				p.Ordered()
			}
			var got []int
			for r := range p.Run(context.Background(), feed(jobs)) {
				got = append(got, r.In)
				f.check(r.Err != nil || r.Out == r.In*r.In, "job %d: %d", r.In, r.Out)
				f.check(r.Err == nil || !retry, "job %d: %v", r.In, r.Err)
			}
			f.check(!ordered || slices.IsSorted(got), "out of order")
			slices.Sort(got)
			f.check(len(slices.Compact(got)) == jobs, "%d results of %d", len(got), jobs)
		}
	})
}

// TestCircuitStaysInItsState, whatever else changes of it.
func TestCircuitStaysInItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := func(failures, probes int, openFor time.Duration) pipeline.Config {
			cfg := static(9)
			cfg.Breaker = &pipeline.Breaker{Failures: failures, Probes: probes, OpenFor: openFor}
			return cfg
		}
		throttle := newThrottle(t, breaker(5, 1, time.Minute))
		expect := func(want pipeline.CircuitState) {
			t.Helper()
			if got := throttle.Snapshot().Circuit; got != want {
				t.Errorf("circuit %v, want %v", got, want)
			}
		}
		acquire := func() *pipeline.Slot {
			t.Helper()
			slot, err := throttle.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return slot
		}
		for range 3 {
			throttle.RecordFailure(errService)
		}
		mustUpdate(t, throttle, breaker(4, 1, time.Minute)) // the three count
		expect(pipeline.BreakerClosed)
		throttle.RecordFailure(errService)
		expect(pipeline.BreakerOpen)
		time.Sleep(30 * time.Second)
		mustUpdate(t, throttle, breaker(1000, 3, time.Hour))
		expect(pipeline.BreakerOpen)
		time.Sleep(30 * time.Second)
		expect(pipeline.BreakerHalfOpen)
		first, second, third := acquire(), acquire(), acquire()
		if _, err := throttle.Acquire(t.Context()); !errors.As(err, new(*pipeline.CircuitOpenError)) {
			t.Errorf("a fourth probe: %v", err)
		}
		first.Release(nil)
		expect(pipeline.BreakerHalfOpen)
		mustUpdate(t, throttle, breaker(1000, 2, time.Hour))
		expect(pipeline.BreakerHalfOpen)
		mustUpdate(t, throttle, breaker(1000, 1, time.Hour)) // one has succeeded
		expect(pipeline.BreakerClosed)
		second.Release(errService)
		third.Release(errService)
		expect(pipeline.BreakerClosed)
	})
}

// TestCallsWaitForTheCircuitAsLongAsTheyAreTo.
func TestCallsWaitForTheCircuitAsLongAsTheyAreTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := static(2)
		cfg.Breaker = &pipeline.Breaker{Failures: 1, OpenFor: time.Hour, Wait: true}
		throttle := newThrottle(t, cfg)
		throttle.RecordFailure(errService)
		failed := make(chan error)
		go func() {
			_, err := throttle.Acquire(t.Context())
			failed <- err
		}()
		time.Sleep(time.Minute)
		begin := time.Now()
		impatient := *cfg.Breaker
		impatient.Wait = false
		cfg.Breaker = &impatient
		mustUpdate(t, throttle, cfg)
		if err := <-failed; !errors.As(err, new(*pipeline.CircuitOpenError)) || time.Since(begin) != 0 {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}
