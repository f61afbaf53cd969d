package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A spell is a time in which the server, the circuit or a budget lets nothing start. It
// belongs to the dispatcher.
type spell struct {
	until time.Time     // at least
	since time.Time     // zero: it is not a long one
	total time.Duration // of the long ones that are over
}

// watch notes what holds up the next attempt.
func (s *spell) watch(now time.Time, held hold, wait time.Duration) {
	switch held {
	case byServer, byCircuit, byBudget, byCommons:
		s.until = now.Add(wait)
		if s.since.IsZero() && wait >= controller.LongHold {
			s.since = now
		}
		return
	}
	s.total = s.long(now)
	s.since, s.until = time.Time{}, time.Time{}
}

// left returns how long nothing will start.
func (s *spell) left(now time.Time) time.Duration { return max(s.until.Sub(now), 0) }

// long returns how long all long spells have been.
func (s *spell) long(now time.Time) time.Duration {
	if s.since.IsZero() {
		return s.total
	}
	return s.total + now.Sub(s.since)
}
