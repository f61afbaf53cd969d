package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestUpdatesByKeyLoseNoJob: whatever is put in force for all keys while jobs of theirs wait or run, and though keys that
// nobody uses are forgotten at any time.
func TestUpdatesByKeyLoseNoJob(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		hosts := rapid.IntRange(1, 8).Draw(rt, "hosts")
		jobs := rapid.IntRange(1, 40).Draw(rt, "jobs")
		runs := rapid.IntRange(1, 3).Draw(rt, "runs")
		inOrder := rapid.Bool().Draw(rt, "inOrder")
		cfg := pipeline.KeyedConfig[int]{
			Each:   drawConfig(rt),
			Buffer: rapid.SampledFrom([]int{0, 1, 5}).Draw(rt, "buffer"),
			Keep:   1,
		}
		revisions := drawRevisions(rt, drawRevision)
		cancelAt, closeAt, collectAt := drawMoment(rt, "cancelAt"), drawMoment(rt, "closeAt"), drawMoment(rt, "collectAt")
		others := rapid.IntRange(0, 20).Draw(rt, "others")       // keys that are asked for beside, so that idle ones are forgotten
		answers := drawAnswers(rt, pipeline.Config{}, jobs*runs) // nothing may hang: there may be no timeout
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
			at(closeAt, ended, k.Close)
			at(collectAt, ended, runtime.GC)
			at(24*time.Hour, ended, func() {
				f.add("a run stalled: %v", k.Snapshot())
				cancel()
			})
			var updates, all sync.WaitGroup
			for _, r := range revisions {
				updates.Go(func() {
					time.Sleep(r.at)
					if err := k.Update(r.cfg); err != nil {
						f.add("%v", err)
					}
					for key := range others {
						_, _ = pipeline.Execute(ctx, k.Throttle(100+key), func(context.Context) (int, error) { return 0, nil })
					}
				})
			}
			for run := range runs {
				p := pipeline.ByKey(k, func(job int) int { return job % hosts }, func(ctx context.Context, job int) (int, error) {
					return s.work(ctx, job+run*jobs)
				})
				if inOrder {
					p.OrderedByKey()
				}
				all.Go(func() {
					seen := make(map[int]int)
					taken := ride(ctx, p, jobs, false, 0, k.Done(), func(r result) { seen[r.In]++ })
					f.once(seen, taken)
				})
			}
			all.Wait()
			close(ended)
			updates.Wait()
			synctest.Wait()
			time.Sleep(time.Hour)
			snap := k.Snapshot()
			f.check(snap.InFlight == 0 && snap.Waiting == 0, "after all: %v", snap)
		}
	})
}

// once checks that all jobs that were taken have come back once.
func (f *faults) once(seen map[int]int, taken int) {
	for job, n := range seen {
		f.check(n == 1, "job %d came back %d times", job, n)
	}
	f.check(len(seen) == taken, "%d jobs taken, %d came back", taken, len(seen))
}

// A caller makes a single call through a pool.
type poolCaller struct {
	job      int
	at       time.Duration
	cancelAt time.Duration
	maxWait  time.Duration // below 0: none
	share    pipeline.Share
}

func drawShare(rt *rapid.T) pipeline.Share {
	return pipeline.Share{
		Name:     rapid.SampledFrom([]string{"", "", "a"}).Draw(rt, "name"),
		Weight:   rapid.SampledFrom([]float64{0, 1, 7}).Draw(rt, "weight"),
		Priority: rapid.IntRange(-1, 1).Draw(rt, "priority"),
	}
}

