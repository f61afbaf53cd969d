package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestChangesOfPaceAreSummedUp(t *testing.T) {
	start := time.Unix(100, 0)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	setting := func(limit int, interval time.Duration) pipeline.Setting {
		return pipeline.Setting{Limit: limit, Interval: interval}
	}
	var h history
	for _, e := range []pipeline.Event{
		{Kind: pipeline.EventDecelerated, At: at(1), From: setting(64, 0), To: setting(32, 2*time.Millisecond)},
		{Kind: pipeline.EventCoolingStarted, At: at(1), Wait: time.Second},
		{Kind: pipeline.EventRetry, At: at(1.1)},
		{Kind: pipeline.EventReaccelerated, At: at(2), From: setting(32, 2*time.Millisecond), To: setting(33, time.Millisecond)},
		{Kind: pipeline.EventRetry, At: at(2.1)},
		{Kind: pipeline.EventBudgetExhausted, At: at(2.2), Wait: 100 * time.Millisecond},
		{Kind: pipeline.EventBudgetRestored, At: at(2.3)},
		{Kind: pipeline.EventReaccelerated, At: at(2.5), From: setting(33, time.Millisecond), To: setting(34, 0)},
		{Kind: pipeline.EventBudgetExhausted, At: at(2.6), Wait: 100 * time.Millisecond},
		{Kind: pipeline.EventBudgetExhausted, At: at(3.7), Wait: 200 * time.Millisecond},
		{Kind: pipeline.EventCircuitOpened, At: at(4), Wait: time.Second},
		{Kind: pipeline.EventReaccelerated, At: at(5), From: setting(34, time.Second), To: setting(34, time.Second-1)},
		{Kind: pipeline.EventDecelerated, At: at(6), From: setting(34, 0), To: pipeline.Setting{Limit: 17, Reason: pipeline.ReasonRefusedLimit}},
		{Kind: pipeline.EventDown, At: at(7), From: setting(17, 0), To: pipeline.Setting{Limit: 1, Reason: pipeline.ReasonDown}, Err: errors.New("503")},
		{Kind: pipeline.EventBack, At: at(8), From: setting(1, 0), To: pipeline.Setting{Limit: 1, Reason: pipeline.ReasonBack}},
	} {
		h.add(e)
	}
	var out strings.Builder
	h.print(&out, start)
	want := `pace       changed 4 times: limit 64 → 17, interval 0s → 0s (from 0s to 2ms)
           why: refused at this many 1
throttle   retried 2 times
    2.20s  budget_exhausted 2 times in 400ms
    3.70s  budget_exhausted for 200ms
    4.00s  circuit_opened for 1s
    7.00s  down: limit 17 → 1: 503
    8.00s  back
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestHistoryOfALongRunIsBounded(t *testing.T) {
	var h history
	for range 10_000 {
		h.add(pipeline.Event{Kind: pipeline.EventCircuitOpened})
		h.add(pipeline.Event{Kind: pipeline.EventCircuitClosed})
	}
	if len(h.steps) != mostSteps || h.beyond == 0 {
		t.Errorf("got %d steps and %d events beyond, want %d and the rest", len(h.steps), h.beyond, mostSteps)
	}
}

func TestTheFirstPaceIsNoSlowingDown(t *testing.T) {
	var h history
	h.add(pipeline.Event{
		Kind: pipeline.EventDecelerated, From: pipeline.Setting{Limit: 1},
		To: pipeline.Setting{Limit: 6, Interval: 4300 * time.Microsecond, Reason: pipeline.ReasonStart},
	})
	var out strings.Builder
	h.print(&out, time.Time{})
	if got, want := out.String(), "pace       changed 1 time: limit 1 → 6, interval 0s → 4.3ms\n           why: start 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoLineTellsOfNothing(t *testing.T) {
	same := pipeline.Setting{Limit: 64, Interval: 1_900_000, Reason: pipeline.ReasonTrial}
	almost := same
	almost.Interval++
	var h history
	h.add(pipeline.Event{Kind: pipeline.EventDecelerated, From: same, To: almost})
	h.add(pipeline.Event{Kind: pipeline.EventReaccelerated, From: almost, To: same})
	var out strings.Builder
	if h.print(&out, time.Time{}); out.Len() != 0 {
		t.Errorf("got %q, want nothing", out.String())
	}
}
