package controller

import (
	"slices"
	"testing"
	"testing/synctest"
)

func TestWatchersHearOfEventsUntilTheyStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Policy: Static{}, Bounds: obeyed}, t0)
		var one, other []int
		tell := func(attempt int) {
			c.observe(&Report{Now: t0, Events: []Event{{Kind: EventRetry, At: t0, Attempt: attempt}}})
			synctest.Wait()
		}
		tell(1)
		if c.Watched() {
			t.Error("watched by nobody")
		}
		stopOne := c.Watch(func(e Event) { one = append(one, e.Attempt) })
		tell(2)
		stopOther := c.Watch(func(e Event) { other = append(other, e.Attempt) })
		tell(3)
		stopOne()
		tell(4)
		if !c.Watched() {
			t.Error("not watched by the one that is left")
		}
		stopOther()
		stopOther()
		tell(5)
		if c.Watched() {
			t.Error("watched by those who have stopped")
		}
		if !slices.Equal(one, []int{2, 3}) || !slices.Equal(other, []int{3, 4}) {
			t.Errorf("one heard of %v, the other of %v; want 2 and 3, 3 and 4", one, other)
		}
	})
}