// TestRunsAndCallsShareAPoolAndLoseNothing: several runs and calls at one pool, with shares, priorities and affinities, while
// members are updated and closed and some give up. Each job and each call has one end, and nothing hangs.
func TestRunsAndCallsShareAPoolAndLoseNothing(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		type ownRun struct {
			jobs     int
			share    pipeline.Share
			affine   bool
			ordered  bool
			cancelAt time.Duration
			slow     time.Duration // reader
		}
		var members []pipeline.Member[int]
		for range rapid.IntRange(1, 4).Draw(rt, "members") {
			members = append(members, pipeline.Member[int]{
				Config:   drawConfig(rt),
				Weight:   rapid.SampledFrom([]float64{0, 1, 5}).Draw(rt, "weight"),
				Fallback: rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(rt, "fallback"),
			})
		}
		var runs []ownRun
		jobs := 0
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			r := ownRun{
				jobs: rapid.IntRange(0, 40).Draw(rt, "jobs"), share: drawShare(rt), affine: rapid.Bool().Draw(rt, "affine"),
				ordered: rapid.Bool().Draw(rt, "ordered"), cancelAt: drawMoment(rt, "cancelAt"),
				slow: rapid.SampledFrom([]time.Duration{0, 0, 20 * time.Millisecond}).Draw(rt, "slow"),
			}
			jobs += r.jobs
			runs = append(runs, r)
		}
		var callers []poolCaller
		for range rapid.IntRange(0, 20).Draw(rt, "callers") {
			callers = append(callers, poolCaller{
				job: jobs, at: max(drawMoment(rt, "comesAt"), 0), cancelAt: drawMoment(rt, "cancelAt"), share: drawShare(rt),
				maxWait: rapid.SampledFrom([]time.Duration{-1, -1, 0, 30 * time.Millisecond}).Draw(rt, "maxWait"),
			})
			jobs++
		}
		revisions := drawRevisions(rt, drawRevision)
		closeAt, oneAt := drawMoment(rt, "closeAt"), drawMoment(rt, "oneAt")
		answers := drawAnswers(rt, pipeline.Config{}, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			pool := newPool(t, members...)
			ended := make(chan struct{})
			at(closeAt, ended, pool.Close)
			at(oneAt, ended, pool.Throttle("0").Close)
			stalled, giveUp := context.WithCancel(context.Background())
			defer giveUp()
			at(24*time.Hour, ended, func() {
				f.add("something stalled: %v", pool.Snapshot())
				giveUp()
			})
			var updates, all sync.WaitGroup
			for i, r := range revisions {
				updates.Go(func() {
					time.Sleep(r.at)
					if err := pool.Throttle(fmt.Sprint(i % len(members))).Update(r.cfg); err != nil {
						f.add("%v", err)
					}
				})
			}
			first := 0
			for _, r := range runs {
				offset := first
				first += r.jobs
				ctx, cancel := context.WithCancel(pipeline.WithShare(stalled, r.share))
				defer cancel()
				at(r.cancelAt, ended, cancel)
				p := pipeline.ByChoice(pool, func(ctx context.Context, _, job int) (int, error) { return s.work(ctx, job+offset) })
				if r.affine {
					p.Affinity(func(job int) string { return fmt.Sprint(job % 3) })
				}
				if r.ordered {
					p.Ordered()
				}
				all.Go(func() {
					seen := make(map[int]int)
					taken := ride(ctx, p, r.jobs, false, 0, pool.Done(), func(got result) {
						seen[got.In]++
						f.check(got.Attempts == s.attemptsOf(got.In+offset), "job %d: %d attempts, made %d", got.In+offset, got.Attempts, s.attemptsOf(got.In+offset))
						time.Sleep(r.slow)
					})
					f.once(seen, taken)
				})
			}
			for _, c := range callers {
				all.Go(func() {
					time.Sleep(c.at)
					ctx, cancel := context.WithCancel(pipeline.WithShare(stalled, c.share))
					defer cancel()
					at(c.cancelAt, ended, cancel)
					if c.maxWait >= 0 {
						ctx = pipeline.WithMaxWait(ctx, c.maxWait)
					}
					came := time.Now()
					_, err := pipeline.ExecuteAny(ctx, pool, func(ctx context.Context, _ int) (int, error) { return s.work(ctx, c.job) })
					var wait *pipeline.WaitError
					if errors.As(err, &wait) {
						f.check(c.maxWait >= 0, "call %d, which waits for as long as it takes: %v", c.job, err)
						f.check(s.attemptsOf(c.job) > 0 || time.Since(came) <= c.maxWait, "call %d has waited for %v of %v", c.job, time.Since(came), c.maxWait)
					}
				})
			}
			all.Wait()
			close(ended)
			updates.Wait()
			synctest.Wait()
			time.Sleep(time.Hour)
			snap := pool.Snapshot()
			f.check(snap.InFlight == 0 && snap.Waiting == 0, "after all: %v", snap)
		}
	})
}

// TestASignalLetsAPoolFinish: the first signal closes the pool for all its runs and calls, and what was taken is finished.
func TestASignalLetsAPoolFinish(t *testing.T) {
	ctx, stop := pipeline.Interruptible(context.Background(), 0)
	defer stop()
	begun, release := make(chan struct{}, 1000), make(chan struct{})
	cfg := pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}}
	pool := newPool(t, memberOf(cfg), memberOf(cfg))
	work := func(context.Context, int, int) (int, error) {
		begun <- struct{}{}
		<-release
		return 0, nil
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for r := range pipeline.ByChoice(pool, work).Run(ctx, endlessJobs(pool.Done())) {
				if r.Err != nil || r.Attempts != 1 {
					t.Errorf("got %+v, want each job that was taken done", r)
				}
			}
		})
	}
	for range 6 {
		<-begun
	}
	signalSelf(t, os.Interrupt)
	<-pool.Done()
	if _, err := pipeline.ExecuteAny(ctx, pool, func(context.Context, int) (int, error) { return 0, nil }); !errors.Is(err, pipeline.ErrClosed) {
		t.Errorf("got %v of a call after it, want ErrClosed", err)
	}
	close(release)
	all.Wait()
	if was := pipeline.Interrupted(ctx); was == nil || ctx.Err() != nil {
		t.Errorf("got %v, context %v", was, ctx.Err())
	}
	if s := pool.Snapshot(); s.InFlight != 0 || s.Waiting != 0 {
		t.Errorf("after all: %v", s)
	}
}
