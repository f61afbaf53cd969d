package main

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/examples/service"
)

// summary is what is said at the end of a run.
type summary struct {
	rows    int // of the input
	read    int
	before  int // loaded by earlier runs
	loaded  int // by this run
	failed  int
	reasons []string // of the first failures, in the order of the input
	left    int      // taken, and let go of

	attempts, refused, down, rejected, broken, letGo, tokens int64

	took    time.Duration
	best    time.Duration // negative if unknown: only of the embedded service is it known
	budget  string        // of our own, that best keeps, too; empty: none
	started time.Time
	history history

	served   *service.Stats // as the embedded service counted; nil for another one
	schedule string         // of the embedded service

	path  string
	audit audit
}

func (j *job) summary(o options, backend *service.Server) (*summary, error) {
	a, err := j.target.audit()
	if err != nil {
		return nil, err
	}
	reasons, err := j.target.reasons()
	if err != nil {
		return nil, err
	}
	t := &j.asker.tally
	s := &summary{
		rows: j.found.rows, read: j.read, before: j.before, loaded: j.loaded, failed: j.failed, reasons: reasons, left: j.left,
		attempts: t.attempts.Load(), refused: t.refused.Load(), down: t.down.Load(),
		rejected: t.rejected.Load(), broken: t.failed.Load(), letGo: t.letGo.Load(), tokens: t.tokens.Load(),
		took: j.ended.Sub(j.started), best: -1, started: j.started, history: j.history,
		path: j.target.path, audit: a,
	}
	if backend != nil && j.loaded > 0 {
		stats, cfg := backend.Stats(), embedded(o.seed)
		s.served, s.schedule = &stats, schedule(cfg)
		own := service.Budget{}
		for _, b := range o.throttle().Budgets {
			own = service.Budget{Tokens: b.Tokens, Window: b.Window}
			s.budget = fmt.Sprintf(", and no more than %s tokens in any %v,", thousands(b.Tokens), b.Window)
		}
		s.best = cfg.BestTimeWithin(j.loaded, float64(s.tokens)/float64(t.answered.Load()), own)
	}
	return s, nil
}

// complete says whether every record of the input is accounted for: it is in
// the database, once.
func (s *summary) complete() bool {
	a := s.audit
	return a.rows == s.rows && a.places == a.rows && a.inserted == a.rows && a.failed == 0
}

// print says first what came of it, and then how.
func (s *summary) print(out io.Writer) {
	fmt.Fprintln(out)
	s.printVerdict(out)
	line(out, "rows", "%s of %s read: %s loaded, %s were there before, %s failed, %s let go of",
		thousands(s.read), thousands(s.rows), thousands(s.loaded), thousands(s.before), thousands(s.failed), thousands(s.left))
	s.printFailures(out)
	s.printProof(out)
	if s.attempts > 0 {
		s.printAttempts(out)
	}
	if s.served != nil {
		s.printService(out)
	}
	s.printTime(out)
	s.history.print(out, s.started)
}

// printVerdict goes by what the database itself counts.
func (s *summary) printVerdict(out io.Writer) {
	a := s.audit
	switch {
	case s.rows == 0:
		line(out, "done", "there was nothing to do")
	case s.complete():
		line(out, "done", "every record is accounted for: none lost, none loaded twice")
	case a.inserted != a.rows || a.places != a.rows:
		line(out, "NOT DONE", "a row was inserted twice, or lost again")
	case a.rows+a.failed < s.rows:
		line(out, "not done", "%s of %s rows are left; none loaded twice; the next run goes on from here", thousands(s.rows-a.rows), thousands(s.rows))
	case a.rows == 0:
		line(out, "NOT DONE", "each of %s failed; the next run tries again", plural(s.rows, "row"))
	default:
		line(out, "not done", "%s of %s failed, all others are loaded; none loaded twice; the next run tries again", thousands(a.failed), plural(s.rows, "row"))
	}
}

func (s *summary) printFailures(out io.Writer) {
	for _, reason := range s.reasons {
		line(out, "failed", "%s", reason)
	}
	if s.failed > 0 {
		more := ""
		if n := s.failed - len(s.reasons); n > 0 {
			more = fmt.Sprintf("and %s more; ", thousands(n))
		}
		line(out, "", "%sthe table failed has all of them, with line and reason", more)
	}
}

// line prints under a word on the left, or, without one, under the line before.
func line(out io.Writer, word, format string, args ...any) {
	fmt.Fprintf(out, "%-11s%s\n", word, fmt.Sprintf(format, args...))
}

func (s *summary) printAttempts(out io.Writer) {
	share := func(n int64) string {
		return fmt.Sprintf("%s (%.1f%%)", thousands(n), 100*float64(n)/float64(s.attempts))
	}
	refused, failed := s.refused+s.down, s.rejected+s.broken
	line(out, "attempts", "%s: %s answered, %s refused, %s failed, %s let go of; wasted %s",
		thousands(s.attempts), thousands(s.attempts-refused-failed-s.letGo), share(refused), share(failed), thousands(s.letGo), share(refused+failed))
	line(out, "", "refused with 429: %s, with 503: %s", thousands(s.refused), thousands(s.down))
}

func (s *summary) printService(out io.Writer) {
	line(out, "service", "allowed %s", s.schedule)
	line(out, "", "answered %s of %s calls, for %s tokens", thousands(s.served.Served), thousands(s.served.Requests), thousands(s.served.Tokens))
	line(out, "", "refused %s for the rate, %s for tokens, %s in the outage; failed %s, rejected %s, abandoned %s",
		thousands(s.served.RefusedRequests), thousands(s.served.RefusedTokens), thousands(s.served.Unavailable),
		thousands(s.served.Failed), thousands(s.served.Invalid), thousands(s.served.Abandoned))
}

func (s *summary) printTime(out io.Writer) {
	if s.best < 0 {
		line(out, "time", "%.1fs", s.took.Seconds())
		return
	}
	line(out, "time", "%.1fs; with the limits of the service known exactly%s it would take %.1fs, %.0f%% of that",
		s.took.Seconds(), s.budget, s.best.Seconds(), 100*s.best.Seconds()/s.took.Seconds())
}

// printProof counts in the database, not in this program.
func (s *summary) printProof(out io.Writer) {
	a := s.audit
	line(out, "database", "%s", s.path)
	line(out, "", "counts %s, from %s of the input, inserted %s by %s",
		plural(a.rows, "row"), plural(a.places, "different row"), plural(a.inserted, "time"), plural(a.runs, "run"))
	line(out, "", "%s of %s to do: %s failed, %s not yet tried to the end",
		thousands(s.rows-a.rows), thousands(s.rows), thousands(a.failed), thousands(s.rows-a.rows-a.failed))
}

func thousands[N int | int64](n N) string { return humanize.Comma(int64(n)) }

// short drops the digits that nobody reads.
func short(d time.Duration) time.Duration {
	for unit := time.Second; unit >= 10; unit /= 10 {
		if d >= unit {
			return d.Round(unit / 10)
		}
	}
	return d
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}
