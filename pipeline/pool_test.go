package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// newPool returns a pool of members 0, 1, 2 … whose values are their numbers.
func newPool(t testing.TB, members ...pipeline.Member[int]) *pipeline.Pool[int] {
	t.Helper()
	for i := range members {
		m := &members[i]
		m.Name, m.Value = fmt.Sprint(i), i
		m.Config.Spread = exact(m.Config.Spread)
	}
	pool, err := pipeline.NewPool(members...)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func memberOf(cfg pipeline.Config) pipeline.Member[int] { return pipeline.Member[int]{Config: cfg} }

// TestOneJobOneResultByChoice: with random schedules, each job that is taken comes back once,
// and the run ends.
func TestOneJobOneResultByChoice(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(0, 60).Draw(rt, "jobs")
		each := rapid.Bool().Draw(rt, "each")
		ordered := rapid.Bool().Draw(rt, "ordered")
		affine := rapid.Bool().Draw(rt, "affine")
		chained := rapid.Bool().Draw(rt, "chained")
		breaks := rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(rt, "breaks")
		slow := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 50 * time.Millisecond}).Draw(rt, "slow")
		cancelAt, closeAt, drainAt := drawMoment(rt, "cancelAt"), drawMoment(rt, "closeAt"), drawMoment(rt, "drainAt")
		oneAt := drawMoment(rt, "oneAt") // the throttle of a member is closed
		var members []pipeline.Member[int]
		var answers []func(job, number int) answer
		for i := range rapid.IntRange(1, 4).Draw(rt, "members") {
			m := pipeline.Member[int]{
				Name: fmt.Sprint(i), Value: i, Config: drawConfig(rt),
				Weight:   rapid.SampledFrom([]float64{0, 1, 5}).Draw(rt, "weight"),
				Fallback: rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(rt, "fallback"),
			}
			members = append(members, m)
			answers = append(answers, drawAnswers(rt, m.Config, jobs))
		}
		return func(f *faults) {
			var services []*service
			for i := range members {
				services = append(services, &service{answer: answers[i]})
			}
			pool, err := pipeline.NewPool(members...)
			if err != nil {
				f.add("%v", err)
				return
			}
			p := pipeline.ByChoice(pool, func(ctx context.Context, member, job int) (int, error) { return services[member].work(ctx, job) })
			if ordered {
				p.Ordered()
			}
			if affine {
				p.Affinity(func(job int) string { return fmt.Sprint(job % 5) })
			}
			var stage pipeline.Stage[int, int] = p
			if chained {
				first, _ := pipeline.New(func(_ context.Context, n int) (int, error) { return n, nil }, pipeline.Config{})
				stage = pipeline.Then(first, p)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan struct{})
			at(cancelAt, ended, cancel)
			at(closeAt, ended, pool.Close)
			at(oneAt, ended, func() { pool.Throttle("0").Close() })
			at(drainAt, ended, func() {
				if err := pool.Drain(context.Background()); err != nil {
					f.add("drain: %v", err)
				}
			})
			at(24*time.Hour, ended, func() {
				f.add("the run stalled: %v", pool.Snapshot())
				cancel()
			})
			seen := make(map[int]int)
			last := -1
			take := func(r result) {
				seen[r.In]++
				f.check(!ordered || chained || r.In > last, "job %d after %d", r.In, last)
				last = r.In
				f.check(r.Err != nil || r.Attempts > 0 && r.Key != "", "job %d: %+v", r.In, r)
				made := 0
				for _, s := range services {
					made += s.attemptsOf(r.In)
				}
				f.check(chained || r.Attempts == made, "job %d: %d attempts, want %d", r.In, r.Attempts, made)
				f.check(r.Waited >= 0 && r.Took >= 0 && r.Took < 24*time.Hour, "job %d waited %v and took %v", r.In, r.Waited, r.Took)
				time.Sleep(slow)
			}
			taken := ride(ctx, stage, jobs, each, breaks, pool.Done(), take)
			close(ended)
			cancel()
			synctest.Wait()
			for job, n := range seen {
				f.check(n == 1, "job %d came back %d times", job, n)
			}
			f.check(breaks > 0 && each || len(seen) == taken, "%d jobs taken, %d came back", taken, len(seen))
			time.Sleep(time.Hour)
			snap := pool.Snapshot()
			f.check(snap.InFlight == 0 && snap.Waiting == 0, "after all: %v", snap)
		}
	})
}

