package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

const journalCaption = `## Journal

What pipeline/pacejournal costs a job, beside paceline on without it, and beside one INSERT of the program's own for each result that comes
out of the loop, in the same database settings (modernc.org/sqlite, WAL); %d workers, %s jobs, of what takes longer a tenth, of INSERTs that are synced a hundredth; median
(min–max) of %d rounds, the contestants taking turns; ratios are medians of the ratios of each round. Synced: synchronous=FULL, else NORMAL. Known: all
results were stored by a run before. The work adds 1, or is busy for 10 us and then adds 1. CPU: of all processors, which says more where others use them, too.

`

// The contestants of the journal table.
const (
	journalName       = "paceline on, pacejournal"
	journalSyncedName = "paceline on, pacejournal, synced"
	journalKnownName  = "paceline on, pacejournal, known"
	insertName        = "paceline on, an INSERT each"
	insertSyncedName  = "paceline on, an INSERT each, synced"
)

// journal shows what it costs to be able to go on after a crash.
func journal(w io.Writer, size sizes) error {
	fmt.Fprintf(w, journalCaption, overheadWorkers, count(size.journalJobs), size.rounds)
	dir, err := os.MkdirTemp("", "paceline-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := newTable("", "ns per job", "jobs a second", "× without", "CPU, ns per job", "10 us: ns per job", "× without")
	cs, idle, err := journalTimes(dir, size, addOne)
	if err != nil {
		return err
	}
	_, busy, err := journalTimes(dir, size, busyFor(10*time.Microsecond))
	if err != nil {
		return err
	}
	for _, c := range cs {
		ns, more := idle[c.name].ns, busy[c.name].ns
		t.addFor(c.name, spread(ns), count(int(1e9/quantile(ns, 0.5))), fmt.Sprintf("%.1f", ns.over(idle[oursOnName].ns)),
			spread(idle[c.name].cpu), spread(more), fmt.Sprintf("%.2f", more.over(busy[oursOnName].ns)))
	}
	t.print(w)
	return manyKeys(w, dir, size.journalKeys)
}

// busyFor returns work that takes a processor for a while.
func busyFor(d time.Duration) work {
	return func(n int) int {
		for begin := time.Now(); time.Since(begin) < d; {
		}
		return n + 1
	}
}

// times are ns per job, on the clock and of processors.
type times struct{ ns, cpu series }

// journalTimes returns the times of each contestant and round.
func journalTimes(dir string, size sizes, do work) ([]contestant, map[string]*times, error) {
	filled := filepath.Join(dir, "known.db")
	cs := []contestant{
		{name: oursOnName, run: paceline(everythingOn)},
		{name: journalName, run: journaled(dir, "", false)},
		{name: journalSyncedName, run: journaled(dir, "", true)},
		{name: journalKnownName, run: journaled(dir, filled, false)},
		{name: insertName, run: inserted(dir, "NORMAL")},
		{name: insertSyncedName, run: inserted(dir, "FULL")},
	}
	journaled(dir, filled, false)(overheadWorkers, addOne, feed(size.journalJobs)) // so that they are known
	all := map[string]*times{}
	for _, c := range cs {
		all[c.name] = new(times)
	}
	for range size.rounds {
		for _, c := range cs {
			jobs := size.journalJobs
			switch c.name { // those that take long
			case journalSyncedName, insertName:
				jobs /= 10
			case insertSyncedName:
				jobs /= 100
			}
			before := cpuTime()
			one, err := measure(c, overheadWorkers, jobs, do)
			if err != nil {
				return nil, nil, err
			}
			used := cpuTime() - before
			all[c.name].ns = append(all[c.name].ns, one.ns)
			all[c.name].cpu = append(all[c.name].cpu, float64(used.Nanoseconds())/float64(jobs))
		}
	}
	return cs, all, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // of a bench in a directory of its own
	}
	return value
}

