package pipeline

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// A KeyedSnapshot is what the throttles of a Keyed, and the runs of a KeyedPipeline, do at one
// moment. Printed, it is a line for all, which Summary gives alone, and one for each of the first ten keys.
type KeyedSnapshot[K comparable] struct {
	InFlight int // attempts, of all keys
	Waiting  int // jobs that wait for an attempt, their first or another, of all keys

	// Of the runs of the KeyedPipeline. In the snapshot of a Keyed or a Pool these are the sums of all Keys, so
	// that of a key which is forgotten goes with it; 0 if Busy of a Keyed leaves keys out.
	Completed, Failed int64 // jobs and calls
	Retries, Refusals int64 // attempts beyond the first ones, and those that were refused

	// Of the runs of the KeyedPipeline; 0 in the snapshot of a Keyed or a Pool.
	Inside, Buffer int    // jobs that were taken and are not done with, of all runs; and how many of a run may be
	StoppedBy      string // the key that has no room for another job, for which the intake of a run waits; empty: it does not

	Keys []KeySnapshot[K] // that have a throttle now: those with the most jobs waiting first
	Idle int              // how many others there are, which Busy leaves out; 0 in what Snapshot returns
}

// A KeySnapshot is the throttle of one key at one moment.
type KeySnapshot[K comparable] struct {
	Key K
	Snapshot
}

// Snapshot returns what the throttles do at this moment. It asks each of them, one after the other.
func (k *Keyed[K]) Snapshot() KeyedSnapshot[K] { return snapshotOf(k.All()) }

// Busy is Snapshot without the keys that have no job and hold nothing back, such as by a pause or an
// open circuit. It counts those, and asks the others alone, which makes it cheap where most of many
// keys do nothing.
func (k *Keyed[K]) Busy() KeyedSnapshot[K] {
	idle := 0
	s := snapshotOf(func(yield func(K, *Throttle) bool) {
		for key, t := range k.All() {
			if !t.dispatcher.Bound() {
				idle++
			} else if !yield(key, t) {
				return
			}
		}
	})
	if s.Idle = idle; idle > 0 {
		s.Completed, s.Failed, s.Retries, s.Refusals = 0, 0, 0, 0
	}
	return s
}

func snapshotOf[K comparable](throttles iter.Seq2[K, *Throttle]) (all KeyedSnapshot[K]) {
	for key, t := range throttles {
		s := t.Snapshot()
		all.InFlight += s.InFlight
		all.Waiting += s.Waiting
		all.Completed += s.Completed
		all.Failed += s.Failed
		all.Retries += s.Retries
		all.Refusals += s.Attempts.Overloaded
		all.Keys = append(all.Keys, KeySnapshot[K]{key, s})
	}
	all.Keys = sorted(all.Keys)
	return all
}

// sorted returns keys with the most jobs waiting first. Of 100,000 keys most are alike, so the text of each
// is made once, and places are moved instead of snapshots, which are large.
func sorted[K comparable](keys []KeySnapshot[K]) []KeySnapshot[K] {
	order, texts := make([]int, len(keys)), make([]string, len(keys))
	for i := range keys {
		order[i], texts[i] = i, fmt.Sprint(keys[i].Key)
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &keys[i], &keys[j]
		return cmp.Or(b.Waiting-a.Waiting, b.InFlight-a.InFlight, strings.Compare(texts[i], texts[j]))
	})
	all := make([]KeySnapshot[K], len(keys))
	for to, from := range order {
		all[to] = keys[from]
	}
	return all
}

// Snapshot returns what the runs of p, and all throttles of its Keyed, do at this moment.
func (p *KeyedPipeline[K, In, Out]) Snapshot() KeyedSnapshot[K] { return p.withRuns(p.way.Snapshot()) }

// Busy is Snapshot without the keys that have no job and hold nothing back; see Keyed.Busy.
func (p *KeyedPipeline[K, In, Out]) Busy() KeyedSnapshot[K] { return p.withRuns(p.way.Busy()) }

func (p *KeyedPipeline[K, In, Out]) withRuns(s KeyedSnapshot[K]) KeyedSnapshot[K] {
	t := p.way.tally
	s.Completed, s.Failed = t.completed.Load(), t.failed.Load()
	s.Retries, s.Refusals = t.retries.Load(), t.refusals.Load()
	s.Inside, s.Buffer = int(t.inside.Load()), p.way.buffer
	s.StoppedBy = t.stopped.Load().key()
	return s
}

// printedKeys is how many keys the String of a snapshot tells of.
const printedKeys = 10

// Summary says in one line what is done and what all keys do together:
//
//	1200 done, 3 failed; 23 in flight, 977 waiting, at most 10000 inside; keys: 4 running, 1 circuit_open
func (s KeyedSnapshot[K]) Summary() string {
	var parts []string
	if s.Buffer > 0 || s.Idle == 0 {
		parts = append(parts, fmt.Sprintf("%d done, %d failed", s.Completed, s.Failed))
	}
	jobs := fmt.Sprintf("%d in flight, %d waiting", s.InFlight, s.Waiting)
	if s.Buffer > 0 {
		jobs += fmt.Sprintf(", at most %d inside", s.Buffer)
	}
	parts = append(parts, jobs)
	if len(s.Keys) > 0 {
		parts = append(parts, "keys: "+s.states())
	}
	if s.StoppedBy != "" {
		parts = append(parts, "no more are taken until "+s.StoppedBy+" has room")
	}
	return strings.Join(parts, "; ")
}

// states says how many keys are in which state.
func (s KeyedSnapshot[K]) states() string {
	count := make(map[State]int)
	for i := range s.Keys {
		count[s.Keys[i].State]++
	}
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %v", count[state], state))
	}
	return strings.Join(parts, ", ")
}

// String is the Summary, and what each of the first keys does:
//
//	1200 done, 3 failed; 23 in flight, 977 waiting, at most 10000 inside; keys: 4 running, 1 circuit_open
//	a.example: circuit_open: 100 done, 3 failed; 0 in flight, at most 5; the circuit is open, for 12s more
func (s KeyedSnapshot[K]) String() string {
	lines := []string{s.Summary()}
	for i, k := range s.Keys {
		if i == printedKeys {
			lines = append(lines, fmt.Sprintf("and %d keys more", len(s.Keys)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%v: %v", k.Key, k.Snapshot))
	}
	if s.Idle > 0 {
		lines = append(lines, fmt.Sprintf("and %d keys that do nothing", s.Idle))
	}
	return strings.Join(lines, "\n")
}
