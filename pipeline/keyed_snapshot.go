package pipeline

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A KeyedSnapshot is what the throttles of a Keyed, and the runs of a KeyedPipeline, do at one
// moment. Printed, it is a line for all and one for each of the first ten keys.
type KeyedSnapshot[K comparable] struct {
	InFlight int // attempts, of all keys
	Waiting  int // jobs that wait for an attempt, their first or another, of all keys

	// Of the runs of the KeyedPipeline; 0 in the snapshot of a Keyed.
	Completed, Failed int64  // jobs
	Retries, Refusals int64  // attempts beyond the first ones of those jobs, and those that were refused
	Inside, Buffer    int    // jobs that were taken and are not done with, of all runs; and how many of a run may be
	StoppedBy         string // the key that has no room for another job, for which the intake of a run waits; empty: it does not

	Keys []KeySnapshot[K] // that have a throttle now: those with the most jobs waiting first
}

// A KeySnapshot is the throttle of one key at one moment.
type KeySnapshot[K comparable] struct {
	Key K
	Snapshot
}

// Snapshot returns what the throttles do at this moment. It asks each of them, one after the other.
func (k *Keyed[K]) Snapshot() KeyedSnapshot[K] { return snapshotOf(k.All()) }

func snapshotOf[K comparable](throttles iter.Seq2[K, *Throttle]) (all KeyedSnapshot[K]) {
	for key, t := range throttles {
		s := t.Snapshot()
		all.InFlight += s.InFlight
		all.Waiting += s.Waiting
		all.Keys = append(all.Keys, KeySnapshot[K]{key, s})
	}
	slices.SortFunc(all.Keys, func(a, b KeySnapshot[K]) int {
		return cmp.Or(b.Waiting-a.Waiting, b.InFlight-a.InFlight, strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)))
	})
	return all
}

// Snapshot returns what the runs of p, and all throttles of its Keyed, do at this moment.
func (p *KeyedPipeline[K, In, Out]) Snapshot() KeyedSnapshot[K] {
	s := p.way.Snapshot()
	t := p.way.tally
	s.Completed, s.Failed = t.completed.Load(), t.failed.Load()
	s.Retries, s.Refusals = t.retries.Load(), t.refusals.Load()
	s.Inside, s.Buffer = int(t.inside.Load()), p.way.buffer
	s.StoppedBy = t.stopped.Load().key()
	return s
}

// printedKeys is how many keys the String of a snapshot tells of.
const printedKeys = 10

// String says what is done, and what each of the first keys does:
//
//	1200 done, 3 failed; 23 in flight, 977 waiting, at most 10000 inside; no more are taken until a.example has room
//	a.example: circuit_open: 100 done, 3 failed; 0 in flight, at most 5; the circuit is open, for 12s more
func (s KeyedSnapshot[K]) String() string {
	first := fmt.Sprintf("%d in flight, %d waiting", s.InFlight, s.Waiting)
	if s.Buffer > 0 {
		first = fmt.Sprintf("%d done, %d failed; %s, at most %d inside", s.Completed, s.Failed, first, s.Buffer)
	}
	if s.StoppedBy != "" {
		first += "; no more are taken until " + s.StoppedBy + " has room"
	}
	lines := []string{first}
	for i, k := range s.Keys {
		if i == printedKeys {
			lines = append(lines, fmt.Sprintf("and %d keys more", len(s.Keys)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%v: %v", k.Key, k.Snapshot))
	}
	return strings.Join(lines, "\n")
}
