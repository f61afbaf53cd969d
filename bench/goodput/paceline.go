package main

import (
	"context"
	"errors"
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
		p, err := pipeline.New(c.work, pipeline.Config{
			MaxConcurrency: c.workers,
			AttemptTimeout: c.timeout,
			Retry:          &pipeline.Retry{MaxAttempts: 5, Park: true},
			Policy:         policy,
		})
		if err != nil {
			panic(err) // the configuration is ours
		}
		if c.watch != nil {
			c.watch(p.Throttle())
		}
		for r := range p.Run(ctx, c.feed(ctx)) {
			if crash := new(pipeline.PanicError); errors.As(r.Err, &crash) {
				panic(crash) // a fault of the service or of this program, of which paceline would make a failed job
			}
			if r.Err != nil {
				c.lose()
			}
		}
	}
}

// feed sends jobs without end.
func (c *client) feed(ctx context.Context) <-chan int64 {
	jobs := make(chan int64, 64)
	go func() {
		for {
			select {
			case jobs <- c.job():
			case <-ctx.Done():
				return
			}
		}
	}()
	return jobs
}

// work is one attempt, as a user of paceline would write it: what the service says of its limits is passed on.
func (c *client) work(ctx context.Context, tokens int64) (struct{}, error) {
	a, gaveUp := c.send(tokens)
	if gaveUp {
		<-ctx.Done()
		return struct{}{}, ctx.Err()
	}
	time.Sleep(a.After)
	var retryAfter time.Duration
	if a.Hint != nil {
		retryAfter = a.Hint.RetryAfter
		if h := *a.Hint; h.Limit > 0 {
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
	if tokens > 1 {
		pipeline.SlotFrom(ctx).RecordTokens(tokens)
	}
	return struct{}{}, nil
}
