package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func square(_ context.Context, n int) (int, error) { return n * n, nil }

// Jobs go in, results come out: one for each job, in no order.
func ExamplePipeline_Run() {
	p, err := pipeline.New(square, pipeline.Config{MaxConcurrency: 4})
	if err != nil {
		panic(err)
	}
	jobs := make(chan int)
	go func() {
		defer close(jobs)
		for n := range 10 {
			jobs <- n
		}
	}()
	sum := 0
	for r := range p.Run(context.Background(), jobs) {
		sum += r.Out
	}
	fmt.Println(sum)
	// Output: 285
}

// Leaving the loop cancels what is left and cleans up.
func ExamplePipeline_Each() {
	p, err := pipeline.New(square, pipeline.Config{MaxConcurrency: 4})
	if err != nil {
		panic(err)
	}
	naturals := func(yield func(int) bool) {
		for n := 0; yield(n); n++ {
		}
	}
	for r := range p.Ordered().Each(context.Background(), naturals) {
		if r.Out > 20 {
			fmt.Println(r.In, "is the first with a square above 20")
			break
		}
	}
	// Output: 5 is the first with a square above 20
}

// Results come in the order of the jobs, however long each takes.
// A slice in, a slice out: for runs that are small enough.
func ExamplePipeline_Each_slices() {
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	p, err := pipeline.New(double, pipeline.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range slices.Collect(p.Ordered().Each(context.Background(), slices.Values([]int{1, 2, 3}))) {
		fmt.Println(r.In, r.Out, r.Err)
	}
	// Output:
	// 1 2 <nil>
	// 2 4 <nil>
	// 3 6 <nil>
}

func ExamplePipeline_Ordered() {
	release := make(chan struct{})
	work := func(_ context.Context, name string) (int, error) {
		if name == "slow" {
			<-release
		} else {
			close(release) // only now is the slow one done
		}
		return len(name), nil
	}
	p, err := pipeline.New(work, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	for r := range p.Ordered().Each(context.Background(), slices.Values([]string{"slow", "quick"})) {
		fmt.Println(r.In, r.Out)
	}
	// Output:
	// slow 4
	// quick 5
}

// A budget is reserved before a job starts and settled with what it used.
func ExamplePipeline_Cost() {
	prompts := []string{"short", "a little longer", "far too long for any budget"}
	complete := func(ctx context.Context, prompt string) (string, error) {
		pipeline.SlotFrom(ctx).RecordTokens(int64(len(prompt)) / 2) // the server tells how many it were
		return "answer", nil
	}
	p, err := pipeline.New(complete, pipeline.Config{
		Budgets: []pipeline.Budget{{Name: "tokens per minute", Tokens: 20, Window: time.Minute}},
	})
	if err != nil {
		panic(err)
	}
	p.Cost(func(prompt string) int64 { return int64(len(prompt)) }).Ordered()
	for r := range p.Each(context.Background(), slices.Values(prompts)) {
		fmt.Println(r.In+":", r.Out, r.Err)
	}
	fmt.Println("used", p.Throttle().Snapshot().TokensUsed)
	// Output:
	// short: answer <nil>
	// a little longer: answer <nil>
	// far too long for any budget:  paceline: cost: got 27, want at most 20, all of budget "tokens per minute"
	// used 9
}

// Pipelines that call the same service share its limit.
func ExampleAttach() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 3})
	if err != nil {
		panic(err)
	}
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	length := func(_ context.Context, s string) (int, error) { return len(s), nil }

	var all sync.WaitGroup
	all.Go(func() {
		for range pipeline.Attach(throttle, double).Each(context.Background(), slices.Values([]int{1, 2, 3})) {
		}
	})
	all.Go(func() {
		for range pipeline.Attach(throttle, length).Each(context.Background(), slices.Values([]string{"a", "b"})) {
		}
	})
	all.Wait()
	fmt.Println(throttle.Snapshot().Completed, "jobs through one throttle")
	// Output: 5 jobs through one throttle
}

var errBusy = errors.New("429 too many requests")

// A refusal says that the service did no work. It is tried again for as long as
// GiveUpAfter allows, and not before the service wants it.
func ExampleOverloaded() {
	work := func(ctx context.Context, name string) (string, error) {
		if pipeline.SlotFrom(ctx).Attempt() < 4 {
			return "", pipeline.Overloaded(errBusy, time.Millisecond)
		}
		return "hello " + name, nil
	}
	p, err := pipeline.New(work, pipeline.Config{
		Policy: pipeline.Static{}, // so that the example does not slow down
		Retry:  &pipeline.Retry{MaxAttempts: 2, BaseDelay: time.Millisecond},
	})
	if err != nil {
		panic(err)
	}
	for r := range p.Each(context.Background(), slices.Values([]string{"world"})) {
		fmt.Println(r.Out, "after", r.Attempts, "attempts")
	}
	// Output: hello world after 5 attempts
}

