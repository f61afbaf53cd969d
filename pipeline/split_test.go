package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

func TestTotalJobsAreTheJobsOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := teller{answer: func(number int, jobs []int) ([]int, error) {
			switch number {
			case 0:
				return jobs, nil
			case 1: // one of them fails
				errs := make([]error, len(jobs))
				errs[3] = pipeline.Fatal(errService)
				return jobs, pipeline.Partial(errs)
			}
			return nil, errService
		}}
		throttle := newThrottle(t, pipeline.Config{TotalJobs: 100, MaxConcurrency: 1})
		chain := pipeline.Batch(pipeline.Attach(throttle, l.work), 10, time.Second)
		collect(chain.Run(t.Context(), feed(30)))
		if s := throttle.Snapshot(); s.Percentage != 30 || s.Completed != 19 || s.Failed != 11 {
			t.Errorf("%v%% done, %d completed, %d failed; want 30%%, 19, 11", s.Percentage, s.Completed, s.Failed)
		}
	})
}

func TestOneBadRowDoesNotLoseItsBatch(t *testing.T) {
	bad := pipeline.Split(errors.New("row 42 is bad"))
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint(ordered), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := teller{begin: time.Now(), answer: func(_ int, jobs []int) ([]int, error) {
					if slices.Contains(jobs, 42) {
						return nil, bad
					}
					return jobs, nil
				}}
				p := newPipeline(t, l.work, pipeline.Config{TotalJobs: 300})
				if ordered {
					p.Ordered()
				}
				results := collect(pipeline.Batch(p, 100, time.Second).Run(t.Context(), feed(300)))
				for _, r := range results {
					if (r.In == 42) != (r.Err != nil) || r.Err == nil && r.Out != r.In || r.Err != nil && r.Err.Error() != "row 42 is bad" {
						t.Errorf("job %d: %d, %v", r.In, r.Out, r.Err)
					}
				}
				inOrder := slices.IsSortedFunc(results, func(a, b result) int { return a.In - b.In })
				if len(results) != 300 || ordered && !inOrder {
					t.Errorf("%d results, in order: %v", len(results), inOrder)
				}
				if n := len(l.calls); n > 3+2*7 { // 100, 50, 25, 13, 7, 4, 2, 1
					t.Errorf("%d calls", n)
				}
				if s := p.Throttle().Snapshot(); s.Completed != 299 || s.Failed != 1 || s.Percentage != 100 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// Whatever rows are bad, and whenever the run is cancelled or the throttle closed: each job
// has one result, and it says how often and how long it was tried.
func TestSplitBatchesGiveEachJobOneResult(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		const jobs = 60
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, jobs-1), 0, 10, rapid.ID).Draw(rt, "bad")
		size := rapid.IntRange(1, 30).Draw(rt, "size")
		ordered := rapid.Bool().Draw(rt, "ordered")
		partly := rapid.Bool().Draw(rt, "partly") // the odd ones are done with before the rest is split
		cancelAt, closeAt := drawMoment(rt, "cancelAt"), drawMoment(rt, "closeAt")
		cfg := pipeline.Config{MaxConcurrency: rapid.IntRange(1, 4).Draw(rt, "max"), Policy: pipeline.Static{}}
		return func(f *faults) {
			var mu sync.Mutex
			tried := make(map[int]int)
			work := func(_ context.Context, in []int) ([]int, error) {
				time.Sleep(10 * time.Millisecond)
				mu.Lock()
				for _, job := range in {
					tried[job]++
				}
				mu.Unlock()
				for _, job := range in {
					if slices.Contains(bad, job) {
						return nil, pipeline.Split(errService)
					}
				}
				if partly {
					return in, pipeline.Partial(make([]error, len(in)))
				}
				return in, nil
			}
			p, err := pipeline.New(work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			if ordered {
				p.Ordered()
			}
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			ended := make(chan struct{})
			at(cancelAt, ended, func() { cancel(errLeft) })
			at(closeAt, ended, p.Throttle().Close)
			feeding := feed(jobs)
			results := collect(pipeline.Batch(p, size, time.Millisecond).Run(ctx, feeding))
			close(ended)
			got := make(map[int]bool)
			for _, r := range results {
				f.check(!got[r.In], "job %d came back twice", r.In)
				got[r.In] = true
				f.check(r.Attempts == tried[r.In], "job %d: %d attempts, tried %d times", r.In, r.Attempts, tried[r.In])
				f.check(r.Took >= time.Duration(10*r.Attempts)*time.Millisecond, "job %d: %d attempts took %v", r.In, r.Attempts, r.Took)
				stopped := errors.Is(r.Err, errLeft) || errors.Is(r.Err, pipeline.ErrClosed)
				switch {
				case stopped:
					f.check(r.Attempts == 0 || errors.Is(r.Err, errService), "job %d: %v after %d attempts", r.In, r.Err, r.Attempts)
				case slices.Contains(bad, r.In):
					f.check(errors.Is(r.Err, errService), "job %d is bad: %v", r.In, r.Err)
				default:
					f.check(r.Err == nil && r.Out == r.In, "job %d is good: %d, %v", r.In, r.Out, r.Err)
				}
			}
			if left := len(feeding); len(got)+left != jobs || (cancelAt == never && closeAt == never && left > 0) {
				f.add("%d results, %d jobs left", len(got), left)
			}
			inOrder := slices.IsSortedFunc(results, func(a, b result) int { return a.In - b.In })
			f.check(!ordered || inOrder, "out of order")
		}
	})
}

func TestSplitOutsideOfABatchIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Retry: &pipeline.Retry{}})
		n := 0
		_, err := pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) { n++; return 0, pipeline.Split(errService) })
		if n != 1 || !errors.Is(err, errService) || throttle.Snapshot().Attempts.Ignored != 1 || pipeline.Split(nil) != nil {
			t.Errorf("%v after %d attempts, %+v", err, n, throttle.Snapshot().Attempts)
		}
	})
}
