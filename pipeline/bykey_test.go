package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

type keyedLine = pipeline.KeyedPipeline[int, int, int]

// hosts is how many keys the jobs of a test have: job n is of key n modulo hosts.
func modulo(hosts int) func(int) int { return func(job int) int { return job % hosts } }

func newKeyedLine(t testing.TB, cfg pipeline.KeyedConfig[int], hosts int, work pipeline.Work[int, int]) (*keyed, *keyedLine) {
	t.Helper()
	cfg.Each.Spread = exact(cfg.Each.Spread)
	k := newKeyed(t, cfg)
	return k, pipeline.ByKey(k, modulo(hosts), work)
}

// TestEachKeyAsIfItWereAlone: with five hosts of different kinds in one run, each is done when
// it would be in a run of its own, and a host that is down costs the others nothing.
func TestEachKeyAsIfItWereAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hosts, jobs = 5, 200
		configOf := func(key int, each pipeline.Config) pipeline.Config {
			switch key {
			case 1:
				each.MinDispatchInterval = 20 * time.Millisecond
			case 2:
				each.Rate = &pipeline.Rate{PerSecond: 100, Burst: 10}
			case 3:
				each.Budgets = []pipeline.Budget{{Tokens: 50, Window: time.Second, Requests: true}}
			}
			return each
		}
		each := pipeline.Config{
			MaxConcurrency: 4, Policy: pipeline.Static{}, Spread: -1, Seed: 1,
			Breaker: &pipeline.Breaker{Failures: 3, OpenFor: time.Minute}, Retry: &pipeline.Retry{MaxAttempts: 3},
		}
		work := func(dead bool) pipeline.Work[int, int] {
			return func(_ context.Context, job int) (int, error) {
				time.Sleep(10 * time.Millisecond)
				if dead && job%hosts == 4 {
					return 0, errService
				}
				return job, nil
			}
		}
		alone := func(key int) time.Duration {
			p, err := pipeline.New(work(false), configOf(key, each))
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			collect(p.Run(t.Context(), feed(jobs)))
			return time.Since(begin)
		}
		for _, dead := range []bool{false, true} {
			_, p := newKeyedLine(t, pipeline.KeyedConfig[int]{Each: each, ConfigOf: configOf}, hosts, work(dead))
			begin := time.Now()
			var last [hosts]time.Duration
			for r := range p.Run(t.Context(), feed(hosts*jobs)) {
				last[r.In%hosts] = time.Since(begin)
				if r.Err != nil && r.In%hosts != 4 || r.Key != fmt.Sprint(r.In%hosts) {
					t.Fatalf("got %+v", r)
				}
			}
			for key, took := range last {
				want := alone(key)
				if dead && key == 4 {
					if took < time.Hour {
						t.Errorf("the dead host: got %v, want hours of an open circuit", took)
					}
					continue
				}
				if took > want+want/20 || took < want-want/20 {
					t.Errorf("dead %v, key %d: took %v, alone %v", dead, key, took, want)
				}
			}
		}
	})
}

