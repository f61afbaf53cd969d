package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/paceline-go/paceline/pipeline"
)

// pressCtrlC sends this program the signal of Ctrl-C, and waits until ctx has heard it.
func pressCtrlC(ctx context.Context) {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(os.Interrupt)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	<-pipeline.Interruption(ctx).Done()
}

// After Ctrl-C, what is in flight is finished. By key, a run may have taken thousands of jobs: those that have
// not been begun come back at once, to be done by the next run.
func ExampleInterruptible() {
	ctx, stop := pipeline.Interruptible(context.Background(), 0)
	defer stop()
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{
		Each: pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	back := make(chan struct{}) // the first job that was not begun
	fetch := func(ctx context.Context, page int) (string, error) {
		if page == 3 {
			pressCtrlC(ctx)
			<-back
		}
		return "text", nil
	}
	crawl := pipeline.ByKey(hosts, func(int) string { return "a.example" }, fetch)

	done, left := 0, 0
	for r := range crawl.Each(ctx, slices.Values([]int{1, 2, 3, 4, 5, 6})) {
		switch {
		case r.Err == nil:
			done++
		case r.Attempts == 0 && errors.Is(r.Err, pipeline.ErrClosed):
			if left++; left == 1 {
				close(back)
			}
		}
	}
	fmt.Println(done, "done,", left, "left for the next run")
	fmt.Println("exit status", pipeline.Interrupted(ctx).ExitCode())
	// Output:
	// 3 done, 3 left for the next run
	// exit status 130
}

// To let go at once of what is in flight, too, have the first signal cancel the run's context.
func ExampleInterruption() {
	ctx, stop := pipeline.Interruptible(context.Background(), 0)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	interruption := pipeline.Interruption(ctx)
	context.AfterFunc(interruption, func() { cancel(context.Cause(interruption)) })

	p, err := pipeline.New(func(ctx context.Context, in int) (int, error) {
		if in == 1 {
			pressCtrlC(ctx)
		}
		<-ctx.Done() // a slow request that is cut off
		return 0, context.Cause(ctx)
	}, pipeline.Config{MaxConcurrency: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for r := range p.Each(ctx, slices.Values([]int{1})) {
		fmt.Println(r.In, r.Err)
	}
	// Output:
	// 1 paceline: stopped by signal: interrupt
}
