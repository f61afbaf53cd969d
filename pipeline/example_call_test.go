package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// Execute does one call at a time. The slot tells which attempt it is, for an
// idempotency key, and takes what the call used.
func ExampleExecute() {
	t, err := pipeline.NewThrottle(pipeline.Config{
		Budgets: []pipeline.Budget{{Tokens: 100_000, Window: time.Minute}},
		Retry:   &pipeline.Retry{BaseDelay: time.Microsecond},
	})
	if err != nil {
		panic(err)
	}
	text, err := pipeline.Execute(context.Background(), t, func(ctx context.Context) (string, error) {
		slot := pipeline.SlotFrom(ctx)
		fmt.Printf("idempotency key: order-7-%d\n", slot.Attempt())
		slot.RecordTokens(120)
		if slot.Attempt() == 0 {
			return "", errors.New("connection reset")
		}
		return "done", nil
	})
	fmt.Println(text, err)
	fmt.Println("used", t.Snapshot().TokensUsed)
	// Output:
	// idempotency key: order-7-0
	// idempotency key: order-7-1
	// done <nil>
	// used 240
}

// Wrap gives a function back with the same signature, throttled.
func ExampleWrap() {
	t, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 5})
	if err != nil {
		panic(err)
	}
	length := func(_ context.Context, s string) (int, error) { return len(s), nil }
	length = pipeline.Wrap(t, length)

	n, err := length(context.Background(), "gentle")
	fmt.Println(n, err)
	fmt.Println(t.Snapshot().Completed, "through the throttle")
	// Output:
	// 6 <nil>
	// 1 through the throttle
}

// A slot that is held by hand is one attempt, from Acquire to Release. Nothing is
// tried again.
func ExampleThrottle_Acquire() {
	t, err := pipeline.NewThrottle(pipeline.Config{
		Budgets: []pipeline.Budget{{Tokens: 1000, Window: time.Minute}},
	})
	if err != nil {
		panic(err)
	}
	upload := func(ctx context.Context) (err error) {
		slot, err := t.Acquire(ctx)
		if err != nil {
			return err
		}
		defer func() { slot.Release(err) }()
		slot.RecordTokens(70)
		return errors.New("the disk is full")
	}
	fmt.Println(upload(context.Background()))
	s := t.Snapshot()
	fmt.Println(s.InFlight, "in flight,", s.Failed, "failed,", s.TokensUsed, "tokens used")
	// Output:
	// the disk is full
	// 0 in flight, 1 failed, 70 tokens used
}

// What is done around a throttle can be told to it: it counts for the policy, the
// circuit, the budgets and the progress.
func ExampleThrottle_RecordFailure() {
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency: 8,
		Policy:         pipeline.AIMD{FailureThreshold: 2},
		Budgets:        []pipeline.Budget{{Tokens: 1000, Window: time.Minute}},
	})
	if err != nil {
		panic(err)
	}
	t.RecordSuccess(80*time.Millisecond, 300) // it took so long, and so many tokens
	t.RecordTokens(50)                        // used by something else
	t.RecordFailure(errors.New("503"))
	t.RecordFailure(errors.New("503"))

	s := t.Snapshot()
	fmt.Println(s.Completed, "succeeded,", s.Failed, "failed,", s.TokensUsed, "tokens used")
	fmt.Println(s.State, "at", s.Concurrency)
	// Output:
	// 1 succeeded, 2 failed, 350 tokens used
	// cooling at 4
}

