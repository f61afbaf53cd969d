package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A stepClock is the bubble's clock, and goes on by a nanosecond with each
// attempt: all of them are quick, however long it takes to hand them over.
type stepClock struct {
	clock.Clock
	steps atomic.Int64
}

func (c *stepClock) Now() time.Time {
	return c.Clock.Now().Add(time.Duration(c.steps.Load()))
}
func (c *stepClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

const (
	warm   = 300 // attempts after which others are handed over ahead
	ahead  = 64  // how many are
	script = 600 // jobs of a rehearsal
)

// A rehearsal is a service whose attempts take no time until the dispatcher
// has got used to that. Those that start then wait for their cue.
type rehearsal struct {
	throttle *pipeline.Throttle
	clock    *stepClock
	begin    time.Time
	first    answer // to the very first attempt: a failure if there are retries
	cue      chan answer

	mu      sync.Mutex
	slot    *pipeline.Slot  // of an attempt that has waited for its cue
	starts  []time.Duration // since the begin, but for the clock's steps
	jobs    []int           // that were started, in order
	results []result
}

// rehearse runs all jobs and returns when all that can be is handed over
// ahead, and all that is running waits for its cue.
func rehearse(t *testing.T, cfg pipeline.Config, prepare func(*line)) *rehearsal {
	t.Helper()
	r := &rehearsal{clock: &stepClock{Clock: clock.Real()}, begin: time.Now(), cue: make(chan answer)}
	if cfg.Retry != nil {
		r.first.ending = fails
	}
	cfg.Clock = r.clock
	r.throttle = newThrottle(t, cfg)
	p := pipeline.Attach(r.throttle, r.work)
	prepare(p)
	jobs := make(chan int, script)
	go func() {
		for result := range p.Run(t.Context(), jobs) {
			r.mu.Lock()
			r.results = append(r.results, result)
			r.mu.Unlock()
		}
	}()
	for i := range script {
		jobs <- i
		if i == 0 {
			synctest.Wait() // a failure that is reported late would interrupt the quick successes
		}
	}
	close(jobs)
	if got := r.started(); got != warm+cfg.MaxConcurrency {
		t.Fatalf("%d attempts started, want %d", got, warm+cfg.MaxConcurrency)
	}
	if inside := script - len(jobs) - warm; inside < ahead+cfg.MaxConcurrency {
		t.Fatalf("%d jobs are inside: nothing is handed over ahead", inside)
	}
	return r
}

func (r *rehearsal) work(ctx context.Context, job int) (int, error) {
	r.mu.Lock()
	r.starts = append(r.starts, time.Since(r.begin).Round(time.Millisecond))
	r.jobs = append(r.jobs, job)
	n := len(r.jobs)
	if n > warm {
		r.slot = pipeline.SlotFrom(ctx)
	}
	r.mu.Unlock()
	r.clock.steps.Add(1)
	var a answer
	switch {
	case n == 1:
		a = r.first
	case n > warm:
		a = <-r.cue
	}
	return job * job, a.err(ctx)
}

// started returns how many attempts have started once nothing moves any more.
func (r *rehearsal) started() int {
	time.Sleep(time.Microsecond) // the reader may lag by a few nanoseconds
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.jobs)
}

// end lets all go on, well, for an hour, and returns when all jobs are back.
func (r *rehearsal) end(t *testing.T) {
	t.Helper()
	close(r.cue)
	time.Sleep(time.Hour)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.results) != script {
		t.Errorf("%d results of %d", len(r.results), script)
	}
}

// sizes are what the tests below are tried with.
var sizes = []int{1, 2, 8}

func TestOpeningHoldsThoughAttemptsWereHandedOverAhead(t *testing.T) {
	for _, limit := range sizes {
		for _, failures := range []int{1, 3} {
			t.Run(fmt.Sprintf("limit %d, %d failures", limit, failures), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := rehearse(t, pipeline.Config{
						MaxConcurrency: limit,
						Policy:         pipeline.Static{},
						Breaker:        &pipeline.Breaker{Failures: failures, OpenFor: time.Minute},
					}, func(*line) {})
					for range failures {
						r.cue <- answer{ending: fails}
						synctest.Wait()
					}
					want := warm + limit + failures - 1
					for range limit - 1 { // those that were running end
						r.cue <- answer{ending: fails}
					}
					if got := r.started(); got != want {
						t.Errorf("%d attempts started, want %d", got, want)
					}
					time.Sleep(59 * time.Second)
					if got := r.started(); got != want {
						t.Errorf("%d attempts started while the circuit was open, want %d", got, want)
					}
					time.Sleep(time.Second)
					if got := r.started(); got != want+1 {
						t.Errorf("%d attempts started with the probe, want %d", got, want+1)
					}
					r.end(t)
				})
			})
		}
	}
}

