package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

var (
	errRefused = errors.New("too many requests")
	errFailed  = errors.New("internal server error")
)

// paceline is configured alike for every service: it is told how many workers it may have and how long an attempt may
// take, as every client is, and nothing else.
func paceline(policy pipeline.Policy) func(context.Context, *client) {
	return func(ctx context.Context, c *client) {
		cfg := pipeline.Config{MaxConcurrency: c.workers, Policy: policy}
		if c.breaker {
			cfg.Breaker = new(pipeline.Breaker)
		}
		c.run(ctx, cfg)
	}
}

// toldStatic is paceline without a law, told the limits. It is the measure where jobs have an end. It stays a little
// below a rate, as toldRate does.
func toldStatic(ctx context.Context, c *client) {
	cfg := pipeline.Config{MaxConcurrency: c.workers, Policy: pipeline.Static{}}
	told := c.counter.truth()
	if told.Rate > 0 {
		cfg.Rate = &pipeline.Rate{PerSecond: 0.995 * told.Rate, Burst: 1}
	}
	if told.Concurrency > 0 {
		cfg.MaxConcurrency = min(c.workers, int(told.Concurrency))
	}
	c.run(ctx, cfg)
}

// run does all jobs by a pipeline, or by what else they come by.
func (c *client) run(ctx context.Context, cfg pipeline.Config) {
	cfg.AttemptTimeout = c.timeout
	cfg.Retry = &pipeline.Retry{MaxAttempts: c.attempts, Park: c.park}
	cfg.Seed = uint64(c.number) + 1 // a run can be replayed
	if p, ok := c.counter.scenario.service.(*pooled); ok && c.member == 0 {
		c.runPool(ctx, cfg, p)
		return
	}
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err) // the configuration is ours
	}
	if c.watch != nil {
		c.watch(throttle)
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	if r := c.counter.scenario.rows; r != nil && r.way == pipelike {
		beside.Go(func() { c.pipe(ctx, throttle, true) })
	} else if r != nil && r.way == calls {
		beside.Go(func() { c.callEach(ctx, throttle) })
	}
	c.pipe(ctx, throttle, false)
}

// pipe does the jobs that come one way by a pipeline.
func (c *client) pipe(ctx context.Context, throttle *pipeline.Throttle, beside bool) {
	c.take(pipeline.Attach(throttle, c.work).Run(ctx, c.feed(ctx, beside)))
}

// take takes what comes back.
func (c *client) take(results <-chan pipeline.Result[job, struct{}]) {
	for r := range results {
		if crash := new(pipeline.PanicError); errors.As(r.Err, &crash) {
			panic(crash) // a fault of the service or of this program, of which paceline would make a failed job
		}
		c.giveBack(r.In, r.Err)
	}
}

// callEach does the jobs beside the pipeline by a call each, one after another.
func (c *client) callEach(ctx context.Context, throttle *pipeline.Throttle) {
	call := pipeline.Wrap(throttle, c.work)
	for ctx.Err() == nil {
		j, more := c.counter.job(true)
		if !more {
			return
		}
		_, err := call(ctx, j)
		c.giveBack(j, err)
	}
}

// feed sends jobs until there are no more.
func (c *client) feed(ctx context.Context, beside bool) <-chan job {
	jobs := make(chan job, 64)
	go func() {
		defer close(jobs)
		for {
			j, more := c.counter.job(beside)
			if !more {
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	return jobs
}

// work is one attempt, as a user of paceline would write it: what the service says of its limits is passed on.
func (c *client) work(ctx context.Context, j job) (struct{}, error) {
	a, gaveUp := c.send(j)
	if gaveUp {
		<-ctx.Done()
		return struct{}{}, ctx.Err()
	}
	time.Sleep(a.After)
	var retryAfter time.Duration
	if a.Hint != nil {
		retryAfter = a.Hint.RetryAfter
	}
	for _, hint := range []*pipeline.Hint{a.Hint, a.Other} {
		if hint != nil && hint.Limit > 0 {
			h := *hint
			h.Reset = max(h.Reset-a.After, 0) // it was counted when the request arrived
			pipeline.SlotFrom(ctx).Hint(h)
		}
	}
	switch a.Status {
	case refused:
		return struct{}{}, pipeline.Overloaded(errRefused, retryAfter)
	case failed:
		return struct{}{}, errFailed
	}
	if j.tokens > 1 {
		pipeline.SlotFrom(ctx).RecordTokens(j.tokens)
	}
	return struct{}{}, nil
}
