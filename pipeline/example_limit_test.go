package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// An attempt waits for all budgets. Here the minute's requests are used up first,
// so the third call waits for the minute to pass.
func ExampleBudget() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Budgets: []pipeline.Budget{
			{Name: "requests per minute", Tokens: 2, Window: time.Minute, Requests: true},
			{Name: "tokens per minute", Tokens: 90_000, Window: time.Minute},
			{Name: "tokens per day", Tokens: 1_000_000, Window: 24 * time.Hour},
		},
		Clock: now,
	})
	if err != nil {
		panic(err)
	}
	call := func() {
		ctx := pipeline.WithCost(context.Background(), 500) // expected
		_, err := pipeline.Execute(ctx, t, func(ctx context.Context) (int, error) {
			pipeline.SlotFrom(ctx).RecordTokens(400) // used
			return 0, nil
		})
		if err != nil {
			panic(err)
		}
	}
	call()
	call()
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	for t.Snapshot().Waiting == 0 {
		runtime.Gosched()
	}
	show := func(when string) {
		fmt.Println(when)
		for _, b := range t.Snapshot().Budgets {
			fmt.Printf("  %s: %d used, %d left\n", b.Name, b.Used, b.Remaining)
		}
	}
	show("two calls done, one waits")
	now.Add(time.Minute)
	<-done
	show("a minute later")
	// Output:
	// two calls done, one waits
	//   requests per minute: 2 used, 0 left
	//   tokens per minute: 800 used, 89200 left
	//   tokens per day: 800 used, 999200 left
	// a minute later
	//   requests per minute: 1 used, 1 left
	//   tokens per minute: 400 used, 89600 left
	//   tokens per day: 1200 used, 998800 left
}

// A rate is a token bucket that starts full. A call may count for more than one,
// or for a fraction; one that is heavier than the burst could wait for ever, so
// it is refused.
func ExampleRate() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Rate:  &pipeline.Rate{PerSecond: 1, Burst: 5}, // 60 a minute
		Clock: now,
	})
	if err != nil {
		panic(err)
	}
	begun := now.Now()
	call := func(weight float64) {
		ctx := pipeline.WithWeight(context.Background(), weight)
		_, err := pipeline.Execute(ctx, t, func(context.Context) (int, error) {
			fmt.Printf("%v calls at %v\n", weight, now.Since(begun))
			return 0, nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	call(2.5)
	call(2.5)
	call(6)
	done := make(chan struct{})
	go func() {
		defer close(done)
		call(0.5)
	}()
	for t.Snapshot().Waiting == 0 {
		runtime.Gosched()
	}
	now.Add(500 * time.Millisecond)
	<-done
	// Output:
	// 2.5 calls at 0s
	// 2.5 calls at 0s
	// paceline: weight: got 6, want at most 5, the rate's burst
	// 0.5 calls at 500ms
}

// Functions and pipelines that go through one throttle share its rate, its budgets
// and its circuit.
func ExampleRate_shared() {
	t, err := pipeline.NewThrottle(pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1000, Burst: 2}})
	if err != nil {
		panic(err)
	}
	search := pipeline.Wrap(t, func(_ context.Context, q string) (string, error) { return "found " + q, nil })
	fetch := pipeline.Attach(t, func(_ context.Context, id int) (int, error) { return id, nil })

	found, err := search(context.Background(), "ducks")
	fmt.Println(found, err)
	for r := range fetch.Ordered().Each(context.Background(), slices.Values([]int{1, 2})) {
		fmt.Println(r.Out, r.Err)
	}
	fmt.Println(t.Snapshot().Completed, "calls of one rate")
	// Output:
	// found ducks <nil>
	// 1 <nil>
	// 2 <nil>
	// 3 calls of one rate
}

// A job of a pipeline may count for several calls, too.
func ExamplePipeline_Weight() {
	p, err := pipeline.New(square, pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1000, Burst: 10}})
	if err != nil {
		panic(err)
	}
	p.Ordered().Weight(func(n int) float64 { return float64(n) })
	for r := range p.Each(context.Background(), slices.Values([]int{4, 11})) {
		fmt.Println(r.In, r.Out, r.Err)
	}
	// Output:
	// 4 16 <nil>
	// 11 0 paceline: weight: got 11, want at most 10, the rate's burst
}

// A breaker may open on chosen errors only: here on calls that have used up their
// attempts. All that is attached to the throttle shares it.
func ExampleBreaker_counts() {
	exhausted := func(err error) bool {
		var e *pipeline.RetriesExhaustedError
		return errors.As(err, &e)
	}
	t, err := pipeline.NewThrottle(pipeline.Config{
		Retry:   &pipeline.Retry{MaxAttempts: 3, BaseDelay: time.Microsecond},
		Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour, Counts: exhausted},
	})
	if err != nil {
		panic(err)
	}
	var answers []error
	work := func(context.Context, string) (answer string, err error) {
		err, answers = answers[0], answers[1:]
		return "fine", err
	}
	complete, translate := pipeline.Wrap(t, work), pipeline.Wrap(t, work)

	down, invalid := errors.New("503"), pipeline.Fatal(errors.New("prompt is too short"))
	answers = []error{down, down, nil, invalid, down, down, down}
	for range 3 {
		_, err = complete(context.Background(), "a story about a duck")
		fmt.Printf("%v: circuit %v\n", err, t.Snapshot().Circuit)
	}
	_, err = translate(context.Background(), "canard")
	var open *pipeline.CircuitOpenError
	fmt.Println(errors.As(err, &open))
	// Output:
	// <nil>: circuit closed
	// prompt is too short: circuit closed
	// paceline: gave up after 3 attempts: 503: circuit open
	// true
}

// Each key has a throttle of its own, which slows down by itself; a budget they
// share.
func ExampleKeyed() {
	tenants, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{
		Each: pipeline.Config{
			MaxConcurrency: 8,
			Policy:         pipeline.AIMD{FailureThreshold: 1},
			Budgets:        []pipeline.Budget{{Name: "tenant", Tokens: 1000, Window: time.Minute}},
		},
		Shared: []pipeline.Budget{{Name: "all", Tokens: 1500, Window: time.Minute}},
	})
	if err != nil {
		panic(err)
	}
	call := func(tenant string, tokens int64, answer error) {
		_, _ = pipeline.Execute(context.Background(), tenants.Throttle(tenant), func(ctx context.Context) (int, error) {
			pipeline.SlotFrom(ctx).RecordTokens(tokens)
			return 0, answer
		})
	}
	call("ducks", 700, nil)
	call("geese", 300, errors.New("503"))
	ducks, geese := tenants.Throttle("ducks").Snapshot(), tenants.Throttle("geese").Snapshot()
	fmt.Println("ducks: limit", ducks.Concurrency, "and", ducks.Budgets[0].Remaining, "tokens of their own left")
	fmt.Println("geese: limit", geese.Concurrency, "and", geese.Budgets[0].Remaining, "tokens of their own left")
	fmt.Println("all:", geese.Budgets[1].Remaining, "tokens left")
	// Output:
	// ducks: limit 8 and 300 tokens of their own left
	// geese: limit 4 and 700 tokens of their own left
	// all: 500 tokens left
}