func (s *service) attemptsOf(job int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts[job]
}

// TestAPoolUsesTheSumOfItsMembers: three members with different limits, of which one changes and
// one goes down for a while.
func TestAPoolUsesTheSumOfItsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := func(rate float64) pipeline.Config {
			return pipeline.Config{
				MaxConcurrency: 50, Policy: pipeline.Static{}, Rate: &pipeline.Rate{PerSecond: rate, Burst: 2},
				Breaker: &pipeline.Breaker{Failures: 3, OpenFor: time.Second}, Retry: &pipeline.Retry{}, Seed: 1,
			}
		}
		pool := newPool(t, memberOf(cfg(100)), memberOf(cfg(50)), memberOf(cfg(20)))
		begin := time.Now()
		var done [3]atomic.Int64
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			time.Sleep(50 * time.Millisecond)
			if now := time.Since(begin); member == 1 && now > 20*time.Second && now < 40*time.Second {
				return 0, errService
			}
			done[member].Add(1)
			return job, nil
		})
		for r := range p.Run(t.Context(), feed(8000)) {
			if r.Err != nil {
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
		took := time.Since(begin)
		best := (8000 + 50*20) * time.Second / 170
		if took > best+best*3/100 {
			t.Errorf("took %v, want at most 3%% more than %v; done by each: %d %d %d", took, best, done[0].Load(), done[1].Load(), done[2].Load())
		}
	})
}

func TestARetryGoesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 2, BaseDelay: time.Hour, Backoff: pipeline.Fixed}}
		pool := newPool(t, memberOf(cfg), memberOf(cfg))
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			if member == 0 {
				return 0, errService
			}
			return job, nil
		})
		begin := time.Now()
		for r := range p.Run(t.Context(), feed(100)) {
			if r.Err != nil || r.Key != "1" {
				t.Errorf("got %+v", r)
			}
		}
		if took := time.Since(begin); took > time.Millisecond { // the pace may be of nanoseconds
			t.Errorf("took %v, want no backoff", took)
		}
	})
}

func TestAFallbackIsOnlyUsedWhenTheFirstAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			MaxConcurrency: 2, Policy: pipeline.Static{},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 10 * time.Second}, Retry: &pipeline.Retry{},
		}
		second := memberOf(cfg)
		second.Fallback = 1
		pool := newPool(t, memberOf(cfg), second)
		begin := time.Now()
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			time.Sleep(100 * time.Millisecond)
			if now := time.Since(begin); member == 0 && now > 10*time.Second && now < 15*time.Second {
				return 0, errService
			}
			return job, nil
		})
		by := make(map[string]int)
		for r := range p.Run(t.Context(), feed(600)) {
			if by[r.Key]++; r.Err != nil {
				t.Errorf("got %+v", r)
			}
			if now := time.Since(begin); r.Key == "1" && (now < 10*time.Second || now > 21*time.Second) {
				t.Errorf("the fallback did job %d at %v", r.In, now)
			}
		}
		if by["1"] < 150 || by["1"] > 210 {
			t.Errorf("got %v, want about 200 by the fallback", by)
		}
	})
}

func TestJobsWithAnAffinityStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}}
		pool := newPool(t, memberOf(cfg), memberOf(cfg), memberOf(cfg))
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			time.Sleep(time.Duration(job%7) * time.Millisecond)
			return job, nil
		}).Affinity(func(job int) string { return fmt.Sprint(job % 20) })
		at := make(map[int]string)
		members := make(map[string]bool)
		for r := range p.Run(t.Context(), feed(2000)) {
			if before, ok := at[r.In%20]; ok && before != r.Key {
				t.Errorf("job %d went to %s, one like it to %s", r.In, r.Key, before)
			}
			at[r.In%20] = r.Key
			members[r.Key] = true
			if r.In%20 < 3 && r.Key != fmt.Sprint(r.In%20) {
				t.Errorf("job %d names its member and went to %s", r.In, r.Key)
			}
		}
		if len(members) != 3 {
			t.Errorf("only %v were used", members)
		}
	})
}

func TestJobsAreSharedByWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 100, Policy: pipeline.Static{}}
		heavy := memberOf(cfg)
		heavy.Weight = 3
		pool := newPool(t, memberOf(cfg), heavy)
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) { return member, nil })
		jobs := make(chan int)
		go func() {
			defer close(jobs)
			for job := range 400 { // fewer than could be done
				jobs <- job
				time.Sleep(time.Millisecond)
			}
		}()
		n := [2]int{}
		for r := range p.Run(t.Context(), jobs) {
			n[r.Out]++
		}
		if n[0] < 99 || n[0] > 101 {
			t.Errorf("got %v, want a quarter and three", n)
		}
	})
}

func TestSingleCallsThroughAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			MaxConcurrency: 2, Policy: pipeline.Static{}, Retry: &pipeline.Retry{BaseDelay: time.Second},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute},
		}
		pool := newPool(t, memberOf(cfg), memberOf(cfg))
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				got, err := pipeline.ExecuteAny(t.Context(), pool, func(_ context.Context, member int) (int, error) {
					time.Sleep(time.Second)
					if member == 0 {
						return 0, errService
					}
					return i, nil
				})
				if err != nil || got != i {
					t.Errorf("call %d: got %d, %v", i, got, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(begin); took > 23*time.Second {
			t.Errorf("took %v, want about 21s: 2 at a time, by one member", took)
		}
		fails := func(context.Context, int) (int, error) { return 0, pipeline.Fatal(errService) }
		if _, err := pipeline.ExecuteAny(t.Context(), pool, fails); !errors.Is(err, errService) {
			t.Errorf("got %v", err)
		}
		pool.Throttle("1").RecordFailure(errService)
		_, err := pipeline.ExecuteAny(t.Context(), pool, fails)
		var open *pipeline.CircuitOpenError
		if !errors.As(err, &open) || open.RetryAfter <= 0 || open.RetryAfter > time.Minute {
			t.Errorf("all circuits open: got %v", err)
		}
		pool.Close()
		if _, err := pipeline.ExecuteAny(t.Context(), pool, fails); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("closed: got %v", err)
		}
	})
}

func TestFaultsOfAPoolAreNamed(t *testing.T) {
	_, err := pipeline.NewPool(
		pipeline.Member[int]{Name: "a", Weight: -1},
		pipeline.Member[int]{Name: "a", Fallback: -2},
		pipeline.Member[int]{Config: pipeline.Config{MaxConcurrency: -1}},
	)
	for _, want := range []string{"members[0].weight", "members[1].name", "members[1].fallback", "members[2].name", "members[2].config: max_concurrency"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
	if _, err := pipeline.NewPool[int](); err == nil {
		t.Error("a pool without members")
	}
}

// TestAJobIsNotKeptByAMemberThatCannotStartIt: what a member's pace would hold up for long goes to
// another one, though both have slots.
func TestAJobIsNotKeptByAMemberThatCannotStartIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := pipeline.Config{Policy: pipeline.Static{}, MinDispatchInterval: 10 * time.Second}
		pool := newPool(t, memberOf(slow), memberOf(pipeline.Config{Policy: pipeline.Static{}}))
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) { return member, nil })
		begin := time.Now()
		by := [2]int{}
		for r := range p.Run(t.Context(), feed(100)) {
			by[r.Out]++
		}
		if took := time.Since(begin); took > 50*time.Millisecond || by[0] > 1 {
			t.Errorf("took %v, done by each: %v", took, by)
		}
	})
}