// TestOutageBurnsFewOfTheAttemptsHandedOverAhead: the same without anybody
// waiting for anybody else.
func TestOutageBurnsFewOfTheAttemptsHandedOverAhead(t *testing.T) {
	for _, limit := range sizes {
		synctest.Test(t, func(t *testing.T) {
			c := &stepClock{Clock: clock.Real()}
			var attempts atomic.Int64
			p, err := pipeline.New(func(context.Context, int) (int, error) {
				c.steps.Add(1)
				if attempts.Add(1) > 2*warm {
					return 0, errService
				}
				return 0, nil
			}, pipeline.Config{
				MaxConcurrency: limit, Policy: pipeline.Static{}, Clock: c,
				Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errLeft)
			defer cancel()
			burned := 0
			for r := range p.Run(ctx, feed(1000)) {
				if errors.Is(r.Err, errService) {
					burned++
				}
			}
			if burned < 1 || burned > limit {
				t.Errorf("limit %d: %d jobs failed before the circuit was open", limit, burned)
			}
		})
	}
}

// A brake is a policy that sets an interval after some outcomes, or when an
// attempt fails.
type brake struct {
	after    int
	interval time.Duration
	limit    int
}

func (b *brake) Start(bounds pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	b.limit = bounds.MaxLimit
	return b, pipeline.Setting{Limit: b.limit}
}

func (b *brake) Next(_ time.Time, o pipeline.Outcome) pipeline.Setting {
	if b.after--; b.after > 0 && !o.Overloads() {
		return pipeline.Setting{Limit: b.limit}
	}
	b.after = 0
	return pipeline.Setting{Limit: b.limit, Interval: b.interval}
}

func TestNewIntervalHoldsThoughAttemptsWereHandedOverAhead(t *testing.T) {
	for _, limit := range sizes {
		for name, test := range map[string]struct {
			after int // outcomes that the policy waits for
			end   ending
		}{
			"failure": {2 * script, fails},
			"success": {warm + ahead, succeeds}, // nothing stops the workers, but the dispatcher
		} {
			t.Run(fmt.Sprintf("limit %d, %s", limit, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := rehearse(t, pipeline.Config{
						MaxConcurrency: limit,
						Policy:         &brake{after: test.after, interval: time.Second},
					}, func(*line) {})
					want := warm + limit
					r.cue <- answer{ending: test.end}
					synctest.Wait()
					for r.throttle.Snapshot().DispatchInterval == 0 {
						want++
						r.cue <- answer{}
						synctest.Wait()
					}
					if test.end == succeeds {
						want++ // the worker could not know
					}
					now := r.started()
					if now != want || want > test.after+limit {
						t.Errorf("%d attempts started at once, want %d", now, want)
					}
					r.end(t)
					for i := now; i < len(r.starts); i++ {
						if want := time.Duration(i-now+1) * time.Second; r.starts[i] != want {
							t.Fatalf("attempt %d started at %v, want %v", i, r.starts[i], want)
						}
					}
				})
			})
		}
	}
}

func TestRecallGivesBackReservations(t *testing.T) {
	for _, limit := range sizes {
		synctest.Test(t, func(t *testing.T) {
			r := rehearse(t, pipeline.Config{
				MaxConcurrency: limit,
				Policy:         pipeline.Static{},
				Breaker:        &pipeline.Breaker{Failures: 1, OpenFor: time.Minute},
				Budgets: []pipeline.Budget{
					{Name: "a", Tokens: 10_000, Window: 24 * time.Hour},
					{Name: "b", Tokens: 20_000, Window: 24 * time.Hour},
					{Name: "c", Tokens: 30_000, Window: 24 * time.Hour},
				},
			}, func(p *line) { p.Cost(constant(2)) })
			used := func(want int) {
				t.Helper()
				for _, b := range r.throttle.Snapshot().Budgets {
					if b.Used != int64(2*want) {
						t.Errorf("limit %d: %d tokens of budget %s used or reserved, want %d", limit, b.Used, b.Name, 2*want)
					}
				}
			}
			used(warm + limit + ahead)
			r.cue <- answer{ending: fails}
			synctest.Wait()
			used(warm + limit) // the one that failed has used its cost, and those that are running keep theirs
			if snap := r.throttle.Snapshot(); snap.InFlight != limit-1 || snap.Circuit != pipeline.BreakerOpen {
				t.Errorf("%d in flight, circuit %v", snap.InFlight, snap.Circuit)
			}
			r.end(t)
			used(script)
		})
	}
}

