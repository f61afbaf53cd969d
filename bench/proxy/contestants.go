package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"golang.org/x/time/rate"

	"github.com/paceline-go/paceline/pipeline"
)

// A round is what one contestant has to do with: as many jobs as it can, each of which is one attempt that succeeds.
type round struct {
	attempt  func(context.Context) error
	jobEnded func(error)
	watch    func(func() gauge)
	isRate   bool           // what is limited; else it is concurrency
	limits   <-chan float64 // the limit, and each change of it, for those that are told
}

// A contestant does jobs until the context is done, with mostWorkers attempts in flight at most.
type contestant struct {
	short string
	name  string
	run   func(context.Context, round)
}

func (c contestant) ID() string { return c.short }

var contestants = []contestant{
	{"seek", "paceline Seek", paceline(pipeline.Seek{})},
	{"aimd", "paceline AIMD", paceline(pipeline.AIMD{})},
	{"told", "told the limit: x/time/rate, or as many workers", told},
	{"fixed", "200 workers + backoff", fixed},
	{"failsafe-limiter", "failsafe-go retry + adaptive limiter", failsafeLimiter},
	{"failsafe-breaker", "failsafe-go retry + breaker", failsafeBreaker},
	{"aws", "aws-sdk-go-v2 adaptive retry mode", awsAdaptive},
}

// maxAttempts is how often all of them may try a job. Ours does not count refusals, and so need not fail a job for them.
const maxAttempts = 5

// paceline runs with one configuration in all cases.
func paceline(policy pipeline.Policy) func(context.Context, round) {
	return func(ctx context.Context, r round) {
		p, err := pipeline.New(func(ctx context.Context, _ int) (struct{}, error) {
			return struct{}{}, marked(r.attempt(ctx))
		}, pipeline.Config{
			MaxConcurrency: mostWorkers,
			Policy:         policy,
			Retry:          &pipeline.Retry{MaxAttempts: maxAttempts, Park: true},
		})
		if err != nil {
			panic(err) // the configuration is ours
		}
		r.watch(func() gauge {
			s := p.Throttle().Snapshot()
			return gauge{limit: s.Concurrency, interval: s.DispatchInterval}
		})
		jobs := make(chan int)
		go func() {
			defer close(jobs)
			for n := 0; ; n++ {
				select {
				case jobs <- n:
				case <-ctx.Done():
					return
				}
			}
		}()
		for result := range p.Run(ctx, jobs) {
			r.jobEnded(result.Err)
		}
	}
}

// marked is what our README shows: a refusal is told as one.
func marked(err error) error {
	var no *refusal
	if errors.As(err, &no) {
		return pipeline.Overloaded(err, no.after)
	}
	return err
}

// crowd runs n workers that do one job after another.
func crowd(ctx context.Context, n int, job func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				job()
			}
		})
	}
	all.Wait()
}

// delay is how long all but AWS's wait before the next attempt, our own default: a random share of 1 s, 2 s, 4 s and so on,
// and no less than the server has asked for.
func delay(attempts int, err error) time.Duration {
	d := time.Duration(rand.Float64() * float64(time.Second<<(attempts-1)))
	var no *refusal
	if errors.As(err, &no) {
		d = max(d, no.after)
	}
	return d
}

// retried does one job by hand.
func retried(ctx context.Context, attempt func(context.Context) error) error {
	for n := 1; ; n++ {
		err := attempt(ctx)
		if err == nil || n == maxAttempts {
			return err
		}
		select {
		case <-time.After(delay(n, err)):
		case <-ctx.Done():
			return err
		}
	}
}

func fixed(ctx context.Context, r round) {
	crowd(ctx, mostWorkers, func() { r.jobEnded(retried(ctx, r.attempt)) })
}

// told is what a client can get with today's means if it knows the limit and each change of it.
func told(ctx context.Context, r round) {
	if r.isRate {
		toldRate(ctx, r)
	} else {
		toldWorkers(ctx, r)
	}
}

