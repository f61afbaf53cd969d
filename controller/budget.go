package controller

import "time"

// Budget is a number of tokens that attempts may use within a rolling window. An
// attempt reserves its job's cost, or the mean of what jobs used; a success that
// records nothing has used its cost, a failure that records nothing has used
// nothing. Without costs and records a budget thus limits nothing, unless it
// counts requests. It is kept in memory only.
type Budget struct {
	Name     string        // for events, errors and hints; may be empty
	Tokens   int64         // at least 1
	Window   time.Duration // above 0
	Requests bool          // counts attempts instead of tokens, however they end: each by its weight, rounded up
}

// windowSteps is how finely a window remembers when tokens were spent. Tokens
// of one step come back together, at most Window/windowSteps late.
const windowSteps = 128

// A Window is a Budget at work. An attempt reserves what it is expected to use
// before it starts, and settles for what it did use when it ends.
//
// In any span of Window, no more than Tokens are ever reserved. What was spent
// comes back exactly Window after it was spent, or, when traffic is denser
// than the window's steps, with the last spending of its step. Memory is
// constant.
type Window struct {
	Budget
	used   int64
	expiry time.Time // when the oldest step comes back
	begin  time.Time // of the newest step
	first  int64     // number of the oldest step that still counts
	next   int64     // number of the step to come
	steps  [windowSteps + 2]spending

	withheld int64     // gone without our doing, says the server
	until    time.Time // then it is back
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
}

// NewWindow returns a window of which nothing has been used.
func NewWindow(b Budget) *Window { return &Window{Budget: b} }

// Wait returns how long it takes until n tokens are free, if nothing is settled
// before. It is 0 when they are free now. n must not be above Tokens.
func (w *Window) Wait(now time.Time, n int64) time.Duration {
	w.expire(now)
	missing := n - w.free()
	if missing <= 0 {
		return 0
	}
	withheld := w.withheld
	for i := w.first; i < w.next; i++ {
		step := w.step(i)
		back := step.last.Add(w.Window)
		if withheld > 0 && w.until.Before(back) {
			if missing -= withheld; missing <= 0 {
				break
			}
			withheld = 0
		}
		if missing -= step.tokens; missing <= 0 {
			return back.Sub(now)
		}
	}
	return max(w.until.Sub(now), 0)
}

func (w *Window) free() int64 { return w.Tokens - w.used - w.withheld }

// Reserve takes n tokens out of the window.
func (w *Window) Reserve(now time.Time, n int64) Reservation {
	w.expire(now)
	w.used += n
	if w.first == w.next || now.Sub(w.begin) >= w.stepLength() {
		w.begin = now
		*w.step(w.next) = spending{}
		w.next++
	}
	newest := w.step(w.next - 1)
	newest.last = now
	newest.tokens += n
	if w.first == w.next-1 {
		w.expiry = now.Add(w.Window)
	}
	return Reservation{step: w.next - 1, tokens: n}
}

// Settle replaces a reservation by what was really used. Unused tokens are free
// at once; those used beyond the reservation count from now.
func (w *Window) Settle(now time.Time, r Reservation, used int64) {
	if used == r.tokens {
		return
	}
	w.expire(now)
	switch {
	case used > r.tokens:
		w.Reserve(now, used-r.tokens)
	case r.step >= w.first:
		w.step(r.step).tokens -= r.tokens - used
		w.used -= r.tokens - used
	}
}

// Withhold takes note that a server has only so many tokens left, until reset
// from now: what is free beyond that, others must have used. It replaces what was
// withheld before.
func (w *Window) Withhold(now time.Time, remaining int64, reset time.Duration) {
	w.expire(now)
	w.withheld = 0
	w.withheld = max(w.free()-remaining, 0)
	w.until = now.Add(reset)
}

// Update makes w the window of another budget, of which as much has been used.
// In a window of another length that counts as used just now.
func (w *Window) Update(now time.Time, b Budget) {
	w.expire(now)
	if b.Window == w.Window {
		w.Budget = b
		return
	}
	used := w.used
	*w = Window{Budget: b, first: w.next, next: w.next, withheld: w.withheld, until: w.until}
	if used != 0 {
		w.Reserve(now, used)
	}
}

// Used returns how many tokens of the window are reserved or used.
func (w *Window) Used(now time.Time) int64 {
	w.expire(now)
	return w.used
}

// Remaining returns how many tokens are free, 0 if more than all are used.
func (w *Window) Remaining(now time.Time) int64 {
	w.expire(now)
	return max(w.free(), 0)
}

func (w *Window) expire(now time.Time) {
	if w.withheld > 0 && !now.Before(w.until) {
		w.withheld = 0
	}
	for w.first < w.next && !now.Before(w.expiry) {
		w.used -= w.step(w.first).tokens
		w.first++
		if w.first < w.next {
			w.expiry = w.step(w.first).last.Add(w.Window)
		}
	}
}

// stepLength is rounded up, so that never more steps count than there are.
func (w *Window) stepLength() time.Duration { return (w.Window + windowSteps - 1) / windowSteps }

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
