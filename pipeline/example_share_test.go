package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// Two runs and their shares: of what starts while both have work, one gets three times as much as
// the other. Here a job's cost is its number of tokens.
func ExampleWithShare() {
	t, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	slot, err := t.Acquire(context.Background()) // until both have work
	if err != nil {
		panic(err)
	}
	var started []string
	run := func(name string, weight float64) func() {
		p := pipeline.Attach(t, func(_ context.Context, job int) (int, error) {
			started = append(started, name)
			time.Sleep(time.Millisecond)
			return job, nil
		}).Cost(func(int) int64 { return 100 })
		ctx := pipeline.WithShare(context.Background(), pipeline.Share{Name: name, Weight: weight})
		return func() {
			for range p.Run(ctx, feed(12)) {
			}
		}
	}
	var all sync.WaitGroup
	all.Go(run("small", 1))
	all.Go(run("large", 3))
	for t.Snapshot().Waiting < 2 {
		time.Sleep(time.Millisecond)
	}
	slot.Release(nil)
	all.Wait()
	counts := map[string]int{}
	for _, name := range started[:12] {
		counts[name]++
	}
	fmt.Println("of the first 12:", counts)
	// Output: of the first 12: map[large:9 small:3]
}

// Urgent calls that never end, and a bulk run below them: one attempt in twenty is the run's.
func ExampleShare_floor() {
	t, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	slot, err := t.Acquire(context.Background()) // until both have work
	if err != nil {
		panic(err)
	}
	var started []string
	run := func(name string, priority, jobs int) func() {
		p := pipeline.Attach(t, func(_ context.Context, job int) (int, error) {
			started = append(started, name)
			time.Sleep(time.Millisecond)
			return job, nil
		}).Share(pipeline.Share{Priority: priority})
		return func() {
			for range p.Run(context.Background(), feed(jobs)) {
			}
		}
	}
	var all sync.WaitGroup
	all.Go(run("urgent", 1, 200))
	all.Go(run("bulk", 0, 20))
	for t.Snapshot().Waiting < 2 {
		time.Sleep(time.Millisecond)
	}
	slot.Release(nil)
	all.Wait()
	counts := map[string]int{}
	for _, name := range started[:100] {
		counts[name]++
	}
	fmt.Println("of the first 100, the bulk run has about 5:", counts["bulk"] >= 4 && counts["bulk"] <= 10)
	// Output: of the first 100, the bulk run has about 5: true
}

// An interactive call at a throttle where a bulk run has much to do: it is the next that starts.
func ExamplePipeline_Share() {
	t, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	began, goOn := make(chan int, 100), make(chan struct{})
	bulk := pipeline.Attach(t, func(_ context.Context, job int) (int, error) {
		began <- job
		<-goOn
		return job, nil
	}).Share(pipeline.Share{Priority: -1}) // at any time: also while it runs

	results := bulk.Run(context.Background(), feed(100))
	fmt.Println("bulk job", <-began)
	answered := make(chan string)
	go func() {
		answer, err := pipeline.Execute(context.Background(), t, func(context.Context) (string, error) {
			return fmt.Sprint("interactive, after ", 1+len(began), " bulk job"), nil
		})
		if err != nil {
			panic(err)
		}
		answered <- answer
	}()
	for t.Snapshot().Waiting < 2 { // it stands in line
		time.Sleep(time.Millisecond)
	}
	goOn <- struct{}{} // the job in flight ends
	fmt.Println(<-answered)
	close(goOn)
	for range results {
	}
	// Output:
	// bulk job 0
	// interactive, after 1 bulk job
}

// A call that is not to wait for long is rejected at once when it is known that it will have to.
func ExampleWithMaxWait() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Budgets: []pipeline.Budget{{Name: "requests", Tokens: 1, Window: time.Minute, Requests: true}},
		Clock:   now,
	})
	if err != nil {
		panic(err)
	}
	ask := func() (string, error) {
		ctx := pipeline.WithMaxWait(context.Background(), 5*time.Second)
		return pipeline.Execute(ctx, t, func(context.Context) (string, error) { return "answer", nil })
	}
	fmt.Println(ask())
	now.Add(10 * time.Second)
	_, err = ask()
	var wait *pipeline.WaitError
	if errors.As(err, &wait) {
		fmt.Println("rejected: held by", wait.HeldBy, "for another", wait.Expected)
	}
	// Output:
	// answer <nil>
	// rejected: held by budget for another 50s
}
