package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

// summary is what became of the pages.
type summary struct {
	site   *site // nil: a real one
	began  time.Time
	took   time.Duration
	hosts  map[string]int // pages that this run got, by host
	known  int            // pages that an earlier run got
	failed []error        // of pages, this run's and earlier ones'
	left   int            // pages that are left for the next run
}

func (s *summary) add(r pacejournal.Result[string, page]) {
	switch {
	case !r.Stored:
		s.left++
	case r.Err != nil:
		s.failed = append(s.failed, fmt.Errorf("%s: %w", r.In, r.Err))
	case r.Known:
		s.known++
	default:
		s.hosts[hostOf(r.In)]++
	}
}

// got returns how many pages this run got.
func (s *summary) got() (n int) {
	for _, pages := range s.hosts {
		n += pages
	}
	return n
}

// complete says whether each page was got once. Of the embedded site it is known how many there are.
func (s *summary) complete() bool {
	if s.left > 0 || len(s.failed) > 0 {
		return false
	}
	return s.site == nil || s.known+s.got() == pagesEach*len(s.site.hosts) && s.once()
}

// once says whether the embedded site has served each page that this run got once, and was asked for
// nothing else.
func (s *summary) once() bool {
	s.site.mu.Lock()
	defer s.site.mu.Unlock()
	for _, times := range s.site.served {
		if times != 1 {
			return false
		}
	}
	return len(s.site.served) == s.got() && len(s.site.wrong) == 0
}

// least is how long the limits of the embedded site's hosts let this run take.
func (s *summary) least() (longest time.Duration) {
	for _, h := range s.site.hosts {
		longest = max(longest, h.least(s.hosts[h.name]))
	}
	return longest
}

func (s *summary) print(out io.Writer) {
	fmt.Fprintf(out, "\n%.1fs: %d pages got, %d known from before, %d left for the next run, %d failed\n",
		s.took.Seconds(), s.got(), s.known, s.left, len(s.failed))
	for _, name := range slices.Sorted(maps.Keys(s.hosts)) {
		fmt.Fprintf(out, "  %4d of %s\n", s.hosts[name], name)
	}
	if len(s.failed) > 0 {
		fmt.Fprintf(out, "the first that failed: %v\n", s.failed[0])
	}
	if s.site != nil && s.got() > 0 {
		fmt.Fprintf(out, "The hosts' limits allow it in %.1fs. They refused %d requests.\n", s.least().Seconds(), s.site.refused)
	}
}
