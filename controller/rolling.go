package controller

import "time"

// rolling is for quotas that remember when each attempt came: a log, of which a place is
// free again a window after it was taken. Such servers say when one place is free, or until
// when a timer of theirs goes. What tells them from a window is that after a reset as much
// is left as has not started within a window, by our own count. Then that count is a
// ledger of its own, and more exact than what is told.
type rolling struct {
	starts *Window       // in the last window and a margin; nil: not counted yet
	window time.Duration // without the margin
	on     bool
	wrong  int // hints in a row that said otherwise
}

const (
	// rollingMargin is by how much of a window a place is taken later than it is free, since
	// some attempts take longer to arrive. Chosen: a hundredth of the goodput.
	rollingMargin = 0.01

	// rollingGrowth is how much longer a reset has to be than those before to be of another
	// window, and not of an answer that took long.
	rollingGrowth = 0.1

	// rollingNoise is by how much of the quota a count may differ from what is left.
	rollingNoise = 0.02

	// rollingGap is how much of the quota has to be missing to tell a log from a window, and
	// how much has to have come back within rollingFresh of a window to tell it from a counter.
	rollingGap   = 0.2
	rollingFresh = 0.1

	// mostWrong is how many hints in a row end it.
	mostWrong = 3
)

func (r *rolling) take(now time.Time, n int64) {
	if r.starts != nil {
		r.starts.Reserve(now, n)
	}
}

// hear takes what remains by a hint that has been taken in. since is what has started since
// its volley began, and unheard is what of that has not told yet. part says that it was the first
// of a window, in which not all had come back.
func (r *rolling) hear(l *ledger, now time.Time, h Hint, part bool, since, unheard int64) {
	longest := l.renewal.longest
	switch {
	case l.limit == 0 || longest <= 0:
		*r = rolling{}
		return
	case r.starts == nil || r.starts.Tokens != l.limit || float64(longest) > (1+rollingGrowth)*float64(r.window):
		w := longest + time.Duration(rollingMargin*float64(longest))
		*r = rolling{starts: NewWindow(Budget{Tokens: l.limit, Window: w}), window: longest}
		r.starts.Reserve(now, since)
		return
	}
	if !part && !r.on {
		return
	}
	quota, free := float64(l.limit), r.free(now)
	most, returned := r.returned(now)
	noise := max(1.5, rollingNoise*quota)
	switch {
	case r.on && h.Remaining == 0 && free > rollingGap*quota:
		r.on, r.wrong = false, 0
	case r.on && unheard > 0: // the level is too low by some
	case r.on && l.level < free-4*noise:
		if r.wrong++; r.wrong >= mostWrong {
			r.on, r.wrong = false, 0
		}
	case r.on:
		r.wrong = 0
	case part && !l.sliding.on && returned >= rollingGap*quota &&
		l.level > free-noise && l.level < most+noise:
		r.on = true
	}
}

// returned returns what has not started within a window at most, since starts are counted in
// steps, and how much of that has come back recently.
func (r *rolling) returned(now time.Time) (most, returned float64) {
	most = r.free(now.Add(r.starts.stepLength()))
	return most, most - r.free(now.Add(-time.Duration(rollingFresh*float64(r.window))))
}

// free returns what has not started within a window, to the moment; less than 0 if that is more
// than the quota. At an earlier time, it is what has not come back since.
func (r *rolling) free(now time.Time) float64 {
	free, w := float64(r.starts.Tokens), r.starts
	for i := w.first; i < w.next; i++ {
		if step := w.step(i); step.last.Add(r.window).After(now) {
			free -= float64(step.tokens)
		}
	}
	return free
}

// wait returns how long it takes until n may start.
func (r *rolling) wait(now time.Time, n int64) time.Duration {
	return r.starts.Wait(now, min(n, r.starts.Tokens))
}