// journaled is paceline on through a journal: a new one, or that at a path.
func journaled(dir, path string, synced bool) func(int, work, <-chan int) tally {
	return func(workers int, do work, jobs <-chan int) tally {
		at := path
		if at == "" {
			at = filepath.Join(dir, "new.db")
		}
		j := must(pacejournal.Open[int, int](at, strconv.Itoa, pacejournal.Options{Sync: synced, Fresh: path == ""}))
		defer j.Close()
		p := must(pipeline.New(func(_ context.Context, n int) (int, error) { return do(n), nil }, everythingOn(workers)))
		var t tally
		for r := range j.Each(context.Background(), p.Cost(func(int) int64 { return 1 }), each(jobs)) {
			t.add(r.Out)
			t.err = errors.Join(t.err, r.Err)
		}
		return t
	}
}

// journaledInPassing leaves nothing behind.
func journaledInPassing(workers int, do work, jobs <-chan int) tally {
	dir := must(os.MkdirTemp("", "paceline-bench-"))
	defer os.RemoveAll(dir)
	return journaled(dir, "", false)(workers, do, jobs)
}

func each(jobs <-chan int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for n := range jobs {
			if !yield(n) {
				return
			}
		}
	}
}

// inserted is paceline on with a loop that stores each result by itself.
func inserted(dir, synchronous string) func(int, work, <-chan int) tally {
	return func(workers int, do work, jobs <-chan int) tally {
		path := filepath.Join(dir, "insert.db")
		db := must(sql.Open("sqlite", "file:"+path+"?_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")"))
		defer func() {
			db.Close()
			os.Remove(path)
		}()
		db.SetMaxOpenConns(1)
		must(db.Exec("CREATE TABLE job (key TEXT NOT NULL UNIQUE, result TEXT)"))
		insert := must(db.Prepare("INSERT INTO job VALUES (?, ?)"))
		p := must(pipeline.New(func(_ context.Context, n int) (int, error) { return do(n), nil }, everythingOn(workers)))
		var t tally
		for r := range p.Cost(func(int) int64 { return 1 }).Run(context.Background(), jobs) {
			must(insert.Exec(strconv.Itoa(r.In), strconv.Itoa(r.Out)))
			t.add(r.Out)
		}
		return t
	}
}

const keysCaption = `### A journal of %s jobs

Results of up to 9 digits under keys of up to 8. Start: a journal is opened that knows them all, and one job that it knows and one
that it does not have come back. Memory: the most that was ever resident, in a process of its own.

`

// manyKeys shows that a large journal is none too large.
func manyKeys(w io.Writer, dir string, keys int) error {
	fmt.Fprintf(w, keysCaption, count(keys))
	path := filepath.Join(dir, "many.db")
	begin := time.Now()
	got := journaled(dir, path, false)(overheadWorkers, addOne, feed(keys))
	filling := time.Since(begin)
	if got.results != keys || got.err != nil {
		return fmt.Errorf("journal: got %d results of %d jobs, and %v", got.results, keys, got.err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	begin = time.Now()
	if n := journaled(dir, path, false)(overheadWorkers, addOne, these(keys/2, keys)).results; n != 2 {
		return fmt.Errorf("journal: got %d results of 2 jobs", n)
	}
	start := time.Since(begin)
	begin = time.Now()
	journaled(dir, path, false)(overheadWorkers, addOne, feed(keys))
	again := time.Since(begin)

	t := newTable("jobs", "filled in, s", "MB on disk", "bytes a job", "start, ms", "all known, s", fmt.Sprintf("MB resident, %s jobs", count(keys/10)), count(keys)+" jobs")
	few, err := memoryOf(memoryTask{Contestant: journalName, Workers: overheadWorkers, Jobs: keys / 10})
	if err != nil {
		return err
	}
	many, err := memoryOf(memoryTask{Contestant: journalName, Workers: overheadWorkers, Jobs: keys})
	if err != nil {
		return err
	}
	t.add(count(keys), fmt.Sprintf("%.1f", filling.Seconds()), fmt.Sprintf("%.0f", mb(float64(info.Size()))), fmt.Sprintf("%.0f", float64(info.Size())/float64(keys)),
		fmt.Sprintf("%.0f", start.Seconds()*1e3), fmt.Sprintf("%.1f", again.Seconds()), fmt.Sprintf("%.1f", mb(few.Peak)), fmt.Sprintf("%.1f", mb(many.Peak)))
	t.print(w)
	return nil
}

func these(jobs ...int) <-chan int {
	all := make(chan int, len(jobs))
	for _, n := range jobs {
		all <- n
	}
	close(all)
	return all
}
