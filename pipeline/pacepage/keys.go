package pacepage

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

const (
	mostRows  = 50          // keys that are shown one by one
	lookShare = 20          // a look is followed by a rest of so many times what it took
	oldest    = time.Minute // a look that is longer ago says nothing about how fast things go now
)

// Keys returns a handler that serves a page of keys, or of the members of a pool, until ctx is
// done: a sum, the 50 keys that are held up the most, and how many others there are. snapshot is
// a method of what there is to see:
//
//	http.Handle("/hosts/", pacepage.Keys(ctx, crawl.Busy))   // a pipeline.KeyedPipeline, or a pipeline.Keyed
//	http.Handle("/keys/", pacepage.Keys(ctx, pool.Snapshot)) // a pipeline.Pool
//
// It is called at most once a second, and only while somebody looks at the page. When that takes long,
// because there are very many keys, it is called less often, so that it takes at most a
// twentieth of the time. The page has no history of the keys; for that of a few, see [Of].
//
// Mount it as that of [New]. Keys panics if ctx or snapshot is nil.
func Keys[K comparable](ctx context.Context, snapshot func() pipeline.KeyedSnapshot[K]) http.Handler {
	if snapshot == nil {
		panic("paceline: pacepage: function is nil")
	}
	t := &table[K]{snapshot: snapshot}
	none := func() iter.Seq2[string, *pipeline.Throttle] {
		return func(func(string, *pipeline.Throttle) bool) {}
	}
	return start(ctx, none, &keys{clock: clock.Real(), look: t.look})
}

// keys is what a page of keys shows. It belongs to the page's goroutine.
type keys struct {
	clock  clock.Clock
	look   func(now time.Time) *keysDoc
	newest *keysDoc
	due    time.Time // for the next look
}

// refresh looks again, if that is due.
func (k *keys) refresh() {
	began := k.clock.Now()
	if began.Before(k.due) {
		return
	}
	k.newest = k.look(began)
	ended := k.clock.Now()
	k.due = ended.Add(max(tick/2, lookShare*ended.Sub(began))) // half a tick: the next may come a little early
}

// A table makes rows of snapshots. It knows the one before, for how fast things go.
type table[K comparable] struct {
	snapshot func() pipeline.KeyedSnapshot[K]
	at       time.Time // of the one before
	idle     int
	all      counts
	each     map[K]counts
}

// counts only grow.
type counts struct{ done, refused int64 }

func (t *table[K]) look(now time.Time) *keysDoc {
	s, before := t.snapshot(), *t
	t.at, t.idle, t.each = now, s.Idle, make(map[K]counts, len(s.Keys))
	d := &keysDoc{
		At: unix(now), Count: len(s.Keys) + s.Idle, InFlight: s.InFlight, Waiting: s.Waiting,
		Inside: s.Inside, Buffer: s.Buffer, StoppedBy: s.StoppedBy, Rows: []keyDoc{},
	}
	var top []place
	for i := range s.Keys {
		k := &s.Keys[i]
		t.each[k.Key] = counts{k.Completed, k.Attempts.Overloaded}
		p := place{i, heldUp(&k.Snapshot), k.Waiting, k.InFlight}
		if p.held > 0 {
			d.HeldUp++
		}
		top = p.among(top)
	}
	t.sum(d, &s, &before)
	for _, p := range top {
		k := &s.Keys[p.index]
		row := keyDoc{Key: fmt.Sprint(k.Key), HeldUp: p.held > 0, Goodput: unknown, Refused: unknown, Snapshot: snapshotOf(k.Snapshot)}
		if was, known := before.each[k.Key]; known {
			row.Goodput, row.Refused = t.each[k.Key].since(was, now.Sub(before.at))
		}
		d.Rows = append(d.Rows, row)
	}
	return d
}

// sum tells what was done in all: by the runs, or by the keys if none of them was left out.
func (t *table[K]) sum(d *keysDoc, s *pipeline.KeyedSnapshot[K], before *table[K]) {
	d.Completed, d.Failed, d.Retries, d.Refusals, d.Goodput, d.Refused = unknown, unknown, unknown, unknown, unknown, unknown
	runs := s.Buffer > 0
	if !runs && s.Idle > 0 {
		return
	}
	d.Completed, d.Failed, d.Retries, d.Refusals = figure(s.Completed), figure(s.Failed), figure(s.Retries), figure(s.Refusals)
	t.all = counts{s.Completed, s.Refusals}
	if runs || before.idle == 0 {
		d.Goodput, d.Refused = t.all.since(before.all, t.at.Sub(before.at))
	}
}

// since returns how many a second there were.
func (c counts) since(before counts, took time.Duration) (goodput, refused figure) {
	if took <= 0 || took > oldest {
		return unknown, unknown
	}
	per := func(n int64) figure { return figure(float64(max(n, 0)) / took.Seconds()) }
	return per(c.done - before.done), per(c.refused - before.refused)
}

// A place is where a key stands among the others.
type place struct{ index, held, waiting, inFlight int }

// compare puts first what is held up the most. Of keys that are alike, the first stays the first.
func (p place) compare(o place) int {
	return cmp.Or(o.held-p.held, o.waiting-p.waiting, o.inFlight-p.inFlight, p.index-o.index)
}

// among puts a place among the first ones, of which there are at most mostRows.
func (p place) among(top []place) []place {
	at, _ := slices.BinarySearchFunc(top, p, place.compare)
	if at == mostRows {
		return top
	}
	return slices.Insert(top[:min(len(top), mostRows-1)], at, p)
}

// heldUp says how much a key is held up: 3, jobs wait, and none may start for a while; 2, jobs wait; 1, none
// could start for a while, but none waits; 0, not at all.
func heldUp(s *pipeline.Snapshot) (held int) {
	if s.Waiting > 0 {
		held += 2
	}
	switch {
	case s.State == pipeline.CircuitOpen, s.State == pipeline.Down, s.PausedFor > 0:
		return held + 1
	}
	switch s.HeldBy {
	case pipeline.HeldByBudget, pipeline.HeldByCircuit, pipeline.HeldByServer:
		return held + 1
	}
	return held
}
