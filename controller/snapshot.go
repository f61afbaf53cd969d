package controller

import (
	"fmt"
	"time"
)

// State is what a throttle is doing.
type State int

// The states of a throttle.
const (
	Running     State = iota // work passes
	Cooling                  // after a cut: no growth yet
	CircuitOpen              // the circuit is open or half-open
	Draining                 // closed, and what was taken is being finished
	Closed                   // closed, and nothing is in flight
	Down                     // the service is taken for down: one attempt now and then asks whether it is back
)

func (s State) String() string {
	switch s {
	case Running:
		return "running"
	case Cooling:
		return "cooling"
	case CircuitOpen:
		return "circuit_open"
	case Draining:
		return "draining"
	case Closed:
		return "closed"
	case Down:
		return "down"
	}
	return fmt.Sprintf("state(%d)", int(s))
}

// A Snapshot is a throttle at one moment.
type Snapshot struct {
	State          State
	Circuit        CircuitState
	CircuitOpenFor time.Duration // until an open circuit is half-open; 0: it is not open

	Concurrency    int // the limit in force
	MaxConcurrency int // the highest it may get
	InFlight       int // attempts that are running
	Waiting        int // jobs that were taken and wait for an attempt, their first or another
	SetAside       int // of these, that are refused while others are accepted, and wait until there is nothing else to do, or for a minute or more
	SafeCeiling    int // where growth stops for now

	DispatchInterval time.Duration // in force: the policy's, or that of a server's quota that flows back, if that holds attempts up
	PausedFor        time.Duration // nothing starts for so long, because a server asked for that or has nothing left; 0: it did not
	Quota            string        // which quota of the server's is used up, such as requests or tokens, if that is why nothing starts

	Completed int64 // jobs that succeeded
	Failed    int64 // jobs that ended with an error, but for those that were broken off with their run or by their caller
	Retries   int64 // attempts beyond the first ones that have ended
	Hedges    int64 // second attempts beside others that have ended
	Total     int64 // jobs expected; 0: unknown

	Attempts    AttemptCounts // that have ended
	LastRefused int64         // of these, the last ones, after one that was not refused
	Tokens      int64         // that were recorded, since the throttle was made
	Used        Amounts       // that were recorded by name, since then; nil: none were

	Reason      Reason    // why limit and interval are what they are
	LastError   error     // of the last attempt that failed or was refused; nil: none did
	LastErrorAt time.Time // when that attempt ended

	HeldBy Hold      // what keeps the next attempt from starting
	Held   HeldTimes // the same, for how long in all

	FailureCount int     // in the policy's window, or the last minute
	Percentage   float64 // of jobs done, 0 to 100; 0 if Total is unknown

	// ETA is what is left of a pause, an open circuit or a budget's wait, and the rest at
	// the rate before it, or as budgets allow; negative if unknown, or closed.
	ETA time.Duration

	TokensUsed      int64 // of the first budget, within its window
	TokensRemaining int64 // of the first budget; -1 without one
	Budgets         []BudgetSnapshot

	Limiters []Limiter // that the server tells of; not to be changed

	DroppedEvents int64 // events that came faster than OnEvent took them
}

// leastRefusing is how many attempts in a row are refused at least before the service is said to refuse
// everything. Chosen: by chance so many hardly are.
const leastRefusing = 10

// Refusing reports whether the service refuses everything at the moment: as many attempts in a row as may be in flight,
// and at least ten.
func (s Snapshot) Refusing() bool {
	return s.LastRefused >= max(leastRefusing, int64(s.Concurrency)) && (s.State == Running || s.State == Cooling)
}

// AttemptCounts are attempts by their verdicts.
type AttemptCounts struct {
	Succeeded, Failed, Overloaded, Ignored int64
}

// Add counts an attempt.
func (c *AttemptCounts) Add(v Verdict) {
	switch v {
	case Succeeded:
		c.Succeeded++
	case Overload:
		c.Overloaded++
	case Ignored:
		c.Ignored++
	default:
		c.Failed++
	}
}

// A BudgetSnapshot is a budget at one moment.
type BudgetSnapshot struct {
	Budget
	Used      int64 // used or reserved within the window
	Remaining int64
	Mean      int64 // what an attempt used of it recently, or of requests 1; 0: not known
}