// TestOneJobOneResultByKey: with random schedules, each job that is taken comes back once, from
// the throttle of its key, and the run ends.
func TestOneJobOneResultByKey(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		hosts := rapid.IntRange(1, 6).Draw(rt, "hosts")
		jobs := rapid.IntRange(0, 60).Draw(rt, "jobs")
		each := rapid.Bool().Draw(rt, "each")
		ordered := rapid.Bool().Draw(rt, "ordered")
		inOrder := rapid.Bool().Draw(rt, "inOrder")
		chained := rapid.Bool().Draw(rt, "chained")
		breaks := rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(rt, "breaks")
		slow := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 50 * time.Millisecond}).Draw(rt, "slow")
		cancelAt, closeAt, drainAt := drawMoment(rt, "cancelAt"), drawMoment(rt, "closeAt"), drawMoment(rt, "drainAt")
		oneAt := drawMoment(rt, "oneAt") // the throttle of a key is closed
		panics := rapid.IntRange(0, 20).Draw(rt, "panics")
		cfg := pipeline.KeyedConfig[int]{
			Each:   drawConfig(rt),
			Buffer: rapid.SampledFrom([]int{0, 1, 2, 10}).Draw(rt, "buffer"),
			Keep:   rapid.IntRange(1, 3).Draw(rt, "keep"),
		}
		if rapid.Bool().Draw(rt, "shares") {
			cfg.Shared = []pipeline.Budget{{Name: "shared", Tokens: 20, Window: time.Second, Requests: true}}
		}
		answers := drawAnswers(rt, cfg.Each, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			k, err := pipeline.NewKeyed(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			p := pipeline.ByKey(k, func(job int) int {
				if panics == job+1 {
					panic("key")
				}
				return job % hosts
			}, s.work)
			if ordered {
				p.Ordered()
			}
			if inOrder {
				p.OrderedByKey()
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
			at(closeAt, ended, k.Close)
			at(oneAt, ended, func() { k.Throttle(0).Close() })
			at(drainAt, ended, func() {
				if err := k.Drain(context.Background()); err != nil {
					f.add("drain: %v", err)
				}
			})
			at(time.Hour*24, ended, func() {
				f.add("the run stalled: %v", p.Snapshot())
				cancel()
			})
			seen := make(map[int]int)
			last := -1
			take := func(r result) {
				seen[r.In]++
				f.check(!ordered || chained || r.In > last, "job %d after %d", r.In, last)
				last = r.In
				f.check(r.Err != nil || r.Key == fmt.Sprint(r.In%hosts), "job %d has key %q", r.In, r.Key)
				f.check(r.Err == nil || r.Attempts > 0 || panics > 0 || cancelAt != never || closeAt != never || drainAt != never || oneAt != never || breaks > 0,
					"job %d failed with %v", r.In, r.Err)
				time.Sleep(slow)
			}
			taken := ride(ctx, stage, jobs, each, breaks, k.Done(), take)
			close(ended)
			cancel()
			synctest.Wait()
			for job, n := range seen {
				f.check(n == 1, "job %d came back %d times", job, n)
			}
			f.check(breaks > 0 && each || len(seen) == taken, "%d jobs taken, %d came back", taken, len(seen))
			time.Sleep(time.Hour)
			snap := p.Snapshot()
			f.check(snap.Inside == 0 && snap.InFlight == 0 && snap.Waiting == 0 && snap.StoppedBy == "", "after all: %v", snap)
		}
	})
}

// TestInOrderWithinAKey: a later job of a key never starts before an earlier one is done with,
// its retries included, whatever becomes of them; other keys go on.
func TestInOrderWithinAKey(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		hosts := rapid.IntRange(1, 5).Draw(rt, "hosts")
		jobs := rapid.IntRange(1, 60).Draw(rt, "jobs")
		cfg := pipeline.KeyedConfig[int]{Each: drawConfig(rt), Buffer: rapid.SampledFrom([]int{0, 1, 5}).Draw(rt, "buffer")}
		cancelAt := drawMoment(rt, "cancelAt")
		answers := drawAnswers(rt, cfg.Each, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			k, err := pipeline.NewKeyed(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan struct{})
			at(cancelAt, ended, cancel)
			p := pipeline.ByKey(k, modulo(hosts), s.work).OrderedByKey()
			n := len(collect(p.Run(ctx, feed(jobs))))
			close(ended)
			f.check(n == jobs || cancelAt != never, "%d results of %d", n, jobs)
			newest := make(map[int]*attempt)
			for _, a := range s.log {
				before := newest[a.job%hosts]
				newest[a.job%hosts] = a
				if before == nil {
					continue
				}
				f.check(a.job >= before.job, "job %d started after job %d", a.job, before.job)
				f.check(!a.start.Before(before.end), "job %d started at %v, before job %d ended at %v", a.job, a.start, before.job, before.end)
			}
		}
	})
}

// TestOneKeyCannotFillTheBuffer: a key that is held up fills half of the buffer, and then the
// intake stops and says for whose sake; when it goes on, so does the intake.
func TestOneKeyCannotFillTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hosts, buffer = 20, 200
		held := make(chan struct{})
		_, p := newKeyedLine(t, pipeline.KeyedConfig[int]{Buffer: buffer}, hosts, func(_ context.Context, job int) (int, error) {
			time.Sleep(10 * time.Millisecond)
			if job%hosts == 7 {
				<-held
			}
			return job, nil
		})
		var taken atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan int)
		go func() {
			n := 0
			for range p.Run(ctx, endless(ctx, &taken)) {
				n++
			}
			results <- n
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		s := p.Snapshot()
		if s.Inside < buffer/2 || s.Inside > buffer/2+2 || s.StoppedBy != "7" || s.Keys[0].Key != 7 {
			t.Errorf("got %d inside, stopped by %q; the most waits for key %d, want about %d, 7, and 7", s.Inside, s.StoppedBy, s.Keys[0].Key, buffer/2)
		}
		if others := taken.Load() - int64(s.Inside); others < (hosts-1)*(buffer/2-1) {
			t.Errorf("%d jobs of other keys were done, want all that came before", others)
		}
		close(held)
		before := taken.Load()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if taken.Load() < before+hosts {
			t.Error("the intake does not go on")
		}
		cancel()
		if n := <-results; n != int(taken.Load()) {
			t.Errorf("%d jobs taken, %d came back", taken.Load(), n)
		}
	})
}

