package main

import (
	"fmt"
	"io"
	"time"

	"github.com/paceline-go/paceline/examples/llm/batchfile"
	"github.com/paceline-go/paceline/examples/llm/server"
	"github.com/paceline-go/paceline/pipeline"
)

// summary is what is said at the end of a run.
type summary struct {
	total, before, answered, let int
	failures                     []result
	took                         time.Duration
	end                          pipeline.Snapshot
	rpm, tpm                     int64
	spent                        bool           // the money is
	apart                        []namedLedger  // of input and output tokens, where these have quotas of their own
	ledger                       *server.Ledger // as the embedded server counted; nil for another one
	stats                        server.Stats
	path                         string
	batch                        *batch          // nil: prompts
	single                       *singles        // nil: none
	bulk                         []time.Duration // by answers of the bulk, if there are singles
	members                      []portion       // of a pool
}

func (r *runner) summary() *summary {
	s := &summary{
		total: len(r.jobs), before: r.before, answered: r.answered, let: r.let, failures: r.failures,
		took: r.ended.Sub(r.started), end: r.engine.Snapshot(), rpm: r.rpm, tpm: r.tpm, spent: r.spent, path: r.answers.path, batch: r.batch, single: r.single, bulk: r.took,
		members: r.portions(),
	}
	if len(r.members) > 0 {
		return s
	}
	if b := r.backend.server; b != nil {
		ledger := b.Ledger()
		s.ledger, s.stats = &ledger, b.Stats()
		if r.itpm > 0 {
			s.apart = []namedLedger{{"input tokens", b.LedgerOf("input-tokens"), r.itpm}, {"output tokens", b.LedgerOf("output-tokens"), r.otpm}}
		}
	}
	return s
}

// namedLedger is what the server counted of one quota.
type namedLedger struct {
	name string
	server.Ledger
	quota int64
}

// complete says whether every prompt has its answers.
func (s *summary) complete() bool { return s.before+s.answered == s.total && len(s.bad()) == 0 }

// bad are the lines of a Batch file that could not be sent.
func (s *summary) bad() []batchfile.Line {
	if s.batch == nil {
		return nil
	}
	return s.batch.bad
}

// mostFailures bounds how many are listed.
const mostFailures = 5

func (s *summary) print(out io.Writer) {
	fmt.Fprintln(out)
	switch {
	case s.complete() && s.batch != nil:
		line(out, "done", "every request has its answer")
	case s.complete():
		line(out, "done", "every prompt has its answers, in order")
	case s.spent:
		line(out, "not done", "the money is spent, and %s of %s answers are left; the next run goes on from here, with more -dollars", thousands(s.total-s.before-s.answered), thousands(s.total))
	case s.batch != nil && s.before+s.answered+len(s.failures) == s.total:
		line(out, "not done", "%s of %s have no answer; the error file says why. The next run tries again those that could be sent",
			thousands(len(s.failures)+len(s.bad())), plural(s.total+len(s.bad()), "request"))
	default:
		line(out, "not done", "%s of %s answers are left; the next run goes on from here", thousands(s.total-s.before-s.answered), thousands(s.total))
	}
	line(out, "answers", "%s of %s: %s by this run, %s were there before, %s failed, %s let go of",
		thousands(s.before+s.answered), thousands(s.total), thousands(s.answered), thousands(s.before),
		thousands(len(s.failures)), thousands(s.let))
	for i, f := range s.failures {
		if i == mostFailures {
			line(out, "", "and %s more", plural(len(s.failures)-i, "failure"))
			break
		}
		line(out, "", "%s: %v", f.In.key(), f.Err)
	}
	s.printBad(out)
	if s.answered > 0 {
		a := s.end.Attempts
		line(out, "attempts", "%s: %s answered, %s refused, %s failed",
			thousands(a.Succeeded+a.Overloaded+a.Failed+a.Ignored), thousands(a.Succeeded), thousands(a.Overloaded), thousands(a.Failed+a.Ignored))
		answers := int64(s.answered)
		if s.single != nil {
			answers += int64(len(s.single.took))
		}
		line(out, "tokens", "%s, %s an answer with its prompt", thousands(s.end.Tokens), thousands(s.end.Tokens/answers))
		if spent := s.end.Used[money]; spent > 0 {
			line(out, "money", "%s, %s for a thousand answers", inDollars(spent), inDollars(spent*1000/answers))
		}
		if len(s.members) > 0 {
			line(out, "time", "%.1fs", s.took.Seconds())
			s.printMembers(out)
		} else {
			s.printHeld(out)
		}
	}
	if s.single != nil {
		s.single.print(out, s.bulk)
	}
	if s.ledger != nil && s.ledger.Requests > 0 {
		s.printLedger(out)
	}
	line(out, "file", "%s", s.path)
	if s.batch != nil {
		line(out, "errors", "%s, %s", s.batch.errors, plural(len(s.bad())+len(s.failures), "line"))
	}
}

func (s *summary) printHeld(out io.Writer) {
	held := s.end.Held.Budget + s.end.Held.Server
	line(out, "time", "%.1fs; for %.1fs of it, the next prompt was held up by a quota", s.took.Seconds(), held.Seconds())
}

// printBad lists the lines of a Batch file that could not be sent.
func (s *summary) printBad(out io.Writer) {
	for i, l := range s.bad() {
		if i == mostFailures {
			line(out, "", "and %s more", plural(len(s.bad())-i, "line"))
			break
		}
		line(out, "", "%s (%s)", l.Error.Message, l.Error.Code)
	}
}

// printLedger says what the server counted, not this program.
func (s *summary) printLedger(out io.Writer) {
	l := s.ledger
	line(out, "server", "refused %s for its quotas, let %s in, for %s tokens", thousands(s.stats.RefusedRequests+s.stats.RefusedTokens), plural(int(l.Requests), "request"), thousands(l.Tokens))
	if len(s.apart) > 0 {
		s.printApart(out)
		return
	}
	line(out, "", "most in any minute: %s of %s tokens, %s of %s requests", thousands(l.MostTokens), thousands(s.tpm), thousands(l.MostRequests), thousands(s.rpm))
	if n, requests, tokens := l.Minutes(); n > 0 {
		share := func(used, quota int64) float64 { return 100 * float64(used) / float64(quota*int64(n)) }
		line(out, "", "used of the quotas in %s: %.1f%% of the tokens, %.1f%% of the requests", plural(n, "whole minute"), share(tokens, s.tpm), share(requests, s.rpm))
	}
}

// printApart says it of input and output tokens.
func (s *summary) printApart(out io.Writer) {
	most, used := fmt.Sprintf("%s of %s requests", thousands(s.ledger.MostRequests), thousands(s.rpm)), ""
	minutes, requests, _ := s.ledger.Minutes()
	for _, l := range s.apart {
		most += fmt.Sprintf(", %s of %s %s", thousands(l.MostTokens), thousands(l.quota), l.name)
		if n, _, tokens := l.Minutes(); n > 0 {
			used += fmt.Sprintf(", %.1f%% of the %s", 100*float64(tokens)/float64(l.quota*int64(n)), l.name)
		}
	}
	line(out, "", "most in any minute: %s", most)
	if minutes > 0 {
		line(out, "", "used of the quotas in %s: %.1f%% of the requests%s", plural(minutes, "whole minute"), 100*float64(requests)/float64(s.rpm*int64(minutes)), used)
	}
}

// line prints under a word on the left, or, without one, under the line before.
func line(out io.Writer, word, format string, args ...any) {
	fmt.Fprintf(out, "%-10s%s\n", word, fmt.Sprintf(format, args...))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}
