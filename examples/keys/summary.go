package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// summary is what became of the jobs and calls.
type summary struct {
	settings
	began  time.Time
	took   time.Duration
	by     map[string]int // bulk jobs done by each key
	failed []error        // of bulk jobs
	calls  []call
	ended  bool // by Ctrl-C
}

func (s *summary) done() (n int) {
	for _, by := range s.by {
		n += by
	}
	return n
}

func (s *summary) callsFailed() (n int) {
	for _, c := range s.calls {
		if c.err != nil {
			n++
		}
	}
	return n
}

// complete says whether every job and every call was answered.
func (s *summary) complete() bool { return s.done() == s.bulk && s.callsFailed() == 0 }

func (s *summary) print(out io.Writer) {
	fmt.Fprintf(out, "\n%.1fs: %d of %d bulk jobs done, %.0f a second\n", s.took.Seconds(), s.done(), s.bulk, float64(s.done())/s.took.Seconds())
	for _, key := range s.keys {
		fmt.Fprintf(out, "  by key %s: %d\n", key, s.by[key])
	}
	if len(s.calls) > 0 {
		took := make([]time.Duration, len(s.calls))
		for i, c := range s.calls {
			took[i] = c.took.Round(time.Millisecond)
		}
		slices.Sort(took)
		fmt.Fprintf(out, "%d calls, %d failed: half took at most %v, the longest %v\n", len(took), s.callsFailed(), took[len(took)/2], took[len(took)-1])
	}
	if len(s.failed) > 0 {
		fmt.Fprintf(out, "%d bulk jobs came back undone, the first: %v\n", len(s.failed), s.failed[0])
	}
}
