package paceterm

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestTheRateIsThatOfLate(t *testing.T) {
	start := time.Unix(100, 0)
	m := newMeter(start, pipeline.Snapshot{Completed: 1000})
	var got float64
	for i := 1; i <= 40; i++ {
		done := int64(1000 + 100*min(i, 20) + 10*max(i-20, 0))
		got = m.rate(start.Add(time.Duration(i)*beat), pipeline.Snapshot{Completed: done - 5, Failed: 5})
	}
	if got != 40 {
		t.Errorf("got %v/s, want 40/s, that of the last two seconds", got)
	}
	if len(m.samples) > 10 {
		t.Errorf("keeps %d samples", len(m.samples))
	}
}

func TestTheFullestBudgetIsTold(t *testing.T) {
	b := func(name string, used, tokens int64, window time.Duration, requests bool) pipeline.BudgetSnapshot {
		return pipeline.BudgetSnapshot{Budget: pipeline.Budget{Name: name, Tokens: tokens, Window: window, Requests: requests}, Used: used}
	}
	for want, budgets := range map[string][]pipeline.BudgetSnapshot{
		"minute 41.2k of 55k/10s":   {b("day", 10, 1000, 24*time.Hour, false), b("minute", 41_234, 55_000, 10*time.Second, false)},
		"requests     7 of 500/min": {b("", 7, 500, time.Minute, true)},
		"tokens 9,999 of 10M/day":   {b("", 9999, 10_000_000, 24*time.Hour, false)},
		"hour  1.5G of 2G/h":        {b("hour", 1_500_000_000, 2_000_000_000, time.Hour, false)},
		"tokens     0 of 3/s":       {b("", 0, 3, time.Second, false)},
		"tokens    12 of 10/2m0s":   {b("", 12, 10, 2*time.Minute, false)},
	} {
		if got := budget(*fullest(budgets)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	spent := pipeline.BudgetSnapshot{Budget: pipeline.Budget{Counts: "microdollars", Tokens: 5_000_000, Window: pipeline.Forever}, Used: 1_250_000}
	if got, want := budget(spent), "microdollars 1.25M of 5M"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if fullest(nil) != nil {
		t.Error("got a budget where there is none")
	}
}

func TestTheStateTellsWhatIsTheMatter(t *testing.T) {
	for want, s := range map[string]pipeline.Snapshot{
		"":             {},
		"circuit open": {State: pipeline.CircuitOpen, Circuit: pipeline.BreakerOpen},
		"half-open":    {State: pipeline.CircuitOpen, Circuit: pipeline.BreakerHalfOpen},
		"paused 3s":    {PausedFor: 2900 * time.Millisecond},
		"draining":     {State: pipeline.Draining},
		"down":         {State: pipeline.Down},
	} {
		if got := state(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestThatItIsDownIsSaidOnce(t *testing.T) {
	for want, s := range map[string]pipeline.Snapshot{
		"   0/s  limit  1  down":                {Concurrency: 1, State: pipeline.Down, Reason: pipeline.ReasonDown},
		"   0/s  limit  1  trial":               {Concurrency: 1, Reason: pipeline.ReasonTrial},
		"   0/s  limit  1  trial  circuit open": {Concurrency: 1, Reason: pipeline.ReasonTrial, State: pipeline.CircuitOpen},
	} {
		if got := fit(parts(0, s), 200); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheLastErrorIsToldWhileNothingWorks(t *testing.T) {
	works := pipeline.AttemptCounts{Succeeded: 1}
	long := errors.New("connection\n  refused " + strings.Repeat("by the server ", 10))
	for want, s := range map[string]pipeline.Snapshot{
		"":    {LastError: io.EOF, Attempts: works},
		"EOF": {LastError: io.EOF},
		"connection refused by the server by the…": {LastError: long, Attempts: works, State: pipeline.Down},
		"paceterm.explosive":                       {LastError: explosive{}, Attempts: works, State: pipeline.CircuitOpen},
	} {
		if got := trouble(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// explosive is an error whose text nobody gets.
type explosive struct{}

func (explosive) Error() string { panic("oh") }

func TestTheLineSaysWhyTheLimitIsWhatItIs(t *testing.T) {
	all := parts(1, pipeline.Snapshot{Concurrency: 4, Reason: pipeline.ReasonQueueing, LastError: io.EOF})
	if got, want := fit(all, 100), " 1.0/s  limit  4  queueing  EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatMattersLeastIsLeftOutFirst(t *testing.T) {
	all := []part{{"aaaa", 0}, {"bb", 2}, {"cc", 1}}
	for room, want := range map[int]string{100: "aaaa  bb  cc", 12: "aaaa  bb  cc", 11: "aaaa  cc", 7: "aaaa", 4: "aaaa", 3: "", -5: ""} {
		if got := fit(all, room); got != want {
			t.Errorf("%d columns: got %q, want %q", room, got, want)
		}
	}
}
