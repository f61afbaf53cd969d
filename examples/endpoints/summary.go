package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"time"
)

// tally is what became of the calls of one endpoint.
type tally struct {
	calls    int // to be made
	answered int
	refused  int // 429
	failed   int
	ended    int // by an interrupt, before they were answered
}

func (t *tally) count(err error) {
	var status *statusError
	switch {
	case err == nil:
		t.answered++
	case errors.Is(err, context.Canceled):
		t.ended++
	case errors.As(err, &status) && status.code == http.StatusTooManyRequests:
		t.refused++
	default:
		t.failed++
	}
}

// unmade is how many calls nobody came to make.
func (t tally) unmade() int { return t.calls - t.answered - t.refused - t.failed - t.ended }

// summary says what happens and adds it up. Each call is told to it.
type summary struct {
	settings
	lines   *log.Logger
	started time.Time
	took    time.Duration
	seen    *seen // as the embedded service counted; nil for another one

	mu      sync.Mutex
	tallies map[string]*tally
}

func newSummary(s settings, lines *log.Logger) *summary {
	return &summary{settings: s, lines: lines, started: time.Now(), tallies: map[string]*tally{
		"lookup": {calls: len(codes)}, "search": {calls: len(words)},
	}}
}

func (s *summary) say(format string, args ...any) {
	s.lines.Printf("%6.2fs  "+format, append([]any{time.Since(s.started).Seconds()}, args...)...)
}

// take takes the outcome of a call.
func (s *summary) take(endpoint, by, in, out string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tallies[endpoint].count(err)
	switch {
	case errors.Is(err, context.Canceled):
		return // they all say the same
	case err != nil:
		out = err.Error()
	}
	s.say("  %-9s %s %-8s → %s", by, endpoint, in, out)
}

// end takes what the service has counted, if it is ours.
func (s *summary) end(embedded *service) {
	s.took = time.Since(s.started)
	if embedded != nil {
		stats := embedded.stats()
		s.seen = &stats
	}
}

// complete says whether every call was answered, and the service saw the same.
func (s *summary) complete() bool {
	lookup, search := *s.tallies["lookup"], *s.tallies["search"]
	same := s.seen == nil || *s.seen == seen{lookups: lookup.answered, searches: search.answered}
	return same && lookup.answered == lookup.calls && search.answered == search.calls
}

// least is the shortest time in which the service allows what was answered.
func (s *summary) least() time.Duration {
	weight := lookupWeight*float64(s.tallies["lookup"].answered) + searchWeight*float64(s.tallies["search"].answered)
	return time.Duration(max(0, weight-s.burst) / s.rate * float64(time.Second))
}

func (s *summary) print(out io.Writer) {
	lookup, search := s.tallies["lookup"], s.tallies["search"]
	row := func(name string, lookup, search any) { fmt.Fprintf(out, "%-22s %8v %8v\n", name, lookup, search) }
	fmt.Fprintln(out)
	row("", "lookups", "searches")
	row("each counts for", lookupWeight, searchWeight)
	row("calls", lookup.calls, search.calls)
	row("answered", lookup.answered, search.answered)
	row("refused", lookup.refused, search.refused)
	row("failed", lookup.failed, search.failed)
	row("ended by an interrupt", lookup.ended, search.ended)
	row("not made", lookup.unmade(), search.unmade())
	if s.seen != nil {
		row("the service answered", s.seen.lookups, s.seen.searches)
		fmt.Fprintf(out, "and refused %d with 429\n", s.seen.refused)
	}
	fmt.Fprintf(out, "\n%.1fs; %v calls a second and %v at once allow it in %.1fs.\n", s.took.Seconds(), s.rate, s.burst, s.least().Seconds())
	switch {
	case s.complete():
		fmt.Fprintln(out, "Every call was answered, and none refused.")
	case lookup.unmade()+search.unmade()+lookup.ended+search.ended > 0:
		fmt.Fprintln(out, "Interrupted before all calls were made.")
	default:
		fmt.Fprintln(out, "NOT EVERY CALL WAS ANSWERED: see above.")
	}
}
