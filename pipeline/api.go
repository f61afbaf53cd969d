package pipeline

import (
	"context"
	"time"

	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// What decides; see package controller.
type (
	Policy  = controller.Policy  // decides the limit and the interval from outcomes
	Law     = controller.Law     // a Policy at work
	Bounds  = controller.Bounds  // what a Policy stays within
	Setting = controller.Setting // what a Policy decided
	Outcome = controller.Outcome // what a Policy sees of an attempt
	Verdict = controller.Verdict // what an attempt's end tells about the service

	Static = controller.Static // the limit and the interval stay as configured
	AIMD   = controller.AIMD   // halve on failures, cool, grow step by step

	Budget  = controller.Budget  // tokens within a rolling window
	Rate    = controller.Rate    // attempts per second, with a burst
	Breaker = controller.Breaker // when to stop asking
	Retry   = controller.Retry   // when to try again
	Backoff = controller.Backoff // how the delay between attempts grows

	Snapshot       = controller.Snapshot       // a throttle at one moment
	BudgetSnapshot = controller.BudgetSnapshot // a budget at one moment
	State          = controller.State          // what a throttle is doing
	CircuitState   = controller.CircuitState   // what its circuit is doing
	Event          = controller.Event          // something that a throttle did
	EventKind      = controller.EventKind      // what an Event tells
)

// What moves; see package stage.
type (
	Slot = stage.Slot // an attempt's place among those in flight

	CircuitOpenError      = stage.CircuitOpenError      // the circuit is open
	RetriesExhaustedError = stage.RetriesExhaustedError // wraps the last attempt's error
	CostError             = stage.CostError             // more than a budget will ever have
	PanicError            = stage.PanicError            // a panic in the work
)

// How the delay between attempts grows.
const (
	Fixed             = controller.Fixed
	Exponential       = controller.Exponential
	ExponentialJitter = controller.ExponentialJitter
)

// What an attempt's end tells about the service.
const (
	Ignored   = controller.Ignored
	Failed    = controller.Failed
	Overload  = controller.Overload
	Succeeded = controller.Succeeded
)

// What a throttle is doing.
const (
	Running     = controller.Running
	Cooling     = controller.Cooling
	CircuitOpen = controller.CircuitOpen
	Draining    = controller.Draining
	Closed      = controller.Closed
)

// What a circuit is doing.
const (
	BreakerClosed   = controller.BreakerClosed
	BreakerOpen     = controller.BreakerOpen
	BreakerHalfOpen = controller.BreakerHalfOpen
)

// What an event tells.
const (
	EventDecelerated     = controller.EventDecelerated
	EventCoolingStarted  = controller.EventCoolingStarted
	EventReaccelerated   = controller.EventReaccelerated
	EventCeilingDecayed  = controller.EventCeilingDecayed
	EventCircuitOpened   = controller.EventCircuitOpened
	EventCircuitHalfOpen = controller.EventCircuitHalfOpen
	EventCircuitClosed   = controller.EventCircuitClosed
	EventBudgetExhausted = controller.EventBudgetExhausted
	EventBudgetRestored  = controller.EventBudgetRestored
	EventRetry           = controller.EventRetry
	EventClosed          = controller.EventClosed
	EventDraining        = controller.EventDraining
	EventDrained         = controller.EventDrained
)

// ErrClosed says that a throttle takes no new work.
var ErrClosed = stage.ErrClosed

// Fatal marks err: trying again is useless, and it is no sign of overload.
// Fatal(nil) is nil.
func Fatal(err error) error { return stage.Fatal(err) }

// Transient marks err: the job is tried again, whatever Retry.Retryable says
// of it. Transient(nil) is nil.
func Transient(err error) error { return stage.Transient(err) }

// Overloaded marks err: the service shed load and did no work. The job is
// tried again, not before retryAfter, without using up one of its attempts.
// An error of your own that has a method RetryAfter() time.Duration counts as
// overloaded too. Overloaded(nil, d) is nil.
func Overloaded(err error, retryAfter time.Duration) error {
	return stage.Overloaded(err, retryAfter)
}

// SlotFrom returns the slot of the attempt that ctx belongs to. Outside an
// attempt it returns one that records nothing. It never returns nil.
func SlotFrom(ctx context.Context) *Slot { return stage.SlotFrom(ctx) }
