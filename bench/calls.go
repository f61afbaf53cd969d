package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/paceline-go/paceline/pipeline"
)

// The targets of the project: Execute with everything on, against failsafe-go with as much.
const (
	maxAloneOfFailsafe   = 0.5
	maxTogetherOfFail    = 0.7
	maxAllocationsOfCall = 4
)

// written are the ratios to failsafe-go that bench/README.md tells, by the number of callers.
var written = map[int]float64{1: 0.77, 16: 0.68, 1_000: 0.81}

// noise is how many times what is written down a ratio may be in the best of the rounds. On two cores that others use, a
// round's ratio was up to twice the median of all, but the best one never above it.
const noise = 1.5

// keep reports a ratio that is no longer what is written down of it.
func keep(check bool, what string, ours, others series, written float64) error {
	got := ours.bestOver(others)
	if check && got > noise*written {
		return fmt.Errorf("%s: got %.2f, want about %.2f, as bench/README.md says, and at most %.2f", what, got, written, noise*written)
	}
	return nil
}

// A guard makes what guards calls, for so many callers at once; each call adds 1.
type guard struct {
	name string
	make func(callers int) func(context.Context) (int, error)
}

const (
	failsafeName = "failsafe-go, retry + breaker + limiter"
	executeName  = "paceline on"
)

func guards() []guard {
	return []guard{
		{"bare", func(int) func(context.Context) (int, error) { return returnOne }},
		{"failsafe-go, retry + breaker", func(int) func(context.Context) (int, error) {
			return failsafeCall(retrypolicy.NewWithDefaults[int](), circuitbreaker.NewWithDefaults[int]())
		}},
		{failsafeName, func(callers int) func(context.Context) (int, error) {
			n := uint(max(callers, overheadWorkers))
			limiter := adaptivelimiter.NewBuilder[int]().WithLimits(n, 10*n, n).Build()
			return failsafeCall(retrypolicy.NewWithDefaults[int](), circuitbreaker.NewWithDefaults[int](), limiter)
		}},
		{executeName, func(callers int) func(context.Context) (int, error) {
			return executeWith(everythingOn(max(callers, overheadWorkers)))
		}},
		{"paceline off", func(callers int) func(context.Context) (int, error) {
			return executeWith(everythingOff(max(callers, overheadWorkers)))
		}},
	}
}

func returnOne(context.Context) (int, error) { return 1, nil }

func failsafeCall(policies ...failsafe.Policy[int]) func(context.Context) (int, error) {
	guard := failsafe.With(policies...)
	return func(ctx context.Context) (int, error) {
		return guard.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[int]) (int, error) { return returnOne(e.Context()) })
	}
}

func executeWith(cfg pipeline.Config) func(context.Context) (int, error) {
	t, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err) // the configurations are ours
	}
	return func(ctx context.Context) (int, error) { return pipeline.Execute(ctx, t, returnOne) }
}

// race has so many callers call, one call after another each, until there were so many calls.
func race(callers, calls int, call func(context.Context) (int, error)) (cost, error) {
	var before, after runtime.MemStats
	runtime.GC() // nobody pays for what the one before left behind
	runtime.ReadMemStats(&before)
	errs := make([]error, callers)
	each := max(calls/callers, 1)
	var all sync.WaitGroup
	start, used := time.Now(), cpuTime()
	for i := range callers {
		all.Go(func() {
			for range each {
				if n, err := call(context.Background()); err != nil || n != 1 {
					errs[i] = fmt.Errorf("a call gave %d, want 1: %w", n, err)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	used = cpuTime() - used
	runtime.ReadMemStats(&after)
	n := float64(each * callers)
	return cost{ns: float64(took.Nanoseconds()) / n, cpu: float64(used.Nanoseconds()) / n, allocs: float64(after.Mallocs-before.Mallocs) / n}, errors.Join(errs...)
}

// raceRounds lets all guards be measured once before any is again.
func raceRounds(gs []guard, rounds, callers, calls int) (map[string]*costs, error) {
	all, call := map[string]*costs{}, map[string]func(context.Context) (int, error){}
	for _, g := range gs {
		all[g.name], call[g.name] = &costs{}, g.make(callers)
	}
	for range rounds {
		for _, g := range gs {
			one, err := race(callers, calls, call[g.name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", g.name, err)
			}
			all[g.name].ns = append(all[g.name].ns, one.ns)
			all[g.name].cpu = append(all[g.name].cpu, one.cpu)
			all[g.name].allocs = append(all[g.name].allocs, one.allocs)
		}
	}
	return all, nil
}

const callsCaption = `## Single calls

Calls of a function that returns 1, through Execute or failsafe-go, one after another by each caller; %s calls in all; median
(min–max) of %d rounds, the contestants taking turns; ratios are medians of the ratios of each round. On and off: as under Overhead.
Nothing binds: the limit is as high as there are callers, 16 at least. CPU: what processors did for it, the garbage collector's work included, which
is what the targets are for: where others use the processors too, the clock says little.

`

// calls shows what a single call costs, alone and beside others.
func calls(w io.Writer, size sizes) error {
	fmt.Fprintf(w, callsCaption, count(size.jobs), size.rounds)
	gs := guards()
	t := newTable("", "callers", "ns per call", "CPU, ns", "allocations", "× failsafe-go with all three", "CPU, ×")
	var met []string
	var missed error
	for _, callers := range []int{1, 16, 1_000} {
		all, err := raceRounds(gs, size.rounds, callers, size.jobs)
		if err != nil {
			return err
		}
		for _, g := range gs {
			m := all[g.name]
			t.addFor(g.name, count(callers), spread(m.ns), spread(m.cpu), fmt.Sprintf("%.2f", quantile(m.allocs, 0.5)),
				fmt.Sprintf("%.2f", m.ns.over(all[failsafeName].ns)), fmt.Sprintf("%.2f", m.cpu.over(all[failsafeName].cpu)))
		}
		met = append(met, callTarget(callers, all))
		missed = errors.Join(missed, keep(size.check, fmt.Sprintf("Execute, %d callers, against failsafe-go", callers), all[executeName].cpu, all[failsafeName].cpu, written[callers]))
	}
	t.print(w)
	for _, line := range met {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	return missed
}

func callTarget(callers int, all map[string]*costs) string {
	ours := all[executeName]
	ratio := ours.cpu.over(all[failsafeName].cpu)
	if callers > 1 {
		return fmt.Sprintf("Target with %s callers: at most %.1f × failsafe-go: %s (%.2f).", count(callers), maxTogetherOfFail, verdict(ratio <= maxTogetherOfFail), ratio)
	}
	allocs := quantile(ours.allocs, 0.5)
	return fmt.Sprintf("Target with one: at most %.1f × failsafe-go: %s (%.2f); at most %d allocations: %s (%.2f).",
		maxAloneOfFailsafe, verdict(ratio <= maxAloneOfFailsafe), ratio, maxAllocationsOfCall, verdict(allocs <= maxAllocationsOfCall+0.1), allocs)
}
