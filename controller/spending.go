package controller

import "time"

// A Spending is what was used of a budget within a short time that ended then.
type Spending struct {
	At     time.Time
	Tokens int64
}

// Spent returns what was used of the window and is not back yet, what is reserved
// included, in order of time.
func (w *Window) Spent(now time.Time) []Spending {
	w.expire(now)
	var all []Spending
	for i := w.first; i < w.next; i++ {
		if s := w.step(i); s.tokens > 0 {
			all = append(all, Spending{At: s.last, Tokens: s.tokens})
		}
	}
	return all
}

// Restore counts what was used before of a window as long as was, in order of time. What
// was used after now, by another clock, counts as used now. In a window of another length,
// it comes back up to a step late.
func (w *Window) Restore(now time.Time, was time.Duration, before []Spending) {
	for _, s := range before {
		at := s.At
		if at.After(now) {
			at = now
		}
		if s.Tokens <= 0 || !at.Add(w.Length()).After(now) {
			continue
		}
		if was == w.Window && w.next-w.first <= windowSteps {
			w.begin = time.Time{} // it was a step of its own
		}
		w.take(at, min(s.Tokens, mostRestored))
	}
}

// mostRestored keeps the sum of all steps from overflowing.
const mostRestored = 1 << 54
