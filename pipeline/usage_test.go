package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// names are what the budgets here count.
var names = []string{"input", "output", "money"}

// A charge is what an attempt takes of budgets by name: its costs from its start on, and what it has
// used beyond them from its end on.
type charge struct {
	start, end  time.Time // end: zero as long as it runs
	costs, used pipeline.Amounts
}

// charges are the books of a service that counts to the unit.
type charges struct {
	mu  sync.Mutex
	all []*charge
}

// held returns what counts of a name in the window that ends now, of those that have started.
func (c *charges) held(name string, window time.Duration, now time.Time) (sum int64) {
	recent := func(at time.Time) bool { return window == pipeline.Forever || now.Sub(at) < window }
	for _, e := range c.all {
		switch cost, used := e.costs[name], e.used[name]; {
		case e.end.IsZero():
			if recent(e.start) {
				sum += cost
			}
		default:
			if recent(e.start) {
				sum += min(cost, used)
			}
			if used > cost && e.end.Before(now) && recent(e.end) { // else the throttle may not know yet
				sum += used - cost
			}
		}
	}
	return sum
}

func (c *charges) begin(costs pipeline.Amounts) *charge {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &charge{start: time.Now(), costs: costs}
	c.all = append(c.all, e)
	return e
}

func (c *charges) end(e *charge, used pipeline.Amounts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.end, e.used = time.Now(), used
}

// check notes which budgets have less than nothing left, now that something has started.
func (c *charges) check(f *faults, budgets []pipeline.Budget) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range budgets {
		if sum := c.held(b.Counts, b.Window, time.Now()); sum > b.Tokens {
			f.add("%d of %s in %v, budget %d", sum, b.Counts, b.Window, b.Tokens)
		}
	}
}

// usedBy returns what an attempt has used that was expected to use costs, and has recorded some.
func usedBy(how ending, costs, recorded pipeline.Amounts) pipeline.Amounts {
	used := make(pipeline.Amounts)
	for name, cost := range costs {
		n, known := recorded[name]
		switch {
		case known:
			used[name] = n
		case how != refuses && how != hints && how != failsFatally:
			used[name] = cost
		}
	}
	return used
}

// TestBudgetsByNameHoldToTheUnit: whatever attempts use of several things, and however they end, no
// budget is ever overdrawn but by what was used beyond a cost; what is booked is what was used; and
// who does not fit into what is left for ever comes back.
func TestBudgetsByNameHoldToTheUnit(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(1, 60).Draw(rt, "jobs")
		cfg := pipeline.Config{
			MaxConcurrency: rapid.IntRange(1, 10).Draw(rt, "max"),
			Policy:         pipeline.Static{},
			AttemptTimeout: time.Second,
			Retry:          &pipeline.Retry{BaseDelay: time.Millisecond, Park: rapid.Bool().Draw(rt, "park"), GiveUpAfter: time.Minute},
			Seed:           1,
		}
		var budgets []pipeline.Budget
		for i := range rapid.IntRange(1, 4).Draw(rt, "budgets") {
			b := pipeline.Budget{
				Name:   fmt.Sprint("budget ", i),
				Counts: rapid.SampledFrom(names).Draw(rt, "counts"),
				Tokens: rapid.Int64Range(10, 200).Draw(rt, "tokens"),
				Window: time.Duration(rapid.Int64Range(1, 2000).Draw(rt, "window")) * time.Millisecond,
			}
			if rapid.IntRange(0, 3).Draw(rt, "forever") == 0 {
				b.Window = pipeline.Forever
			}
			budgets = append(budgets, b)
		}
		shared := rapid.Bool().Draw(rt, "shared")
		draw := func(what string, least, most int64) []int64 {
			return rapid.SliceOfN(rapid.Int64Range(least, most), 12, 12).Draw(rt, what)
		}
		costs, uses, takes := draw("costs", 0, 10), draw("uses", -10, 20), draw("takes", 0, int64(300*time.Millisecond))
		endings := rapid.SliceOfN(rapid.SampledFrom([]ending{
			succeeds, succeeds, succeeds, fails, failsFatally, failsTransiently, refuses, hints, panics, exits, cancels, timesOut, hangs,
		}), 12, 12).Draw(rt, "endings")
		stopAfter := time.Duration(rapid.Int64Range(0, 20_000).Draw(rt, "stop after")) * time.Millisecond // 0: it is not
		return func(f *faults) {
			var books charges
			costsOf := func(job int) pipeline.Amounts {
				costs := pipeline.Amounts{"input": costs[job%12], "output": costs[(job+5)%12], "money": costs[(3*job+1)%12]}
				return maps.Clone(costs)
			}
			work := func(ctx context.Context, job int) (int, error) {
				e := books.begin(costsOf(job))
				books.check(f, budgets)
				slot := pipeline.SlotFrom(ctx)
				try := job + 3*(slot.Attempt()+slot.Refusals())
				a := answer{ending: endings[try%12], takes: time.Duration(takes[try%12])}
				recorded := make(pipeline.Amounts)
				defer func() { books.end(e, usedBy(a.ending, e.costs, recorded)) }()
				pass(ctx, a)
				for i, name := range names {
					if n := uses[(try+i)%12]; n >= 0 { // else it says nothing
						slot.RecordUsage(name, n/2)
						slot.RecordUsage(name, n-n/2)
						recorded[name] = n
					}
				}
				if ctx.Err() != nil && a.ending != exits && a.ending != panics {
					a.ending = cancels // it was broken off, and says so
					return 0, context.Cause(ctx)
				}
				return 0, a.err(ctx)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if stopAfter > 0 {
				defer time.AfterFunc(stopAfter, cancel).Stop()
			}
			var results []pipeline.Result[int, int]
			var used func() []pipeline.BudgetSnapshot
			if shared {
				k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{Each: cfg, Shared: budgets})
				if err != nil {
					f.add("%v", err)
					return
				}
				p := pipeline.ByKey(k, func(job int) int { return job % 2 }, work).Costs(costsOf)
				results = collect(p.Run(ctx, feed(jobs)))
				used = func() []pipeline.BudgetSnapshot { return k.Throttle(0).Snapshot().Budgets }
			} else {
				cfg.Budgets = budgets
				p, err := pipeline.New(work, cfg)
				if err != nil {
					f.add("%v", err)
					return
				}
				results = collect(p.Costs(costsOf).Run(ctx, feed(jobs)))
				used = func() []pipeline.BudgetSnapshot { return p.Throttle().Snapshot().Budgets }
			}
			f.check(len(results) == jobs || ctx.Err() != nil, "%d results of %d", len(results), jobs)
			for _, b := range used() {
				if b.Window != pipeline.Forever {
					continue
				}
				sum := int64(0)
				for _, e := range books.all {
					sum += e.used[b.Counts]
				}
				f.check(b.Used == sum, "%d of %s is booked, want the %d that was used", b.Used, b.Counts, sum)
				for _, r := range results {
					var cost *pipeline.CostError
					if errors.As(r.Err, &cost) && cost.Budget == b.Name {
						f.check(cost.Spent && cost.Counts == b.Counts && cost.Cost > b.Tokens-sum, "job %d came back with %v, and %d of %d was used", r.In, cost, sum, b.Tokens)
					}
				}
			}
		}
	})
}

