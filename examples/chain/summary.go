package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/pipeline"
)

// summary is what is said at the end.
type summary struct {
	throttles
	results      atomic.Int64 // the watch reads it
	loaded, died int
	taken        int // jobs
	rows         int // in the database
	took         time.Duration
	heap         uint64 // bytes at most
	why          []string
	path         string // of the dead letters
	interrupted  bool
}

func (s *summary) add(r pipeline.Result[int64, struct{}]) {
	s.results.Add(1)
	if r.Err == nil {
		s.loaded++
		return
	}
	if s.died++; len(s.why) < 3 {
		s.why = append(s.why, fmt.Sprintf("%d: %v", r.In, r.Err))
	}
}

// complete says whether each job is accounted for.
func (s *summary) complete() bool {
	return s.loaded+s.died == s.taken && s.rows >= s.loaded && !s.interrupted
}

func (s *summary) print(out io.Writer) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-9s"+format+"\n", append([]any{what}, args...)...)
	}
	fmt.Fprintln(out)
	line("jobs", "%s taken: %s loaded, %s dead; %.1f s, %.0f a second; the database has %s",
		comma(s.taken), comma(s.loaded), comma(s.died), s.took.Seconds(), float64(s.taken)/s.took.Seconds(), comma(s.rows))
	for _, stage := range []struct {
		name string
		*pipeline.Throttle
	}{{"fetch", s.fetch}, {"enrich", s.enrich}, {"load", s.load}} {
		a := stage.Snapshot().Attempts
		line(stage.name, "%s calls succeeded, %s were refused, %s failed, %s were for nothing",
			comma(int(a.Succeeded)), comma(int(a.Overloaded)), comma(int(a.Failed)), comma(int(a.Ignored)))
	}
	if s.heap > 0 {
		line("heap", "%.1f MB at most", float64(s.heap)/1e6)
	}
	if s.died > 0 {
		letters := "letters"
		if s.died == 1 {
			letters = "letter"
		}
		line("dead", "%s %s in %s, such as", comma(s.died), letters, s.path)
		for _, why := range s.why {
			line("", "%s", why)
		}
		line("", "go run ./examples/chain -replay sends them again")
	}
	if s.interrupted {
		line("stopped", "what was under way was finished; the rest was not taken")
	}
}

func comma(n int) string { return humanize.Comma(int64(n)) }
