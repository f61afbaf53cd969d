package pipeline

import (
	"hash/fnv"
	"math"
	"slices"
	"time"
)

// pick looks for the member that a job with the wish goes to now, and notes it in the wish. It reports
// whether there is one.
func (cs *choices[V, In, Out]) pick(w *wish, now time.Time) bool {
	if i := cs.preferred(w, now); i >= 0 {
		c := cs.members[i]
		w.member, w.turns = i, false
		return c.door.Vacant() > 0 && !w.avoids(&c.line, now)
	}
	asks := cs.asks(w)
	for _, fallback := range cs.fallbacks {
		if i, available := cs.turn(fallback, w, asks, now); i >= 0 || available {
			w.member, w.turns = i, true
			return i >= 0
		}
	}
	return false
}

// asks reports whether a job with the wish may be used to ask whether a member that is away is back: one that has
// failed is not as long as others are available.
func (cs *choices[V, In, Out]) asks(w *wish) bool {
	return !w.failed || !slices.ContainsFunc(cs.members, func(c *choice[In, Out]) bool { return c.available(cs.way) })
}

// turn returns the number of the member whose turn it is of those with a fallback that could start a job with
// the wish, -1 if there is none, and reports whether any of them is available. Turns are smooth: those of a
// heavy member are spread out, as nginx does it.
func (cs *choices[V, In, Out]) turn(fallback int, w *wish, asks bool, now time.Time) (best int, available bool) {
	best = -1
	for i, c := range cs.members {
		if c.fallback != fallback || c.closed(cs.way) {
			continue
		}
		available = available || c.available(cs.way)
		if cs.starts(c, w, asks, now) && (best < 0 || *c.credit+c.weight > *cs.members[best].credit+cs.members[best].weight) {
			best = i
		}
	}
	return best, available
}

// starts reports whether a member could start a job with the wish.
func (cs *choices[V, In, Out]) starts(c *choice[In, Out], w *wish, asks bool, now time.Time) bool {
	return !c.closed(cs.way) && c.door.Vacant() > 0 && !w.avoids(&c.line, now) && (asks || c.available(cs.way))
}

// count notes that the member of the wish has had its turn, before others that could have started the job.
func (cs *choices[V, In, Out]) count(w *wish, now time.Time) {
	if !w.turns {
		return
	}
	sum, asks, best := 0.0, cs.asks(w), cs.members[w.member]
	for _, c := range cs.members {
		if c.fallback == best.fallback && (c == best || cs.starts(c, w, asks, now)) {
			*c.credit += c.weight
			sum += c.weight
		}
	}
	*best.credit -= sum
}

// avoids reports whether a job with the wish is not to go there yet.
func (w *wish) avoids(l *line, now time.Time) bool { return w.waits(l, now) > 0 }

// waits returns for how long it is not to go there.
func (w *wish) waits(l *line, now time.Time) (wait time.Duration) {
	if w.avoid == l {
		wait = w.until.Sub(now)
	}
	if slices.Contains(w.turned, l) {
		wait = max(wait, w.again.Sub(now))
	}
	return max(wait, 0)
}

// turnedAway notes that a job with the wish could not start there. It does not go from one to another and back
// meanwhile.
func (w *wish) turnedAway(l *line, now time.Time) {
	if !now.Before(w.again) {
		w.turned = nil
	}
	w.turned, w.again = append(w.turned, l), now.Add(lookAgain)
}

// preferred returns the number of the available member that a job's affinity is for; -1: it has none, or none is
// available. Each text has an order of all members, so that when one goes away its jobs go to
// several others, and the jobs of others stay where they are. (Thaler and Ravishankar, Using
// Name-Based Mappings to Increase Hit Rates, 1998.)
func (cs *choices[V, In, Out]) preferred(w *wish, now time.Time) (best int) {
	best = -1
	if w.affinity == "" {
		return best
	}
	var most uint64
	for i, c := range cs.members {
		if !c.available(cs.way) || w.failed && w.avoids(&c.line, now) {
			continue
		}
		score := scoreOf(w.affinity, c.name)
		if best < 0 || c.fallback < cs.members[best].fallback || c.fallback == cs.members[best].fallback && score > most {
			best, most = i, score
		}
	}
	return best
}

func scoreOf(affinity, member string) uint64 {
	if affinity == member {
		return math.MaxUint64
	}
	h := fnv.New64a()
	h.Write([]byte(affinity))
	h.Write([]byte{0})
	h.Write([]byte(member))
	x := h.Sum64() // whose last bytes hardly change the first bits
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd // the finalizer of MurmurHash3
	x ^= x >> 33
	return x
}

// available reports whether the member starts attempts within a second, by what is known now.
func (c *choice[In, Out]) available(pool closer) bool {
	return !c.closed(pool) && !c.throttle.dispatcher.Away()
}

// closed reports whether the member takes nothing, while the pool does.
func (c *choice[In, Out]) closed(pool closer) bool { return closed(c.throttle) && !closed(pool) }

// circuitsLeft returns when to ask again if the circuits of all members are open, and jobs are
// not to wait for them; else 0.
func (cs *choices[V, In, Out]) circuitsLeft() (least time.Duration) {
	for _, c := range cs.members {
		if c.closed(cs.way) {
			continue
		}
		left := c.throttle.dispatcher.CircuitLeft()
		if left == 0 {
			return 0
		}
		if least == 0 || left < least {
			least = left
		}
	}
	return least
}
