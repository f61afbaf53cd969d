package pipeline_test

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/paceline-go/paceline/pipeline"
)

// ride gives jobs to a stage, by Each, which a number of results breaks off, or by Run, until
// closed or ctx is done, and hands each result to take. It returns how many jobs were taken.
func ride(ctx context.Context, stage pipeline.Stage[int, int], jobs int, each bool, breaks int, closed <-chan struct{}, take func(result)) int {
	var taken atomic.Int64
	if each {
		n := 0
		for r := range stage.Each(ctx, counted(jobs, &taken)) {
			take(r)
			if n++; n == breaks {
				break
			}
		}
		return int(taken.Load())
	}
	feeding := make(chan int)
	go func() {
		defer close(feeding)
		for job := range jobs {
			select {
			case feeding <- job:
				taken.Add(1)
			case <-ctx.Done():
				return
			case <-closed:
				return
			}
		}
	}()
	for r := range stage.Run(ctx, feeding) {
		take(r)
	}
	return int(taken.Load())
}

func counted(n int, taken *atomic.Int64) iter.Seq[int] {
	return func(yield func(int) bool) {
		for job := range n {
			taken.Add(1)
			if !yield(job) {
				return
			}
		}
	}
}
