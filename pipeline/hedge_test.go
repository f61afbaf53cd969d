package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// A tail is a service of which one answer in each hundred, anywhere among them, takes 20 times as
// long. It looks at the context.
type tail struct {
	mu       sync.Mutex
	random   *rand.Rand
	calls    int
	slow     int // of the hundred, which one
	inFlight int
	most     int
}

func newTail(seed uint64) *tail { return &tail{random: rand.New(rand.NewPCG(seed, 0))} }

const tailTakes = 100 * time.Millisecond

func (s *tail) work(ctx context.Context, job int) (int, error) {
	s.mu.Lock()
	if s.calls%100 == 0 {
		s.slow = s.random.IntN(100)
	}
	s.calls++
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	takes := time.Duration(float64(tailTakes) * (0.8 + 0.4*s.random.Float64()))
	if (s.calls-1)%100 == s.slow {
		takes *= 20
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return job * job, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// quantile returns what a share of the results took at most.
func quantile(results []result, share float64) time.Duration {
	var took []time.Duration
	for _, r := range results {
		took = append(took, r.Took)
	}
	slices.Sort(took)
	return took[int(share*float64(len(took)))]
}

// TestHedgedCutsTheTail: with a second attempt for what takes long, 99 in a hundred are answered in
// at most 0.4 times the time, for at most 3% more attempts, within the limit, and each job comes
// back once. What is not marked is never done twice.
func TestHedgedCutsTheTail(t *testing.T) {
	const jobs, limit = 5000, 16
	run := func(t *testing.T, seed uint64, policy pipeline.Policy, mark func(pipeline.Work[int, int]) pipeline.Work[int, int]) (*tail, []result, pipeline.Snapshot) {
		s := newTail(seed)
		p, err := pipeline.New(mark(s.work), pipeline.Config{MaxConcurrency: limit, Policy: policy, Retry: &pipeline.Retry{}, Seed: 1, Spread: -1})
		if err != nil {
			t.Fatal(err)
		}
		results := collect(p.Run(t.Context(), feed(jobs)))
		for _, r := range results {
			if r.Err != nil || r.Out != r.In*r.In || r.Attempts != 1 {
				t.Errorf("job %d: got %d, %v after %d attempts", r.In, r.Out, r.Err, r.Attempts)
			}
		}
		return s, results, p.Throttle().Snapshot()
	}
	for name, policy := range map[string]pipeline.Policy{"static": pipeline.Static{}, "seek": pipeline.Seek{}} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					plain, before, s := run(t, seed, policy, func(w pipeline.Work[int, int]) pipeline.Work[int, int] { return w })
					if plain.calls != jobs || s.Hedges != 0 {
						t.Errorf("%d calls and %d hedges of what is not marked", plain.calls, s.Hedges)
					}
					hedged, after, s := run(t, seed, policy, func(w pipeline.Work[int, int]) pipeline.Work[int, int] { return pipeline.Hedged(w, pipeline.Hedge{}) })
					slow, quick := quantile(before, 0.99), quantile(after, 0.99)
					t.Logf("p99 %v, with hedges %v; p99.9 %v, with hedges %v; %d of %d calls more",
						slow, quick, quantile(before, 0.999), quantile(after, 0.999), hedged.calls-jobs, jobs)
					if float64(quick) > 0.4*float64(slow) {
						t.Errorf("p99 is %v, and was %v", quick, slow)
					}
					if more := hedged.calls - jobs; more > jobs*3/100 || more == 0 || int64(more) != s.Hedges {
						t.Errorf("%d calls more, of %d, and %d hedges", more, jobs, s.Hedges)
					}
					if len(after) != jobs || s.Completed != jobs || s.Failed != 0 || hedged.most > limit {
						t.Errorf("%d results, %d in flight, %+v", len(after), hedged.most, s)
					}
				})
			})
		}
	}
}

