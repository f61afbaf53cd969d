package pipeline_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A quickClock goes on by a microsecond each time that it is read: attempts
// are so short that they are handed over ahead, in batches.
type quickClock struct {
	clock.Clock
	now atomic.Int64
}

func (c *quickClock) Now() time.Time                  { return time.Unix(0, c.now.Add(1000)) }
func (c *quickClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// A dive is a policy that cuts the limit to low after some outcomes.
type dive struct{ after, low int }

func (d *dive) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	return d, pipeline.Setting{Limit: b.MaxLimit}
}

func (d *dive) Next(time.Time, pipeline.Outcome) pipeline.Setting {
	if d.after--; d.after <= 0 {
		return pipeline.Setting{Limit: d.low}
	}
	return pipeline.Setting{Limit: 8}
}

func TestLimitHoldsForAttemptsThatTakeNoTime(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		const jobs = 700
		d := &dive{
			after: rapid.IntRange(1, 400).Draw(rt, "after"),
			low:   rapid.IntRange(1, 8).Draw(rt, "low"),
		}
		ordered := rapid.Bool().Draw(rt, "ordered")
		cfg := pipeline.Config{MaxConcurrency: 8, Policy: d}
		return func(f *faults) {
			cfg.Clock = &quickClock{Clock: clock.Real()}
			s := always(answer{})
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			if ordered {
				p.Ordered()
			}
			n := len(collect(p.Run(context.Background(), feed(jobs))))
			f.check(n == jobs, "%d results of %d", n, jobs)
			f.check(s.most <= 8, "%d in flight, limit 8", s.most)
			// Long after the cut, everybody knows of it.
			for _, a := range s.log[600:] {
				f.check(a.inFlight <= d.low, "%d in flight, limit %d", a.inFlight, d.low)
			}
		}
	})
}

// TestOneJobOneResultOfAttemptsThatTakeNoTime: after a number of attempts
// something happens: a failure, a panic, an exit, a cancel, a close, or a
// reader who leaves.
func TestOneJobOneResultOfAttemptsThatTakeNoTime(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(300, 700).Draw(rt, "jobs")
		moment := func(what string) int64 { return rapid.Int64Range(1, 1000).Draw(rt, what) }
		cancelAt, closeAt := moment("cancelAt"), moment("closeAt")
		breaks := int(moment("breaks"))
		bad := make(map[int64]ending)
		for range rapid.IntRange(0, 5).Draw(rt, "bad") {
			bad[moment("badAt")] = ending(rapid.IntRange(int(fails), int(cancels)).Draw(rt, "ending"))
		}
		cfg := pipeline.Config{MaxConcurrency: rapid.IntRange(1, 8).Draw(rt, "max"), MaxDispatchInterval: 1}
		if rapid.Bool().Draw(rt, "retries") {
			cfg.Retry = &pipeline.Retry{BaseDelay: 1, MaxDelay: 1}
		}
		each, ordered := rapid.Bool().Draw(rt, "each"), rapid.Bool().Draw(rt, "ordered")
		return func(f *faults) {
			cfg.Clock = &quickClock{Clock: clock.Real()}
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var attempts atomic.Int64
			var mu sync.Mutex
			started := make(map[int]int)
			p := pipeline.Attach(throttle, func(ctx context.Context, job int) (int, error) {
				mu.Lock()
				started[job]++
				mu.Unlock()
				n := attempts.Add(1)
				if n == cancelAt {
					cancel(errLeft)
				}
				if n == closeAt {
					throttle.Close()
				}
				return job * job, answer{ending: bad[n]}.err(ctx)
			})
			if ordered {
				p.Ordered()
			}
			var neighbor sync.WaitGroup
			neighbor.Go(func() { // who goes through the same throttle undisturbed
				in := feed(jobs)
				n := len(collect(pipeline.Attach(throttle, square).Run(context.Background(), in)))
				f.check(n+len(in) == jobs, "%d results, %d left of the neighbor's %d jobs", n, len(in), jobs)
			})
			defer neighbor.Wait()
			var got []int
			take := func(r result) {
				got = append(got, r.In)
				mu.Lock()
				defer mu.Unlock()
				f.check(r.Attempts == started[r.In], "job %d: %d attempts, the service counts %d", r.In, r.Attempts, started[r.In])
				f.check(r.Err != nil || r.Out == r.In*r.In, "job %d: got %d", r.In, r.Out)
				f.check(r.Attempts > 0 || r.Err == errLeft || r.Err == pipeline.ErrClosed, "job %d never started: %v", r.In, r.Err)
			}
			taken := 0
			left := false
			if each {
				for r := range p.Each(ctx, func(yield func(int) bool) {
					for taken < jobs {
						if taken++; !yield(taken - 1) {
							return
						}
					}
				}) {
					take(r)
					if left = len(got) == breaks; left {
						break
					}
				}
			} else {
				in := feed(jobs)
				for r := range p.Run(ctx, in) {
					take(r)
				}
				taken = jobs - len(in)
			}
			if ordered {
				f.check(slices.IsSorted(got), "results out of order")
			}
			slices.Sort(got)
			f.check(len(slices.Compact(slices.Clone(got))) == len(got), "a job came back twice")
			f.check(left || len(got) == taken, "%d jobs taken, %d came back", taken, len(got))
		}
	})
}
