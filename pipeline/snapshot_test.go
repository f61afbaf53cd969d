package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

func TestSnapshotTellsEachState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := phases(time.Second, phase{time.Millisecond, answer{ending: fails, takes: time.Millisecond}})
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 2, InitialConcurrency: 2,
			Policy:  pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: time.Minute},
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 10 * time.Second},
		})
		throttle := p.Throttle()
		begin := time.Now()
		expect := func(at time.Duration, state pipeline.State, circuit pipeline.CircuitState, name string) {
			t.Helper()
			time.Sleep(time.Until(begin.Add(at)))
			if snap := throttle.Snapshot(); snap.State != state || snap.Circuit != circuit || snap.State.String() != name {
				t.Errorf("after %v: %v, circuit %v, want %v, %v", at, snap.State, snap.Circuit, name, circuit)
			}
		}
		expect(0, pipeline.Running, pipeline.BreakerClosed, "running")
		results := p.Run(t.Context(), feed(1000))
		go collect(results)
		expect(500*time.Microsecond, pipeline.Running, pipeline.BreakerClosed, "running")
		expect(5*time.Second, pipeline.CircuitOpen, pipeline.BreakerOpen, "circuit_open")
		expect(10*time.Second+time.Millisecond, pipeline.CircuitOpen, pipeline.BreakerHalfOpen, "circuit_open")
		expect(20*time.Second, pipeline.Cooling, pipeline.BreakerClosed, "cooling")
		expect(2*time.Minute, pipeline.Running, pipeline.BreakerClosed, "running")
		throttle.Close()
		expect(2*time.Minute+time.Millisecond, pipeline.Draining, pipeline.BreakerClosed, "draining")
		if err := throttle.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		expect(3*time.Minute, pipeline.Closed, pipeline.BreakerClosed, "closed")
		if snap := throttle.Snapshot(); snap.InFlight != 0 || snap.Completed == 0 || snap.Failed != 2 {
			t.Errorf("after the drain: %+v", snap)
		}
	})
}

// TestSnapshotIsTrue compares it with what the service sees, at any moment at
// which nothing is on the move.
func TestSnapshotIsTrue(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.TotalJobs = rapid.IntRange(1, 60).Draw(rt, "totalJobs")
		jobs := rapid.IntRange(0, 60).Draw(rt, "jobs")
		answers := drawAnswers(rt, cfg, jobs)
		pause := time.Duration(rapid.Int64Range(1, int64(50*time.Millisecond)).Draw(rt, "pause"))
		return func(f *faults) {
			s := &service{answer: answers}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			over := make(chan struct{})
			var succeeded, failed int64
			go func() {
				for r := range p.Run(context.Background(), feed(jobs)) {
					if r.Err == nil {
						succeeded++
					} else {
						failed++
					}
				}
				close(over)
			}()
			check := func() {
				synctest.Wait()
				snap := p.Throttle().Snapshot()
				s.mu.Lock()
				defer s.mu.Unlock()
				f.check(snap.InFlight == s.inFlight, "%d in flight, the service sees %d", snap.InFlight, s.inFlight)
				f.check(snap.Completed == succeeded && snap.Failed == failed,
					"%d completed, %d failed, the reader saw %d, %d", snap.Completed, snap.Failed, succeeded, failed)
				done := float64(min(succeeded+failed, int64(cfg.TotalJobs)))
				f.check(snap.Percentage == 100*done/float64(cfg.TotalJobs), "%v%% of %d: %v", snap.Percentage, cfg.TotalJobs, done)
				f.check(snap.Concurrency >= 1 && snap.Concurrency <= cfg.MaxConcurrency, "limit %d", snap.Concurrency)
				f.check(len(snap.Budgets) == len(cfg.Budgets), "%d budgets", len(snap.Budgets))
			}
			for range 50 {
				time.Sleep(pause)
				check()
			}
			<-over
			check()
			retries := int64(s.count()) - int64(len(s.attempts))
			f.check(p.Throttle().Snapshot().Retries == retries,
				"%d retries, the service saw %d", p.Throttle().Snapshot().Retries, retries)
		}
	})
}

func TestETAComesFromTheRateOfCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{takes: time.Second}), pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}, TotalJobs: 100})
		if eta := p.Throttle().Snapshot().ETA; eta >= 0 {
			t.Errorf("ETA %v before the begin", eta)
		}
		results := p.Run(t.Context(), feed(100))
		for range 20 {
			<-results
		}
		snap := p.Throttle().Snapshot()
		if snap.Percentage != 20 || snap.ETA.Round(time.Second) != 40*time.Second {
			t.Errorf("%v%%, ETA %v", snap.Percentage, snap.ETA)
		}
		collect(results)
		snap = p.Throttle().Snapshot()
		if snap.Percentage != 100 || snap.ETA != 0 || snap.Completed != 100 || snap.Total != 100 {
			t.Errorf("at the end: %+v", snap)
		}
	})
}

func TestETAKnowsNothingOfARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{takes: 100 * time.Millisecond}), pipeline.Config{MaxConcurrency: 1, TotalJobs: 1000})
		for done := 250; done <= 750; done += 250 {
			time.Sleep(time.Hour)
			p.Throttle().Snapshot() // which ends no rest
			results := p.Run(t.Context(), feed(250))
			for range 250 {
				<-results
				left := time.Duration(1000-p.Throttle().Snapshot().Completed) * 100 * time.Millisecond
				if eta := p.Throttle().Snapshot().ETA; eta < left*95/100 || eta > left*105/100 {
					t.Fatalf("ETA %v, want about %v", eta, left)
				}
			}
			collect(results)
			if snap := p.Throttle().Snapshot(); snap.Completed != int64(done) {
				t.Errorf("%d completed, want %d", snap.Completed, done)
			}
		}
	})
}

func TestRetriesCountsOnlyAttemptsThatWereMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, park := range []bool{false, true} {
			s := always(answer{ending: fails})
			p := newLine(t, s, pipeline.Config{
				MaxConcurrency: 2,
				Policy:         pipeline.Static{},
				Retry:          &pipeline.Retry{BaseDelay: time.Hour, MaxDelay: time.Hour, Backoff: pipeline.Fixed, Park: park},
			})
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
			defer cancel()
			tried := 0
			for r := range p.Run(ctx, feed(2)) { // cancelled while backing off
				if r.Attempts != 2 {
					t.Errorf("park %v: job %d: %d attempts, want 2", park, r.In, r.Attempts)
				}
				tried++
			}
			snap := p.Throttle().Snapshot()
			if snap.Retries != 2 || snap.Failed != 2 || s.count() != 4 || tried != 2 {
				t.Errorf("park %v: %d retries, %d failed, want 2; the service saw %d attempts", park, snap.Retries, snap.Failed, s.count())
			}
		}
	})
}

func TestJobsWhoseCostIsNotKnownCountAsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{}), pipeline.Config{TotalJobs: 4, Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}}})
		p.Cost(func(job int) int64 {
			if job == 2 {
				panic("no idea")
			}
			return int64(job * 10)
		})
		collect(p.Run(t.Context(), feed(4)))
		if snap := p.Throttle().Snapshot(); snap.Completed != 2 || snap.Failed != 2 || snap.Percentage != 100 || snap.ETA != 0 {
			t.Errorf("%+v", snap)
		}
	})
}