func TestRecalledRetriesAreNotCounted(t *testing.T) {
	for _, limit := range sizes {
		synctest.Test(t, func(t *testing.T) {
			r := rehearse(t, pipeline.Config{
				MaxConcurrency: limit,
				Policy:         pipeline.Static{},
				Retry:          &pipeline.Retry{BaseDelay: time.Second, MaxDelay: time.Second, Backoff: pipeline.Fixed, Park: true},
				Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute, Counts: func(err error) bool {
					return err != errService // the first one does not open it
				}},
			}, func(*line) {})
			time.Sleep(2 * time.Second) // the retry is due
			r.cue <- answer{}           // and handed over, behind the others
			synctest.Wait()
			r.cue <- answer{ending: refuses}
			synctest.Wait()
			if got := r.throttle.Snapshot().Retries; got != 0 {
				t.Errorf("limit %d: %d retries before one was made", limit, got)
			}
			r.end(t)
			if got := r.throttle.Snapshot().Retries; got != 2 || len(r.jobs) != script+2 {
				t.Errorf("limit %d: %d retries, %d attempts, want 2 and %d", limit, got, len(r.jobs), script+2)
			}
		})
	}
}

func TestRecalledJobsKeepTheirOrder(t *testing.T) {
	for name, prepare := range map[string]func(*line){
		"Ordered": func(p *line) { p.Ordered() },
		"as done": func(*line) {},
	} {
		for _, limit := range sizes {
			t.Run(fmt.Sprintf("%s, limit %d", name, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := rehearse(t, pipeline.Config{
						MaxConcurrency: limit,
						Policy:         pipeline.Static{},
						Breaker:        &pipeline.Breaker{Failures: 1, OpenFor: time.Second},
					}, prepare)
					r.cue <- answer{ending: fails}
					r.end(t)
					if limit == 1 && !slices.IsSorted(r.jobs) {
						t.Errorf("attempts out of order: %v", r.jobs)
					}
					sorted := slices.IsSortedFunc(r.results, func(a, b result) int { return a.In - b.In })
					if (name == "Ordered" || limit == 1) && !sorted {
						t.Error("results out of order")
					}
				})
			})
		}
	}
}

// What is recalled of a cancelled run goes back to its owner, not into a queue
// that an open circuit holds up.
func TestCancelEndsARunWhoseAttemptsAreRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stepClock{Clock: clock.Real()}
		release := make(chan struct{})
		var attempts atomic.Int64
		p, err := pipeline.New(func(context.Context, int) (int, error) {
			c.steps.Add(1)
			if attempts.Add(1) > warm {
				<-release
				return 0, errService
			}
			return 0, nil
		}, pipeline.Config{
			MaxConcurrency: 2, Policy: pipeline.Static{}, Clock: c,
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		begin := time.Now()
		time.AfterFunc(time.Second, func() { cancel(errLeft) })
		time.AfterFunc(2*time.Second, func() { close(release) })
		for r := range p.Run(ctx, feed(1000)) {
			if r.Attempts == 0 && r.Err != errLeft {
				t.Errorf("job %d never started: %v", r.In, r.Err)
			}
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A recalled probe frees its place.
func TestRecalledProbesFreeTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stepClock{Clock: clock.Real()}
		var attempts atomic.Int64
		p, err := pipeline.New(func(ctx context.Context, _ int) (int, error) {
			c.steps.Add(1)
			switch n := attempts.Add(1); {
			case n == 1:
				return 0, errService
			case n == 300:
				time.Sleep(time.Millisecond) // until all is handed over ahead
				return 0, pipeline.Fatal(errService)
			}
			return 0, nil
		}, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Clock: c,
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Second, Probes: 500},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errStalled)
		defer cancel()
		for r := range p.Run(ctx, feed(2000)) {
			if r.Err == errStalled {
				t.Fatalf("job %d: %v: %+v", r.In, r.Err, p.Throttle().Snapshot())
			}
		}
	})
}

