// Command bench measures paceline beside other libraries and prints what it found as Markdown tables.
//
//	go run ./bench                   from the root: all tables, ten minutes or so
//	go run ./bench -table overhead   one of overhead, calls, roundtrip, growth, rest, pace, telemetry, journal
//	go run ./bench -quick            all tables on small numbers, to see that everything runs
//
// For benchstat there is the overhead table as Go benchmarks too: go test -bench . ./bench
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// sizes says how much to measure.
type sizes struct {
	jobs   int // of the overhead and telemetry tables
	rounds int

	journalJobs int
	journalKeys int // of a large journal

	growthRounds int
	growthJobs   []int
	workerJobs   int // per number of workers
	workers      []int

	check bool // ratios must be about those that are written down

	throttles, keys int // of the table of what rests
	handOvers       int // of slots

	paceFor    time.Duration // how long one contestant dispatches at one interval
	paceSteps  int           // but at least so many intervals
	paceRounds int           // each with every contestant
}

func full() sizes {
	return sizes{
		jobs: 300_000, rounds: 7,
		journalJobs: 300_000, journalKeys: 1_000_000,
		growthRounds: 3, growthJobs: []int{1e4, 1e5, 1e6, 1e7},
		workerJobs: 300_000, workers: []int{1, 10, 100, 1_000, 10_000},
		throttles: 1_000, keys: keysAtRest, handOvers: 100_000,
		paceFor: 2 * time.Second, paceSteps: 5, paceRounds: 3,
	}
}

func quick() sizes {
	return sizes{
		jobs: 20_000, rounds: 2,
		journalJobs: 20_000, journalKeys: 50_000,
		growthRounds: 1, growthJobs: []int{1e4, 1e5},
		workerJobs: 50_000, workers: []int{1, 10, 100, 1_000, 10_000},
		throttles: 100, keys: 2_000, handOvers: 2_000,
		paceFor: 200 * time.Millisecond, paceSteps: 2, paceRounds: 1,
	}
}

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, args []string) error {
	if len(args) > 0 && args[0] == memoryCommand {
		return memoryChild(w, args[1:])
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	only := flags.String("table", "all", "which `table`: overhead, calls, roundtrip, growth, rest, pace, telemetry, journal or all")
	small := flags.Bool("quick", false, "measure little: shows that everything runs, its figures mean nothing")
	jobs := flags.Int("jobs", 0, "jobs per contestant and round of the overhead, telemetry and journal tables (default 300000)")
	rounds := flags.Int("rounds", 0, "rounds of the overhead, telemetry and journal tables (default 7)")
	keys := flags.Int("keys", 0, "jobs in the large journal of the journal table (default 1000000)")
	check := flags.Bool("check", false, "fail where calls or round trips cost more than is written down, against the others, with room for noise")
	patience := flags.Duration("timeout", 20*time.Minute, "give up, with all goroutines' stacks, after this `time`")
	_ = flags.Parse(args) // ExitOnError

	size := full()
	if *small {
		size = quick()
	}
	size.check = *check
	if *jobs > 0 {
		size.jobs, size.journalJobs = *jobs, *jobs
	}
	if *keys > 0 {
		size.journalKeys = *keys
	}
	if *rounds > 0 {
		size.rounds = *rounds
	}
	defer giveUpAfter(*patience).Stop()
	return printTables(w, *only, size)
}

func printTables(w io.Writer, only string, size sizes) error {
	tables := []struct {
		name  string
		print func(io.Writer, sizes) error
	}{{"overhead", overhead}, {"calls", calls}, {"roundtrip", roundTrips}, {"growth", growth}, {"rest", rest}, {"pace", pace}, {"telemetry", telemetry}, {"journal", journal}}

	printMachine(w)
	found := false
	for _, t := range tables {
		if only != "all" && only != t.name {
			continue
		}
		found = true
		if err := t.print(w, size); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("-table: got %q, want overhead, calls, roundtrip, growth, rest, pace, telemetry, journal or all", only)
	}
	return nil
}

// giveUpAfter shows where a contestant hangs, instead of hanging with it.
func giveUpAfter(patience time.Duration) *time.Timer {
	return time.AfterFunc(patience, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("bench: not done after %v", patience))
	})
}
