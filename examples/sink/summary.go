package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/pipeline"
)

// summary is what is said at the end.
type summary struct {
	results, stored int
	dead            []string // rows that the database will never take, and why
	failed          []string // rows that it might take another time
	left            int      // rows that were not taken any more
	counted         int      // rows in the table
	calls           pipeline.AttemptCounts
	limit           int
	took            time.Duration
}

func (s *summary) add(r pipeline.Result[data.City, struct{}]) {
	if errors.Is(r.Err, pipeline.ErrClosed) || errors.Is(r.Err, context.Canceled) {
		return // it was not sent, or there was no more time for it
	}
	s.results++
	what := fmt.Sprintf("%d %s: %v", r.In.ID, r.In.Name, r.Err)
	switch {
	case r.Err == nil:
		s.stored++
	case faulty(r.Err):
		s.dead = append(s.dead, what)
	default:
		s.failed = append(s.failed, what)
	}
}

// complete says whether each row is accounted for.
func (s *summary) complete() bool {
	return len(s.failed) == 0 && s.left == 0 && s.counted >= s.stored
}

func (s *summary) print(out io.Writer) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-10s"+format+"\n", append([]any{what}, args...)...)
	}
	line("stored", "%s rows in %.1f s, %s a second; the table has %s",
		comma(s.stored), s.took.Seconds(), comma(int(float64(s.stored)/s.took.Seconds())), comma(s.counted))
	c := s.calls
	line("calls", "%d: %d succeeded, %d were refused, %d failed, %d had rows that the database does not take; at the end %d at once",
		c.Succeeded+c.Overloaded+c.Failed+c.Ignored, c.Succeeded, c.Overloaded, c.Failed, c.Ignored, s.limit)
	for _, what := range s.dead {
		line("dead", "%s", what)
	}
	for i, what := range s.failed {
		if i == 5 {
			line("failed", "and %s more", comma(len(s.failed)-i))
			break
		}
		line("failed", "%s", what)
	}
	if s.left > 0 {
		line("left", "%s rows were not sent any more; run it again", comma(s.left))
	}
}

func comma(n int) string { return humanize.Comma(int64(n)) }
