package pipeline

import (
	"hash/fnv"
	"math"
	"slices"
	"time"
)

// pick returns the member that a job goes to now; nil: it waits. It reports whether any member
// is open.
func (cs *choices[V, In, Out]) pick(j *job[In, Out], now time.Time) (c *choice[In, Out], open bool) {
	if !slices.ContainsFunc(cs.members, func(c *choice[In, Out]) bool { return !c.closed(cs.way) }) {
		return nil, false
	}
	if c := cs.preferred(j.wish, now); c != nil {
		if c.door.Vacant() <= 0 || j.wish.avoids(&c.line, now) {
			c = nil
		}
		return c, true
	}
	asks := !j.wish.failed || !slices.ContainsFunc(cs.members, func(c *choice[In, Out]) bool { return c.available(cs.way) })
	for _, fallback := range cs.fallbacks {
		if c, available := cs.turn(fallback, j.wish, asks, now); c != nil || available {
			return c, true
		}
	}
	return nil, true
}

// turn returns the member whose turn it is of those with a fallback that could start a job with
// the wish, and reports whether any of them is available. Whether one that is away is back is asked
// with jobs that have not failed yet, as long as others are available. Turns are smooth: those of a
// heavy member are spread out, as nginx does it.
func (cs *choices[V, In, Out]) turn(fallback int, w *wish, asks bool, now time.Time) (best *choice[In, Out], available bool) {
	sum := 0.0
	for _, c := range cs.members {
		if c.fallback != fallback || c.closed(cs.way) {
			continue
		}
		here := c.available(cs.way)
		available = available || here
		if c.door.Vacant() <= 0 || w.avoids(&c.line, now) || !here && !asks {
			continue
		}
		c.credit += c.weight
		sum += c.weight
		if best == nil || c.credit > best.credit {
			best = c
		}
	}
	if best != nil {
		best.credit -= sum
	}
	return best, available
}

// avoids reports whether a job with the wish is not to go there yet.
func (w *wish) avoids(l *line, now time.Time) bool { return w.avoid == l && now.Before(w.until) }

// preferred returns the available member that a job's affinity is for; nil: it has none, or none is
// available. Each text has an order of all members, so that when one goes away its jobs go to
// several others, and the jobs of others stay where they are. (Thaler and Ravishankar, Using
// Name-Based Mappings to Increase Hit Rates, 1998.)
func (cs *choices[V, In, Out]) preferred(w *wish, now time.Time) (best *choice[In, Out]) {
	if w.affinity == "" {
		return nil
	}
	var most uint64
	for _, c := range cs.members {
		if !c.available(cs.way) || w.failed && w.avoids(&c.line, now) {
			continue
		}
		score := scoreOf(w.affinity, c.name)
		if best == nil || c.fallback < best.fallback || c.fallback == best.fallback && score > most {
			best, most = c, score
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
