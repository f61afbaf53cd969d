package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// Retry says which errors are tried again, how often and when. Only the failure
// that a job ends with slows the throttle down.
func ExampleRetry() {
	timeout, denied := errors.New("timeout"), errors.New("denied")
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency: 8,
		Policy:         pipeline.AIMD{FailureThreshold: 1},
		Retry: &pipeline.Retry{
			MaxAttempts: 3,
			Backoff:     pipeline.Fixed, // or Exponential, or ExponentialJitter
			BaseDelay:   time.Millisecond,
			MaxDelay:    time.Minute,
			Retryable:   func(err error) bool { return errors.Is(err, timeout) },
		},
	})
	if err != nil {
		panic(err)
	}
	call := func(answers ...error) {
		attempts := 0
		_, err := pipeline.Execute(context.Background(), t, func(context.Context) (int, error) {
			attempts++
			return 0, answers[attempts-1]
		})
		fmt.Printf("%d attempts, %v, limit %d\n", attempts, err, t.Snapshot().Concurrency)
	}
	call(timeout, timeout, nil)
	call(denied)
	call(timeout, timeout, timeout)
	// Output:
	// 3 attempts, <nil>, limit 8
	// 1 attempts, denied, limit 4
	// 3 attempts, paceline: gave up after 3 attempts: timeout, limit 2
}

// What each backoff makes of a base delay of 1s and a maximum of 5s.
func ExampleBackoff() {
	for _, b := range []pipeline.Backoff{pipeline.Fixed, pipeline.Exponential, pipeline.ExponentialJitter} {
		r := pipeline.Retry{Backoff: b, BaseDelay: time.Second, MaxDelay: 5 * time.Second}.WithDefaults()
		fmt.Print(b, ":")
		for attempts := 1; attempts <= 4; attempts++ {
			fmt.Print(" ", r.Delay(attempts, 0.5)) // jitter draws the half
		}
		fmt.Println()
	}
	// Output:
	// fixed: 1s 1s 1s 1s
	// exponential: 1s 2s 4s 5s
	// exponential_jitter: 500ms 1s 2s 2.5s
}

// A transient error is tried again whatever Retryable says, a fatal one never,
// and it is no sign of overload.
func ExampleTransient() {
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency: 8,
		Policy:         pipeline.AIMD{FailureThreshold: 1},
		Retry: &pipeline.Retry{
			BaseDelay: time.Microsecond,
			Retryable: func(error) bool { return false },
		},
	})
	if err != nil {
		panic(err)
	}
	errRateLimit := errors.New("hit the rate limit")
	errInput := errors.New("prompt is too short")
	for _, answer := range []error{pipeline.Transient(errRateLimit), pipeline.Fatal(errInput)} {
		attempts := 0
		_, err := pipeline.Execute(context.Background(), t, func(context.Context) (int, error) {
			attempts++
			return 0, answer
		})
		fmt.Printf("%d attempts, %v, limit %d\n", attempts, err, t.Snapshot().Concurrency)
	}
	// Output:
	// 3 attempts, paceline: gave up after 3 attempts: hit the rate limit, limit 4
	// 1 attempts, prompt is too short, limit 4
}

// A retry budget keeps retries from being more than a share of all attempts, so
// that an outage does not double the load. A few are in hand from the start.
func ExampleRetry_budget() {
	t, err := pipeline.NewThrottle(pipeline.Config{
		Policy: pipeline.Static{},
		Retry:  &pipeline.Retry{MaxAttempts: 4, BaseDelay: 1, Budget: 0.1},
	})
	if err != nil {
		panic(err)
	}
	attempts := 0
	for range 1000 {
		_, _ = pipeline.Execute(context.Background(), t, func(context.Context) (int, error) {
			attempts++
			return 0, errors.New("503")
		})
	}
	fmt.Println(attempts, "attempts instead of 4000")
	// Output: 1122 attempts instead of 4000
}

// All errors can be told apart with errors.Is and errors.As, also through each
// other.
func Example_errors() {
	errDown := errors.New("503")
	cfg := pipeline.Config{
		Retry:   &pipeline.Retry{MaxAttempts: 2, BaseDelay: time.Microsecond},
		Breaker: &pipeline.Breaker{Failures: 2, OpenFor: time.Hour},
		Budgets: []pipeline.Budget{{Name: "minute", Tokens: 100, Window: time.Minute}},
		Rate:    &pipeline.Rate{PerSecond: 1000, Burst: 10},
	}
	t, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err)
	}
	call := func(ctx context.Context, answer error) error {
		_, err := pipeline.Execute(ctx, t, func(context.Context) (int, error) {
			if answer == nil {
				panic(errDown)
			}
			return 0, answer
		})
		return err
	}
	background := context.Background()
	canceled, cancel := context.WithCancel(background)
	cancel()
	cfg.Jitter = 2

	var (
		exhausted *pipeline.RetriesExhaustedError
		panicked  *pipeline.PanicError
		cost      *pipeline.CostError
		weight    *pipeline.WeightError
		open      *pipeline.CircuitOpenError
		config    *pipeline.ConfigError
	)
	err = call(background, nil)
	fmt.Println(errors.As(err, &panicked), errors.Is(err, errDown))
	err = call(pipeline.WithCost(background, 101), errDown)
	fmt.Println(errors.As(err, &cost), cost.Budget)
	err = call(pipeline.WithWeight(background, 11), errDown)
	fmt.Println(errors.As(err, &weight), weight.Burst)
	fmt.Println(errors.Is(call(canceled, errDown), context.Canceled))
	fmt.Println(errors.As(t.Update(cfg), &config), config.Field)
	err = call(background, errDown)
	fmt.Println(errors.As(err, &exhausted), exhausted.Attempts, errors.Is(err, errDown))
	fmt.Println(errors.As(call(background, errDown), &open))
	t.Close()
	fmt.Println(errors.Is(call(background, errDown), pipeline.ErrClosed))
	// Output:
	// true true
	// true minute
	// true 10
	// true
	// true jitter
	// true 2 true
	// true
	// true
}
