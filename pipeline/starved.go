package pipeline

import (
	"time"

	"github.com/paceline-go/paceline/clock"
)

// longStarved is how long a run gets no job, with nothing left to do, until that is said. Chosen:
// as for a reader who does not read.
const longStarved = longIdle

// starved finds out that a run waits for jobs that do not come: all it took is done and read, and
// its channel is open. Most likely nobody closes it. It is in real time, as lull is: the sender of
// jobs is no part of what a mock clock simulates. The timer is set once in ten seconds at most,
// since a run may come to its last job very often.
type starved struct {
	timer *clock.Timer // nil: none is set
	taken int          // jobs, when it was set
	told  bool         // that no more come
}

// since sets the timer if none is set, and returns its channel; nil once it is told.
func (s *starved) since(taken int) <-chan time.Time {
	if s.told {
		return nil
	}
	if s.timer == nil {
		s.timer, s.taken = clock.Real().Timer(longStarved), taken
	}
	return s.timer.C
}

// over takes note that the time is over, and reports whether it has to be said now that no job has
// come.
func (s *starved) over(taken int, allRead bool) bool {
	s.timer = nil
	s.told = taken == s.taken && allRead
	return s.told
}

func (s *starved) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
