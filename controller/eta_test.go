package controller

import (
	"math"
	"testing"
	"time"
)

// Ten of a hundred are done in ten seconds, so the rest takes ninety.
func TestETACountsWhatHoldsTheRestUp(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name   string
		status Status
		want   time.Duration
	}{
		{"nothing", Status{}, 90 * s},
		{"a pause", Status{PausedFor: 5 * s}, 95 * s},
		{"an open circuit", Status{OpenFor: 7 * s}, 97 * s},
		{"something else", Status{HoldFor: 9 * s}, 99 * s},
		{"all at once, which end with the longest", Status{PausedFor: 5 * s, OpenFor: 7 * s, HoldFor: 9 * s}, 99 * s},
		{"for ever", Status{PausedFor: math.MaxInt64}, math.MaxInt64},
		{"for nearly ever", Status{PausedFor: math.MaxInt64 - 90*s}, math.MaxInt64},
		{"a quota that flows back slowly", Status{Interval: 2 * s}, 180 * s},
		{"a quota that has been used by those in flight", Status{Interval: 2 * s, InFlight: 10}, 160 * s},
		{"a quota that is used by none", Status{Interval: 2 * s, InFlight: 91}, 90 * s},
		{"a quota that flows back quickly", Status{Interval: s / 2}, 90 * s},
		{"a quota that hardly flows back", Status{Interval: math.MaxInt64}, math.MaxInt64},
		{"a budget of requests", Status{MeanTokens: 5, Budgets: []BudgetSnapshot{
			{Budget: Budget{Tokens: 10, Window: 30 * s, Requests: true}, Remaining: 30},
		}}, 180 * s},
		{"a budget of tokens", Status{MeanTokens: 2, Budgets: []BudgetSnapshot{
			{Budget: Budget{Tokens: 10, Window: 30 * s}, Remaining: 30},
		}}, 450 * s},
		{"a budget that is enough", Status{MeanTokens: 2, Budgets: []BudgetSnapshot{
			{Budget: Budget{Tokens: 1, Window: time.Hour}, Remaining: 180},
		}}, 90 * s},
		{"a budget that is not quite enough", Status{MeanTokens: 2, Budgets: []BudgetSnapshot{
			{Budget: Budget{Tokens: 1, Window: time.Hour}, Remaining: 179},
		}}, time.Hour},
		{"the tighter of two budgets", Status{MeanTokens: 2, Budgets: []BudgetSnapshot{
			{Budget: Budget{Tokens: 10, Window: 30 * s}, Remaining: 30},
			{Budget: Budget{Tokens: 10, Window: 30 * s}, Remaining: 60},
		}}, 450 * s},
		{"the end", Status{Closed: true}, -1},
	} {
		c.status.Completed, c.status.Since = 10, t0
		controller := New(Config{Policy: Static{}, Bounds: obeyed, TotalJobs: 100}, t0)
		if got := snapshotOf(controller, &Report{Now: t0.Add(10 * s), Status: c.status}).ETA; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestETAOfWhatIsDoneOrUnknownIsNotChangedByAPause(t *testing.T) {
	for _, c := range []struct {
		total int
		want  time.Duration
	}{{10, 0}, {0, -1}} {
		controller := New(Config{Policy: Static{}, Bounds: obeyed, TotalJobs: c.total}, t0)
		r := &Report{Now: t0.Add(time.Second), Status: Status{Completed: 10, Since: t0, PausedFor: time.Hour}}
		if got := snapshotOf(controller, r).ETA; got != c.want {
			t.Errorf("10 of %d: %v, want %v", c.total, got, c.want)
		}
	}
}

func TestETADoesNotCountLongHolds(t *testing.T) {
	c := New(Config{Policy: Static{}, Bounds: obeyed, TotalJobs: 100}, t0)
	r := &Report{Now: t0.Add(time.Hour + 10*time.Second), Status: Status{Completed: 10, Since: t0, LongHolds: time.Hour}}
	if got := snapshotOf(c, r).ETA; got != 90*time.Second {
		t.Errorf("got %v, want 90 s, as if there had been no hour of waiting", got)
	}
}
