package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestOutageLosesNoMoreJobsThanItTakesToNotice it, and none that is only refused:
// each attempt that finds out whether the service is back costs its job one, and
// there are few of them.
func TestOutageLosesNoMoreJobsThanItTakesToNotice(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		failures := rapid.IntRange(1, 5).Draw(rt, "failures")
		cfg := pipeline.Config{
			MaxConcurrency: rapid.IntRange(1, 20).Draw(rt, "max"),
			Policy:         pipeline.AIMD{FailureThreshold: 2, CoolingPeriod: time.Second},
			Breaker: &pipeline.Breaker{
				Failures: failures,
				OpenFor:  time.Second,
				Probes:   rapid.IntRange(1, 3).Draw(rt, "probes"),
			},
			Retry: &pipeline.Retry{
				MaxAttempts: failures + 1,
				BaseDelay:   rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second}).Draw(rt, "delay"),
				Park:        rapid.Bool().Draw(rt, "park"),
			},
			Seed: 1,
		}
		from := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(rt, "from"))
		outage := time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(rt, "outage"))
		how := rapid.SampledFrom([]ending{fails, refuses, hints, failsTransiently}).Draw(rt, "how")
		const jobs = 200
		return func(f *faults) {
			begin := time.Now()
			s := &service{answer: func(int, int) answer {
				a := answer{takes: 10 * time.Millisecond, after: 20 * time.Millisecond}
				if now := time.Since(begin); now >= from && now < from+outage {
					a.ending = how
				}
				return a
			}}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			n, lost := 0, 0
			for r := range p.Run(context.Background(), feed(jobs)) {
				n++
				if r.Err != nil {
					lost++
					f.check(r.Attempts == failures+1, "job %d lost after %d attempts: %v", r.In, r.Attempts, r.Err)
				}
			}
			f.check(n == jobs, "%d results of %d", n, jobs)
			// An attempt a probe and one after the other, but no storm. Until the
			// circuit opens, each of the jobs that make the row may be tried again.
			each := failures + 1
			if refused := how == refuses || how == hints; refused {
				each = 30 + int(outage/(5*time.Second))
				f.check(lost == 0, "%d jobs lost that were only refused", lost)
			}
			wasted := len(s.log) - (jobs - lost)
			most := failures*each + cfg.MaxConcurrency + cfg.Breaker.Probes*(int(outage/(5*time.Second))+5)
			f.check(wasted <= most, "%d attempts wasted in an outage of %v, want at most %d", wasted, outage, most)
		}
	})
}

func TestFailedProbesUseUpAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(_, number int) answer {
			if number < 10 {
				return answer{ending: fails}
			}
			return answer{}
		}}
		r := runAll(t, s, pipeline.Config{
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Second},
			Retry:   &pipeline.Retry{MaxAttempts: 2},
		}, 1)[0]
		if r.Err == nil || r.Attempts != 2 {
			t.Errorf("ended after %d attempts with %v", r.Attempts, r.Err)
		}
	})
}

func TestRefusalsDoNotUseUpAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, how := range []ending{refuses, hints} {
			s := &service{answer: func(_, number int) answer {
				switch {
				case number == 5:
					return answer{ending: fails}
				case number < 10:
					return answer{ending: how}
				}
				return answer{}
			}}
			r := runAll(t, s, pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 2}}, 1)[0]
			if r.Err != nil || r.Attempts != 11 {
				t.Errorf("ended after %d attempts with %v", r.Attempts, r.Err)
			}
		}
	})
}

func TestRefusalsEndAtGiveUpAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, how := range []ending{refuses, hints} {
			s := always(answer{ending: how, takes: time.Second})
			r := runAll(t, s, pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{
				Backoff: pipeline.Fixed, BaseDelay: 9 * time.Second, GiveUpAfter: time.Minute,
			}}, 1)[0]
			// The first refusal is at 1s, the last one 60s later.
			var exhausted *pipeline.RetriesExhaustedError
			if !errors.As(r.Err, &exhausted) || exhausted.Attempts != 7 || r.Attempts != 7 || r.Took != 61*time.Second {
				t.Errorf("ended after %d attempts and %v with %v", r.Attempts, r.Took, r.Err)
			}
			if last := s.log[len(s.log)-1]; !errors.Is(r.Err, last.err) {
				t.Errorf("cannot see %v through %v", last.err, r.Err)
			}
		}
	})
}

func TestRefusalsNeverEndIfToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: refuses, after: time.Hour})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1000*time.Hour-1, func() { cancel(errLeft) })
		p := newLine(t, s, pipeline.Config{Retry: &pipeline.Retry{BaseDelay: 1, GiveUpAfter: -1}})
		r := collect(p.Run(ctx, feed(1)))[0]
		if r.Attempts != 1000 || !errors.Is(r.Err, errLeft) || !errors.Is(r.Err, errService) {
			t.Errorf("ended after %d attempts with %v", r.Attempts, r.Err)
		}
	})
}

func TestRetryAfterIsALowerBound(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.AttemptTimeout = 0
		cfg.Retry = &pipeline.Retry{BaseDelay: time.Millisecond, GiveUpAfter: -1, Park: rapid.Bool().Draw(rt, "park")}
		after := time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(rt, "after"))
		how := rapid.SampledFrom([]ending{refuses, hints}).Draw(rt, "how")
		jobs := rapid.IntRange(1, 20).Draw(rt, "jobs")
		return func(f *faults) {
			s := &service{answer: func(_, number int) answer {
				if number < 2 {
					return answer{ending: how, after: after, takes: time.Millisecond}
				}
				return answer{}
			}}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			for r := range p.Run(context.Background(), feed(jobs)) {
				f.check(r.Err == nil, "%v", r.Err)
				log := s.of(r.In)
				for i := 1; i < len(log); i++ {
					pause := log[i].start.Sub(log[i-1].end)
					f.check(pause >= after, "tried again after %v, want %v", pause, after)
				}
			}
		}
	})
}

func TestOnlyAJobsLastFailureDecelerates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cuts := 0
		cfg := pipeline.Config{
			Policy: pipeline.AIMD{FailureThreshold: 1},
			Retry:  &pipeline.Retry{MaxAttempts: 3},
			OnEvent: func(e pipeline.Event) {
				if e.Kind == pipeline.EventDecelerated {
					cuts++
				}
			},
		}
		s := &service{answer: func(_, number int) answer {
			return answer{ending: ending(1 - number/2)} // fails, fails, succeeds
		}}
		runAll(t, s, cfg, 50)
		synctest.Wait()
		if len(s.log) != 150 || cuts != 0 {
			t.Errorf("%d attempts, %d cuts", len(s.log), cuts)
		}
		runAll(t, always(answer{ending: fails}), cfg, 1)
		synctest.Wait()
		if cuts != 1 {
			t.Errorf("%d cuts for a job that failed", cuts)
		}
	})
}

func TestWithoutRetryOneAttemptAndTheRawError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for e := fails; e <= timesOut; e++ {
			s := always(answer{ending: e})
			r := runAll(t, s, pipeline.Config{}, 1)[0]
			if r.Attempts != 1 || r.Err == nil || s.log[0].err != nil && r.Err != s.log[0].err {
				t.Errorf("ending %d: %d attempts, %v", e, r.Attempts, r.Err)
			}
		}
	})
}

func TestErrorsSeeThroughExhaustedRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pipeline.New(func(context.Context, int) (int, error) {
			return 7, errors.Join(hintless{}, pipeline.Transient(errService))
		}, pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 2}})
		if err != nil {
			t.Fatal(err)
		}
		r := collect(p.Run(t.Context(), feed(1)))[0]
		var exhausted *pipeline.RetriesExhaustedError
		if !errors.As(r.Err, &exhausted) || exhausted.Attempts != 2 || r.Attempts != 2 {
			t.Errorf("got %v after %d attempts", r.Err, r.Attempts)
		}
		if !errors.Is(r.Err, errService) || !errors.As(r.Err, new(hintless)) {
			t.Errorf("cannot see through %v", r.Err)
		}
		if r.Out != 7 {
			t.Errorf("output beside the error: %d", r.Out)
		}
	})
}

// hintless is an error of the user's own type.
type hintless struct{}

func (hintless) Error() string { return "hintless" }

func TestFatalIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range []ending{failsFatally, panics, exits, cancels} {
			s := always(answer{ending: e})
			r := runAll(t, s, pipeline.Config{Retry: &pipeline.Retry{}}, 1)[0]
			if r.Attempts != 1 || r.Err == nil {
				t.Errorf("ending %d: %d attempts, %v", e, r.Attempts, r.Err)
			}
		}
	})
}

func TestRetryableChoosesUnlessTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 2, Retryable: func(error) bool { return false }}}
		if r := runAll(t, always(answer{ending: fails}), cfg, 1)[0]; r.Attempts != 1 || r.Err != errService {
			t.Errorf("%d attempts, %v", r.Attempts, r.Err)
		}
		if r := runAll(t, always(answer{ending: failsTransiently}), cfg, 1)[0]; r.Attempts != 2 {
			t.Errorf("transient: %d attempts, %v", r.Attempts, r.Err)
		}
	})
}
