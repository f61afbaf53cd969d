package main

import (
	"fmt"
	"io"
	"slices"
)

const (
	// flood is the number of attempts in flight at which memory is compared with bare goroutines.
	flood           = 10_000
	floodWaves      = 3
	maxOfGoroutines = 1.5
)

// growth shows what happens to time and memory as jobs and workers become many.
func growth(w io.Writer, size sizes) error {
	fmt.Fprintf(w, "## Growth\n\n")
	for _, part := range []func(io.Writer, sizes) error{growthOfJobs, growthOfWorkers, memoryInFlight} {
		if err := part(w, size); err != nil {
			return err
		}
	}
	return nil
}

func named(names ...string) ([]contestant, error) {
	var cs []contestant
	for _, name := range names {
		c, err := contestantNamed(name)
		if err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	return cs, nil
}

const jobsCaption = `### More jobs

%d workers, work that adds 1. ns: per job, median of %d rounds or more. MB: the most that was ever resident, in a process of
its own.

`

func growthOfJobs(w io.Writer, size sizes) error {
	fmt.Fprintf(w, jobsCaption, overheadWorkers, size.growthRounds)
	cs, err := named(handWrittenName, oursOnName, oursOrderedName)
	if err != nil {
		return err
	}
	t := newTable("jobs", "hand-written, ns", "on, ns", "on, ordered, ns", "hand-written, MB", "on, MB", "on, ordered, MB")
	var hand, on, ordered series
	for _, jobs := range size.growthJobs {
		ns, err := medianTimes(cs, size.roundsFor(jobs), overheadWorkers, jobs, func() work { return addOne })
		if err != nil {
			return err
		}
		peaks, err := peakMemory(cs, jobs)
		if err != nil {
			return err
		}
		hand, on, ordered = append(hand, ns[0]), append(on, ns[1]), append(ordered, ns[2])
		t.add(append([]string{count(jobs)}, append(cells("%.0f", ns), cells("%.1f", peaks)...)...)...)
	}
	t.print(w)
	fmt.Fprintf(w, "Slowest row to fastest: hand-written %.2f, paceline on %.2f, on and ordered %.2f.\n\n",
		steepness(hand), steepness(on), steepness(ordered))
	return nil
}

// roundsFor repeats what takes little time more often: one round of it says nothing.
func (size sizes) roundsFor(jobs int) int {
	return max(size.growthRounds, min(30, 300_000/jobs))
}

// medianTimes returns the ns per job of each contestant.
func medianTimes(cs []contestant, rounds, workers, jobs int, do func() work) (series, error) {
	all, err := measureRounds(cs, rounds, workers, jobs, do)
	if err != nil {
		return nil, err
	}
	var ns series
	for _, c := range cs {
		ns = append(ns, quantile(all[c.name].ns, 0.5))
	}
	return ns, nil
}

func peakMemory(cs []contestant, jobs int) (series, error) {
	var peaks series
	for _, c := range cs {
		f, err := memoryOf(memoryTask{Contestant: c.name, Workers: overheadWorkers, Jobs: jobs})
		if err != nil {
			return nil, err
		}
		peaks = append(peaks, mb(f.Peak))
	}
	return peaks, nil
}

const workersCaption = `### More workers

%s jobs; ns per job, median of %d rounds, the start of the workers included. Idle: work that adds 1, for which a few workers
would do. Busy: each job also waits until every worker holds one.

`

func growthOfWorkers(w io.Writer, size sizes) error {
	fmt.Fprintf(w, workersCaption, count(size.workerJobs), size.growthRounds)
	cs, err := named(handWrittenName, oursOnName)
	if err != nil {
		return err
	}
	atOnce := make([]contestant, len(cs))
	for i, c := range cs {
		atOnce[i] = c.allAtOnce()
	}
	t := newTable("workers", "hand-written, idle", "on, idle", "×", "hand-written, busy", "on, busy", "×")
	var handIdle, onIdle, handBusy, onBusy series
	for _, n := range size.workers {
		idle, err := medianTimes(cs, size.growthRounds, n, size.workerJobs, func() work { return addOne })
		if err != nil {
			return err
		}
		busy, err := medianTimes(atOnce, size.growthRounds, n, size.workerJobs, func() work { return newBarrier(n, func() {}).work })
		if err != nil {
			return err
		}
		handIdle, onIdle = append(handIdle, idle[0]), append(onIdle, idle[1])
		handBusy, onBusy = append(handBusy, busy[0]), append(onBusy, busy[1])
		t.add(append(append([]string{count(n)}, besides(idle)...), besides(busy)...)...)
	}
	t.print(w)
	fmt.Fprintf(w, "Slowest row to fastest: idle, hand-written %.2f, paceline on %.2f; busy, hand-written %.2f, paceline on %.2f.\n\n",
		steepness(handIdle), steepness(onIdle), steepness(handBusy), steepness(onBusy))
	return nil
}

// besides shows hand-written, ours, and ours as a multiple of hand-written.
func besides(ns series) []string {
	return append(cells("%.0f", ns), fmt.Sprintf("%.2f", ns[1]/ns[0]))
}

const flightCaption = `### %s attempts in flight

Every job blocks until %s are in flight, %d times over, in a process of its own; the best of %d rounds. Resident: the peak
above what was resident before the run. Held: heap and stacks in use while all are blocked, after a collection.

`

func memoryInFlight(w io.Writer, size sizes) error {
	fmt.Fprintf(w, flightCaption, count(flood), count(flood), floodWaves, size.growthRounds)
	t := newTable("", "resident, MB", "×", "held, MB", "×", "held per attempt, bytes")
	byName := map[string]footprint{}
	for _, name := range []string{handWrittenName, oursOffName, oursOnName, oursOrderedName} {
		f, err := leastFootprint(memoryTask{Contestant: name, Workers: flood, Jobs: floodWaves * flood, Blocked: true}, size.growthRounds)
		if err != nil {
			return err
		}
		byName[name] = f
		bare := byName[handWrittenName]
		t.addFor(name, fmt.Sprintf("%.1f", mb(f.growth())), fmt.Sprintf("%.2f", f.growth()/bare.growth()),
			fmt.Sprintf("%.1f", mb(f.Held)), fmt.Sprintf("%.2f", f.Held/bare.Held), count(int(f.Held/flood)))
	}
	t.print(w)
	share := byName[oursOnName].growth() / byName[handWrittenName].growth()
	fmt.Fprintf(w, "Target, paceline on: resident less than %.1f × that of bare goroutines: %s (%.2f).\n\n",
		maxOfGoroutines, verdict(share < maxOfGoroutines), share)
	return nil
}

// leastFootprint takes the round that grew least: what another has on top is the collector's timing.
func leastFootprint(task memoryTask, rounds int) (footprint, error) {
	var least footprint
	for i := range rounds {
		f, err := memoryOf(task)
		if err != nil {
			return f, err
		}
		if i == 0 || f.growth() < least.growth() {
			least = f
		}
	}
	return least, nil
}

func steepness(s series) float64 { return slices.Max(s) / slices.Min(s) }

func mb(bytes float64) float64 { return bytes / (1 << 20) }
