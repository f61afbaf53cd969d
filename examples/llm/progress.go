package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// lineEvery is how often a line is printed where out is no terminal, at first.
const lineEvery = 2 * time.Second

// progress shows a run while it runs: a bar on a terminal, elsewhere a line now and then.
type progress struct {
	out     io.Writer
	bar     *progressbar.ProgressBar // nil where out is no terminal
	narrow  bool                     // a terminal without room for all that there is to tell
	total   int
	started time.Time
	next    time.Time // line
}

func newProgress(out io.Writer, total, done int, now time.Time) *progress {
	p := &progress{out: out, total: total, started: now, next: now.Add(lineEvery)}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) && done < total {
		room := roomForBar(file)
		p.narrow = room < leastBar
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(min(max(room, leastBar), 40)),
			progressbar.OptionShowCount(),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionSetPredictTime(false), // the throttle knows better
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionUseANSICodes(true),
		)
		_ = p.bar.Set(done)
	}
	return p
}

// leastBar is the width of a bar that can be read.
const leastBar = 10

// roomForBar is what the terminal has left beside the text, so that it all stays on one line.
func roomForBar(terminal *os.File) int {
	const text = 130
	columns, _, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return 0
	}
	return columns - text
}

// show is called every beat with what is done of the total.
func (p *progress) show(now time.Time, s pipeline.Snapshot, done int) {
	if p.bar != nil {
		p.bar.Describe(p.describe(s, p.total-done))
		_ = p.bar.Set(done)
		return
	}
	if now.Before(p.next) {
		return
	}
	p.next = p.next.Add(min(max(lineEvery, now.Sub(p.started)/20), time.Minute)) // the longer the run, the less is new
	fmt.Fprintf(p.out, "%5.1fs  %5s of %s  %s\n",
		now.Sub(p.started).Seconds(), thousands(done), thousands(p.total), p.describe(s, p.total-done))
}

// say prints a line of its own, above the bar if there is one.
func (p *progress) say(text string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.out, text)
}

// end leaves the bar as it stands.
func (p *progress) end(done int) {
	if p.bar == nil {
		return
	}
	p.bar.Describe("")
	_ = p.bar.Set(done)
	_ = p.bar.Exit()
	fmt.Fprintln(p.out)
}

// describe shows what the last minute took of the quotas, reserved for answers that are due included; without budgets, nobody
// counts that.
func (p *progress) describe(s pipeline.Snapshot, left int) string {
	if len(s.Budgets) < 2 { // money may be one
		return fmt.Sprintf("%s tokens  in flight %2d of %-2d  ETA %s%s", thousands(s.Tokens), s.InFlight, s.Concurrency, eta(s, left), waits(s))
	}
	requests, tokens := s.Budgets[0], s.Budgets[1]
	if tokens.Counts == input && share(s.Budgets[2]) > share(tokens) {
		tokens = s.Budgets[2] // what binds more
	}
	what := "tokens"
	if tokens.Counts != "" {
		what = tokens.Counts + " tokens"
	}
	if p.narrow {
		return fmt.Sprintf("%s of %s %s  ETA %s", thousands(tokens.Used), thousands(tokens.Tokens), what, eta(s, left))
	}
	return fmt.Sprintf("last minute %6s of %s %s, %3s of %s requests%s  in flight %2d of %-2d  ETA %s%s",
		thousands(tokens.Used), thousands(tokens.Tokens), what, thousands(requests.Used), thousands(requests.Tokens),
		spentOf(s), s.InFlight, s.Concurrency, eta(s, left), waits(s))
}

// share is how much of a budget is used.
func share(b pipeline.BudgetSnapshot) float64 { return float64(b.Used) / float64(b.Tokens) }

// spentOf says what is spent of the money, if that is bounded.
func spentOf(s pipeline.Snapshot) string {
	if b := s.Budgets[len(s.Budgets)-1]; b.Counts == money {
		return fmt.Sprintf(", %s of %s", inDollars(b.Used), inDollars(b.Tokens))
	}
	return ""
}

// waits says what the next prompt waits for, if that may take long.
func waits(s pipeline.Snapshot) string {
	switch s.HeldBy {
	case pipeline.HeldByBudget:
		return "  waits for the quota"
	case pipeline.HeldByServer:
		return "  waits as the server says"
	}
	return ""
}

// eta is how long it takes until the quotas have room for what is left, if that is longer than at the pace of recent answers: they come
// quickly until a quota is used up, and then not at all for a while.
func eta(s pipeline.Snapshot, left int) string {
	if s.Completed == 0 || s.ETA < 0 {
		return "?"
	}
	longest := s.ETA
	for _, b := range s.Budgets {
		needed := int64(left)
		switch {
		case b.Window == pipeline.Forever:
			continue
		case b.Counts != "":
			needed *= b.Mean
		case !b.Requests:
			needed = needed * s.Tokens / s.Completed
		}
		longest = max(longest, time.Duration(float64(needed-b.Remaining)/float64(b.Tokens)*float64(b.Window)))
	}
	return longest.Round(time.Second).String()
}

func thousands[N int | int64](n N) string { return humanize.Comma(int64(n)) }
