package pipeline_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// A rank is what has started at one throttle, in order.
type rank struct {
	mu     sync.Mutex
	starts []turn
	cancel func() // when so many have started
	most   int
}

type turn struct {
	line int
	cost float64
	at   time.Time
}

func (r *rank) work(ctx context.Context, line int, cost float64, takes time.Duration) error {
	r.mu.Lock()
	r.starts = append(r.starts, turn{line, cost, time.Now()})
	if len(r.starts) == r.most {
		r.cancel()
	}
	r.mu.Unlock()
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// between returns what each line has had of starts from one to another.
func (r *rank) between(from, to, lines int) []float64 {
	sums, all := make([]float64, lines), 0.0
	for _, t := range r.starts[from:to] {
		sums[t.line] += t.cost
		all += t.cost
	}
	for i := range sums {
		sums[i] /= all
	}
	return sums
}

// A crowd is lines that have more work than the throttle lets start.
type crowd struct {
	rank
	throttle *pipeline.Throttle
	pool     *pipeline.Pool[int] // in place of the throttle
	shares   []pipeline.Share
	runs     []bool // or else they are of single calls
	costs    [][]int64
	tokens   bool // what an attempt costs; or else it is calls
	callers  int  // of a line of calls
	takes    []time.Duration
	change   map[int]pipeline.Share // of what the run has from the middle on
}

func (c *crowd) cost(line, job int) int64 { return c.costs[line][job%len(c.costs[line])] }

// run lets them all press until so many attempts have started.
func (c *crowd) run(attempts int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.mu.Lock() // others may work there already
	c.most, c.cancel = attempts, cancel
	c.mu.Unlock()
	var all sync.WaitGroup
	begin := make(chan struct{})
	for line, s := range c.shares {
		takes := c.takes[line]
		if c.runs[line] {
			p := c.pipeline(line)
			if later, ok := c.change[line]; ok {
				p.share(s)
				go func() {
					for {
						time.Sleep(time.Millisecond)
						c.mu.Lock()
						n := len(c.starts)
						c.mu.Unlock()
						if n >= attempts/2 {
							p.share(later)
							return
						}
					}
				}()
			}
			all.Go(func() {
				<-begin
				collect(p.run(pipeline.WithShare(ctx, s), endlessJobs(ctx.Done())))
			})
			continue
		}
		for caller := range c.callers {
			all.Go(func() {
				<-begin
				for job := caller; ctx.Err() == nil; job++ {
					ctx := pipeline.WithShare(ctx, s)
					if c.tokens {
						ctx = pipeline.WithCost(ctx, c.cost(line, job))
					} else {
						ctx = pipeline.WithWeight(ctx, float64(c.cost(line, job)))
					}
					c.execute(ctx, func(ctx context.Context) error {
						return c.work(ctx, line, float64(c.cost(line, job)), takes)
					})
				}
			})
		}
	}
	close(begin)
	all.Wait()
}

// A crowdPipeline is one through the throttle or the pool.
type crowdPipeline struct {
	run   func(context.Context, <-chan int) <-chan pipeline.Result[int, int]
	share func(pipeline.Share)
}

func (c *crowd) pipeline(line int) crowdPipeline {
	work := func(ctx context.Context, job int) (int, error) {
		return 0, c.work(ctx, line, float64(c.cost(line, job)), c.takes[line])
	}
	cost := func(job int) int64 { return c.cost(line, job) }
	weight := func(job int) float64 { return float64(c.cost(line, job)) }
	if c.pool == nil {
		p := pipeline.Attach(c.throttle, work)
		if c.tokens {
			p.Cost(cost)
		} else {
			p.Weight(weight)
		}
		return crowdPipeline{p.Run, func(s pipeline.Share) { p.Share(s) }}
	}
	p := pipeline.ByChoice(c.pool, func(ctx context.Context, _, job int) (int, error) { return work(ctx, job) })
	if c.tokens {
		p.Cost(cost)
	} else {
		p.Weight(weight)
	}
	return crowdPipeline{p.Run, func(s pipeline.Share) { p.Share(s) }}
}

// execute makes a single call.
func (c *crowd) execute(ctx context.Context, work func(context.Context) error) {
	if c.pool == nil {
		_, _ = pipeline.Execute(ctx, c.throttle, func(ctx context.Context) (int, error) { return 0, work(ctx) })
		return
	}
	_, _ = pipeline.ExecuteAny(ctx, c.pool, func(ctx context.Context, _ int) (int, error) { return 0, work(ctx) })
}

// drawCrowd draws lines at a throttle with so many slots.
func drawCrowd(rt *rapid.T, limit int) *crowd {
	c := &crowd{callers: 3*limit + 3, tokens: rapid.Bool().Draw(rt, "tokens"), change: map[int]pipeline.Share{}}
	for i := range rapid.IntRange(2, 4).Draw(rt, "lines") {
		c.shares = append(c.shares, pipeline.Share{
			Name:   string(rune('a' + i)),
			Weight: float64(rapid.IntRange(1, 8).Draw(rt, "weight")),
		})
		c.runs = append(c.runs, rapid.Bool().Draw(rt, "run"))
		c.costs = append(c.costs, rapid.SliceOfN(rapid.Int64Range(1, 10), 1, 20).Draw(rt, "costs"))
		c.takes = append(c.takes, time.Duration(rapid.IntRange(1, 40).Draw(rt, "takes"))*time.Millisecond)
	}
	return c
}

func weightOf(s pipeline.Share) float64 {
	if s.Weight == 0 {
		return 1
	}
	return s.Weight
}

// checkShares checks that each line has had the share that its weight says, within 5%.
func (c *crowd) checkShares(f *faults, from, to int, shares []pipeline.Share) {
	sum := 0.0
	for _, s := range shares {
		sum += weightOf(s)
	}
	for i, got := range c.between(from, to, len(shares)) {
		want := weightOf(shares[i]) / sum
		f.check(math.Abs(got-want) <= 0.05*want, "line %d (run %v) has had %.4f of the cost of attempts %d to %d, want %.4f within 5%%: %+v",
			i, c.runs[i], got, from, to, want, shares)
	}
}

// TestSharesHold: lines that all have work get what their weights say, by cost, runs and single
// calls alike, also after a weight has changed.
func TestSharesHold(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		limit := rapid.IntRange(1, 12).Draw(rt, "limit")
		interval := rapid.SampledFrom([]time.Duration{0, time.Millisecond}).Draw(rt, "interval")
		c := drawCrowd(rt, limit)
		after := append([]pipeline.Share(nil), c.shares...)
		for i := range c.shares {
			if c.runs[i] && rapid.Bool().Draw(rt, "changes") {
				after[i].Weight = float64(rapid.IntRange(1, 8).Draw(rt, "later"))
				c.change[i] = after[i]
			}
		}
		return func(f *faults) {
			c.throttle = mustThrottle(f, pipeline.Config{MaxConcurrency: limit, MinDispatchInterval: interval, Policy: pipeline.Static{}})
			c.run(4000)
			c.checkShares(f, 100, 1900, c.shares)
			c.checkShares(f, 2200, 4000, after)
		}
	})
}