// While the circuit is open, single calls are rejected at once, with the time
// left. Breaker.Wait lets them wait instead, as jobs of a pipeline do.
func ExampleCircuitOpenError() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 10 * time.Second, Probes: 2},
		Spread:  -1, // exactly 10s, not up to half a second longer
		Clock:   now,
	})
	if err != nil {
		panic(err)
	}
	call := func(answer error) {
		_, err := pipeline.Execute(context.Background(), t, func(context.Context) (int, error) { return 0, answer })
		var open *pipeline.CircuitOpenError
		if errors.As(err, &open) {
			fmt.Println("rejected, come again in", open.RetryAfter)
			return
		}
		fmt.Printf("%v: circuit %v\n", err, t.Snapshot().Circuit)
	}
	down := errors.New("503")
	call(down)
	call(down) // opens it
	call(nil)
	now.Add(9 * time.Second)
	call(nil)
	now.Add(time.Second) // half-open: two probes
	call(down)           // one that fails opens it for twice as long
	call(nil)
	for _, openFor := range []time.Duration{20, 40, 50} { // five times the first, at most
		now.Add(openFor * time.Second)
		call(down)
	}
	call(nil)
	now.Add(50 * time.Second)
	call(nil)
	call(nil) // both probes have succeeded
	// Output:
	// 503: circuit closed
	// 503: circuit open
	// rejected, come again in 10s
	// rejected, come again in 1s
	// 503: circuit open
	// rejected, come again in 20s
	// 503: circuit open
	// 503: circuit open
	// 503: circuit open
	// rejected, come again in 50s
	// <nil>: circuit half_open
	// <nil>: circuit closed
}

// No attempt starts when one with as much time has just met its deadline and none of
// late was so quick, and nobody waits in vain for another one.
func ExampleExecute_deadline() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Hour},
		Clock: now,
	})
	if err != nil {
		panic(err)
	}
	call := func(patience time.Duration, answer error) {
		ctx, cancel := now.WithTimeout(context.Background(), patience)
		defer cancel()
		attempts := 0
		_, err := pipeline.Execute(ctx, t, func(context.Context) (int, error) {
			attempts++
			now.Add(3 * time.Second) // it takes so long
			return 0, answer
		})
		fmt.Println(attempts, "attempts:", err)
	}
	call(time.Minute, nil)
	call(2*time.Second, nil) // too late for its deadline
	call(2*time.Second, nil)
	call(time.Minute, errors.New("busy"))
	// Output:
	// 1 attempts: <nil>
	// 1 attempts: <nil>
	// 0 attempts: paceline: no attempt can end before the deadline in 2s: context deadline exceeded
	// 1 attempts: busy; not tried again: paceline: no attempt can end before the deadline in 57s: context deadline exceeded
}

// What a server says of its limits holds for all attempts, not only for the one
// that was told.
func ExampleHint() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Budgets: []pipeline.Budget{{Name: "tokens", Tokens: 90_000, Window: time.Minute}},
		Spread:  -1, // a pause is as long as it was asked for
		Clock:   now,
	})
	if err != nil {
		panic(err)
	}
	_, err = pipeline.Execute(context.Background(), t, func(ctx context.Context) (int, error) {
		slot := pipeline.SlotFrom(ctx)
		// x-ratelimit-remaining-tokens: 1000, x-ratelimit-reset-tokens: 12s
		slot.Hint(pipeline.Hint{Budget: "tokens", Remaining: 1000, Reset: 12 * time.Second})
		// Retry-After: 3
		slot.Hint(pipeline.Hint{RetryAfter: 3 * time.Second})
		return 0, nil
	})
	s := t.Snapshot()
	fmt.Println(err, s.TokensRemaining, s.PausedFor)
	now.Add(12 * time.Second)
	s = t.Snapshot()
	fmt.Println(s.TokensRemaining, s.PausedFor)
	// Output:
	// <nil> 1000 3s
	// 90000 0s
}

// A service is quick, but for a few answers. What takes longer than almost all others before it is
// asked a second time, and the first answer counts.
func ExampleHedged() {
	var calls atomic.Int64
	lookUp := func(ctx context.Context, n int) (int, error) {
		if calls.Add(1) == 201 { // this one would take for ever
			<-ctx.Done()
			return 0, ctx.Err()
		}
		time.Sleep(time.Millisecond)
		return n * n, nil
	}
	p, err := pipeline.New(pipeline.Hedged(lookUp, pipeline.Hedge{MaxShare: 1}), pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	done := 0
	for r := range p.Each(context.Background(), slices.Values(make([]int, 300))) {
		if r.Err == nil && r.Attempts == 1 {
			done++
		}
	}
	fmt.Println(done, "done")
	// Output: 300 done
}
