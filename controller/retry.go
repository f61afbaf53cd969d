package controller

import (
	"fmt"
	"math"
	"time"
)

// Retry describes when a failed job is tried again. A zero field takes its
// default.
type Retry struct {
	MaxAttempts int              // of one job, the first included, whatever the service is taken for; a refusal uses up none unless it is the job's own; default 3
	Backoff     Backoff          // default ExponentialJitter
	BaseDelay   time.Duration    // before the second attempt; default 1s
	MaxDelay    time.Duration    // longest delay of the backoff's own; default 60s
	Multiplier  float64          // from one delay to the next, at least 1; default 2
	Retryable   func(error) bool // which unmarked errors are tried again; nil: all
	Park        bool             // free the slot while backing off, as a job does in any case whose refusals are its own
	Budget      float64          // the share of all attempts that retries may be, 0 to 1, see Allowance; what follows a refusal is free; default 0: no bound
	GiveUpAfter time.Duration    // how long refusals that are not the job's own are tried again without using up attempts, looked at when one comes: a longer RetryAfter is waited out, up to MaxPause; default 15m; negative: never give up
}

// WithDefaults returns r with its zero fields set.
func (r Retry) WithDefaults() Retry {
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 3
	}
	if r.Backoff == 0 {
		r.Backoff = ExponentialJitter
	}
	if r.BaseDelay == 0 {
		r.BaseDelay = time.Second
	}
	if r.MaxDelay == 0 {
		r.MaxDelay = max(time.Minute, r.BaseDelay)
	}
	if r.Multiplier == 0 {
		r.Multiplier = 2
	}
	if r.GiveUpAfter == 0 {
		r.GiveUpAfter = 15 * time.Minute
	}
	return r
}

// Backoff is how the delay between attempts grows.
type Backoff int

const (
	Fixed             Backoff = iota + 1 // BaseDelay each time
	Exponential                          // times Multiplier each time
	ExponentialJitter                    // a random share of Exponential's
)

func (b Backoff) String() string {
	switch b {
	case Fixed:
		return "fixed"
	case Exponential:
		return "exponential"
	case ExponentialJitter:
		return "exponential_jitter"
	}
	return fmt.Sprintf("backoff(%d)", int(b))
}

// Delay returns how long to wait after the given number of attempts, at least
// 1, all of them failed. random is in [0, 1); ExponentialJitter takes that
// share of the delay ("full jitter", Brooker, AWS Architecture Blog, 2015).
func (r Retry) Delay(attempts int, random float64) time.Duration {
	base := float64(r.BaseDelay)
	if r.Backoff != Fixed {
		base *= math.Pow(r.Multiplier, float64(attempts-1))
	}
	delay := r.MaxDelay
	if base < float64(r.MaxDelay) {
		delay = time.Duration(base)
	}
	if r.Backoff == ExponentialJitter {
		delay = time.Duration(random * float64(delay))
	}
	return delay
}
