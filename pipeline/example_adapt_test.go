package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// Failures halve the limit and double the interval. After a while both recover,
// step by step, up to the limit that failed, and when that is long past, to the
// maximum.
func ExampleAIMD() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency:      8,
		InitialConcurrency:  4, // a cold start
		MinDispatchInterval: 100 * time.Millisecond,
		Policy:              pipeline.AIMD{FailureThreshold: 3, CoolingPeriod: 10 * time.Second, SafeCeilingDecay: 5},
		Clock:               now,
	})
	if err != nil {
		panic(err)
	}
	show := func(when string) {
		s := t.Snapshot()
		fmt.Printf("%-16s %-7v limit %d, interval %v, ceiling %d\n",
			when, s.State, s.Concurrency, s.DispatchInterval, s.SafeCeiling)
	}
	succeed := func(n int) {
		for range n {
			t.RecordSuccess(0, 0)
		}
	}
	show("cold start")
	succeed(2)
	show("2 successes")
	for range 3 {
		t.RecordFailure(errors.New("503"))
	}
	show("3 failures")
	succeed(10)
	show("10 successes")
	now.Add(10 * time.Second)
	succeed(1)
	show("cooled")
	succeed(10)
	show("10 successes")
	now.Add(40 * time.Second)
	succeed(1)
	show("50s later")
	succeed(10)
	show("10 successes")
	// Output:
	// cold start       running limit 4, interval 100ms, ceiling 8
	// 2 successes      running limit 6, interval 100ms, ceiling 8
	// 3 failures       cooling limit 3, interval 200ms, ceiling 6
	// 10 successes     cooling limit 3, interval 200ms, ceiling 6
	// cooled           running limit 4, interval 100ms, ceiling 6
	// 10 successes     running limit 6, interval 100ms, ceiling 6
	// 50s later        running limit 7, interval 100ms, ceiling 8
	// 10 successes     running limit 8, interval 100ms, ceiling 8
}

// Attempts of a throttle start at least the interval apart, whichever way they
// came, and up to Jitter times the interval later.
func ExampleConfig_minDispatchInterval() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		MinDispatchInterval: 200 * time.Millisecond,
		Jitter:              0.5,
		Policy:              pipeline.AIMD{},
		Clock:               now,
	})
	if err != nil {
		panic(err)
	}
	starts := make(chan time.Time, 3)
	for range cap(starts) {
		go pipeline.Execute(context.Background(), t, func(context.Context) (int, error) {
			starts <- now.Now()
			return 0, nil
		})
	}
	last := <-starts
	for range cap(starts) - 1 {
		for len(starts) == 0 {
			now.Add(10 * time.Millisecond)
		}
		start := <-starts
		gap := start.Sub(last)
		last = start
		fmt.Println(gap >= 200*time.Millisecond, gap <= 310*time.Millisecond) // a step more, for the clock
	}
	for range 3 {
		t.RecordFailure(errors.New("503"))
	}
	fmt.Println("after failures", t.Snapshot().DispatchInterval)
	// Output:
	// true true
	// true true
	// after failures 400ms
}

// An attempt that takes too long is ended through its context, and counts as a
// sign of overload.
func ExampleConfig_attemptTimeout() {
	t, err := pipeline.NewThrottle(pipeline.Config{
		AttemptTimeout: time.Millisecond,
		MaxConcurrency: 8,
		Policy:         pipeline.AIMD{FailureThreshold: 1},
	})
	if err != nil {
		panic(err)
	}
	_, err = pipeline.Execute(context.Background(), t, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	fmt.Println(err)
	fmt.Println("limit", t.Snapshot().Concurrency)
	// Output:
	// context deadline exceeded
	// limit 4
}

// Classify says what an error tells of the service. Here only what is the
// service's fault slows the throttle down.
func ExampleConfig_classify() {
	missing, down := errors.New("404"), errors.New("503")
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency: 8,
		Policy:         pipeline.AIMD{FailureThreshold: 1},
		Classify: func(err error) pipeline.Verdict {
			if errors.Is(err, missing) {
				return pipeline.Ignored
			}
			return pipeline.Failed
		},
	})
	if err != nil {
		panic(err)
	}
	for _, answer := range []error{missing, down} {
		_, err := pipeline.Execute(context.Background(), t, func(context.Context) (int, error) { return 0, answer })
		fmt.Println(err, "limit", t.Snapshot().Concurrency)
	}
	// Output:
	// 404 limit 8
	// 503 limit 4
}

// A configuration can be replaced while work goes through.
func ExampleThrottle_Update() {
	started, finish := make(chan int), make(chan struct{})
	work := func(_ context.Context, n int) (int, error) {
		started <- n
		<-finish
		return n * n, nil
	}
	cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}
	p, err := pipeline.New(work, cfg)
	if err != nil {
		panic(err)
	}
	jobs := make(chan int, 2)
	jobs <- 1
	jobs <- 2
	close(jobs)
	results := p.Run(context.Background(), jobs)
	fmt.Println("job", <-started, "is under way") // and there is no slot for the other one

	cfg.MaxConcurrency = 2
	fmt.Println(p.Throttle().Update(cfg))
	fmt.Println("job", <-started, "is under way, too")
	close(finish)
	for range results {
	}

	cfg.Jitter = 3
	fmt.Println(p.Throttle().Update(cfg)) // refused as a whole
	// Output:
	// job 1 is under way
	// <nil>
	// job 2 is under way, too
	// jitter: got 3, want 0 to 1
}
