package pipeline

import (
	"context"
	"time"

	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// What decides. The fields and their defaults are documented in package
// controller, which these types are from.
type (
	// A Policy decides how many attempts may be in flight and how far apart they
	// start: [Seek], [AIMD], [Static], or one of your own, which takes some thirty lines;
	// see [controller.Policy].
	Policy = controller.Policy

	// A Law is a Policy at work: a state machine that is given outcomes.
	Law = controller.Law

	// Bounds are what a Policy has to stay within.
	Bounds = controller.Bounds

	// A Setting is what a Policy decided: limit, interval, ceiling.
	Setting = controller.Setting

	// An Outcome is what a Policy sees of an attempt that has ended.
	Outcome = controller.Outcome

	// A Reason says why a Policy changed the limit or the interval.
	Reason = controller.Reason

	// A Verdict says what the end of an attempt tells about the service; see
	// [Config].Classify.
	Verdict = controller.Verdict

	// Seek is the Policy that finds the limit of the service, of attempts in flight
	// or of attempts a second, and stays just below it. Its fields:
	// [controller.Seek].
	Seek = controller.Seek

	// Static is the Policy that leaves limit and interval as configured.
	Static = controller.Static

	// AIMD is the Policy that halves the limit and doubles the interval when 3
	// attempts fail within a minute, cools for a minute, and grows again step by
	// step. Its fields: [controller.AIMD].
	AIMD = controller.AIMD

	// A Budget is a number of tokens, or of requests, that attempts may use within
	// a rolling window. Of tokens it only knows what it is told, by Cost or
	// RecordTokens. Beyond the process it is remembered by a Checkpoint only. Its fields:
	// [controller.Budget].
	Budget = controller.Budget

	// Rate is a fixed limit of attempts per second, with a burst. Its fields:
	// [controller.Rate].
	Rate = controller.Rate

	// Breaker stops asking a service that does not answer: after 10 jobs in a row
	// that failed or were refused, or when they are 80% of at least 100 within a
	// minute, for 30 s, then one probe. Its fields: [controller.Breaker].
	Breaker = controller.Breaker

	// Retry tries failed jobs again: up to 3 attempts, after a random share of 1 s,
	// 2 s, 4 s … up to 60 s, and refusals for 15 min. Its fields:
	// [controller.Retry].
	Retry = controller.Retry

	// Backoff is how the delay between attempts grows.
	Backoff = controller.Backoff

	// A Snapshot is a throttle at one moment. Its fields: [controller.Snapshot].
	Snapshot = controller.Snapshot

	// A Checkpoint is what a throttle of another process can go on from; see
	// [Throttle.Checkpoint]. Its fields: [stage.Checkpoint].
	Checkpoint = stage.Checkpoint

	// A BudgetSnapshot is a budget at one moment.
	BudgetSnapshot = controller.BudgetSnapshot

	// AttemptCounts are attempts by their verdicts.
	AttemptCounts = controller.AttemptCounts

	// Hold is what keeps the next attempt from starting.
	Hold = controller.Hold

	// HeldTimes say for how long, in all, each of them has.
	HeldTimes = controller.HeldTimes

	// State is what a throttle is doing.
	State = controller.State

	// CircuitState is what the circuit of a throttle is doing.
	CircuitState = controller.CircuitState

	// A Hint is what a server said of its limits, for [Slot].Hint. Its fields:
	// [controller.Hint].
	Hint = controller.Hint

	// An Event is something that a throttle did. Its fields: [controller.Event].
	Event = controller.Event

	// EventKind is what an Event tells.
	EventKind = controller.EventKind
)

// What moves. These types are from package stage.
type (
	// A Slot is one attempt's place among those in flight: its number for
	// idempotency keys (Attempt), what it used (RecordTokens), what the server said
	// of its limits (Hint), and for slots from Acquire, its end (Release). Its
	// methods: [stage.Slot].
	Slot = stage.Slot

	// A CircuitOpenError says that the circuit is open and when to come again.
	// Execute, Wrap and Acquire return it. No job of a pipeline gets it: while the
	// circuit is open, they wait.
	CircuitOpenError = stage.CircuitOpenError

	// A RetriesExhaustedError wraps the error of the last attempt of a job that has
	// used up its attempts, or was refused for too long.
	RetriesExhaustedError = stage.RetriesExhaustedError

	// A CostError says that a job costs more than a budget will ever have.
	CostError = stage.CostError

	// A WeightError says that a job counts for more calls than the rate's burst has
	// room for.
	WeightError = stage.WeightError

	// A PauseError says that a server asked for a longer pause than MaxPause. It stands
	// beside the error of the job that the server refused.
	PauseError = stage.PauseError

	// A PanicError is a panic in the work, with its Stack, turned into the job's
	// error.
	PanicError = stage.PanicError
)

// How the delay between attempts grows.
const (
	Fixed             = controller.Fixed             // BaseDelay each time
	Exponential       = controller.Exponential       // times Multiplier each time
	ExponentialJitter = controller.ExponentialJitter // a random share of Exponential's
)

// What an attempt's end tells about the service.
const (
	Ignored   = controller.Ignored   // nothing: a caller's mistake, a cancelled context
	Failed    = controller.Failed    // the service failed
	Overload  = controller.Overload  // the service sheds load and did no work
	Succeeded = controller.Succeeded // the service did the work
)

// What a throttle is doing.
const (
	Running     = controller.Running     // work passes
	Cooling     = controller.Cooling     // after a cut: no growth yet
	CircuitOpen = controller.CircuitOpen // the circuit is open or half-open
	Draining    = controller.Draining    // closed, and what was taken is being finished
	Closed      = controller.Closed      // closed, and nothing is in flight
	Down        = controller.Down        // the service is taken for down
)

// Why a policy changed the limit or the interval.
const (
	NoReason           = controller.NoReason
	ReasonStart        = controller.ReasonStart
	ReasonRefusedRate  = controller.ReasonRefusedRate
	ReasonRefusedLimit = controller.ReasonRefusedLimit
	ReasonQueueing     = controller.ReasonQueueing
	ReasonTold         = controller.ReasonTold
	ReasonTrial        = controller.ReasonTrial
	ReasonTrialHeld    = controller.ReasonTrialHeld
	ReasonTrialFailed  = controller.ReasonTrialFailed
	ReasonTrialEnded   = controller.ReasonTrialEnded
	ReasonDown         = controller.ReasonDown
	ReasonBack         = controller.ReasonBack
	ReasonChance       = controller.ReasonChance
	ReasonFailures     = controller.ReasonFailures
	ReasonCooled       = controller.ReasonCooled
	ReasonUpdate       = controller.ReasonUpdate
	ReasonRecalled     = controller.ReasonRecalled
)

// What a circuit is doing.
const (
	BreakerClosed   = controller.BreakerClosed   // attempts pass
	BreakerOpen     = controller.BreakerOpen     // none passes
	BreakerHalfOpen = controller.BreakerHalfOpen // a few probes pass
)

// What keeps the next attempt from starting.
const (
	HeldByNothing = controller.HeldByNothing // it may start, or there is none
	HeldByLimit   = controller.HeldByLimit   // as many are in flight as may be
	HeldByPace    = controller.HeldByPace    // the interval
	HeldByBudget  = controller.HeldByBudget  // a budget
	HeldByRate    = controller.HeldByRate    // the rate
	HeldByCircuit = controller.HeldByCircuit // the circuit
	HeldByServer  = controller.HeldByServer  // a pause that the server asked for, or what is left of a quota of its
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
	EventPaused          = controller.EventPaused  // a server asked to be left alone, or has nothing left
	EventResumed         = controller.EventResumed // that is over
	EventDown            = controller.EventDown    // the service is taken for down
	EventBack            = controller.EventBack    // it is back

	// EventNothingSucceeded says once that attempts have failed and none has succeeded.
	EventNothingSucceeded = controller.EventNothingSucceeded

	// EventPauseBounded says that a server asked for a longer pause than MaxPause.
	EventPauseBounded = controller.EventPauseBounded
)

// ErrClosed says that a throttle takes no new work.
var ErrClosed = stage.ErrClosed

// ErrNested says that work, with its context, has called Execute, Acquire, Run or Drain
// of the throttle that it goes through. It holds a slot while it would wait for another
// one, or for its own end. Trying again is useless, so it is Fatal.
var ErrNested = stage.ErrNested

// Fatal marks err: trying again is useless, and it is no sign of overload.
// Fatal(nil) is nil.
func Fatal(err error) error { return stage.Fatal(err) }

// Transient marks err: the job is tried again, whatever Retry.Retryable says
// of it. Transient(nil) is nil.
func Transient(err error) error { return stage.Transient(err) }

// Overloaded marks err: the service shed load and did no work. The job is tried
// again without using up one of its attempts, unless it alone is refused while
// others are accepted, after the longer of retryAfter
// and the backoff's delay, which grows with refusals too; 0 or less leaves it to
// the backoff. Until retryAfter is over, nothing else starts either on the
// throttle, though for no longer than MaxPause; a service that says a second when
// it means milliseconds is better taken for 0. An error of your own that has a method RetryAfter() time.Duration
// counts as overloaded too. Overloaded(nil, d) is nil.
func Overloaded(err error, retryAfter time.Duration) error {
	return stage.Overloaded(err, retryAfter)
}

// Final marks err: its job is not tried again, whatever else err is marked as. What
// it tells of the service is judged as without this mark: Final(Overloaded(err, d))
// is a refusal of what cannot be sent twice. Final(nil) is nil.
func Final(err error) error { return stage.Final(err) }

// Classify is the verdict on an attempt's error if Config.Classify is nil: Succeeded
// for nil; Overload if it is marked so or has a method RetryAfter; Ignored if it is
// Fatal, a panic or context.Canceled; else Failed.
func Classify(err error) Verdict { return stage.Classify(err) }

// SlotFrom returns the slot of the attempt that ctx belongs to. Outside an
// attempt it returns one that records nothing. It never returns nil.
func SlotFrom(ctx context.Context) *Slot { return stage.SlotFrom(ctx) }
