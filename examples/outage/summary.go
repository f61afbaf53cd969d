package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// tally is what became of the prompts. Each that was asked is counted once.
type tally struct {
	prompts   int
	answered  int
	faulty    int // not to be repeated
	exhausted int // gave up after retries
	rejected  int // by the circuit
	left      int // not asked, since we were interrupted

	attempts int
	open     time.Duration // the circuit was, or half-open
	took     time.Duration
	seen     *seen // as the embedded service counted; nil for another one
}

// count takes the outcome of a prompt and names it.
func (t *tally) count(err error) string {
	var open *pipeline.CircuitOpenError
	switch {
	case err == nil:
		t.answered++
		return "answered"
	case errors.As(err, &open):
		t.rejected++
		return "rejected"
	case exhausted(err):
		t.exhausted++
		return "gave up"
	}
	t.faulty++
	return "faulty"
}

// accounted says whether every prompt has come to an end, and the service saw
// the same as we did.
func (t tally) accounted() bool {
	ended := t.answered + t.faulty + t.exhausted + t.rejected
	same := t.seen == nil || t.seen.calls == t.attempts && t.seen.answered == t.answered &&
		t.seen.invalid == t.faulty && t.unheard() == t.rejected
	return t.left == 0 && ended == t.prompts && same
}

// unheard is how many prompts that were asked the service never heard of.
func (t tally) unheard() int { return t.prompts - t.left - t.seen.prompts }

// lost is how many prompts the outage cost.
func (t tally) lost() int { return t.exhausted + t.rejected }

// both are the two halves of the story.
type both struct{ calls, piped tally }

func (b both) complete() bool {
	return b.calls.accounted() && b.piped.accounted() && b.calls.answered > 0 && b.piped.lost() == 0
}

func (b both) print(out io.Writer) {
	row := func(name string, of func(tally) any) {
		fmt.Fprintf(out, "%-26s %12v %10v\n", name, of(b.calls), of(b.piped))
	}
	fmt.Fprintf(out, "\n%-26s %12s %10s\n", "", "single calls", "pipeline")
	row("prompts", func(t tally) any { return t.prompts })
	row("answered", func(t tally) any { return t.answered })
	row("faulty, not repeated", func(t tally) any { return t.faulty })
	row("gave up after retries", func(t tally) any { return t.exhausted })
	row("rejected by the circuit", func(t tally) any { return t.rejected })
	row("not asked", func(t tally) any { return t.left })
	row("attempts", func(t tally) any { return t.attempts })
	row("circuit open", func(t tally) any { return seconds(t.open) })
	row("time", func(t tally) any { return seconds(t.took) })
	if b.calls.seen != nil && b.piped.seen != nil {
		row("calls the service saw", func(t tally) any { return t.seen.calls })
		row("  too fast: 429", func(t tally) any { return t.seen.refused })
		row("  while down: 503", func(t tally) any { return t.seen.down })
		row("prompts it never heard of", func(t tally) any { return t.unheard() })
	}
	b.conclude(out)
}

func (b both) conclude(out io.Writer) {
	if b.calls.left+b.piped.left > 0 {
		fmt.Fprintln(out, "\nInterrupted: what was begun was finished, the rest was not asked.")
		return
	}
	fmt.Fprintf(out, "\nAs single calls, %d prompts were lost: %d tried in vain, and %d that the circuit kept from the service.\n",
		b.calls.lost(), b.calls.exhausted, b.calls.rejected)
	fmt.Fprintf(out, "Through the pipeline, %d were lost: it waits until the service is there again.\n", b.piped.lost())
	if b.complete() {
		fmt.Fprintln(out, "Every prompt is accounted for, here and there.")
	} else {
		fmt.Fprintln(out, "NOT ALL IS WELL: prompts were lost, or our counts and the service's differ.")
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
