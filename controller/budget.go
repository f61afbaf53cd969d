package controller

import (
	"math"
	"time"
)

// Budget is a number of tokens, or of whatever it Counts, that attempts may use within a rolling
// window, or in all. An
// attempt reserves its job's cost, or the mean of what jobs used. One that records
// nothing has used its cost, also if it failed, timed out or was broken off, since the
// service may have done the work; a failure without a cost has used the mean. One that
// was refused, or whose error is Fatal or Ignored, has used nothing. Without costs and records a budget thus limits nothing, unless it
// counts requests. As long as neither cost nor mean is known, attempts reserve
// equal shares, and the first ones may use more than there is: tell the costs. It
// is kept in memory only, but for what a Checkpoint of the throttle tells.
type Budget struct {
	Name     string        // for events, errors and hints; may be empty
	Tokens   int64         // at least 1; in the unit of what it Counts
	Window   time.Duration // above 0; Forever: what was used never comes back
	Requests bool          // counts attempts instead of tokens, however they end unless Skipped: each by its weight, rounded up
	Counts   string        // the name of what it counts, as in Amounts; empty: tokens
}

// Forever is the Window of a Budget of which nothing that was used comes back.
const Forever time.Duration = math.MaxInt64

// ages is the length of a window from which nothing comes back. Chosen: longer than any program
// runs, and short enough for sums of times.
const ages = 100 * 365 * 24 * time.Hour

// Length returns how long it takes until what was used is back; a hundred years if it never is.
func (b Budget) Length() time.Duration {
	if b.Window == Forever {
		return ages
	}
	return b.Window
}

// windowSteps is how finely a window remembers when tokens were spent. Tokens
// of one step come back together, at most Window/windowSteps late.
const windowSteps = 128

// A Window is a Budget at work. An attempt reserves what it is expected to use
// before it starts, and settles for what it did use when it ends.
//
// In any span of Window, no more than Tokens, less what is withheld, are ever reserved. What was spent
// comes back exactly Window after it was spent, or, when traffic is denser
// than the window's steps, with the last spending of its step. Memory is
// bounded, and little as long as spendings are few.
type Window struct {
	Budget
	used   int64
	open   int64      // of that, reserved and not settled
	expiry time.Time  // when the oldest step comes back
	begin  time.Time  // of the newest step
	first  int64      // number of the oldest step that still counts
	next   int64      // number of the step to come
	steps  []spending // a ring, of mostSteps at most

	withheld int64 // of Tokens

	folded, since int64 // an Update made one step, folded, of those from since on

	told  bool      // by the server what is left
	left  int64     // of that
	until time.Time // then it is whole again
	hints int64     // that there were
}

// spending is what was spent in less than a step, up to last.
type spending struct {
	last   time.Time
	tokens int64
}

// A Reservation is an attempt's share of a Window.
type Reservation struct {
	step   int64
	tokens int64
	hints  int64 // that there were before
}

// NewWindow returns a window of which nothing has been used.
func NewWindow(b Budget) *Window { return &Window{Budget: b} }

// Wait returns how long it takes until n tokens are free, if nothing is settled
// before. It is 0 when they are free now. n must not be above Tokens; if it is above what is
// not withheld of them, the wait is a whole window.
func (w *Window) Wait(now time.Time, n int64) time.Duration {
	w.expire(now)
	wait := time.Duration(0)
	if w.told && n > w.left {
		wait = w.until.Sub(now)
	}
	missing := n - (w.Tokens - w.withheld - w.used)
	for i := w.first; i < w.next && missing > 0; i++ {
		step := w.step(i)
		missing -= step.tokens
		if missing <= 0 {
			wait = max(wait, step.last.Add(w.Length()).Sub(now))
		}
	}
	if missing > 0 {
		wait = max(wait, w.Length())
	}
	return wait
}

// Never reports whether n will never be free: what was used of w does not come back, and what
// is reserved is not enough.
func (w *Window) Never(n int64) bool { return w.Window == Forever && n > w.Spare() }

// Spare returns what is not used, what is reserved included.
func (w *Window) Spare() int64 { return w.Tokens - (w.used - w.open) }

// Reserve takes n tokens out of the window, until Settle.
func (w *Window) Reserve(now time.Time, n int64) Reservation {
	w.open += n
	return w.take(now, n)
}

