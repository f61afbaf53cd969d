package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"golang.org/x/time/rate"
)

// What all peers have in common: between its attempts a job waits twice as long each time, but at least as long as the
// service asks for.
const (
	firstDelay   = time.Second
	longestDelay = 30 * time.Second
)

// A refusal is the error of an attempt that the service refused.
type refusal struct{ retryAfter time.Duration }

func (refusal) Error() string { return errRefused.Error() }

// retryAfter returns how long the service asks to wait.
func retryAfter(err error) time.Duration {
	r := refusal{}
	errors.As(err, &r)
	return r.retryAfter
}

// attempt is one attempt of a peer.
func (c *client) attempt(j job) error {
	a, _ := c.send(j)
	time.Sleep(a.After)
	switch {
	case a.Status == failed:
		return errFailed
	case a.Status == refused && a.Hint != nil:
		return refusal{a.Hint.RetryAfter}
	case a.Status == refused:
		return refusal{}
	}
	return nil
}

// pool has as many workers as are allowed do jobs until there are no more. They sleep on when the run is over, which takes no time
// where time is virtual.
func (c *client) pool(ctx context.Context, do func(job) error) {
	var all sync.WaitGroup
	for range c.workers {
		all.Go(func() {
			for ctx.Err() == nil {
				j, more := c.job()
				if !more {
					return
				}
				c.giveBack(j, do(j))
			}
		})
	}
	all.Wait()
}

// withBackoff tries a job again after random shares of 1 s, 2 s, 4 s and 8 s ("full jitter").
func (c *client) withBackoff(ctx context.Context, attempt func(job) error) func(job) error {
	return func(j job) error {
		delay := firstDelay
		for i := 1; ; i++ {
			err := attempt(j)
			if err == nil || i == c.attempts || ctx.Err() != nil {
				return err
			}
			time.Sleep(max(rand.N(delay), retryAfter(err)))
			delay = min(2*delay, longestDelay)
		}
	}
}

// fixedPool keeps all workers busy, whatever the service says.
func fixedPool(ctx context.Context, c *client) {
	c.pool(ctx, c.withBackoff(ctx, c.attempt))
}

// A turn lets one worker at a time wait for a limiter, so that the others are not woken only to wait again.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(wait func()) {
	t <- struct{}{}
	wait()
	<-t
}

// toldRate is the fixed pool behind a limiter that is told the service's rate, and of every change of it. It is the only
// one that is told anything. It stays a little below, since at the very rate every second attempt can come a nanosecond
// too early.
func toldRate(ctx context.Context, c *client) {
	told := func() rate.Limit { return rate.Limit(0.995 * c.share()) }
	limiter, turn := rate.NewLimiter(told(), 1), newTurn()
	c.pool(ctx, c.withBackoff(ctx, func(j job) error {
		turn.take(func() {
			if now := told(); now != limiter.Limit() {
				limiter.SetLimit(now)
			}
			_ = limiter.Wait(ctx) // fails only when the run is over
		})
		return c.attempt(j)
	}))
}

// retryPolicy is failsafe-go's with the delays of all peers. They vary by a quarter, since it has no full jitter.
func retryPolicy(attempts int) retrypolicy.RetryPolicy[any] {
	return retrypolicy.NewBuilder[any]().
		WithMaxAttempts(attempts).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			return max(min(firstDelay<<(e.Attempts()-1), longestDelay), retryAfter(e.LastError()))
		}).
		WithJitterFactor(0.25).
		Build()
}

// failsafeLimiter bounds the attempts in flight by an adaptive limiter, in which they wait rather than being rejected.
func failsafeLimiter(ctx context.Context, c *client) {
	most := uint(c.workers)
	limiter := adaptivelimiter.NewBuilder[any]().
		WithLimits(1, most, min(20, most)). // 20 is the default
		WithMaxWaitTime(24 * time.Hour).
		Build()
	guard := failsafe.With(retryPolicy(c.attempts), limiter).WithContext(ctx)
	c.pool(ctx, func(j job) error {
		return guard.Run(func() error { return c.attempt(j) })
	})
}

// failsafeBreaker stops for a second when half of the attempts of ten seconds have failed: of some settings, that which
// did best here. Attempts wait for the circuit rather than being rejected, which would use them up.
func failsafeBreaker(ctx context.Context, c *client) {
	breaker := circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(0.5, 20, 10*time.Second).
		WithSuccessThreshold(1).
		WithDelay(time.Second).
		Build()
	turn := newTurn()
	pass := func() {
		for !breaker.TryAcquirePermit() && ctx.Err() == nil {
			time.Sleep(max(breaker.RemainingDelay(), 100*time.Millisecond)) // there is no delay while a trial is out
		}
	}
	guard := failsafe.With(retryPolicy(c.attempts)).WithContext(ctx)
	c.pool(ctx, func(j job) error {
		return guard.Run(func() error {
			if !breaker.TryAcquirePermit() {
				turn.take(pass)
			}
			err := c.attempt(j)
			if err == nil {
				breaker.RecordSuccess()
			} else {
				breaker.RecordError(err)
			}
			return err
		})
	})
}

// An awsError has the code by which AWS's retryer knows what may be tried again, and what is a refusal.
type awsError struct {
	error
	code string
}

func (e awsError) ErrorCode() string { return e.code }
func (e awsError) Unwrap() error     { return e.error }

func asAWS(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFailed):
		return awsError{err, "RequestTimeout"}
	}
	return awsError{err, "ThrottlingException"}
}

// awsAdaptive goes through AWS's adaptive mode as the SDK's own middleware does, but for the waiting for a token. The
// mode's own asks again after a time that may be rounded to none, which takes for ever where time only passes in waiting.
func awsAdaptive(ctx context.Context, c *client) {
	mode := retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.FailOnNoAttemptTokens = true
		o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) {
			o.MaxAttempts = c.attempts
			o.RateLimiter = ratelimit.None // or the retries of an outage use up their quota, and most jobs fail
		})
	})
	turn := newTurn()
	attempt := func(j job) (err error) {
		var ended func(error) error
		turn.take(func() {
			ended, err = mode.GetAttemptToken(ctx)
			for wait := time.Millisecond; err != nil && ctx.Err() == nil; wait = min(2*wait, 16*time.Millisecond) {
				time.Sleep(wait)
				ended, err = mode.GetAttemptToken(ctx)
			}
		})
		if err != nil {
			return err // the run is over
		}
		err = asAWS(c.attempt(j))
		_ = ended(err) // always nil
		return err
	}
	c.pool(ctx, func(j job) error {
		giveBack := func(error) error { return nil } // what the last retry took from the quota of retries
		for i := 1; ; i++ {
			err := attempt(j)
			_ = giveBack(err) // always nil
			if err == nil || i == mode.MaxAttempts() || !mode.IsErrorRetryable(err) {
				return err
			}
			giveBack, _ = mode.GetRetryToken(ctx, err) // never fails without a quota
			delay, _ := mode.RetryDelay(i, err)        // fails only without a source of random numbers
			time.Sleep(max(delay, retryAfter(err)))
		}
	})
}
