package paceterm_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceterm"
)

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// On a terminal there would be a bar below what is logged. Here there is none, and
// nothing is drawn.
func ExampleDraw() {
	numbers := []int{1, 2, 3}
	p, err := pipeline.New(double, pipeline.Config{TotalJobs: len(numbers)})
	if err != nil {
		fmt.Println(err)
		return
	}
	line := paceterm.Draw(os.Stdout, p.Throttle())
	defer line.Stop()

	logger := log.New(line, "", 0)
	for r := range p.Ordered().Each(context.Background(), slices.Values(numbers)) {
		logger.Print(r.In, " becomes ", r.Out)
	}
	// Output:
	// 1 becomes 2
	// 2 becomes 4
	// 3 becomes 6
}

// A plain line about every ten seconds, where there is no terminal: for a log.
func ExampleOptions() {
	p, err := pipeline.New(double, pipeline.Config{TotalJobs: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	line := paceterm.Options{Plain: 10 * time.Second}.Draw(os.Stderr, p.Throttle())
	defer line.Stop()
	for range p.Each(context.Background(), slices.Values([]int{1, 2, 3})) {
	}
	fmt.Println(p.Throttle().Snapshot().Percentage, "%")
	// Output:
	// 100 %
}
