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
	//	type Bounds struct {
	//		InitialLimit int           // attempts in flight to begin with, 1 to MaxLimit
	//		MaxLimit     int           // attempts in flight, at least 1
	//		MinInterval  time.Duration // between two starts; 0: not paced
	//		MaxInterval  time.Duration // between two starts, at least MinInterval
	//	}
	Bounds = controller.Bounds

	// A Setting is what a Policy decided:
	//
	//	type Setting struct {
	//		Limit     int           // how many attempts may be in flight
	//		Interval  time.Duration // at least this long between two starts
	//		Ceiling   int           // growth stops here for now; 0: at the maximum
	//		CoolUntil time.Time     // no growth before; zero: not cooling
	//		Reason    Reason        // why it is another one than before
	//		Probing   bool          // the service is taken for down, and asked now and then
	//	}
	Setting = controller.Setting

	// An Outcome is what a Policy sees of an attempt that has ended:
	//
	//	type Outcome struct {
	//		Verdict    Verdict       // what it tells of the service
	//		Final      bool          // the job is done with; false: it is tried again
	//		Attempt    int           // of its job, from 1; 0: not known
	//		Own        bool          // the refusal is the job's own
	//		Trouble    bool          // the refusal is hardly for what was sent: the service says that it is overloaded, or that much is left of its quotas
	//		Start      time.Time     // when the attempt started
	//		Seq        int64         // how many had started by then, itself included
	//		Took       time.Duration // from its start to its end
	//		InFlight   int           // attempts in flight when it started, itself included
	//		Paced      bool          // the interval held it back, not the limit
	//		Gap        time.Duration // between recent starts; 0: not known yet
	//		Tokens     int64         // what it used
	//		RetryAfter time.Duration // how long the service asked to be left alone
	//	}
	//
	//	func (o Outcome) Fresh() bool     // it was the first attempt of its job
	//	func (o Outcome) Overloads() bool // it is a sign of overload
	Outcome = controller.Outcome

	// A Reason says why a Policy changed the limit or the interval.
	Reason = controller.Reason

	// A Limiter is one that a server tells of in its answers, and what was found out of it. Its String
	// says it in words: "requests: a window of 5s with 50".
	//
	//	type Limiter struct {
	//		Name     string        // of its quota, as in Hint.Budget; empty: it has none
	//		Resource string        // of whose calls it is; empty: of all
	//		Requests bool          // it counts these; else tokens
	//		Kind     LimiterKind   // how it gives back what was used
	//		Limit    int64         // how much there is in a window, or in a full bucket
	//		Window   time.Duration // in which all of it comes back, the longest that was seen, the server's rounding included
	//	}
	Limiter = controller.Limiter
	// LimiterKind is how a limiter gives back what was used.
	LimiterKind = controller.LimiterKind

	// A Verdict says what the end of an attempt tells about the service; see
	// [Config].Classify.
	Verdict = controller.Verdict

	// Seek is the Policy that finds the limit of the service, of attempts in flight
	// or of attempts a second, and stays just below it. It is the default.
	//
	//	type Seek struct {
	//		Refusals float64 // share of attempts that may be refused for finding out, above 0, at most 1; default 0.005
	//	}
	//
	// Example: Policy: pipeline.Seek{Refusals: 0.001}.
	Seek = controller.Seek

	// Static is the Policy that leaves limit and interval as configured.
	Static = controller.Static

	// AIMD is the Policy that halves the limit and doubles the interval when 3
	// attempts fail within a minute, cools for a minute, and grows again step by
	// step. A zero field takes its default.
	//
	//	type AIMD struct {
	//		FailureThreshold int           // failures that make a cut; default 3
	//		FailureWindow    time.Duration // within which they count; default 60s
	//		CoolingPeriod    time.Duration // after a cut, without growth; default 60s
	//		SafeCeilingDecay float64       // cooling periods without a failure until the limit that failed is forgotten; default 5
	//	}
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
	//	type Budget struct {
	//		Name     string        // for events, errors and hints; may be empty
	//		Tokens   int64         // at least 1, in the unit of what it Counts; of money, its smallest, such as millionths of a dollar
	//		Window   time.Duration // above 0; Forever: what was used never comes back, and a job for which not enough is left ends with a *CostError
	//		Requests bool          // it counts attempts instead of tokens, each by its weight, rounded up
	//		Counts   string        // the name of what it counts, as in Amounts; empty: tokens
	//	}
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
	//	type Rate struct {
	//		PerSecond float64 // above 0
	//		Burst     float64 // at least the weight of the heaviest attempt; default 1
	//	}
	//
	// Example: Rate: &pipeline.Rate{PerSecond: 50, Burst: 10}.
	Rate = controller.Rate

	// Breaker stops asking a service that does not answer: after 10 jobs in a row
	// that failed or were refused, or when they are 80% of at least 100 within a
	// minute, for 30 s, then one probe. A zero field takes its default.
	//
	//	type Breaker struct {
	//		Failures int              // jobs in a row that fail or are refused; of one job, the first attempt that does counts; default 10
	//		Share    float64          // of the jobs within Window, above 0, up to 1; default 0.8; negative: only Failures in a row open it
	//		MinJobs  int              // within Window, before their share says anything; default ten times Failures
	//		Window   time.Duration    // in which jobs are counted for Share; default 1m
	//		OpenFor  time.Duration    // how long it stays open the first time; it doubles up to five times; default 30s
	//		Probes   int              // attempts that a half-open circuit lets through; default 1
	//		Counts   func(error) bool // which errors count, those that are Fatal included; nil: each failure and refusal
	//		Wait     bool             // single calls wait for the circuit instead of failing at once
	//	}
	//
	// Example: Breaker: &pipeline.Breaker{Failures: 100, OpenFor: 5 * time.Second}.
	Breaker = controller.Breaker

	// Retry tries failed jobs again: up to 3 attempts, after a random share of 1 s,
	// 2 s, 4 s … up to 60 s, and refusals for 15 min. A zero field takes its default.
	//
	//	type Retry struct {
	//		MaxAttempts int              // of one job, the first included; a refusal uses up none, unless it is the job's own; default 3
	//		Backoff     Backoff          // Fixed, Exponential or ExponentialJitter, the default
	//		BaseDelay   time.Duration    // before the second attempt; default 1s
	//		MaxDelay    time.Duration    // the longest delay of the backoff's own; default 60s
	//		Multiplier  float64          // from one delay to the next, at least 1; default 2
	//		Retryable   func(error) bool // which unmarked errors are tried again; nil: all
	//		Park        bool             // a job that backs off holds no slot
	//		Budget      float64          // share of all attempts that retries may be, 0 to 1; default 0: no bound
	//		GiveUpAfter time.Duration    // how long refusals are tried again without using up attempts; default 15m; negative: for ever
	//	}
	//
	// Example: Retry: &pipeline.Retry{MaxAttempts: 5, Park: true}.
	Retry = controller.Retry

	// Backoff is how the delay between attempts grows.
	Backoff = controller.Backoff

	// A Snapshot is a throttle at one moment. Printed, it is a sentence.
	//
	//	type Snapshot struct {
	//		State          State         // what it does
	//		Circuit        CircuitState  // closed, open or half-open
	//		CircuitOpenFor time.Duration // until an open circuit is half-open; 0: it is not open
	//
	//		Concurrency    int // attempts that may be in flight
	//		MaxConcurrency int // the highest that this may get
	//		InFlight       int // attempts that run
	//		Waiting        int // jobs that were taken and wait for an attempt, their first or another
	//		SetAside       int // of these, that are refused while others are accepted
	//		SafeCeiling    int // where growth stops for now
	//
	//		DispatchInterval time.Duration // at least this long between two starts
	//		PausedFor        time.Duration // nothing starts for so long because a server said so; 0: it did not
	//		Quota            string        // which of the server's quotas is used up, if that is why
	//
	//		Completed int64 // jobs that succeeded
	//		Failed    int64 // jobs that ended with an error
	//		Retries   int64 // attempts beyond the first ones that have ended
	//		Hedges    int64 // attempts beside others that have ended; see [Hedged]
	//		Total     int64 // jobs expected; 0: unknown
	//
	//		Attempts    AttemptCounts // that have ended, by their verdicts
	//		LastRefused int64         // of these, the last ones, after one that was not refused
	//		Tokens      int64         // recorded in all
	//		Used        Amounts       // recorded in all, by name; nil: nothing was
	//
	//		Reason      Reason    // why limit and interval are what they are
	//		LastError   error     // of the last attempt that failed or was refused; nil: none did
	//		LastErrorAt time.Time // when that attempt ended
	//
	//		HeldBy Hold      // what keeps the next attempt from starting
	//		Held   HeldTimes // the same, for how long in all
	//
	//		FailureCount int           // failures in the policy's window, or the last minute
	//		Percentage   float64       // of jobs done, 0 to 100; 0 if Total is unknown
	//		ETA          time.Duration // until all are done; negative if unknown
	//
	//		TokensUsed      int64            // of the first budget, within its window
	//		TokensRemaining int64            // of the first budget; -1 without one
	//		Budgets         []BudgetSnapshot // each
	//
	//		Limiters []Limiter // that the server tells of; do not change it
	//
	//		DroppedEvents int64 // events that came faster than OnEvent took them
	//	}
	//
	//	func (s Snapshot) Refusing() bool // the service refuses everything: as many in a row as may be in flight, and at least ten
	Snapshot = controller.Snapshot

	// A Checkpoint is what a throttle of another process can go on from; see
	// [Throttle.Checkpoint].
	//
	//	type Checkpoint struct {
	//		At          time.Time         // when it was made
	//		Learned     *Setting          // by the policy; nil: nothing yet
	//		MeanTokens  int64             // that jobs used recently; 0: not known
	//		PausedUntil time.Time         // as a server has asked; zero: it has not
	//		Budgets     []stage.BudgetUse // what was used of each budget
	//		Means       Amounts           // as MeanTokens, by name
	//	}
	Checkpoint = stage.Checkpoint

	// A BudgetSnapshot is a Budget at one moment.
	//
	//	type BudgetSnapshot struct {
	//		Budget
	//		Used      int64 // or reserved, within the window
	//		Remaining int64
	//		Mean      int64 // what attempts used of it recently; 0: not known
	//	}
	BudgetSnapshot = controller.BudgetSnapshot

	// AttemptCounts are attempts by their verdicts.
	//
	//	type AttemptCounts struct{ Succeeded, Failed, Overloaded, Ignored int64 }
	AttemptCounts = controller.AttemptCounts

	// Hold is what keeps the next attempt from starting.
	Hold = controller.Hold

	// HeldTimes say for how long, in all, each of these kept the next attempt from starting.
	//
	//	type HeldTimes struct{ Limit, Pace, Budget, Rate, Circuit, Server time.Duration }
	HeldTimes = controller.HeldTimes

	// State is what a throttle is doing.
	State = controller.State

	// CircuitState is what the circuit of a throttle is doing.
	CircuitState = controller.CircuitState

	// A Hint is what a server said of its limits, for [Slot].Hint. Fields that it did not tell are
	// zero.
	//
	//	type Hint struct {
	//		RetryAfter time.Duration // nothing is to be sent for so long
	//
	//		Limit     int64         // the quota of a window
	//		Remaining int64         // what is left of it; counts only if Reset is above 0
	//		Reset     time.Duration // from now until the quota is whole again; at a bucket, until it is full
	//		Budget    string        // the name of the budget that the quota is of; without one it is a quota of its own
	//		Requests  bool          // the quota is one of requests, also if it has a name
	//		Resource  string        // the only calls that it is for, such as those of GitHub's graphql; empty: all
	//		Rounding  time.Duration // by how much Reset may be too long, since it was rounded
	//	}
	//
	// Example: pipeline.SlotFrom(ctx).Hint(pipeline.Hint{Limit: 500, Remaining: 12, Reset: 30 * time.Second}).
	Hint = controller.Hint

	// An Event is something that a throttle did. Which fields are set beyond the first two
	// depends on the kind. Printed, it is the kind and the fields that it sets.
	//
	//	type Event struct {
	//		Kind     EventKind     // what it did
	//		At       time.Time     // when
	//		From, To Setting       // before and after; To.Reason says why
	//		Wait     time.Duration // how long it will last, or until the next attempt
	//		Budget   string        // the name of a budget
	//		Limiter  Limiter       // what was found out: limiter_learned
	//		Attempt  int           // the one that failed, from 0
	//		Err      error         // what it failed with, or the last error
	//		Verdict  Verdict       // on the last attempt: nothing_succeeded
	//	}
	//
	//	func (e Event) Mistake() bool // most likely it tells of a mistake in the program
	Event = controller.Event

	// EventKind is what an Event tells.
	EventKind = controller.EventKind
)

