package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// What one process has used of a day's budget is used for the next one, too.
func ExampleThrottle_Checkpoint() {
	cfg := pipeline.Config{Budgets: []pipeline.Budget{
		{Name: "day", Tokens: 1000, Window: 24 * time.Hour, Requests: true},
	}}
	before, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err)
	}
	for range 3 {
		if _, err := pipeline.Execute(context.Background(), before, func(context.Context) (string, error) { return "answer", nil }); err != nil {
			panic(err)
		}
	}
	kept, err := json.Marshal(before.Checkpoint()) // into a file, now and then
	if err != nil {
		panic(err)
	}

	var checkpoint pipeline.Checkpoint // of another process
	if err := json.Unmarshal(kept, &checkpoint); err != nil {
		panic(err)
	}
	after, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err)
	}
	fmt.Println("resumed:", after.Resume(checkpoint))
	fmt.Println("left:", after.Snapshot().Budgets[0].Remaining)
	// Output:
	// resumed: true
	// left: 997
}