// TestAJobThatBacksOffKeepsNoOtherFromItsMember: new jobs are taken while some wait to be tried
// again.
func TestAJobThatBacksOffKeepsNoOtherFromItsMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, memberOf(pipeline.Config{
			MaxConcurrency: 2, Policy: pipeline.Static{}, Retry: &pipeline.Retry{BaseDelay: time.Hour, Backoff: pipeline.Fixed},
		}))
		p := pipeline.ByChoice(pool, func(ctx context.Context, _, job int) (int, error) {
			if job < 4 && pipeline.SlotFrom(ctx).Attempt() == 0 {
				return 0, errService
			}
			return job, nil
		})
		begin := time.Now()
		for r := range p.Run(t.Context(), feed(50)) {
			took := time.Since(begin)
			if r.Err != nil || (r.In < 4) != (took >= time.Hour) {
				t.Errorf("job %d came back at %v with %v", r.In, took, r.Err)
			}
		}
	})
}

// sleepy is a policy that takes an hour to begin, so that the throttles of a pool differ in age.
type sleepy struct{ pipeline.Static }

func (s sleepy) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	time.Sleep(time.Hour)
	return s.Static.Start(b)
}

// TestTimesAreRightWhicheverMembersAJobWasAt: Waited and Took, and for how long a job is
// refused, count from where the job was first.
func TestTimesAreRightWhicheverMembersAJobWasAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			Policy: sleepy{}, MaxConcurrency: 1, Retry: &pipeline.Retry{BaseDelay: time.Millisecond, GiveUpAfter: 10 * time.Second},
		}
		pool := newPool(t, memberOf(cfg), memberOf(cfg), memberOf(cfg))
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			time.Sleep(time.Second)
			return 0, pipeline.Overloaded(errService, 0)
		})
		for r := range p.Run(t.Context(), feed(1)) {
			var exhausted *pipeline.RetriesExhaustedError
			if !errors.As(r.Err, &exhausted) || r.Waited > time.Second || r.Took < 10*time.Second || r.Took > 20*time.Second {
				t.Errorf("got %+v", r)
			}
		}
	})
}

func TestWorkOfAPoolCannotWaitForThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, memberOf(pipeline.Config{}), memberOf(pipeline.Config{}))
		_, err := pipeline.ExecuteAny(t.Context(), pool, func(ctx context.Context, _ int) (int, error) {
			return pipeline.ExecuteAny(ctx, pool, func(context.Context, int) (int, error) { return 1, nil })
		})
		if !errors.Is(err, pipeline.ErrNested) {
			t.Errorf("got %v, want ErrNested", err)
		}
	})
}

// TestAMemberThatIsAwayIsAskedWithFreshJobs: no job is lost to a member that fails for long, since
// each that has failed there once is kept for the others.
func TestAMemberThatIsAwayIsAskedWithFreshJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			MaxConcurrency: 5, Policy: pipeline.Static{}, Seed: 1, Retry: &pipeline.Retry{MaxAttempts: 2, BaseDelay: time.Millisecond},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 50 * time.Millisecond},
		}
		pool := newPool(t, memberOf(cfg), memberOf(cfg))
		var asked atomic.Int64
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			if member == 0 {
				asked.Add(1)
				return 0, errService
			}
			time.Sleep(100 * time.Millisecond)
			return job, nil
		})
		for r := range p.Run(t.Context(), feed(1000)) {
			if r.Err != nil || r.Attempts > 2 {
				t.Errorf("got %+v", r)
			}
		}
		if asked.Load() < 10 {
			t.Errorf("the member that is away was asked %d times", asked.Load())
		}
	})
}

