package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// Sightings count what has happened beside the jobs.
type sightings struct {
	mu     sync.Mutex
	events map[pipeline.EventKind]int

	updates, throttles, runs                   atomic.Int64
	snapshots, progress, badCallbacks, dropped atomic.Int64
}

func newSightings() *sightings { return &sightings{events: make(map[pipeline.EventKind]int)} }

func (t *sightings) event(e pipeline.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events[e.Kind]++
}

// report prints what was accounted for.
func (s *soak) report(w io.Writer, took time.Duration) {
	l, t := s.ledger, s.seen
	l.mu.Lock()
	defer l.mu.Unlock()
	t.mu.Lock() // callbacks may still be at it
	defer t.mu.Unlock()
	jobs := 0
	for _, n := range l.fates {
		jobs += n
	}
	fmt.Fprintf(w, "Seed %d: %s. %s jobs accounted for, %s attempts; **lost: %d, doubled: %d**.\n\n",
		s.seed, s.pace(took), count(jobs), count(l.attempts), l.lost, l.doubled)
	fmt.Fprintf(w, "%s throttles, %s runs, %s updates, %s snapshots, %s calls of OnProgress;\n"+
		"%s callbacks blocked, panicked or exited, %s events were dropped meanwhile.\n\n",
		of(&t.throttles), of(&t.runs), of(&t.updates), of(&t.snapshots), of(&t.progress), of(&t.badCallbacks), of(&t.dropped))
	columns{
		{"jobs by fate", byCount(l.fates)},
		{"attempts by fault", byCount(l.faults)},
		{"events", byCount(t.events)},
	}.print(w)
}

// pace says how long the soak was, and how long it took.
func (s *soak) pace(took time.Duration) string {
	if !s.exact {
		return fmt.Sprintf("%v of real time", s.length)
	}
	return fmt.Sprintf("%v of virtual time in %.1f s, %.2f hours per second", s.length, took.Seconds(), s.length.Hours()/took.Seconds())
}

func of(n *atomic.Int64) string { return count(int(n.Load())) }

// A column is one of the table's, with the count beside each.
type column struct {
	head string
	rows [][2]string
}

// byCount lists what was counted, the most frequent first.
func byCount[K cmp.Ordered](counts map[K]int) (rows [][2]string) {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, k := range keys {
		rows = append(rows, [2]string{fmt.Sprint(k), count(counts[k])})
	}
	return rows
}

type columns []column

func (cs columns) print(w io.Writer) {
	var head []string
	height := 0
	for _, c := range cs {
		head = append(head, c.head, "")
		height = max(height, len(c.rows))
	}
	t := newTable(head...)
	for i := range height {
		var row []string
		for _, c := range cs {
			if i < len(c.rows) {
				row = append(row, c.rows[i][0], c.rows[i][1])
			} else {
				row = append(row, "", "")
			}
		}
		t.add(row...)
	}
	t.print(w)
}
