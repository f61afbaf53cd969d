package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/paceline-go/paceline/pipeline"
)

var errDown = errors.New("region is down")

// Two regions do the same work. One of them is down; what fails there is tried again in the other
// one, at once.
func ExampleByChoice() {
	cfg := pipeline.Config{Retry: &pipeline.Retry{}, Breaker: &pipeline.Breaker{Failures: 3}}
	pool, err := pipeline.NewPool(
		pipeline.Member[string]{Name: "east", Value: "east.example", Config: cfg},
		pipeline.Member[string]{Name: "west", Value: "west.example", Config: cfg},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := func(_ context.Context, host string, n int) (string, error) {
		if host == "east.example" {
			return "", errDown
		}
		return fmt.Sprint(n, " by ", host), nil
	}

	p := pipeline.ByChoice(pool, ask)

	by := make(map[string]int)
	for r := range p.Each(context.Background(), slices.Values(make([]int, 100))) {
		if r.Err == nil {
			by[r.Key]++
		}
	}
	fmt.Println(by, pool.Throttle("east").Snapshot().Circuit)
	// Output:
	// map[west:100] open
}

// A single call goes to a member of the pool, too. The local model is only used when the hosted one
// is not available.
func ExampleExecuteAny() {
	pool, err := pipeline.NewPool(
		pipeline.Member[string]{Name: "hosted", Value: "large", Config: pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1}}},
		pipeline.Member[string]{Name: "local", Value: "small", Fallback: 1},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := func() (string, error) {
		return pipeline.ExecuteAny(context.Background(), pool, func(_ context.Context, model string) (string, error) {
			return "answered by the " + model + " one", nil
		})
	}

	fmt.Println(ask())
	pool.Throttle("hosted").RecordFailure(errDown) // its circuit opens
	fmt.Println(ask())
	// Output:
	// answered by the large one <nil>
	// answered by the small one <nil>
}

// Jobs of one conversation go to the same member, whose cache knows it, for as long as it is
// available.
func ExamplePoolPipeline_Affinity() {
	pool, err := pipeline.NewPool(pipeline.Member[int]{Name: "a"}, pipeline.Member[int]{Name: "b"}, pipeline.Member[int]{Name: "c"})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := pipeline.ByChoice(pool, func(context.Context, int, string) (string, error) { return "", nil }).
		Affinity(func(conversation string) string { return conversation })

	members := make(map[string]map[string]bool)
	for r := range p.Each(context.Background(), slices.Values([]string{"hi", "bye", "hi", "bye", "hi"})) {
		if members[r.In] == nil {
			members[r.In] = make(map[string]bool)
		}
		members[r.In][r.Key] = true
	}
	fmt.Println(len(members["hi"]), len(members["bye"]))
	// Output:
	// 1 1
}