func toldRate(ctx context.Context, r round) {
	limiter := rate.NewLimiter(rate.Limit(<-r.limits), 1)
	var teller sync.WaitGroup
	teller.Go(func() {
		for {
			select {
			case limit := <-r.limits:
				limiter.SetLimit(rate.Limit(limit))
			case <-ctx.Done():
				return
			}
		}
	})
	crowd(ctx, mostWorkers, func() {
		r.jobEnded(retried(ctx, func(ctx context.Context) error {
			if err := limiter.Wait(ctx); err != nil {
				return err
			}
			return r.attempt(ctx)
		}))
	})
	teller.Wait()
}

// toldWorkers are as many as may be at work at once.
func toldWorkers(ctx context.Context, r round) {
	var (
		all   sync.WaitGroup
		leave []context.CancelFunc
	)
	hire := func() {
		hired, dismiss := context.WithCancel(ctx)
		leave = append(leave, dismiss)
		all.Go(func() {
			for hired.Err() == nil {
				r.jobEnded(retried(ctx, r.attempt))
			}
		})
	}
	dismiss := func() {
		last := len(leave) - 1
		leave[last]()
		leave = leave[:last]
	}
	for ctx.Err() == nil {
		select {
		case limit := <-r.limits:
			for len(leave) < int(limit) {
				hire()
			}
			for len(leave) > int(limit) {
				dismiss()
			}
		case <-ctx.Done():
		}
	}
	for len(leave) > 0 {
		dismiss()
	}
	all.Wait()
}

func failsafeGuarded(ctx context.Context, r round, policies ...failsafe.Policy[any]) {
	retries := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(maxAttempts).
		WithDelayFunc(func(exec failsafe.ExecutionAttempt[any]) time.Duration {
			return delay(exec.Attempts(), exec.LastError())
		}).Build()
	guard := failsafe.With(append([]failsafe.Policy[any]{retries}, policies...)...).WithContext(ctx)
	crowd(ctx, mostWorkers, func() {
		r.jobEnded(guard.Run(func() error { return r.attempt(ctx) }))
	})
}

// failsafeLimiter has workers wait for a permit; by default the limiter would fail them at once.
func failsafeLimiter(ctx context.Context, r round) {
	limiter := adaptivelimiter.NewBuilder[any]().
		WithLimits(1, mostWorkers, 20). // 20 to begin with is the default
		WithMaxWaitTime(time.Hour).Build()
	r.watch(func() gauge { return gauge{limit: limiter.Limit()} })
	failsafeGuarded(ctx, r, limiter)
}

// failsafeBreaker opens after as many failures in a row as ours would, but only for a second: its defaults, one failure
// and a minute, would have it closed for seconds of the run only.
func failsafeBreaker(ctx context.Context, r round) {
	failsafeGuarded(ctx, r, circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(10).
		WithSuccessThreshold(1).
		WithDelay(time.Second).Build())
}

// awsAdaptive sends attempts through the SDK's own retry middleware, with its own backoff.
func awsAdaptive(ctx context.Context, r round) {
	mode := retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) { o.MaxAttempts = maxAttempts })
	})
	retries := retry.NewAttemptMiddleware(mode, func(request any) any { return request })
	attempt := middleware.FinalizeHandlerFunc(func(ctx context.Context, _ middleware.FinalizeInput) (
		out middleware.FinalizeOutput, meta middleware.Metadata, err error,
	) {
		return out, meta, asAPIError(r.attempt(ctx))
	})
	crowd(ctx, mostWorkers, func() {
		_, _, err := retries.HandleFinalize(ctx, middleware.FinalizeInput{}, attempt)
		r.jobEnded(err)
	})
}

// asAPIError names a refusal as AWS's services do.
func asAPIError(err error) error {
	var no *refusal
	if errors.As(err, &no) {
		return &smithy.GenericAPIError{Code: "ThrottlingException", Message: no.Error()}
	}
	return err
}