// usageStarts returns when jobs start of which each costs so much.
func usageStarts(t *testing.T, a answer, jobs int, costs pipeline.Amounts, used pipeline.Amounts, budgets ...pipeline.Budget) []time.Duration {
	t.Helper()
	s := always(a)
	p, err := pipeline.New(func(ctx context.Context, job int) (int, error) {
		for name, n := range used {
			pipeline.SlotFrom(ctx).RecordUsage(name, n)
		}
		return s.work(ctx, job)
	}, pipeline.Config{MaxConcurrency: 4, Budgets: budgets, Policy: pipeline.Static{}})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for r := range p.Costs(func(int) pipeline.Amounts { return costs }).Run(t.Context(), feed(jobs)) {
		if r.Err != nil {
			t.Errorf("job %d: %v", r.In, r.Err)
		}
	}
	return s.starts(begin)
}

func TestAttemptWaitsUntilAllThatItUsesIsThere(t *testing.T) {
	input := pipeline.Budget{Name: "in", Counts: "input", Tokens: 100, Window: time.Minute}
	output := pipeline.Budget{Name: "out", Counts: "output", Tokens: 10, Window: time.Hour}
	for name, test := range map[string]struct {
		costs, used pipeline.Amounts
		want        []time.Duration
	}{
		"the first binds":     {pipeline.Amounts{"input": 50, "output": 1}, nil, seconds(0, 0, 60, 60, 120)},
		"the second binds":    {pipeline.Amounts{"input": 1, "output": 5}, nil, seconds(0, 0, 3600, 3600, 7200)},
		"less was used":       {pipeline.Amounts{"input": 1, "output": 5}, pipeline.Amounts{"output": 1}, seconds(0, 0, 1, 2, 3)},
		"more was used":       {pipeline.Amounts{"input": 1, "output": 10}, pipeline.Amounts{"output": 20}, seconds(0, 3601, 7202, 10803, 14404)},
		"another is not told": {pipeline.Amounts{"input": 50, "output": 0, "": 1000, "money": 1000}, nil, seconds(0, 0, 60, 60, 120)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := usageStarts(t, answer{takes: time.Second}, 5, test.costs, test.used, input, output); !slices.Equal(got, test.want) {
					t.Errorf("starts at %v, want %v", got, test.want)
				}
			})
		})
	}
}
