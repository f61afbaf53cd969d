package controller

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// String says in a sentence what the throttle does, how far it is, and what holds it up:
//
//	running: 1200 of 8000 done, 3 failed; 23 in flight, at most 23; all places are taken (refused at this many); about 2m10s left
//	running: nothing done yet, 10 failed; 5 in flight, at most 5; last error: connection refused
//	refused: 30 done, 41 attempts refused, the last 38 in a row; 1 in flight, at most 2; last error: 429
func (s Snapshot) String() string {
	state := s.State.String()
	if s.Refusing() {
		state = "refused"
	}
	parts := []string{state + ": " + s.doneSoFar()}
	if s.State != Closed {
		parts = append(parts, fmt.Sprintf("%d in flight, at most %d", s.InFlight, s.Concurrency))
		if s.SetAside > 0 {
			parts = append(parts, fmt.Sprintf("%d set aside, since they are refused while others are accepted", s.SetAside))
		}
		if why := s.heldUp(); why != "" {
			parts = append(parts, why)
		}
		if s.ETA > 0 {
			parts = append(parts, fmt.Sprintf("about %v left", rounded(s.ETA)))
		}
	}
	if s.LastError != nil && (s.State == Down || s.State == CircuitOpen || s.Refusing() || s.Attempts.Succeeded == 0) {
		parts = append(parts, "last error: "+s.LastError.Error())
	}
	return strings.Join(parts, "; ")
}

// doneSoFar says how many jobs are done.
func (s Snapshot) doneSoFar() string {
	done := fmt.Sprintf("%d done", s.Completed)
	switch {
	case s.Total > 0:
		done = fmt.Sprintf("%d of %d done", s.Completed, s.Total)
	case s.Completed == 0:
		done = "nothing done yet"
	}
	if s.Failed > 0 {
		done += fmt.Sprintf(", %d failed", s.Failed)
	}
	if s.Attempts.Overloaded > 0 {
		done += fmt.Sprintf(", %d attempts refused", s.Attempts.Overloaded)
	}
	if s.Refusing() {
		done += fmt.Sprintf(", the last %d in a row", s.LastRefused)
	}
	return done
}

// heldUp says what keeps the next attempt from starting; nothing if it may.
func (s Snapshot) heldUp() string {
	switch s.HeldBy {
	case HeldByLimit:
		return "all places are taken" + s.because()
	case HeldByPace:
		return fmt.Sprintf("one attempt may start every %v%s", rounded(s.DispatchInterval), s.because())
	case HeldByBudget:
		for _, b := range s.Budgets {
			if name := cmp.Or(b.Name, b.Counts); b.Remaining <= 0 && name != "" {
				return fmt.Sprintf("the budget %s is used up", name)
			}
		}
		return "the budget does not suffice for the next job"
	case HeldByRate:
		return "the configured rate is reached"
	case HeldByCircuit:
		return fmt.Sprintf("the circuit is %v, for %v more", s.Circuit, rounded(s.CircuitOpenFor))
	case HeldByServer:
		switch {
		case s.PausedFor <= 0:
			return "what is left of a quota of the server's does not suffice for the next job"
		case s.Quota != "":
			return fmt.Sprintf("the server's quota of %s is used up, for %v more", s.Quota, rounded(s.PausedFor))
		}
		return fmt.Sprintf("the server asked for a pause, %v more", rounded(s.PausedFor))
	}
	return ""
}

// because adds why the limit and the pace are what they are.
func (s Snapshot) because() string {
	if s.Reason == NoReason {
		return ""
	}
	return " (" + s.Reason.String() + ")"
}

// rounded rounds a duration to about three digits, which is all that one reads of it.
func rounded(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 && unit < time.Second {
		unit *= 10
	}
	return d.Round(unit)
}