// TestMemoryIsThatOfTheKeysThatLive: of 100,000 keys a thousand have jobs at a time. What is
// held then is, in the median of ten looks, what a thousand keys in all take, and a fifth at most.
func TestMemoryIsThatOfTheKeysThatLive(t *testing.T) {
	const live = 1000
	const keys = manyKeys
	k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{
		Each: pipeline.Config{Policy: pipeline.Static{}}, Buffer: live, Keep: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	var inside atomic.Int64
	var first uint64
	var later []uint64
	waves := make([]chan struct{}, keys/live)
	for i := range waves {
		waves[i] = make(chan struct{})
	}
	p := pipeline.ByKey(k, func(job int) int { return job }, func(_ context.Context, job int) (int, error) {
		wave := job / live
		if inside.Add(1) == int64((wave+1)*live) { // all of the wave are there, and none of another
			if wave == 0 {
				first = heap()
			} else if wave%(len(waves)/10) == 1 {
				later = append(later, heap())
			}
			close(waves[wave])
		}
		<-waves[wave]
		return job, nil
	})
	n := 0
	for r := range p.Each(t.Context(), counted(keys, new(atomic.Int64))) {
		if n++; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	slices.Sort(later)
	median := later[len(later)/2]
	if n != keys || median > first+first/5 {
		t.Errorf("%d results; heap of %d KB, %d KB with the first thousand keys", n, median>>10, first>>10)
	}
	runtime.KeepAlive(k)
}

// TestKeysAreConfiguredOneByOne: ConfigOf gives each key its own, also when Each is updated, and
// a configuration that is not valid is an error of the jobs, or of Update.
func TestKeysAreConfiguredOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, p := newKeyedLine(t, pipeline.KeyedConfig[int]{
			Each: pipeline.Config{MaxConcurrency: 2},
			ConfigOf: func(key int, each pipeline.Config) pipeline.Config {
				each.MaxConcurrency *= key - 1
				return each
			},
		}, 4, func(_ context.Context, job int) (int, error) { return job, nil })
		for _, r := range collect(p.Run(t.Context(), feed(8))) {
			if bad := r.In%4 == 0; bad != (r.Err != nil) {
				t.Errorf("job %d: got %v", r.In, r.Err)
			}
			var fault *pipeline.ConfigError
			if bad := r.In%4 == 0; bad && (!errors.As(r.Err, &fault) || fault.Field != "max_concurrency" || r.Attempts != 0) {
				t.Errorf("got %v, want a ConfigError", r.Err)
			}
		}
		if got := k.Throttle(3).Snapshot().MaxConcurrency; got != 4 {
			t.Errorf("got %d, want 4", got)
		}
		if err := k.Update(pipeline.Config{MaxConcurrency: 5}); err != nil {
			t.Error(err)
		}
		if got := k.Throttle(3).Snapshot().MaxConcurrency; got != 10 {
			t.Errorf("after the update: got %d, want 10", got)
		}
	})
}

// TestAHostThatIsDownFromTheStartKeepsItsJobs: with a circuit, the jobs of a host wait until it is
// up, and those of others do not.
func TestAHostThatIsDownFromTheStartKeepsItsJobs(t *testing.T) {
	for _, down := range []time.Duration{10 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			const hosts, jobs = 5, 500
			begin := time.Now()
			_, p := newKeyedLine(t, pipeline.KeyedConfig[int]{Each: pipeline.Config{
				Retry: &pipeline.Retry{}, Breaker: &pipeline.Breaker{Failures: 3}, Seed: 1,
			}}, hosts, func(_ context.Context, job int) (int, error) {
				time.Sleep(20 * time.Millisecond)
				if job%hosts == 0 && time.Since(begin) < down {
					return 0, errService
				}
				return job, nil
			})
			var others time.Duration
			for r := range p.Run(t.Context(), feed(hosts*jobs)) {
				if r.Err != nil {
					t.Errorf("down for %v: job %d: %v", down, r.In, r.Err)
				}
				if r.In%hosts != 0 {
					others = time.Since(begin)
				}
			}
			if others > 5*time.Second {
				t.Errorf("down for %v: the others took %v", down, others)
			}
		})
	}
}

