package pipeline

import (
	"context"
	"time"

	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// What decides. These types are from package controller.
type (
	// A Policy decides how many attempts may be in flight and how far apart they
	// start: [Seek], [AIMD], [Static], or one of your own, which takes some thirty lines;
	// see [controller.Policy].
	Policy = controller.Policy

	// A Law is a Policy at work: a state machine that is given outcomes.
	Law = controller.Law

	// Bounds are what a Policy has to stay within:
	//
	//   - InitialLimit: attempts in flight to begin with, 1 to MaxLimit
	//   - MaxLimit: attempts in flight, at least 1
	//   - MinInterval: between two starts; 0: not paced
	//   - MaxInterval: at least MinInterval
	Bounds = controller.Bounds

	// A Setting is what a Policy decided:
	//
	//   - Limit: how many attempts may be in flight
	//   - Interval: at least this long between two starts
	//   - Ceiling: growth stops here for now; 0: at the maximum
	//   - CoolUntil: no growth before; zero: not cooling
	//   - Reason: why it is another one than before
	//   - Probing: the service is taken for down, and asked now and then
	Setting = controller.Setting

	// An Outcome is what a Policy sees of an attempt that has ended:
	//
	//   - Verdict; RetryAfter: how long the service asked to be left alone; Own: the refusal is the job's own
	//   - Trouble: the refusal is hardly for what was sent: the service says that it is overloaded, or that much is left of its quotas
	//   - Attempt: of its job, from 1; Final: the job is done with
	//   - Start, Seq, Took: when it started, as which one of all, and how long it took
	//   - InFlight: attempts in flight when it started, itself included
	//   - Paced, Gap: whether the interval held it back, and the gap between recent starts
	//   - Tokens: what it used
	Outcome = controller.Outcome

	// A Reason says why a Policy changed the limit or the interval.
	Reason = controller.Reason

	// A Limiter is one that a server tells of in its answers, and what was found out of it. Its String
	// says it in words: "requests: a window of 5s with 50".
	//
	//   - Name: of its quota, as in Hint.Budget; Resource: of whose calls it is, empty: of all
	//   - Requests: it counts these; else tokens
	//   - Kind: how it gives back what was used
	//   - Limit: how much there is in a window, or in a full bucket
	//   - Window: in which all of it comes back, the longest that was seen, the server's rounding included
	Limiter = controller.Limiter
	// LimiterKind is how a limiter gives back what was used.
	LimiterKind = controller.LimiterKind

	// A Verdict says what the end of an attempt tells about the service; see
	// [Config].Classify.
	Verdict = controller.Verdict

	// Seek is the Policy that finds the limit of the service, of attempts in flight
	// or of attempts a second, and stays just below it. It is the default.
	//
	//   - Refusals: share of attempts that may be refused for finding out, above 0, at most 1; default 0.005
	//
	// Example: Policy: pipeline.Seek{Refusals: 0.001}.
	Seek = controller.Seek

	// Static is the Policy that leaves limit and interval as configured.
	Static = controller.Static

	// AIMD is the Policy that halves the limit and doubles the interval when 3
	// attempts fail within a minute, cools for a minute, and grows again step by
	// step.
	//
	//   - FailureThreshold: failures that make a cut; default 3
	//   - FailureWindow: within which they count; default 60s
	//   - CoolingPeriod: after a cut, without growth; default 60s
	//   - SafeCeilingDecay: cooling periods without a failure until the limit that failed is forgotten; default 5
	//
	// Example: Policy: pipeline.AIMD{FailureThreshold: 5}.
	AIMD = controller.AIMD

	// Vegas is the Policy that finds the limit by how long attempts take, for a service that
	// refuses nothing and lets wait what it cannot work on, such as a handler of your own.
	//
	// Example: Policy: pipeline.Vegas{}.
	Vegas = controller.Vegas

	// A Budget is a number of tokens, of requests, or of whatever it Counts by name, that attempts
	// may use within a rolling window, or in all. But for requests it only knows what it is told:
	// by Cost and RecordTokens of tokens, by Costs and RecordUsage of what has a name. Beyond the
	// process it is remembered by a Checkpoint only.
	//
	//   - Name: for events, errors and hints; may be empty
	//   - Tokens: at least 1, in the unit of what it Counts; of money, its smallest, such as millionths of a dollar
	//   - Window: above 0; Forever: what was used never comes back, and a job for which not enough is left ends with a *CostError
	//   - Requests: it counts attempts instead of tokens, each by its weight, rounded up
	//   - Counts: the name of what it counts, as in Amounts; empty: tokens
	//
	// Example: pipeline.Budget{Name: "tokens", Tokens: 90_000, Window: time.Minute}.
	// Example: pipeline.Budget{Name: "money by day", Counts: "microdollars", Tokens: 5_000_000, Window: 24 * time.Hour}.
	Budget = controller.Budget

	// Amounts are how much there is or was used of several things, by the names that budgets count
	// them by. They are whole numbers, so that sums are exact. The empty name is that of the tokens
	// of Cost and RecordTokens.
	//
	// Example: pipeline.Amounts{"input": 1200, "output": 512, "microdollars": 487}.
	Amounts = controller.Amounts

	// Rate is a fixed limit of attempts per second, with a burst.
	//
	//   - PerSecond: above 0
	//   - Burst: at least the weight of the heaviest attempt; default 1
	//
	// Example: Rate: &pipeline.Rate{PerSecond: 50, Burst: 10}.
	Rate = controller.Rate

	// Breaker stops asking a service that does not answer: after 10 jobs in a row
	// that failed or were refused, or when they are 80% of at least 100 within a
	// minute, for 30 s, then one probe. A zero field takes its default.
	//
	//   - Failures: jobs in a row that fail or are refused; of one job, the first attempt that does counts; default 10
	//   - Share: of the jobs within Window, above 0, up to 1; default 0.8; negative: only Failures in a row open it
	//   - MinJobs: within Window, before their share says anything; default ten times Failures
	//   - Window: default 1m
	//   - OpenFor: how long it stays open the first time; it doubles up to five times; default 30s
	//   - Probes: attempts that a half-open circuit lets through; default 1
	//   - Counts: which errors count, those that are Fatal included; nil: each failure and refusal
	//   - Wait: single calls wait for the circuit instead of failing at once
	//
	// Example: Breaker: &pipeline.Breaker{Failures: 100, OpenFor: 5 * time.Second}.
	Breaker = controller.Breaker

	// Retry tries failed jobs again: up to 3 attempts, after a random share of 1 s,
	// 2 s, 4 s … up to 60 s, and refusals for 15 min. A zero field takes its default.
	//
	//   - MaxAttempts: of one job, the first included; a refusal uses up none, unless it is the job's own; default 3
	//   - Backoff: Fixed, Exponential or ExponentialJitter, the default
	//   - BaseDelay: before the second attempt; default 1s
	//   - MaxDelay: the longest delay of the backoff's own; default 60s
	//   - Multiplier: from one delay to the next, at least 1; default 2
	//   - Retryable: which unmarked errors are tried again; nil: all
	//   - Park: a job that backs off holds no slot
	//   - Budget: share of all attempts that retries may be, 0 to 1; default 0: no bound
	//   - GiveUpAfter: how long refusals are tried again without using up attempts; default 15m; negative: for ever
	//
	// Example: Retry: &pipeline.Retry{MaxAttempts: 5, Park: true}.
	Retry = controller.Retry

	// Backoff is how the delay between attempts grows.
	Backoff = controller.Backoff

	// A Snapshot is a throttle at one moment. Printed, it is a sentence.
	//
	//   - State, Circuit, CircuitOpenFor: what it does, and how long the circuit stays open
	//   - Concurrency, MaxConcurrency, SafeCeiling: the limit in force, the highest it may get, and where growth stops for now
	//   - InFlight, Waiting: attempts that run, and jobs that wait for one; SetAside: of these, that are refused while others are accepted
	//   - DispatchInterval, PausedFor: between two starts, and how long nothing starts because a server said so
	//   - Quota: which of the server's quotas is used up, if that is why
	//   - Completed, Failed, Total: jobs; Total is 0 if unknown; Percentage, 0 to 100, and ETA, negative if unknown
	//   - Retries, Attempts: attempts beyond the first ones, and all by their verdicts; Hedges: those beside others, see [Hedged]
	//   - LastRefused: attempts that were refused since one was not; Refusing tells whether these say that the service refuses everything
	//   - HeldBy, Held: what keeps the next attempt from starting, and for how long in all
	//   - Reason, LastError, LastErrorAt: why limit and interval are what they are, and the last attempt that went wrong
	//   - FailureCount: in the policy's window, or the last minute
	//   - Tokens, Used: recorded in all, of tokens and by name; TokensUsed, TokensRemaining: of the first budget, -1 without one; Budgets: each
	//   - Limiters: that the server tells of; do not change it
	//   - DroppedEvents: events that came faster than OnEvent took them
	Snapshot = controller.Snapshot

	// A Checkpoint is what a throttle of another process can go on from; see
	// [Throttle.Checkpoint].
	//
	//   - At: when it was made
	//   - Learned: by the policy; nil: nothing yet
	//   - MeanTokens: that jobs used recently; 0: not known
	//   - PausedUntil: as a server has asked; zero: it has not
	//   - Budgets: what was used of each
	//   - Means: as MeanTokens, by name
	Checkpoint = stage.Checkpoint

	// A BudgetSnapshot is a Budget at one moment: what is Used or reserved within its window,
	// what is Remaining, and the Mean that attempts used of it recently, 0 if it is not known.
	BudgetSnapshot = controller.BudgetSnapshot

	// AttemptCounts are attempts by their verdicts: Succeeded, Failed, Overloaded, Ignored.
	AttemptCounts = controller.AttemptCounts

	// Hold is what keeps the next attempt from starting.
	Hold = controller.Hold

	// HeldTimes say for how long, in all, each of them has: Limit, Pace, Budget, Rate, Circuit,
	// Server.
	HeldTimes = controller.HeldTimes

	// State is what a throttle is doing.
	State = controller.State

	// CircuitState is what the circuit of a throttle is doing.
	CircuitState = controller.CircuitState

	// A Hint is what a server said of its limits, for [Slot].Hint. Fields that it did not tell are
	// zero.
	//
	//   - RetryAfter: nothing is to be sent for so long
	//   - Limit: the quota of a window
	//   - Remaining: what is left of it; counts only if Reset is above 0
	//   - Reset: until the quota is whole again; at a bucket, until it is full
	//   - Budget: the name of the budget that the quota is of; without one it is a quota of its own
	//   - Requests: the quota is one of requests, also if it has a name
	//   - Resource: the only calls that it is for, such as those of GitHub's graphql; empty: all
	//   - Rounding: by how much Reset may be too long, since it was rounded
	//
	// Example: pipeline.SlotFrom(ctx).Hint(pipeline.Hint{Limit: 500, Remaining: 12, Reset: 30 * time.Second}).
	Hint = controller.Hint

	// An Event is something that a throttle did. Which fields are set beyond the first two
	// depends on the kind.
	//
	//   - Kind, At: what, and when
	//   - From, To: the setting before and after; To.Reason says why
	//   - Wait: how long it will last, or until the next attempt
	//   - Budget: the name of a budget
	//   - Limiter: what was found out: limiter_learned
	//   - Attempt: the one that failed, from 0
	//   - Err: what it failed with, or the last error
	//   - Verdict: on the last attempt: nothing_succeeded
	Event = controller.Event

	// EventKind is what an Event tells.
	EventKind = controller.EventKind
)

// What moves. These types are from package stage.
type (
	// A Slot is one attempt's place among those in flight: its number for
	// idempotency keys (Attempt), what it used (RecordTokens), what the server said
	// of its limits (Hint), and for slots from Acquire, its end (Release). Its methods may be called
	// from any goroutine. When the attempt has ended they do nothing, except Hint.
	//
	//   - Attempt() int: from 0; Refusals() int: of the job until now
	//   - RecordTokens(n int64): what it used; Tokens() int64: in all
	//   - RecordUsage(name string, n int64): what it used by name; Usage() Amounts: in all
	//   - Hint(Hint): what the server said of its limits
	//   - Waited() time.Duration: from when the job could have started
	//   - OnVerdict(func(Verdict)) bool: hears how the attempt is judged
	//   - Release(error): ends a slot from Acquire
	Slot = stage.Slot

	// A CircuitOpenError says that the circuit is open and when to come again (RetryAfter).
	// Execute, Wrap and Acquire return it. No job of a pipeline gets it: while the
	// circuit is open, they wait.
	CircuitOpenError = stage.CircuitOpenError

	// A RetriesExhaustedError wraps the error (Err) of the last attempt of a job that has
	// used up its Attempts, or was refused for too long. Refusals says how many of the
	// attempts were refused and used up none.
	RetriesExhaustedError = stage.RetriesExhaustedError

	// A CostError says that a job's Cost is more than a budget will ever have: Limit is its
	// size, Budget its name, and Counts what it counts. If it is Spent, the budget is one that does
	// not come back, and Limit is what is left of it.
	CostError = stage.CostError

	// A WeightError says that a job counts for more calls (Weight) than the rate's Burst has
	// room for. Burst is 0 if there is no rate.
	WeightError = stage.WeightError

	// A PauseError says that a server asked for a longer pause (RetryAfter) than MaxPause. It
	// stands beside the error of the job that the server refused.
	PauseError = stage.PauseError

	// A PanicError is a panic in the work, with its Value and Stack, turned into the job's
	// error.
	PanicError = stage.PanicError
)

// How the delay between attempts grows.
const (
	Fixed             = controller.Fixed             // BaseDelay each time
	Exponential       = controller.Exponential       // times Multiplier each time
	ExponentialJitter = controller.ExponentialJitter // a random share of Exponential's
)

// Forever is the Window of a Budget of which nothing comes back, such as what a run may cost in all.
// In a map or the environment it is written forever.
const Forever = controller.Forever

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
	NoReason           = controller.NoReason           // nothing was changed
	ReasonStart        = controller.ReasonStart        // the start, in which it doubles
	ReasonRefusedRate  = controller.ReasonRefusedRate  // refused at this rate
	ReasonRefusedLimit = controller.ReasonRefusedLimit // refused with this many in flight
	ReasonQueueing     = controller.ReasonQueueing     // attempts wait for one another at the service
	ReasonTold         = controller.ReasonTold         // the server has said so
	ReasonTrial        = controller.ReasonTrial        // more is tried
	ReasonTrialHeld    = controller.ReasonTrialHeld    // what was tried works
	ReasonTrialFailed  = controller.ReasonTrialFailed  // what was tried is too much
	ReasonTrialEnded   = controller.ReasonTrialEnded   // what was tried has shown nothing
	ReasonDown         = controller.ReasonDown         // the service is taken for down
	ReasonBack         = controller.ReasonBack         // it is back
	ReasonChance       = controller.ReasonChance       // what was refused was by chance
	ReasonFailures     = controller.ReasonFailures     // too many failures
	ReasonCooled       = controller.ReasonCooled       // a cooling period is over
	ReasonUpdate       = controller.ReasonUpdate       // another configuration
	ReasonRecalled     = controller.ReasonRecalled     // learned before, by a Checkpoint
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
	EventDecelerated     = controller.EventDecelerated     // less may start: From, To
	EventCoolingStarted  = controller.EventCoolingStarted  // no growth for Wait
	EventReaccelerated   = controller.EventReaccelerated   // more may start: From, To
	EventCeilingDecayed  = controller.EventCeilingDecayed  // a limit that failed is forgotten
	EventCircuitOpened   = controller.EventCircuitOpened   // nothing starts for Wait
	EventCircuitHalfOpen = controller.EventCircuitHalfOpen // a few probes may start
	EventCircuitClosed   = controller.EventCircuitClosed   // all is well again
	EventBudgetExhausted = controller.EventBudgetExhausted // nothing starts for Wait, for the budget
	EventBudgetRestored  = controller.EventBudgetRestored  // the budget has something left again
	EventRetry           = controller.EventRetry           // a job is tried again after Wait
	EventClosed          = controller.EventClosed          // nothing new is taken
	EventDraining        = controller.EventDraining        // and what was taken is being finished
	EventDrained         = controller.EventDrained         // all that was taken is done
	EventPaused          = controller.EventPaused          // a server asked to be left alone, or has nothing left
	EventResumed         = controller.EventResumed         // that is over
	EventDown            = controller.EventDown            // the service is taken for down
	EventBack            = controller.EventBack            // it is back

	// EventNothingSucceeded says once that attempts have failed and none has succeeded.
	EventNothingSucceeded = controller.EventNothingSucceeded

	// EventPauseBounded says that a server asked for a longer pause than MaxPause.
	EventPauseBounded = controller.EventPauseBounded

	// EventLimiterLearned says what was found out of a limiter that the server tells of.
	EventLimiterLearned = controller.EventLimiterLearned

	// EventNotRead says, once in a run, that nobody has read its results for ten seconds, and that
	// it waits.
	EventNotRead = controller.EventNotRead

	// EventNotClosed says, once in a run from a channel, that all jobs are done and their results
	// read, and that no job has come for ten seconds, though the channel is open. A run that is to
	// end needs it closed. Without a Logger, it goes to slog's default one.
	EventNotClosed = controller.EventNotClosed

	// EventBudgetTooSmall says, once in a throttle's life, that an attempt has used more tokens than
	// all of a budget, so that the next job waits for more than a window. With a Cost, such a job comes
	// back with a *CostError instead.
	EventBudgetTooSmall = controller.EventBudgetTooSmall
)