// TestAMemberThatRefusesAllSaysSo: what refuses everything does not read as if it worked.
func TestAMemberThatRefusesAllSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 4, Retry: &pipeline.Retry{}, Seed: 1}
		pool := newPool(t, memberOf(cfg), memberOf(cfg))
		refuses := true
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			time.Sleep(100 * time.Millisecond)
			if member == 0 && refuses {
				return 0, pipeline.Overloaded(errService, 0)
			}
			return job, nil
		})
		jobs := make(chan int)
		results := p.Run(t.Context(), jobs)
		work := func(n int) {
			for job := range n {
				select {
				case jobs <- job:
				case <-results:
					jobs <- job
				}
			}
		}
		work(3000)
		s := pool.Throttle("0").Snapshot()
		if text := s.String(); !s.Refusing() || s.LastRefused < 10 || !strings.HasPrefix(text, "refused: nothing done yet") {
			t.Errorf("refuses everything: %+v reads %s", s, text)
		}
		if other := pool.Throttle("1").Snapshot(); other.Refusing() || other.LastRefused != 0 {
			t.Errorf("accepts everything: %v", other)
		}
		refuses = false
		work(3000)
		if s := pool.Throttle("0").Snapshot(); s.Refusing() || s.LastRefused != 0 {
			t.Errorf("accepts again: %v", s)
		}
		close(jobs)
		for range results {
		}
	})
}

// TestACallThatDoesNotWaitIsToldSoByAllMembers: the pace of both holds it up for less than a millisecond. It does not go from
// one to the other and back until that is over.
func TestACallThatDoesNotWaitIsToldSoByAllMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 9, Policy: pipeline.Static{}, MinDispatchInterval: 500 * time.Microsecond}
		pool := newPool(t, memberOf(cfg), memberOf(cfg))
		ctx := pipeline.WithMaxWait(t.Context(), 0)
		succeeded, told := 0, 0
		for range 50 {
			_, err := pipeline.ExecuteAny(ctx, pool, func(context.Context, int) (int, error) { return 0, nil })
			var wait *pipeline.WaitError
			switch {
			case err == nil:
				succeeded++
			case errors.As(err, &wait):
				told++
			default:
				t.Errorf("got %v", err)
			}
			time.Sleep(100 * time.Microsecond)
		}
		if succeeded == 0 || told == 0 {
			t.Errorf("%d succeeded, %d were told that they would have to wait; want both", succeeded, told)
		}
	})
}

// TestAJobThatIsTurnedAwayKeepsItsBackoff: it is not tried again where it failed before that is over, though others have no
// room for it.
func TestAJobThatIsTurnedAwayKeepsItsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := &pipeline.Retry{MaxAttempts: 3, BaseDelay: time.Minute, Backoff: pipeline.Fixed}
		first := memberOf(pipeline.Config{Policy: pipeline.Static{}, Retry: retry})
		other := memberOf(pipeline.Config{
			Policy: pipeline.Static{}, Retry: retry, Budgets: []pipeline.Budget{{Name: "a", Tokens: 10, Window: time.Hour}},
		})
		pool := newPool(t, first, other)
		begin := time.Now()
		if _, err := pipeline.Execute(pipeline.WithCost(t.Context(), 5), pool.Throttle("1"), func(context.Context) (int, error) { return 0, nil }); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var tries []time.Duration
		p := pipeline.ByChoice(pool, func(_ context.Context, member, job int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if tries = append(tries, time.Since(begin)); len(tries) == 1 {
				return 0, errService
			}
			return member, nil
		}).Cost(func(int) int64 { return 9 })
		collect(p.Run(t.Context(), feed(1)))
		if len(tries) != 2 || tries[1] < time.Minute {
			t.Errorf("tried at %v, want again after a minute", tries)
		}
	})
}