// TestHedgesStayWithinEveryGate: whatever the service does, second attempts are counted by the limit
// and by budgets, as first ones are, and each job comes back once.
func TestHedgesStayWithinEveryGate(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(150, 400).Draw(rt, "jobs")
		tokens, window := rapid.Int64Range(20, 200).Draw(rt, "tokens"), time.Duration(rapid.Int64Range(1, 2000).Draw(rt, "window"))*time.Millisecond
		limit := rapid.IntRange(1, 8).Draw(rt, "limit")
		endings := rapid.SliceOfN(rapid.SampledFrom([]ending{succeeds, succeeds, succeeds, succeeds, succeeds, fails, refuses, panics, exits, failsFatally}), 16, 16).Draw(rt, "endings")
		takes := rapid.SliceOfN(rapid.Int64Range(0, int64(50*time.Millisecond)), 16, 16).Draw(rt, "takes")
		retry := rapid.SampledFrom([]float64{0, 0.05}).Draw(rt, "retry budget")
		shared := rapid.Bool().Draw(rt, "half of the work is not marked")
		stopAfter := time.Duration(rapid.Int64Range(0, 10_000).Draw(rt, "stop after")) * time.Millisecond
		return func(f *faults) {
			var books charges
			var inFlight, unmarked atomic.Int64
			budgets := []pipeline.Budget{{Counts: "output", Tokens: tokens, Window: window}}
			work := func(ctx context.Context, job int) (int, error) {
				costs := pipeline.Amounts{"output": int64(1 + job%10)}
				e := books.begin(costs)
				books.check(f, budgets)
				n := inFlight.Add(1)
				f.check(n <= int64(limit), "%d in flight, limit %d", n, limit)
				how := succeeds
				defer func() {
					inFlight.Add(-1)
					books.end(e, usedBy(how, costs, nil))
				}()
				i := rand.N(16)
				how = endings[i]
				d := time.Duration(takes[i])
				if rand.N(20) == 0 {
					d *= 20
				}
				pass(ctx, answer{takes: d})
				if ctx.Err() != nil && how != exits && how != panics {
					how = cancels
					return 0, context.Cause(ctx)
				}
				return job, answer{ending: how}.err(ctx)
			}
			cfg := pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}, Budgets: budgets, Retry: &pipeline.Retry{BaseDelay: time.Millisecond, Budget: retry, GiveUpAfter: time.Second}, Seed: 1}
			th, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if stopAfter > 0 {
				defer time.AfterFunc(stopAfter, cancel).Stop()
			}
			costs := func(job int) pipeline.Amounts { return pipeline.Amounts{"output": int64(1 + job%10)} }
			other := make(chan int)
			if shared {
				go func() {
					defer close(other)
					p := pipeline.Attach(th, func(ctx context.Context, job int) (int, error) {
						unmarked.Add(1)
						return work(ctx, job)
					}).Costs(costs)
					attempts := 0
					for r := range p.Run(ctx, feed(jobs)) {
						attempts += r.Attempts
					}
					f.check(int64(attempts) == unmarked.Load(), "%d attempts at jobs that are not marked, and %d calls", attempts, unmarked.Load())
				}()
			} else {
				close(other)
			}
			seen := make(map[int]bool)
			for r := range pipeline.Attach(th, pipeline.Hedged(work, pipeline.Hedge{Quantile: 0.8, MaxShare: 0.2})).Costs(costs).Run(ctx, feed(jobs)) {
				f.check(!seen[r.In], "job %d came back twice", r.In)
				f.check(r.Err != nil || r.Out == r.In, "job %d came back with %d", r.In, r.Out)
				seen[r.In] = true
			}
			<-other
			f.check(len(seen) == jobs || ctx.Err() != nil, "%d of %d jobs came back", len(seen), jobs)
			f.check(inFlight.Load() == 0, "%d calls are left over", inFlight.Load())
		}
	})
}

// TestHedgesArePaidFromTheRetryBudget: when it is spent, there is none.
func TestHedgesArePaidFromTheRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTail(1)
		p, err := pipeline.New(pipeline.Hedged(s.work, pipeline.Hedge{Quantile: 0.5, MaxShare: 1}), pipeline.Config{
			MaxConcurrency: 10, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Budget: 0.01},
		})
		if err != nil {
			t.Fatal(err)
		}
		collect(p.Run(t.Context(), feed(3000)))
		// Some are in hand from the start: as many as MaxConcurrency.
		if h := p.Throttle().Snapshot().Hedges; h < 10 || h > 10+3000/100+1 {
			t.Errorf("%d hedges, want at most one in a hundred and 10", h)
		}
	})
}

func TestHedgedOutsideAnAttemptCallsOnce(t *testing.T) {
	calls := 0
	work := pipeline.Hedged(func(context.Context, int) (int, error) { calls++; return 5, errService }, pipeline.Hedge{})
	if out, err := work(t.Context(), 1); out != 5 || !errors.Is(err, errService) || calls != 1 {
		t.Errorf("got %d, %v after %d calls", out, err, calls)
	}
}

func TestHedgedRefusesWhatMakesNoSense(t *testing.T) {
	work := func(context.Context, int) (int, error) { return 0, nil }
	for _, bad := range []func(){
		func() { pipeline.Hedged[int, int](nil, pipeline.Hedge{}) },
		func() { pipeline.Hedged(work, pipeline.Hedge{Quantile: 1}) },
		func() { pipeline.Hedged(work, pipeline.Hedge{Quantile: -0.1}) },
		func() { pipeline.Hedged(work, pipeline.Hedge{MaxShare: 2}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it was taken")
				}
			}()
			bad()
		}()
	}
}