// How a [Limiter] gives back what was used.
const (
	FixedWindow   = controller.FixedWindow   // all of it at one moment
	SlidingWindow = controller.SlidingWindow // little by little
	SlidingLog    = controller.SlidingLog    // each place a window after it was taken
	TokenBucket   = controller.TokenBucket   // all the time, at a steady rate
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

// Skipped marks err: the work found that there is nothing to do, as for a job that has a result
// already, and has not called the service. The job ends with it as with Fatal, uses nothing of a
// budget, and tells nothing of the service. Skipped(nil) is nil.
func Skipped(err error) error { return stage.Skipped(err) }

// Transient marks err: the job is tried again, whatever Retry.Retryable says
// of it. Transient(nil) is nil.
func Transient(err error) error { return stage.Transient(err) }

// Overloaded marks err: the service shed load and did no work. The job is tried
// again without using up one of its attempts, unless it alone is refused while
// others are accepted. It waits for the longer of retryAfter and the backoff's
// delay, which grows with refusals too. A retryAfter of 0 or less leaves it to the
// backoff. Until retryAfter is over, nothing else starts either on the
// throttle, though for no longer than MaxPause. A service that says a second when
// it means milliseconds is better taken for 0. An error of your own that has a method
// RetryAfter() time.Duration counts as overloaded too. Overloaded(nil, d) is nil.
func Overloaded(err error, retryAfter time.Duration) error {
	return stage.Overloaded(err, retryAfter)
}

// Final marks err: its job is not tried again, whatever else err is marked as. What
// it tells of the service is judged as without this mark: Final(Overloaded(err, d))
// is a refusal of what cannot be sent twice. Final(nil) is nil.
func Final(err error) error { return stage.Final(err) }

// Classify is the verdict on an attempt's error if Config.Classify is nil: Succeeded
// for nil; Overload if it is marked so or has a method RetryAfter; Ignored if it is
// Fatal, Skipped, a panic or context.Canceled; else Failed.
func Classify(err error) Verdict { return stage.Classify(err) }

// SlotFrom returns the slot of the attempt that ctx belongs to. Outside an
// attempt it returns one that records nothing. It never returns nil.
func SlotFrom(ctx context.Context) *Slot { return stage.SlotFrom(ctx) }
