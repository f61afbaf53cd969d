package pacepage

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"
	"weak"

	"github.com/paceline-go/paceline/pipeline"
)

// A board is all that the page shows. It belongs to the page's goroutine.
type board struct {
	attend  func(string, *pipeline.Throttle) *ear
	number  int64     // of the newest tick
	at      time.Time // of it
	watched map[string]*watched
	keys    *keys // nil: it is a page of throttles
	viewers map[*viewer]struct{}
	entries int64    // that were made, in all
	changed []*entry // since the last tick
}

// watched is a throttle that the page shows.
type watched struct {
	name     string
	throttle weak.Pointer[pipeline.Throttle]
	ear      weak.Pointer[ear]
	newest   sample
	history  history
	log      log
	seen     int64 // in which tick it was there
}

// A view is what a viewer looks at.
type view struct {
	one      bool // or else all
	throttle string
	span     int // number of it, or fitting
}

// fitting stands for a minute as long as nothing older is known, and then for ten: on a
// fresh throttle, ten minutes would be an empty chart.
const fitting = -1

// A viewer is told what he does not know yet, once in a tick.
type viewer struct {
	view view
	told chan []byte   // closed: he was too slow, and has to come again
	left chan struct{} // closed: he does not look any more
}

func newViewer(v view) *viewer {
	return &viewer{v, make(chan []byte, patience), make(chan struct{})}
}

// patience is how many ticks a viewer may be behind.
const patience = 60

func newBoard(attend func(string, *pipeline.Throttle) *ear) *board {
	return &board{attend: attend, watched: make(map[string]*watched), viewers: make(map[*viewer]struct{})}
}

// sample looks at all throttles, and forgets those that are gone.
func (b *board) sample(now time.Time, all iter.Seq2[string, *pipeline.Throttle]) {
	b.number++
	b.at = now
	for name, t := range all {
		w := b.watched[name]
		if t == nil || w != nil && w.seen == b.number {
			continue // one name, one throttle
		}
		if w == nil || w.throttle != weak.Make(t) {
			w = b.watch(name, t)
		}
		w.seen = b.number
		w.take(b.number, sample{now, t.Snapshot()})
	}
	for name, w := range b.watched {
		if w.seen != b.number {
			w.leave()
			delete(b.watched, name)
		}
	}
}

func (b *board) watch(name string, t *pipeline.Throttle) *watched {
	if old := b.watched[name]; old != nil {
		old.leave()
	}
	w := &watched{name: name, throttle: weak.Make(t), ear: weak.Make(b.attend(name, t))}
	b.watched[name] = w
	return w
}

func (w *watched) leave() {
	if e := w.ear.Value(); e != nil {
		e.leave()
	}
}

func (w *watched) take(number int64, s sample) {
	var before *sample
	if !w.newest.at.IsZero() {
		before = &w.newest
		if !sameBudgets(before.Budgets, s.Budgets) {
			w.history.forgetBudgets()
		}
	}
	w.history.add(number, bucketOf(s, before))
	w.newest = s
}

// hear notes an event of a throttle that is still watched.
func (b *board) hear(h heard) {
	w := b.watched[h.from.name]
	if w == nil || w.ear.Value() != h.from {
		return
	}
	e, made := w.log.add(w.name, h.event, b.entries+1, b.number+1)
	if made {
		b.entries++
	}
	if !slices.Contains(b.changed, e) {
		b.changed = append(b.changed, e)
	}
}

// tell tells all viewers what has changed in the newest tick. Who has not taken
// what he was told before is left behind: he comes again, and is told the whole.
func (b *board) tell() {
	texts := make(map[view][]byte)
	for v := range b.viewers {
		select {
		case <-v.left:
			b.dismiss(v)
			continue
		default:
		}
		text, ok := texts[v.view]
		if !ok {
			text = encode(b.document(v.view, b.number, b.changed))
			texts[v.view] = text
		}
		select {
		case v.told <- text:
		default:
			b.dismiss(v)
		}
	}
	b.changed = nil
}

// dismiss is for a viewer who has left, or has to.
func (b *board) dismiss(v *viewer) {
	delete(b.viewers, v)
	close(v.told)
}

// leave ends all listening and viewing.
func (b *board) leave() {
	for _, w := range b.watched {
		w.leave()
	}
	for v := range b.viewers {
		b.dismiss(v)
	}
}

// whole tells all there is. Nothing of it is the board's own, so that it may be
// encoded elsewhere.
func (b *board) whole(v view) document {
	v = b.fit(v)
	var rare, frequent []*entry
	for _, w := range b.shown(v) {
		rare = append(rare, w.log.rare...)
		frequent = append(frequent, w.log.frequent...)
	}
	d := b.document(v, 0, append(newest(rare), newest(frequent)...))
	d.Whole = true
	return d
}

// newest returns the newest of entries, as many as the log of one throttle has.
func newest(entries []*entry) []*entry {
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	return entries[max(len(entries)-mostEntries, 0):]
}

// shown returns the throttles of a view, by name.
func (b *board) shown(v view) []*watched {
	if !v.one {
		return slices.SortedFunc(maps.Values(b.watched), func(a, b *watched) int { return cmp.Compare(a.name, b.name) })
	}
	if w := b.watched[v.throttle]; w != nil {
		return []*watched{w}
	}
	return nil
}

// fit chooses the span of a view that leaves that to us.
func (b *board) fit(v view) view {
	if v.span != fitting {
		return v
	}
	v.span = 0
	for _, w := range b.shown(v) {
		if len(w.history[0]) == spans[0].steps() {
			v.span = 1
		}
	}
	return v
}

// document tells what changed since a tick.
func (b *board) document(v view, since int64, entries []*entry) document {
	s := spans[v.span]
	d := document{
		At: unix(b.at), Back: s.back.Seconds(), Step: s.step().Seconds(),
		Throttles: []throttleDoc{},
	}
	for _, w := range b.shown(v) {
		d.Throttles = append(d.Throttles, throttleDoc{
			Name:     w.name,
			Snapshot: snapshotOf(w.newest.Snapshot),
			History:  historyOf(w.history[v.span].since(since), len(w.newest.Budgets)),
		})
	}
	d.Events = eventsOf(entries, v)
	if b.keys != nil {
		b.keys.refresh() // here, where somebody looks
		d.Keys = b.keys.newest
	}
	return d
}
