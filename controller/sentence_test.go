package controller

import (
	"errors"
	"testing"
	"time"
)

func TestASnapshotIsASentence(t *testing.T) {
	refused := errors.New("connection refused")
	for want, s := range map[string]Snapshot{
		"running: nothing done yet; 0 in flight, at most 1": {Concurrency: 1, ETA: -1},
		"running: 1200 of 8000 done, 3 failed; 23 in flight, at most 23; all places are taken (refused at this many); about 2m10s left": {
			Completed: 1200, Total: 8000, Failed: 3, InFlight: 23, Concurrency: 23, HeldBy: HeldByLimit, Reason: ReasonRefusedLimit,
			ETA: 130*time.Second + 3*time.Millisecond, Attempts: AttemptCounts{Succeeded: 1200}, LastError: refused,
		},
		"running: 5 done; 1 in flight, at most 9; one attempt may start every 12.3ms (trial)": {
			Completed: 5, InFlight: 1, Concurrency: 9, HeldBy: HeldByPace, DispatchInterval: 12345678, Reason: ReasonTrial,
			Attempts: AttemptCounts{Succeeded: 5},
		},
		"running: nothing done yet, 10 failed; 5 in flight, at most 5; all places are taken; last error: connection refused": {
			Failed: 10, InFlight: 5, Concurrency: 5, HeldBy: HeldByLimit, LastError: refused,
		},
		"down: 7 done; 0 in flight, at most 1; last error: connection refused": {
			State: Down, Completed: 7, Concurrency: 1, Attempts: AttemptCounts{Succeeded: 7}, LastError: refused,
		},
		"running: 1 done; 0 in flight, at most 5; the budget tokens is used up": {
			Completed: 1, Concurrency: 5, HeldBy: HeldByBudget, Attempts: AttemptCounts{Succeeded: 1},
			Budgets: []BudgetSnapshot{{Budget: Budget{Name: "requests"}, Remaining: 4}, {Budget: Budget{Name: "tokens"}}},
		},
		"running: 1 done; 0 in flight, at most 5; the budget does not suffice for the next job": {
			Completed: 1, Concurrency: 5, HeldBy: HeldByBudget, Attempts: AttemptCounts{Succeeded: 1}, Budgets: []BudgetSnapshot{{Remaining: 4}},
		},
		"running: 1 done; 0 in flight, at most 5; the configured rate is reached": {
			Completed: 1, Concurrency: 5, HeldBy: HeldByRate, Attempts: AttemptCounts{Succeeded: 1},
		},
		"circuit_open: 1 done; 0 in flight, at most 5; the circuit is open, for 4.5s more; last error: connection refused": {
			State: CircuitOpen, Circuit: BreakerOpen, CircuitOpenFor: 4500 * time.Millisecond, Completed: 1, Concurrency: 5, HeldBy: HeldByCircuit,
			Attempts: AttemptCounts{Succeeded: 1}, LastError: refused,
		},
		"running: 1 done; 0 in flight, at most 5; the server asked for a pause, 10s more": {
			Completed: 1, Concurrency: 5, HeldBy: HeldByServer, PausedFor: 10 * time.Second, Attempts: AttemptCounts{Succeeded: 1},
		},
		"running: 1 done; 0 in flight, at most 5; the server's quota of tokens is used up, for 58s more": {
			Completed: 1, Concurrency: 5, HeldBy: HeldByServer, PausedFor: 58 * time.Second, Quota: "tokens", Attempts: AttemptCounts{Succeeded: 1},
		},
		"running: 1 done; 0 in flight, at most 5; what is left of a quota of the server's does not suffice for the next job": {
			Completed: 1, Concurrency: 5, HeldBy: HeldByServer, Attempts: AttemptCounts{Succeeded: 1},
		},
		"running: 8 done, 5 attempts refused; 1 in flight, at most 5; 2 set aside, since they are refused while others are accepted": {
			Completed: 8, InFlight: 1, Concurrency: 5, Waiting: 2, SetAside: 2, Attempts: AttemptCounts{Succeeded: 8, Overloaded: 5},
		},
		"running: 5 done, 2 failed, 7 attempts refused; 0 in flight, at most 4": {
			Completed: 5, Failed: 2, Concurrency: 4, ETA: -1, Attempts: AttemptCounts{Succeeded: 5, Overloaded: 7},
		},
		"refused: 5 done, 41 attempts refused, the last 38 in a row; 1 in flight, at most 4; last error: connection refused": {
			State: Cooling, Completed: 5, InFlight: 1, Concurrency: 4, Attempts: AttemptCounts{Succeeded: 5, Overloaded: 41}, LastRefused: 38, LastError: refused,
		},
		"running: 5 done, 41 attempts refused; 38 in flight, at most 39": { // as many as were in flight when it began
			Completed: 5, InFlight: 38, Concurrency: 39, Attempts: AttemptCounts{Succeeded: 5, Overloaded: 41}, LastRefused: 38, LastError: refused,
		},
		"running: 5 done, 9 attempts refused; 0 in flight, at most 1": {
			Completed: 5, Concurrency: 1, Attempts: AttemptCounts{Succeeded: 5, Overloaded: 9}, LastRefused: 9, LastError: refused,
		},
		"closed: 5 done": {State: Closed, Completed: 5, Concurrency: 4, ETA: -1, Attempts: AttemptCounts{Succeeded: 5}},
	} {
		if got := s.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
