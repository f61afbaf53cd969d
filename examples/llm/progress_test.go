package main

import (
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestElsewhereThanOnATerminalALineNowAndThen(t *testing.T) {
	var out strings.Builder
	start := time.Unix(100, 0)
	p := newProgress(&out, 1_000, 100, start)
	s := pipeline.Snapshot{
		Concurrency: 12, InFlight: 7, ETA: 9 * time.Second, Completed: 100, Tokens: 20_000,
		Budgets: []pipeline.BudgetSnapshot{
			{Budget: pipeline.Budget{Tokens: 500, Window: time.Minute, Requests: true}, Used: 100, Remaining: 400},
			{Budget: pipeline.Budget{Tokens: 30_000, Window: time.Minute}, Used: 20_000, Remaining: 10_000},
		},
	}
	for i := 1; i <= 20; i++ {
		p.show(start.Add(time.Duration(i)*beat), s, 100+10*i)
	}
	p.end(300)
	// 820 answers of 200 tokens are 164,000, 154,000 more than there is room for now: 5m8s at 30,000 a minute.
	want := "  2.0s    180 of 1,000  last minute 20,000 of 30,000 tokens, 100 of 500 requests  in flight  7 of 12  ETA 5m8s\n" +
		"  4.0s    260 of 1,000  last minute 20,000 of 30,000 tokens, 100 of 500 requests  in flight  7 of 12  ETA 4m36s\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}

func TestETAIsThatOfWhateverTakesLongest(t *testing.T) {
	budget := func(requests bool, remaining int64) pipeline.BudgetSnapshot {
		return pipeline.BudgetSnapshot{Budget: pipeline.Budget{Tokens: 60, Window: time.Minute, Requests: requests}, Remaining: remaining}
	}
	for want, s := range map[string]pipeline.Snapshot{
		"?":     {ETA: 9 * time.Second},
		"9s":    {ETA: 9 * time.Second, Completed: 1, Tokens: 1, Budgets: []pipeline.BudgetSnapshot{budget(true, 60), budget(false, 60)}},
		"40s":   {ETA: 9 * time.Second, Completed: 1, Tokens: 1, Budgets: []pipeline.BudgetSnapshot{budget(true, 10), budget(false, 60)}},
		"1m30s": {ETA: 9 * time.Second, Completed: 1, Tokens: 2, Budgets: []pipeline.BudgetSnapshot{budget(true, 10), budget(false, 10)}},
		"2m0s":  {ETA: 2 * time.Minute, Completed: 1, Tokens: 2, Budgets: []pipeline.BudgetSnapshot{budget(true, 10), budget(false, 10)}},
	} {
		if got := eta(s, 50); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
