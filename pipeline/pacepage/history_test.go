package pacepage

import (
	"math"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// past returns the history of samples, one a second.
func past(samples int, at func(i int) pipeline.Snapshot) *history {
	var h history
	var before *sample
	for i := range samples {
		s := sample{time.Unix(int64(1000+i), 0), at(i)}
		h.add(int64(i+1), bucketOf(s, before))
		before = &s
	}
	return &h
}

func TestAnHourTakesNoMoreRoomThanItsSteps(t *testing.T) {
	h := past(10_000, func(i int) pipeline.Snapshot { return pipeline.Snapshot{Concurrency: i} })
	for i, want := range []int{60, 300, 360} {
		if len(h[i]) != want || cap(h[i]) > 2*want {
			t.Errorf("%v back: got %d buckets in room for %d, want %d", spans[i].back, len(h[i]), cap(h[i]), want)
		}
		if first, last := h[i][0].at, h[i][want-1].at; last.Sub(first) != time.Duration(want-1)*spans[i].step() {
			t.Errorf("%v back: got buckets from %v to %v", spans[i].back, first, last)
		}
	}
}

func TestAStepIsTheMeanOfItsSamples(t *testing.T) {
	h := past(21, func(i int) pipeline.Snapshot {
		return pipeline.Snapshot{
			Concurrency: 10 + i%2, InFlight: i, DispatchInterval: time.Duration(i) * time.Millisecond,
			Completed: int64(7 * i), Attempts: pipeline.AttemptCounts{Overloaded: int64(2 * i), Failed: int64(i)},
			Held:    pipeline.HeldTimes{Pace: time.Duration(i) * 250 * time.Millisecond},
			Budgets: []pipeline.BudgetSnapshot{{Budget: pipeline.Budget{Tokens: 100}, Used: int64(i)}},
		}
	})
	hour := h[2]
	d := historyOf(hour[len(hour)-2:], 1) // samples 9 to 18, and the rest
	for name, got := range map[string][2]figure{
		"limit": {d.Concurrency[0], 10.5}, "in flight": {d.InFlight[0], 13.5}, "interval": {d.DispatchInterval[0], 0.0135},
		"goodput": {d.Goodput[0], 7}, "refused": {d.Refused[0], 2}, "failed": {d.Failed[0], 1},
		"held by the pace": {d.Held.Pace[0], 0.25}, "held by the limit": {d.Held.Limit[0], 0}, "budget, at its end": {d.Budgets[0][0], 0.18},
	} {
		if math.Abs(float64(got[0]-got[1])) > 1e-6 {
			t.Errorf("%s: got %v, want %v", name, got[0], got[1])
		}
	}
	if minute := historyOf(h[0], 1); minute.Budgets[0][20] != figure(float32(0.2)) || minute.Budgets[0][3] != figure(float32(0.03)) {
		t.Errorf("got %v a second, want what was used in each", minute.Budgets)
	}
}

func TestTheFirstSampleHasNoRate(t *testing.T) {
	d := historyOf(past(1, func(int) pipeline.Snapshot { return pipeline.Snapshot{Completed: 1000} })[0], 0)
	if text, _ := d.Goodput[0].MarshalJSON(); string(text) != "null" {
		t.Errorf("got %s, want null: nobody knows how long that took", text)
	}
}

func TestTheWorstOfTheCircuitIsKept(t *testing.T) {
	states := []pipeline.CircuitState{pipeline.BreakerClosed, pipeline.BreakerOpen, pipeline.BreakerHalfOpen, pipeline.BreakerClosed}
	h := past(19, func(i int) pipeline.Snapshot {
		if i >= 9 && i < 13 {
			return pipeline.Snapshot{Circuit: states[i-9]}
		}
		return pipeline.Snapshot{}
	})
	d := historyOf(h[2], 0)
	if d.Circuit[0] != "closed" || d.Circuit[1] != "open" {
		t.Errorf("got %v, want closed, open", d.Circuit)
	}
}

func TestSleepLeavesAGap(t *testing.T) {
	var r ring
	at := time.Unix(1000, 0)
	for i, after := range []time.Duration{0, time.Second, 2 * time.Second, time.Hour, time.Hour + time.Second} {
		r.add(spans[0], int64(i+1), bucketOf(sample{at: at.Add(after), Snapshot: pipeline.Snapshot{Concurrency: 5}}, nil))
	}
	d := historyOf(r, 0)
	if len(d.T) != 6 || !math.IsNaN(float64(d.Concurrency[3])) || d.T[3] != 1003 || d.T[4] != 4600 {
		t.Errorf("got %v at %v, want nothing after the third", d.Concurrency, d.T)
	}
	if new := r.since(4); len(new) != 3 {
		t.Errorf("got %d buckets since the gap, want it and the two behind it", len(new))
	}
}

func TestOtherBudgetsHaveAnotherHistory(t *testing.T) {
	w := &watched{}
	for i, name := range []string{"day", "day", "minute"} {
		w.take(int64(i+1), sample{time.Unix(int64(i+1), 0), pipeline.Snapshot{
			Budgets: []pipeline.BudgetSnapshot{{Budget: pipeline.Budget{Name: name, Tokens: 10}, Used: 5}},
		}})
	}
	d := historyOf(w.history[0], 1)
	if got := d.Budgets[0]; !math.IsNaN(float64(got[0])) || !math.IsNaN(float64(got[1])) || got[2] != 0.5 {
		t.Errorf("got %v, want what was used of the budget of the name minute", got)
	}
}