// Any other error uses up an attempt. When there are no more, the last error
// can be seen through the one that says so.
func ExampleRetriesExhaustedError() {
	work := func(context.Context, int) (int, error) { return 0, errBusy }
	p, err := pipeline.New(work, pipeline.Config{
		Retry: &pipeline.Retry{MaxAttempts: 3, BaseDelay: time.Millisecond},
	})
	if err != nil {
		panic(err)
	}
	for r := range p.Each(context.Background(), slices.Values([]int{1})) {
		fmt.Println(r.Err)
		fmt.Println(errors.Is(r.Err, errBusy))
	}
	// Output:
	// paceline: gave up after 3 attempts: 429 too many requests
	// true
}

// An outage holds the jobs up: while the circuit is open, nobody is sent to fail.
// Each attempt that finds out whether the service is back costs its job one, and is
// made with a job that has not failed yet as long as there is one.
func ExampleBreaker() {
	down := 5 // calls for which the service is down
	work := func(_ context.Context, n int) (int, error) {
		if down--; down >= 0 {
			return 0, errBusy
		}
		return n * n, nil
	}
	p, err := pipeline.New(work, pipeline.Config{
		MaxConcurrency: 1,
		Breaker:        &pipeline.Breaker{Failures: 2, OpenFor: time.Millisecond},
		Retry:          &pipeline.Retry{MaxAttempts: 5, Backoff: pipeline.Fixed, BaseDelay: time.Millisecond, Park: true},
	})
	if err != nil {
		panic(err)
	}
	for r := range p.Ordered().Each(context.Background(), slices.Values([]int{1, 2, 3})) {
		fmt.Println(r.In, r.Out, r.Err)
	}
	// Output:
	// 1 1 <nil>
	// 2 4 <nil>
	// 3 9 <nil>
}

// Drain takes no more jobs and waits for those that were taken. The rest is
// still in the channel.
func ExampleThrottle_Drain() {
	started, finish := make(chan struct{}), make(chan struct{})
	work := func(_ context.Context, n int) (int, error) {
		close(started)
		<-finish
		return n * n, nil
	}
	p, err := pipeline.New(work, pipeline.Config{MaxConcurrency: 1})
	if err != nil {
		panic(err)
	}
	jobs := make(chan int)
	results := p.Run(context.Background(), jobs)
	jobs <- 7
	<-started

	drained := make(chan error)
	go func() { drained <- p.Throttle().Drain(context.Background()) }()
	close(finish)
	fmt.Println("drained:", <-drained)
	for r := range results {
		fmt.Println(r.In, r.Out, r.Err)
	}
	fmt.Println(p.Throttle().Snapshot().State)
	// Output:
	// drained: <nil>
	// 7 49 <nil>
	// closed
}

// OnEvent is told what the throttle does, in order.
func ExampleConfig_onEvent() {
	events := make(chan pipeline.Event, 10)
	work := func(ctx context.Context, n int) (int, error) {
		if pipeline.SlotFrom(ctx).Attempt() == 0 {
			return 0, errBusy
		}
		return n, nil
	}
	p, err := pipeline.New(work, pipeline.Config{
		Retry:   &pipeline.Retry{BaseDelay: time.Microsecond},
		OnEvent: func(e pipeline.Event) { events <- e },
	})
	if err != nil {
		panic(err)
	}
	for range p.Each(context.Background(), slices.Values([]int{1})) {
	}
	p.Throttle().Close()
	for e := range events {
		fmt.Println(e.Kind)
		if e.Kind == pipeline.EventDrained {
			break
		}
	}
	// Output:
	// retry
	// closed
	// drained
}

// The slot tells the work which attempt it is, and takes what it used.
func ExampleSlotFrom() {
	work := func(ctx context.Context, n int) (int, error) {
		slot := pipeline.SlotFrom(ctx)
		slot.RecordTokens(10)
		fmt.Println("attempt", slot.Attempt())
		if slot.Attempt() == 0 {
			return 0, errBusy
		}
		return n, nil
	}
	p, err := pipeline.New(work, pipeline.Config{
		Budgets: []pipeline.Budget{{Tokens: 1000, Window: time.Minute}},
		Retry:   &pipeline.Retry{BaseDelay: time.Microsecond},
	})
	if err != nil {
		panic(err)
	}
	for range p.Each(context.Background(), slices.Values([]int{1})) {
	}
	fmt.Println("used", p.Throttle().Snapshot().TokensUsed)
	// Output:
	// attempt 0
	// attempt 1
	// used 20
}

// A snapshot can be taken at any time, from anywhere.
func ExampleThrottle_Snapshot() {
	p, err := pipeline.New(square, pipeline.Config{MaxConcurrency: 8, TotalJobs: 4, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	for range p.Each(context.Background(), slices.Values([]int{1, 2, 3})) {
	}
	s := p.Throttle().Snapshot()
	fmt.Printf("%v: %d of %d done, %.0f%%, %d in flight, limit %d\n",
		s.State, s.Completed, s.Total, s.Percentage, s.InFlight, s.Concurrency)
	// Output: running: 3 of 4 done, 75%, 0 in flight, limit 8
}

// Every fault of a configuration is named at once.
func ExampleConfig_Validate() {
	err := pipeline.Config{Jitter: 2, TotalJobs: -1}.Validate()
	fmt.Println(err)
	// Output:
	// jitter: got 2, want 0 to 1
	// total_jobs: got -1, want at least 0
}
