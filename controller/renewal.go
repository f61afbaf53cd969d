package controller

import "time"

// renewal is what is known of a quota from the moment on at which it ought to be whole,
// until the next hint. As much as there is in all may start, or one attempt alone if it
// has turned out that not all comes back at once: then that one will tell. This holds for
// as long as the server looked ahead at most, or until an attempt has succeeded without a
// hint: then nothing is known any more.
type renewal struct {
	partial int           // how often not all came back, less how often it did
	longest time.Duration // until a reset, from when the server counted
	usual   time.Duration // from an attempt's start to its hint
	begun   time.Time     // when something started that no hint counts; zero: nothing has
	number  int64         // of that one
	before  int64         // what had started before it
	started int64         // what has since, itself included
	seen    bool          // what came back was told once
	silent  bool          // it, or one after it, has succeeded without a hint
}

func (r *renewal) lapse() time.Time { return r.begun.Add(r.longest + 4*r.usual) }

// alone reports whether one attempt is to tell what has come back before others follow: not
// all did, or of a short window, which costs little, nobody has seen yet.
func (r *renewal) alone() bool {
	return r.partial >= isPartial || !r.seen && r.longest > time.Second && r.longest <= longestEarly
}

// late reports whether hints come so late that they tell more of the quota before.
func (r *renewal) late() bool { return 2*r.usual > r.longest }

// hear takes what a hint says of the renewal before it.
func (r *renewal) hear(l *ledger, h Hint, start, now time.Time, all int64) {
	if l.limit > 0 && !r.begun.IsZero() && !start.Before(l.whole) {
		r.seen = true
		switch whole := l.limit - (all - r.before); {
		case h.Remaining < whole/2:
			r.partial = min(r.partial+1, 2*isPartial)
		case h.Remaining >= whole-whole/10:
			r.partial = max(r.partial-1, 0)
		}
	}
	r.begun, r.silent = time.Time{}, false
	r.longest = max(r.longest, h.Reset+now.Sub(start))
	r.usual += (now.Sub(start) - r.usual) / usualMemory
}

// end takes the success of an attempt.
func (r *renewal) end(number int64) {
	r.silent = r.silent || !r.begun.IsZero() && number >= r.number
}

// isPartial is how often not all has to have come back at a reset until it is taken to be
// of a part: once may be because of other clients, or of clocks that differ. Chosen.
const isPartial = 2

// usualMemory is over how many hints the mean of their ages goes. Chosen.
const usualMemory = 16