func TestETAKnowsForHowLongNothingStarts(t *testing.T) {
	about := func(t *testing.T, got, want time.Duration) {
		t.Helper()
		if got < want || got > want+want/20 {
			t.Errorf("ETA %v, want %v and little more", got, want)
		}
	}
	t.Run("a budget that is used up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, budget := range []pipeline.Budget{
				{Tokens: 100, Window: time.Hour, Requests: true}, {Tokens: 1000, Window: time.Hour},
			} {
				begin := time.Now()
				p := newLine(t, always(answer{takes: 100 * time.Millisecond}), pipeline.Config{
					MaxConcurrency: 5, InitialConcurrency: 5, Policy: pipeline.Static{}, TotalJobs: 1000, Budgets: []pipeline.Budget{budget},
				}).Cost(constant(10))
				results := p.Run(t.Context(), feed(1000))
				go func() {
					for range results {
					}
				}()
				for _, at := range []time.Duration{10 * time.Second, time.Minute, 59 * time.Minute, 3*time.Hour + time.Minute, 8*time.Hour + time.Minute} {
					time.Sleep(at - time.Since(begin))
					left := 9*time.Hour - at
					if eta := p.Throttle().Snapshot().ETA; eta < left || eta > left+time.Hour {
						t.Errorf("after %v: ETA %v, want %v", at, eta, left)
					}
				}
				time.Sleep(2 * time.Hour)
			}
		})
	})
	holds := func(name string, ending ending, after time.Duration, cfg pipeline.Config) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{answer: func(job, number int) answer {
					if job == 100 && number == 0 {
						return answer{ending: ending, after: after, takes: 100 * time.Millisecond}
					}
					return answer{takes: 100 * time.Millisecond}
				}}
				cfg.MaxConcurrency, cfg.Policy, cfg.TotalJobs = 1, pipeline.Static{}, 1000
				p := newLine(t, s, cfg)
				results := p.Run(t.Context(), feed(1000))
				done := make(chan bool)
				go func() {
					for range results {
					}
					close(done)
				}()
				time.Sleep(10*time.Second + 200*time.Millisecond) // ten a second
				rest := 90 * time.Second
				for _, passed := range []time.Duration{0, time.Minute, 58 * time.Minute} {
					time.Sleep(passed)
					snap := p.Throttle().Snapshot()
					about(t, snap.ETA, max(snap.PausedFor, snap.CircuitOpenFor)+rest-2*time.Second)
				}
				time.Sleep(time.Minute + 30*time.Second)              // of which 30s are work
				about(t, p.Throttle().Snapshot().ETA, 59*time.Second) // 301 are done
				<-done
			})
		})
	}
	holds("a pause", refuses, time.Hour, pipeline.Config{})
	holds("a circuit", fails, 0, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}})
}

// A run that is stopped lets the rest of its jobs go. They have not failed, nor are they done.
func TestJobsThatWereLetGoHaveNeitherFailedNorSucceeded(t *testing.T) {
	slow := func(after time.Duration, err error) pipeline.Work[int, int] {
		return func(ctx context.Context, n int) (int, error) {
			select {
			case <-time.After(after):
				return n, err
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
	}
	deaf := func(context.Context, int) (int, error) {
		time.Sleep(time.Minute)
		return 0, errService
	}
	for _, test := range []struct {
		name      string
		work      pipeline.Work[int, int]
		call      bool
		deadline  bool // ends it, not a cancel
		completed int64
		failed    int64
	}{
		{name: "in flight", work: slow(time.Hour, nil)},
		{name: "in flight at the deadline", work: slow(time.Hour, nil), deadline: true},
		{name: "backing off", work: slow(0, errService)},
		{name: "failed by themselves", work: deaf, failed: 2},
		{name: "done all the same", work: slow(time.Second, nil), completed: 3},
		{name: "a call in flight", work: slow(time.Hour, nil), call: true},
		{name: "a call in backoff", work: slow(0, errService), call: true},
		{name: "a call that did not meet its deadline", work: slow(time.Hour, nil), call: true, deadline: true, failed: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, pipeline.Config{
					MaxConcurrency: 2, TotalJobs: 3, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Minute},
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				if test.deadline {
					end := context.CancelFunc(nil)
					ctx, end = context.WithTimeout(ctx, 30*time.Second)
					defer end()
				} else {
					time.AfterFunc(30*time.Second, func() { cancel(errLeft) })
				}
				defer cancel(nil)
				if test.call {
					if _, err := pipeline.Wrap(throttle, test.work)(ctx, 1); err == nil {
						t.Error("got no error")
					}
				} else {
					collect(pipeline.Attach(throttle, test.work).Run(ctx, feed(3)))
				}
				if s := throttle.Snapshot(); s.Completed != test.completed || s.Failed != test.failed {
					t.Errorf("%d completed and %d failed, want %d and %d", s.Completed, s.Failed, test.completed, test.failed)
				}
			})
		})
	}
}