func mustThrottle(f *faults, cfg pipeline.Config) *pipeline.Throttle {
	t, err := pipeline.NewThrottle(cfg)
	if err != nil {
		f.add("%v", err)
	}
	return t
}

// TestAHigherPriorityGoesFirst: a call comes to a throttle where others wait. It starts before all
// that wait with a lower priority, retries included: as soon as one that is in flight has ended.
func TestAHigherPriorityGoesFirst(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		limit := rapid.IntRange(1, 8).Draw(rt, "limit")
		c := drawCrowd(rt, limit)
		for i := range c.shares {
			c.shares[i].Priority = rapid.IntRange(-9, 0).Draw(rt, "priority")
		}
		calls := rapid.SliceOfN(rapid.IntRange(20, 300), 1, 20).Draw(rt, "calls") // milliseconds between them
		urgent := pipeline.Share{Priority: rapid.IntRange(1, 9).Draw(rt, "urgent")}
		park := rapid.Bool().Draw(rt, "park")
		failing := rapid.IntRange(0, 3).Draw(rt, "failing") // of ten
		return func(f *faults) {
			c.throttle = mustThrottle(f, pipeline.Config{
				MaxConcurrency: limit, Policy: pipeline.Static{},
				Retry: &pipeline.Retry{BaseDelay: 5 * time.Millisecond, Backoff: pipeline.Fixed, Park: park},
			})
			stop := make(chan struct{})
			flaky := pipeline.Attach(c.throttle, func(ctx context.Context, job int) (int, error) {
				err := c.work(ctx, 0, 1, 3*time.Millisecond)
				if err == nil && job%10 < failing {
					err = errors.New("failed")
				}
				return 0, err
			})
			ended := make(chan struct{})
			go func() {
				collect(flaky.Run(context.Background(), endlessJobs(stop)))
				close(ended)
			}()
			var all sync.WaitGroup
			all.Go(func() { c.run(1_000_000) })
			c.callUrgently(f, calls, limit, func(work func()) error {
				_, err := pipeline.Execute(pipeline.WithShare(context.Background(), urgent), c.throttle, func(context.Context) (int, error) {
					work()
					return 0, nil
				})
				return err
			})
			c.mu.Lock()
			c.cancel()
			c.mu.Unlock()
			close(stop)
			c.throttle.Close()
			all.Wait()
			<-ended
		}
	})
}

