package pacefleet

import (
	"sort"
	"time"
)

// starts numbers the attempts of all processes in the order in which they started, as far as
// reports allow: how many had started when is known at the reports, and in between they are
// taken to be evenly spread. What was once said of a time is not changed later.
type starts struct {
	known []started
	taken map[int64]bool // numbers of attempts that did not succeed
}

type started struct {
	at time.Time
	n  float64 // attempts in all
}

// remembered is how many points are kept: at 40 a second, the last seconds; an attempt that
// started before gets the number of the oldest.
const remembered = 4096

// note takes that n attempts have started by now, by what was heard.
func (s *starts) note(now time.Time, n float64) {
	if last := len(s.known) - 1; last >= 0 {
		if !now.After(s.known[last].at) {
			return
		}
		n = max(n, s.known[last].n)
	}
	s.known = append(s.known, started{now, n})
	if len(s.known) > 2*remembered {
		s.known = append(s.known[:0], s.known[len(s.known)-remembered:]...)
	}
}

// number returns how many attempts had started at a time.
func (s *starts) number(at time.Time) int64 {
	k := s.known
	i := sort.Search(len(k), func(i int) bool { return k[i].at.After(at) })
	switch {
	case len(k) == 0:
		return 0
	case i == 0:
		return int64(k[0].n)
	case i == len(k):
		return int64(k[i-1].n)
	}
	a, b := k[i-1], k[i]
	part := float64(at.Sub(a.at)) / float64(b.at.Sub(a.at))
	return int64(a.n + part*(b.n-a.n))
}

// take returns a number for an attempt that did not succeed which no other such has: the
// next that is free. What was accepted between two refusals is counted by their numbers, and
// must not be less than nothing.
func (s *starts) take(at time.Time) int64 {
	n := max(s.number(at), 1)
	for s.taken[n] {
		n++
	}
	if s.taken == nil {
		s.taken = make(map[int64]bool)
	}
	s.taken[n] = true
	if len(s.taken) > 2*remembered {
		for old := range s.taken {
			if old < n-remembered {
				delete(s.taken, old)
			}
		}
	}
	if last := len(s.known) - 1; last >= 0 {
		s.known[last].n = max(s.known[last].n, float64(n))
	}
	return n
}

// gap returns how far apart attempts have started recently, in the mean; 0: not known.
func (s *starts) gap() time.Duration {
	last := len(s.known) - 1
	first := max(last-64, 0)
	if last < 0 || s.known[last].n <= s.known[first].n {
		return 0
	}
	return time.Duration(float64(s.known[last].at.Sub(s.known[first].at)) / (s.known[last].n - s.known[first].n))
}