// TestOneJobOneResultOfWhatWasHandedOverAhead sprinkles failures over attempts
// that are all handed over ahead.
func TestOneJobOneResultOfWhatWasHandedOverAhead(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		const jobs = 500
		cfg := pipeline.Config{
			MaxConcurrency: rapid.SampledFrom([]int{1, 1, 2, 8}).Draw(rt, "max"),
			Policy:         pipeline.Static{},
		}
		if rapid.Bool().Draw(rt, "slows") {
			cfg.Policy = &brake{after: 1000, interval: time.Microsecond}
		}
		if rapid.Bool().Draw(rt, "retries") {
			cfg.Retry = &pipeline.Retry{BaseDelay: 1, MaxDelay: 1, Park: rapid.Bool().Draw(rt, "park")}
		}
		if rapid.Bool().Draw(rt, "breakable") {
			cfg.Breaker = &pipeline.Breaker{Failures: rapid.IntRange(1, 3).Draw(rt, "failures"), OpenFor: time.Second}
		}
		if rapid.Bool().Draw(rt, "budgeted") {
			cfg.Budgets = []pipeline.Budget{
				{Name: "short", Tokens: 400, Window: time.Second}, {Name: "long", Tokens: 10 * jobs, Window: time.Hour},
			}
		}
		ordered := rapid.Bool().Draw(rt, "ordered")
		bad := make(map[int64]ending)
		for range rapid.IntRange(1, 12).Draw(rt, "bad") {
			at := rapid.Int64Range(200, jobs).Draw(rt, "at")
			bad[at] = ending(rapid.IntRange(int(fails), int(cancels)).Draw(rt, "ending"))
		}
		return func(f *faults) {
			c := &stepClock{Clock: clock.Real()}
			cfg.Clock = c
			s := always(answer{})
			var attempts, worked atomic.Int64
			p, err := pipeline.New(func(ctx context.Context, job int) (int, error) {
				a := s.begin(job)
				defer s.finish(a)
				c.steps.Add(1)
				ending := bad[attempts.Add(1)]
				if ending != failsFatally && ending != refuses && ending != hints {
					worked.Add(1)
				}
				return job * job, answer{ending: ending}.err(ctx)
			}, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			p.Cost(constant(1))
			if ordered {
				p.Ordered()
			}
			var got, first []int
			succeeded := int64(0)
			for _, r := range collect(p.Run(context.Background(), feed(jobs))) {
				got = append(got, r.In)
				f.check(r.Attempts == s.attempts[r.In], "job %d: %d attempts, the service counts %d", r.In, r.Attempts, s.attempts[r.In])
				f.check(r.Err != nil || r.Out == r.In*r.In, "job %d: got %d", r.In, r.Out)
				f.check(r.Waited >= 0 && r.Took >= 0, "job %d: waited %v, took %v", r.In, r.Waited, r.Took)
				if r.Err == nil {
					succeeded++
				}
			}
			for _, a := range s.log {
				if a.number == 0 {
					first = append(first, a.job)
				}
			}
			f.check(cfg.MaxConcurrency > 1 || slices.IsSorted(first), "first attempts out of order")
			f.check(!ordered || slices.IsSorted(got), "results out of order")
			slices.Sort(got)
			f.check(len(got) == jobs && len(slices.Compact(got)) == jobs, "%d results of %d", len(got), jobs)
			f.check(s.most <= cfg.MaxConcurrency, "%d in flight", s.most)
			snap := p.Throttle().Snapshot()
			f.check(snap.Retries == int64(len(s.log)-jobs), "%d retries, the service saw %d", snap.Retries, len(s.log)-jobs)
			f.check(snap.Completed == succeeded && snap.Completed+snap.Failed == jobs, "%d completed, %d failed", snap.Completed, snap.Failed)
			f.check(cfg.Budgets == nil || snap.Budgets[1].Used == worked.Load(), "used %+v in %d attempts for which work was done", snap.Budgets, worked.Load())
		}
	})
}