// callUrgently makes calls of the highest priority, so many milliseconds after one another, and checks that
// each waits for no more than what was in flight.
func (c *crowd) callUrgently(f *faults, calls []int, limit int, call func(work func()) error) {
	for _, ms := range calls {
		time.Sleep(time.Duration(ms)*time.Millisecond + time.Microsecond) // when nothing else happens
		c.mu.Lock()
		before, came := len(c.starts), time.Now()
		c.mu.Unlock()
		started := 0
		err := call(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			started = len(c.starts)
		})
		f.check(err == nil, "%v", err)
		// Of slots that are free at the same moment it gets the first, but others may say first that they have started.
		f.check(started-before <= limit-1, "%d started before a call that came at %v, limit %d", started-before, came, limit)
	}
}

// TestNothingStarves: each priority leaves a twentieth of what it gets to those below it.
func TestNothingStarves(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		limit := rapid.IntRange(1, 8).Draw(rt, "limit")
		c := drawCrowd(rt, limit)
		for i := range c.shares {
			c.shares[i].Weight, c.shares[i].Priority = 0, rapid.IntRange(0, 2).Draw(rt, "priority")
		}
		return func(f *faults) {
			c.throttle = mustThrottle(f, pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}})
			c.run(6000)
			had := make(map[int]float64) // by priority
			for i, got := range c.between(100, 6000, len(c.shares)) {
				had[c.shares[i].Priority] += got
			}
			left := 1.0 // for the priorities still to come
			for _, p := range []int{2, 1, 0} {
				got, ok := had[p]
				if !ok {
					continue
				}
				delete(had, p)
				if len(had) == 0 {
					f.check(math.Abs(got-left) < 1e-9, "priority %d has had %.4f of %.4f: %+v", p, got, left, c.shares)
				} else {
					f.check(got >= 0.9*left && got <= 0.98*left, "priority %d has had %.4f of %.4f: %+v", p, got, left, c.shares)
				}
				left -= got
			}
			since := make([]float64, len(c.shares))         // what has started since a line's last one
			most := 20 * 20 * 10 * float64(len(c.shares)+1) // two priorities above, the most expensive attempts, all others first
			for _, s := range c.starts[100:] {
				for i := range since {
					since[i] += s.cost
				}
				since[s.line] = 0
				for i, cost := range since {
					f.check(cost <= most, "line %d has waited while %v started: %+v", i, cost, c.shares)
				}
			}
		}
	})
}

func TestSharePanicsForWhatThereIsNot(t *testing.T) {
	for want, s := range map[string]pipeline.Share{
		"weight: got -1, want above 0, or 0 for 1":   {Weight: -1},
		"weight: got NaN, want above 0, or 0 for 1":  {Weight: math.NaN()},
		"weight: got +Inf, want above 0, or 0 for 1": {Weight: math.Inf(1)},
		"priority: got 10, want -9 to 9":             {Priority: 10},
		"priority: got -10, want -9 to 9":            {Priority: -10},
	} {
		p, err := pipeline.New(func(context.Context, int) (int, error) { return 0, nil }, pipeline.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for where, f := range map[string]func(){
			"WithShare": func() { pipeline.WithShare(t.Context(), s) },
			"Share":     func() { p.Share(s) },
		} {
			func() {
				defer func() {
					if got, _ := recover().(string); !strings.HasSuffix(got, where+": "+want) {
						t.Errorf("%s: got %q, want %q", where, got, want)
					}
				}()
				f()
			}()
		}
	}
}

// A share is for the call that has it, not for those that its work makes.
func TestShareIsNotForTheWorksOwnCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, err := pipeline.NewThrottle(pipeline.Config{})
		if err != nil {
			t.Fatal(err)
		}
		inner, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
		if err != nil {
			t.Fatal(err)
		}
		slot, err := inner.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx := pipeline.WithMaxWait(t.Context(), time.Second)
		go func() {
			time.Sleep(time.Minute)
			slot.Release(nil)
		}()
		_, err = pipeline.Execute(ctx, outer, func(ctx context.Context) (int, error) {
			return pipeline.Execute(ctx, inner, func(context.Context) (int, error) { return 0, nil })
		})
		if err != nil {
			t.Errorf("got %v, want that it waits for a minute", err)
		}
	})
}