func (w *Window) take(now time.Time, n int64) Reservation {
	w.expire(now)
	w.used += n
	w.left -= n
	if w.first == w.next || now.Sub(w.begin) >= w.stepLength() {
		w.begin = now
		w.makeRoom()
		*w.step(w.next) = spending{}
		w.next++
	}
	newest := w.step(w.next - 1)
	newest.last = now
	newest.tokens += n
	if w.first == w.next-1 {
		w.expiry = now.Add(w.Length())
	}
	return Reservation{step: w.next - 1, tokens: n, hints: w.hints}
}

// Settle replaces a reservation by what was really used. Unused tokens are free
// at once; those used beyond the reservation count from now.
func (w *Window) Settle(now time.Time, r Reservation, used int64) {
	w.open -= r.tokens
	if used == r.tokens {
		return
	}
	w.expire(now)
	if used > r.tokens {
		w.take(now, used-r.tokens)
		return
	}
	unused, step := r.tokens-used, r.step
	if step >= w.since && step < w.folded {
		step = w.folded
	}
	if step >= w.first {
		w.step(step).tokens -= unused
		w.used -= unused
	}
	if r.hints == w.hints {
		w.left += unused
	}
}

// Hint takes note that a server has only so many tokens left, until reset from
// now. What was reserved before, it is believed to know of, so hints have to come in the
// order in which the server counted; Told is for those that overtake each other.
func (w *Window) Hint(now time.Time, remaining int64, reset time.Duration) {
	w.told, w.left, w.until = true, remaining, now.Add(reset)
	w.hints++
}

// Withhold keeps n of the tokens from being used, or gives them back. What was reserved
// stays.
func (w *Window) Withhold(n int64) { w.withheld = n }

// Withheld returns how many tokens are withheld.
func (w *Window) Withheld() int64 { return w.withheld }

// Update makes w the window of another budget, of which as much has been used.
// In a window of another length that counts as used just now.
func (w *Window) Update(now time.Time, b Budget) {
	w.expire(now)
	if b.Window == w.Window {
		w.Budget = b
		return
	}
	since, used, left := w.first, w.used, w.left
	if w.first <= w.folded {
		since = w.since
	}
	w.Budget = b
	w.used, w.first, w.folded, w.since = 0, w.next, w.next, since
	w.take(now, used)
	w.left = left
}

// Used returns how many tokens of the window are reserved or used.
func (w *Window) Used(now time.Time) int64 {
	w.expire(now)
	return w.used
}

// Remaining returns how many tokens are free, 0 if more than all are used.
func (w *Window) Remaining(now time.Time) int64 {
	w.expire(now)
	free := w.Tokens - w.withheld - w.used
	if w.told {
		free = min(free, w.left)
	}
	return max(free, 0)
}

func (w *Window) expire(now time.Time) {
	if w.told && !now.Before(w.until) {
		w.told = false
	}
	for w.first < w.next && !now.Before(w.expiry) {
		w.used -= w.step(w.first).tokens
		w.first++
		if w.first < w.next {
			w.expiry = w.step(w.first).last.Add(w.Length())
		}
	}
}

// stepLength is rounded up, so that never more steps count than there are.
func (w *Window) stepLength() time.Duration { return (w.Length() + windowSteps - 1) / windowSteps }

// mostSteps is how many steps may count at a time, the oldest and the newest of them in part.
const mostSteps = windowSteps + 2

// fewSteps is how many there is room for at first. Chosen: most of many throttles are used once in a while.
const fewSteps = 4

// makeRoom sees to it that there is room for one step more.
func (w *Window) makeRoom() {
	if w.next-w.first < int64(len(w.steps)) {
		return
	}
	more := make([]spending, min(max(2*len(w.steps), fewSteps), mostSteps))
	for i := w.first; i < w.next; i++ {
		more[i%int64(len(more))] = *w.step(i)
	}
	w.steps = more
}

func (w *Window) step(i int64) *spending { return &w.steps[i%int64(len(w.steps))] }

// Usage is the running mean of what jobs used, for those that come without an
// estimate. It follows the last hundred or so.
type Usage struct {
	jobs int
	mean float64
}

// usageMemory is the number of jobs over which the mean forgets.
const usageMemory = 100

// Add takes what one job used.
func (u *Usage) Add(tokens int64) {
	u.jobs = min(u.jobs+1, usageMemory)
	u.mean += (float64(tokens) - u.mean) / float64(u.jobs)
}

// Mean returns the mean, rounded up. ok is false as long as no job has ended.
func (u *Usage) Mean() (tokens int64, ok bool) {
	return int64(u.mean + 0.999), u.jobs > 0
}
