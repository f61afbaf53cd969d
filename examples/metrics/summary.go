package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

// summary is what came of a run.
type summary struct {
	days             int // to ask for
	answered, failed int
	why              error // the last failure
	took             time.Duration
	extremes         map[string]*extremes // by place
}

// extremes are a place's longest and shortest days.
type extremes struct{ longest, shortest length }

type length struct {
	minutes float64
	date    time.Time
}

func newSummary(days int) *summary {
	return &summary{days: days, extremes: make(map[string]*extremes)}
}

func (s *summary) add(r pipeline.Result[day, service.Answer]) {
	if r.Attempts == 0 {
		return // it was interrupted before
	}
	if r.Err != nil {
		s.failed, s.why = s.failed+1, r.Err
		return
	}
	s.answered++
	e := s.extremes[r.In.at.name]
	if e == nil {
		e = &extremes{longest: length{minutes: math.Inf(-1)}, shortest: length{minutes: math.Inf(1)}}
		s.extremes[r.In.at.name] = e
	}
	l := length{r.Out.DayMinutes, r.In.date}
	if l.minutes > e.longest.minutes {
		e.longest = l
	}
	if l.minutes < e.shortest.minutes {
		e.shortest = l
	}
}

// complete says whether every day was answered.
func (s *summary) complete() bool { return s.answered == s.days }

func (s *summary) print(out io.Writer, url string, series []string) {
	fmt.Fprintln(out)
	for _, at := range places {
		if e := s.extremes[at.name]; e != nil {
			fmt.Fprintf(out, "%-11slongest day %v, shortest day %v\n", at.name, e.longest, e.shortest)
		}
	}
	fmt.Fprintf(out, "\n%-11s%s of %s answered in %.1fs", "days", humanize.Comma(int64(s.answered)), humanize.Comma(int64(s.days)), s.took.Seconds())
	if left := s.days - s.answered - s.failed; left > 0 {
		fmt.Fprintf(out, ", %s not asked for", humanize.Comma(int64(left)))
	}
	if s.failed > 0 {
		fmt.Fprintf(out, ", %s failed, the last with: %v", humanize.Comma(int64(s.failed)), s.why)
	}
	fmt.Fprintf(out, "\n\n%s says of paceline, without zeros, buckets and the throttle's name:\n\n", url)
	for _, line := range series {
		fmt.Fprintln(out, line)
	}
}

func (l length) String() string {
	d := time.Duration(l.minutes * float64(time.Minute)).Round(time.Minute)
	return fmt.Sprintf("%s %2dh%02d", l.date.Format("2 Jan"), int(d.Hours()), int(d.Minutes())%60)
}
