package controller

import (
	"slices"
	"sync/atomic"
)

// watchers are functions that are told of events beside the configuration's. The
// list is never changed, only replaced, so that looking at it needs no lock.
type watchers struct {
	list atomic.Pointer[[]*watcher]
}

type watcher struct{ onEvent func(Event) }

// all returns the list as it is.
func (w *watchers) all() []*watcher {
	if list := w.list.Load(); list != nil {
		return *list
	}
	return nil
}

// add adds fn until remove is called.
func (w *watchers) add(fn func(Event)) (remove func()) {
	one := &watcher{fn}
	w.change(func(list []*watcher) []*watcher { return append(list, one) })
	return func() {
		w.change(func(list []*watcher) []*watcher {
			return slices.DeleteFunc(list, func(other *watcher) bool { return other == one })
		})
	}
}

// change replaces the list by what change makes of a copy.
func (w *watchers) change(change func([]*watcher) []*watcher) {
	for {
		old := w.list.Load()
		list := change(slices.Clone(w.all()))
		if w.list.CompareAndSwap(old, &list) {
			return
		}
	}
}

// Watch calls fn with each event from now on, until stop is called; it may be
// called from any goroutine.
func (c *Controller) Watch(fn func(Event)) (stop func()) { return c.notifier.watchers.add(fn) }

// Watched reports whether anybody does.
func (c *Controller) Watched() bool { return len(c.notifier.watchers.all()) > 0 }
