package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/stage"
)

// Config says how a throttle behaves. It is plain data. A zero field takes its
// default where zero would be invalid; elsewhere zero means zero. No duration
// may be longer than 10,000 hours.
type Config struct {
	MaxConcurrency      int           // attempts in flight at most, 1 to 1,048,576; default 5
	InitialConcurrency  int           // to begin with, 1 to MaxConcurrency; default 1 for a Seek, MaxConcurrency for other policies
	MinDispatchInterval time.Duration // between two dispatches; default 0: not paced unless the Policy does
	MaxDispatchInterval time.Duration // at least MinDispatchInterval; default 30s, or MinDispatchInterval if that is longer
	Jitter              float64       // lengthens each gap by up to this fraction of the interval, 0 to 1; default 0
	AttemptTimeout      time.Duration // after it an attempt's ctx is done, and its error counts as overload; default 0: none
	TotalJobs           int           // that go through the throttle, for percentage and ETA: with a journal, those that it does not know; default 0: unknown

	// Spread lengthens each pause that a server asked for, and the time that a circuit is
	// open, so that not all clients come back at once. It adds a random share of up to this,
	// and a minute at most. Above 0, up to 1. Default 0.05; negative: none.
	Spread float64

	// MaxPause is the longest pause that a server may ask for. A job that it asks for more
	// comes back with a *PauseError, and others ask again after so long. Default 2h;
	// negative: no bound.
	MaxPause time.Duration

	Budgets []Budget // an attempt waits for all of them; names must differ
	Rate    *Rate    // nil: no fixed rate
	Breaker *Breaker // nil: no circuit breaker
	Retry   *Retry   // nil: one attempt a job, whatever comes of it

	Policy Policy // adapts limit and interval; nil: Seek{}

	// Classify says what an attempt's error tells of the service. What is Failed is tried
	// again as Retry allows; what is Overload, at no attempt's cost; what is Ignored or
	// Succeeded, only if it is marked Transient or Retry.Retryable says so. Another verdict
	// is a failure. nil: Fatal, Overloaded and Transient as marked, all else a failure.
	Classify func(error) Verdict

	// OnEvent, OnProgress and Logger are called in order, on a goroutine of their
	// own that may still be at it when results are closed or Drain returns. They
	// may block or panic: if 1,024 notices wait, more are dropped, and events that
	// were are counted in Snapshot.DroppedEvents.
	OnEvent    func(Event)
	OnProgress func(Snapshot) // at each percent of TotalJobs, else about once a second while jobs are done
	Logger     *slog.Logger   // each transition; retries at debug level

	Clock clock.Clock // nil: real time
	Seed  uint64      // of jitter, spread and backoff; 0: random
}

// Defaults of Config.
const (
	defaultMaxConcurrency      = 5
	defaultMaxDispatchInterval = 30 * time.Second

	// defaultSpread spreads those who come back after a minute over three seconds. With
	// twice as much, the bench's family of pauses falls below its threshold of goodput.
	defaultSpread = 0.05

	// defaultMaxPause is longer than a quota of an hour can ask for, and shorter than
	// most of what a date in the wrong time zone adds. Chosen; urllib3 takes six hours.
	defaultMaxPause = 2 * time.Hour
)

// Bounds of Config. They are far from anything sensible, and keep sums from
// overflowing.
const (
	mostConcurrency = 1 << 20
	mostFailures    = 1 << 20
	mostTokens      = 1 << 60
	longest         = 10_000 * time.Hour
)