// TestASnapshotTellsOfAllKeys: it adds up, and the key with the most jobs waiting comes first.
func TestASnapshotTellsOfAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, p := newKeyedLine(t, pipeline.KeyedConfig[int]{
			Each: pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}},
			ConfigOf: func(key int, each pipeline.Config) pipeline.Config {
				each.MinDispatchInterval = time.Duration(key) * time.Second
				return each
			},
		}, 3, func(_ context.Context, job int) (int, error) {
			time.Sleep(100 * time.Millisecond)
			return job, nil
		})
		results := p.Run(t.Context(), feed(30))
		time.Sleep(2050 * time.Millisecond) // 10 of key 0 are done, 3 of key 1, and 1 of key 2
		s := p.Snapshot()
		if s.Completed != 13 || s.InFlight != 2 || s.Inside != 17 || s.Waiting != 15 || s.Failed != 0 {
			t.Errorf("got %v", s)
		}
		var keys []int
		for _, key := range s.Keys {
			keys = append(keys, key.Key)
		}
		if !slices.Equal(keys, []int{2, 1, 0}) || s.Keys[0].HeldBy != pipeline.HeldByPace {
			t.Errorf("got keys %v, the first held by %v", keys, s.Keys[0].HeldBy)
		}
		text := s.String()
		if !strings.Contains(text, "13 done") || !strings.Contains(text, "\n2: running") {
			t.Errorf("got %q", text)
		}
		synctest.Wait() // who has just been asked is not at rest yet
		if busy := p.Busy(); len(busy.Keys) != 2 || busy.Keys[0].Key != 2 || busy.Idle != 1 || busy.Completed != 13 || busy.Waiting != 15 {
			t.Errorf("busy: got %v", busy)
		}
		collect(results)
		if s := k.Snapshot(); s.InFlight != 0 || len(s.Keys) != 3 || s.Idle != 0 || s.Summary() != "30 done, 0 failed; 0 in flight, 0 waiting; keys: 3 running" {
			t.Errorf("after all: %v", s)
		}
		k.Throttle(1).RecordFailure(pipeline.Overloaded(errService, time.Hour))
		synctest.Wait()
		if busy := k.Busy(); len(busy.Keys) != 1 || busy.Keys[0].Key != 1 || busy.Idle != 2 || !strings.HasSuffix(busy.String(), "and 2 keys that do nothing") {
			t.Errorf("after all, with one that is paused: %v", busy)
		}
	})
}

// TestASlotIsOfTheThrottleOfItsKey: what work says to its slot reaches the throttle of its key, also when the run uses
// what it held for a job of another key again.
func TestASlotIsOfTheThrottleOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, p := newKeyedLine(t, pipeline.KeyedConfig[int]{Buffer: 1}, 2, func(ctx context.Context, job int) (int, error) {
			if job == 3 {
				pipeline.SlotFrom(ctx).Hint(pipeline.Hint{RetryAfter: time.Hour})
			}
			return job, nil
		})
		collect(p.Run(t.Context(), feed(4)))
		if got := [2]time.Duration{k.Throttle(0).Snapshot().PausedFor, k.Throttle(1).Snapshot().PausedFor}; got != [2]time.Duration{0, time.Hour} {
			t.Errorf("paused for %v, want key 1 for an hour", got)
		}
	})
}

// TestTwoRunsByKeyShareTheThrottles: runs at once, one in order within each key, and single calls, on the
// same keys.
func TestTwoRunsByKeyShareTheThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hosts, jobs, limit = 3, 60, 2
		var inFlight [hosts]atomic.Int64
		work := func(_ context.Context, job int) (int, error) {
			if n := inFlight[job%hosts].Add(1); n > limit {
				t.Errorf("%d in flight for key %d, want at most %d", n, job%hosts, limit)
			}
			time.Sleep(10 * time.Millisecond)
			inFlight[job%hosts].Add(-1)
			return job, nil
		}
		k, p := newKeyedLine(t, pipeline.KeyedConfig[int]{Each: pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}}}, hosts, work)
		begin := time.Now()
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if n := len(collect(p.Run(t.Context(), feed(jobs)))); n != jobs {
					t.Errorf("%d results of %d", n, jobs)
				}
			})
		}
		all.Go(func() {
			if n := len(collect(pipeline.ByKey(k, modulo(hosts), work).OrderedByKey().Run(t.Context(), feed(jobs)))); n != jobs {
				t.Errorf("in order: %d results of %d", n, jobs)
			}
		})
		for job := range jobs {
			all.Go(func() {
				_, err := pipeline.Execute(t.Context(), k.Throttle(job%hosts), func(ctx context.Context) (int, error) { return work(ctx, job) })
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took, want := time.Since(begin), 4*jobs/hosts/limit*10*time.Millisecond; took > want+want/4 {
			t.Errorf("took %v, want about %v", took, want)
		}
	})
}
