package controller

import (
	"fmt"
	"math"
	"time"
)

// Retry describes when a failed job is tried again. A zero field takes its
// default.
type Retry struct {
	// MaxAttempts is how many of one job there are, the first included, whatever the
	// service is taken for. A refusal uses up none unless it is the job's own. Default 3.
	MaxAttempts int

	Backoff    Backoff          // default ExponentialJitter
	BaseDelay  time.Duration    // before the second attempt; default 1s
	MaxDelay   time.Duration    // longest delay of the backoff's own; default 60s
	Multiplier float64          // from one delay to the next, at least 1; default 2
	Retryable  func(error) bool // which unmarked errors are tried again; nil: all

	// Park frees the slot while a job backs off. One whose refusals are its own, or that
	// waits for its resource of the server's, frees it in any case.
	Park bool

	// Budget is the share of all attempts that retries may be, 0 to 1; see Allowance. What
	// follows a refusal is free. Default 0: no bound.
	Budget float64

	// GiveUpAfter is how long refusals that are not the job's own are tried again without
	// using up attempts. It is looked at when one comes: a longer RetryAfter is waited
	// out, up to MaxPause. Default 15m; negative: never give up.
	GiveUpAfter time.Duration
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

// The ways in which the delay before a retry grows.
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
