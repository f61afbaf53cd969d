package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

const overheadWorkers = 16

// The targets of the project: paceline with everything on, against the others in the same run.
const (
	maxOfConcPool    = 0.6
	maxOfHandWritten = 2.3
)

// A cost is what one job took of one contestant in one run, its start and its end shared out over the jobs.
type cost struct {
	ns     float64
	cpu    float64 // ns of a processor; 0: not known
	allocs float64
}

func measure(c contestant, workers, jobs int, do work) (cost, error) {
	var before, after runtime.MemStats
	runtime.GC() // nobody pays for what the one before left behind
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := c.race(workers, jobs, do)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	return cost{
		ns:     float64(took.Nanoseconds()) / float64(jobs),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(jobs),
	}, err
}

// A series holds one number per round.
type series []float64

// over divides round by round: what slowed the machine for one round slowed both.
func (s series) over(base series) float64 { return quantile(s.ratios(base), 0.5) }

// bestOver is the least of these.
func (s series) bestOver(base series) float64 { return slices.Min(s.ratios(base)) }

func (s series) ratios(base series) []float64 {
	ratios := make([]float64, len(s))
	for i := range s {
		ratios[i] = s[i] / base[i]
	}
	return ratios
}

type costs struct{ ns, cpu, allocs series }

// measureRounds lets all contestants run once before any runs again, so that a slow minute of the machine hits all of them.
func measureRounds(cs []contestant, rounds, workers, jobs int, do func() work) (map[string]*costs, error) {
	all := map[string]*costs{}
	for _, c := range cs {
		all[c.name] = &costs{}
	}
	for range rounds {
		for _, c := range cs {
			one, err := measure(c, workers, jobs, do())
			if err != nil {
				return nil, err
			}
			all[c.name].ns = append(all[c.name].ns, one.ns)
			all[c.name].allocs = append(all[c.name].allocs, one.allocs)
		}
	}
	return all, nil
}

const overheadCaption = `## Overhead per job

%d workers, work that adds 1, jobs from a channel of %d, results into a channel of %d (paceline: the one that Run returns);
%s jobs; median (min–max) of %d rounds, the contestants taking turns; ratios are medians of the ratios of each round.
On: Seek, breaker, retry, and a budget that never binds, each job with a cost; not paced. Off: a static limit, no more.

`

// overhead shows what moving a job costs when the work costs nothing.
func overhead(w io.Writer, size sizes) error {
	fmt.Fprintf(w, overheadCaption, overheadWorkers, depth, depth, count(size.jobs), size.rounds)
	cs := contestants()
	all, err := measureRounds(cs, size.rounds, overheadWorkers, size.jobs, func() work { return addOne })
	if err != nil {
		return err
	}
	conc, hand, ours := all[concPoolName], all[handWrittenName], all[oursOnName]
	t := newTable("", "ns per job", "allocations per job", "× conc pool", "× hand-written")
	for _, c := range cs {
		m := all[c.name]
		t.addFor(c.name, spread(m.ns), fmt.Sprintf("%.2f", quantile(m.allocs, 0.5)),
			fmt.Sprintf("%.2f", m.ns.over(conc.ns)), fmt.Sprintf("%.2f", m.ns.over(hand.ns)))
	}
	t.print(w)
	printOverheadTargets(w, ours.ns.over(conc.ns), ours.ns.over(hand.ns), slices.Min(ours.allocs))
	return nil
}

func printOverheadTargets(w io.Writer, ofConc, ofHand, allocs float64) {
	fmt.Fprintf(w, "Targets, paceline on: at most %.1f × conc pool: %s (%.2f); at most %.1f × hand-written: %s (%.2f); "+
		"0 allocations per job: %s (%.4f, the run's start included).\n\n",
		maxOfConcPool, verdict(ofConc <= maxOfConcPool), ofConc,
		maxOfHandWritten, verdict(ofHand <= maxOfHandWritten), ofHand,
		verdict(allocs < 0.01), allocs)
}