// What moves. These types are from package stage.
type (
	// A Slot is one attempt's place among those in flight. [SlotFrom] gives it to the work, and
	// [Throttle.Acquire] to who holds one by hand. Its methods may be called from any goroutine. When
	// the attempt has ended they do nothing, except Hint and HintAll.
	//
	//	func (s *Slot) Attempt() int          // number of the attempt, 0 on the job's first, for idempotency keys
	//	func (s *Slot) Refusals() int         // how many attempts of the job were refused until now, and used up none
	//	func (s *Slot) Waited() time.Duration // how long the job waited, from the intake to its first attempt
	//
	//	func (s *Slot) RecordTokens(n int64)             // adds to what the attempt has used; at least 0
	//	func (s *Slot) Tokens() int64                    // what it has recorded in all
	//	func (s *Slot) RecordUsage(name string, n int64) // the same for what has a name
	//	func (s *Slot) Usage() Amounts                   // what it has recorded by name, in all
	//
	//	func (s *Slot) Hint(h Hint)                    // what the server said of its limits, for all attempts
	//	func (s *Slot) HintAll(hints []Hint)           // all that one answer of the server tells, in that order
	//	func (s *Slot) OnVerdict(f func(Verdict)) bool // f hears once how the attempt is judged; false: it will not
	//	func (s *Slot) Release(err error)              // ends a slot from Acquire; nil: it succeeded
	//
	// Example: pipeline.SlotFrom(ctx).RecordTokens(answer.Usage.TotalTokens).
	Slot = stage.Slot

	// A CircuitOpenError says that the circuit is open. Execute, Wrap and Acquire return it. No job of
	// a pipeline gets it: while the circuit is open, they wait.
	//
	//	type CircuitOpenError struct {
	//		RetryAfter time.Duration // until attempts may pass again
	//	}
	CircuitOpenError = stage.CircuitOpenError

	// A RetriesExhaustedError wraps the error of the last attempt of a job that has used up its
	// attempts, or was refused for too long.
	//
	//	type RetriesExhaustedError struct {
	//		Attempts int   // that were started, refusals included
	//		Refusals int   // of these, which used up none of Retry.MaxAttempts
	//		Err      error // of the last one
	//	}
	RetriesExhaustedError = stage.RetriesExhaustedError

	// A CostError says that a job costs more than a budget will ever have.
	//
	//	type CostError struct {
	//		Cost, Limit int64  // of the job; of the budget in all
	//		Budget      string // its name
	//		Counts      string // the name of what it counts; empty: tokens or requests
	//		Spent       bool   // it does not come back, and Limit is what is left of it
	//	}
	CostError = stage.CostError

	// A WeightError says that a job counts for more calls than the rate's Burst has room for.
	//
	//	type WeightError struct {
	//		Weight, Burst float64 // Burst is 0 if there is no rate
	//	}
	WeightError = stage.WeightError

	// A PauseError says that a server asked for a longer pause than MaxPause. It stands beside the
	// error of the job that the server refused.
	//
	//	type PauseError struct {
	//		RetryAfter time.Duration // what the server asked for
	//		MaxPause   time.Duration // the longest that is waited
	//	}
	PauseError = stage.PauseError

	// A PanicError is a panic in the work, turned into the job's error.
	//
	//	type PanicError struct {
	//		Value any    // of the panic
	//		Stack []byte // of the goroutine that panicked
	//	}
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

	// EventSetAside says that a job is refused while others are accepted. It waits until there is
	// nothing else to do, or for Wait, and is refused with Err; see Snapshot.SetAside.
	EventSetAside = controller.EventSetAside

	EventTakenUp = controller.EventTakenUp // a job that was set aside is tried again
	EventGivenUp = controller.EventGivenUp // it went wrong again, with Err, and has no more attempts
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

// Trouble is Overloaded for a service that says outright that it has trouble of its own, whatever is sent
// to it, such as by HTTP 529. Single ones are taken for chance: then retryAfter is how long this job waits, and no
// sign of a limit. Many of them slow nothing down for half a minute, as the default policy takes it that they will be over
// by then. Do not use it for what may be your quota, as a bare 503 may. Trouble(nil, d) is nil.
func Trouble(err error, retryAfter time.Duration) error { return stage.Trouble(err, retryAfter) }

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