// withDefaults returns c with its zero fields set. It shares nothing with c
// that a later change of c could reach.
func (c Config) withDefaults() Config {
	if c.MaxConcurrency == 0 {
		c.MaxConcurrency = defaultMaxConcurrency
	}
	if c.InitialConcurrency == 0 {
		c.InitialConcurrency = c.MaxConcurrency
	}
	if c.MaxDispatchInterval == 0 {
		c.MaxDispatchInterval = max(defaultMaxDispatchInterval, c.MinDispatchInterval)
	}
	if c.Spread == 0 {
		c.Spread = defaultSpread
	}
	if c.MaxPause == 0 {
		c.MaxPause = defaultMaxPause
	}
	c = c.clone()
	if c.Rate != nil {
		*c.Rate = c.Rate.WithDefaults()
	}
	if c.Breaker != nil {
		*c.Breaker = c.Breaker.WithDefaults()
	}
	if c.Retry != nil {
		*c.Retry = c.Retry.WithDefaults()
	}
	if c.Policy == nil {
		c.Policy = Seek{}
	}
	if c.Classify == nil {
		c.Classify = stage.Classify
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	return c
}

// clone returns a copy of c that shares nothing with it that a later change could reach.
func (c Config) clone() Config {
	c.Budgets = slices.Clone(c.Budgets)
	c.Rate, c.Breaker, c.Retry = copied(c.Rate), copied(c.Breaker), copied(c.Retry)
	return c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// A ConfigError is one fault of a Config.
type ConfigError struct {
	Field  string // in snake_case, with the path to it: retry.max_attempts; or as it was written in a map or the environment
	Value  any    // nil: missing
	Reason string // what was expected
}

func (e *ConfigError) Error() string {
	value := e.Value
	if value == nil {
		value = "nothing"
	}
	return fmt.Sprintf("%s: got %v, %s", e.Field, value, e.Reason)
}

// Validate returns every fault of c at once, each a *ConfigError, joined; nil
// if there is none.
func (c Config) Validate() error { return errors.Join(c.faults()...) }

func (c Config) faults() faults {
	given := c // a default that follows another field has no fault of its own
	c = c.withDefaults()
	var f faults
	f.check(c.MaxConcurrency >= 1 && c.MaxConcurrency <= mostConcurrency,
		"max_concurrency", c.MaxConcurrency, "want 1 to %d", mostConcurrency)
	f.check(given.InitialConcurrency >= 0, "initial_concurrency", given.InitialConcurrency, "want at least 1")
	f.check(given.InitialConcurrency <= max(c.MaxConcurrency, 1),
		"initial_concurrency", given.InitialConcurrency, "want at most max_concurrency, %d", c.MaxConcurrency)
	f.checkDuration("min_dispatch_interval", c.MinDispatchInterval, 0)
	f.checkDuration("max_dispatch_interval", given.MaxDispatchInterval, 0)
	f.check(c.MaxDispatchInterval >= c.MinDispatchInterval,
		"max_dispatch_interval", c.MaxDispatchInterval, "want at least min_dispatch_interval, %v", c.MinDispatchInterval)
	f.check(c.Jitter >= 0 && c.Jitter <= 1, "jitter", c.Jitter, "want 0 to 1")
	f.check(c.Spread <= 1, "spread", c.Spread, "want above 0, at most 1, or below 0 for none")
	f.checkDuration("attempt_timeout", c.AttemptTimeout, 0)
	f.check(c.MaxPause <= longest, "max_pause", c.MaxPause, "want at most %v, or below 0 for no bound", longest)
	f.check(c.TotalJobs >= 0, "total_jobs", c.TotalJobs, "want at least 0")
	f.checkBudgets("budgets", c.Budgets)
	if c.Rate != nil {
		f.checkRate(*c.Rate)
	}
	if c.Breaker != nil {
		f.checkBreaker(*c.Breaker)
	}
	if c.Retry != nil {
		f.checkRetry(*given.Retry)
	}
	switch policy := c.Policy.(type) {
	case Seek:
		f.checkSeek(policy)
	case AIMD:
		f.checkAIMD(policy)
	case *Seek, *AIMD, *Static:
		f.check(false, "policy", fmt.Sprintf("%T", policy), "want a value, not a pointer")
	}
	return f
}

// faults collects what is wrong with a Config.
type faults []error

func (f *faults) check(ok bool, field string, value any, want string, args ...any) {
	if !ok {
		*f = append(*f, &ConfigError{Field: field, Value: value, Reason: fmt.Sprintf(want, args...)})
	}
}

func (f *faults) checkDuration(field string, d, least time.Duration) {
	f.check(d >= least && d <= longest, field, d, "want %v to %v", least, longest)
}

func (f *faults) checkBudgets(field string, budgets []Budget) {
	seen := make(map[string]bool)
	for i, b := range budgets {
		at := fmt.Sprintf("%s[%d].", field, i)
		f.check(b.Tokens >= 1 && b.Tokens <= mostTokens, at+"tokens", b.Tokens, "want 1 to %d", int64(mostTokens))
		if b.Window != Forever {
			f.checkDuration(at+"window", b.Window, 1)
		}
		f.check(b.Counts == "" || !b.Requests, at+"counts", b.Counts, "want none beside requests")
		f.check(b.Name == "" || !seen[b.Name], at+"name", b.Name, "want a name that no other budget has")
		seen[b.Name] = true
	}
}

func (f *faults) checkRate(r Rate) {
	f.check(r.PerSecond > 0 && r.PerSecond <= 1e9, "rate.per_second", r.PerSecond, "want above 0, at most 1e9")
	f.check(r.Burst >= 1 && r.Burst <= 1e9, "rate.burst", r.Burst, "want 1 to 1e9")
}

func (f *faults) checkBreaker(b Breaker) {
	f.check(b.Failures >= 1, "breaker.failures", b.Failures, "want at least 1")
	f.check(b.Share <= 1, "breaker.share", b.Share, "want above 0, at most 1, or below 0 for none")
	f.check(b.MinJobs >= 1, "breaker.min_jobs", b.MinJobs, "want at least 1")
	f.checkDuration("breaker.window", b.Window, 1)
	f.checkDuration("breaker.open_for", b.OpenFor, 1)
	f.check(b.Probes >= 1, "breaker.probes", b.Probes, "want at least 1")
}

func (f *faults) checkRetry(given Retry) {
	r := given.WithDefaults()
	f.check(r.MaxAttempts >= 1, "retry.max_attempts", r.MaxAttempts, "want at least 1")
	f.check(r.Backoff >= Fixed && r.Backoff <= ExponentialJitter,
		"retry.backoff", r.Backoff, "want fixed, exponential or exponential_jitter")
	f.checkDuration("retry.base_delay", r.BaseDelay, 1)
	f.checkDuration("retry.max_delay", given.MaxDelay, 0)
	f.check(r.MaxDelay >= r.BaseDelay, "retry.max_delay", r.MaxDelay, "want at least base_delay, %v", r.BaseDelay)
	f.check(r.Multiplier >= 1 && r.Multiplier <= 1e6, "retry.multiplier", r.Multiplier, "want 1 to 1e6")
	f.check(r.GiveUpAfter <= longest, "retry.give_up_after", r.GiveUpAfter, "want at most %v, or below 0 for never", longest)
	f.check(r.Budget >= 0 && r.Budget <= 1, "retry.budget", r.Budget, "want 0 to 1")
}

// checkSeek knows that a zero field is a default.
func (f *faults) checkSeek(s Seek) {
	f.check(s.Refusals >= 0 && s.Refusals <= 1, "policy.refusals", s.Refusals, "want above 0, at most 1")
}

// checkAIMD knows that a zero field is a default.
func (f *faults) checkAIMD(a AIMD) {
	f.check(a.FailureThreshold >= 0 && a.FailureThreshold <= mostFailures,
		"failure_threshold", a.FailureThreshold, "want 1 to %d", mostFailures)
	f.checkDuration("failure_window", a.FailureWindow, 0)
	f.checkDuration("cooling_period", a.CoolingPeriod, 0)
	f.check(a.SafeCeilingDecay >= 0, "safe_ceiling_decay", a.SafeCeilingDecay, "want above 0")
}
