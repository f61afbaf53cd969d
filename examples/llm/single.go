package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// singles are prompts of people, who wait for the answer: one every so often, while the bulk runs. They go through the same throttle,
// ahead of all that waits there, and are counted in the same budgets. The goroutine of run owns it until that returns.
type singles struct {
	every  time.Duration
	clock  clock.Clock
	engine engine
	costs  func(job) pipeline.Amounts
	jobs   []job // asked in turn

	waited, took []time.Duration // until the first attempt, and until the answer
	failed       int
}

// run asks until ended is closed, the run is interrupted, or the throttle is closed. A prompt that is under way is waited for.
func (s *singles) run(ctx context.Context, ended <-chan struct{}) {
	tick := s.clock.Ticker(s.every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ended:
			return
		case <-pipeline.Interruption(ctx).Done():
			return
		}
		if !s.askOne(ctx, s.jobs[n%len(s.jobs)]) {
			return
		}
	}
}

// askOne reports whether a further one may be asked.
func (s *singles) askOne(ctx context.Context, j job) (more bool) {
	began := s.clock.Now()
	waited := time.Duration(-1)
	ctx = pipeline.WithShare(pipeline.WithCosts(ctx, s.costs(j)), pipeline.Share{Name: "single", Priority: 9})
	err := s.engine.execute(ctx, j, func() {
		if waited < 0 {
			waited = s.clock.Since(began)
		}
	})
	var cost *pipeline.CostError
	switch {
	case errors.Is(err, pipeline.ErrClosed), errors.As(err, &cost) && cost.Spent, ctx.Err() != nil:
		return false
	case err != nil:
		s.failed++
		return true
	}
	s.waited = append(s.waited, waited)
	s.took = append(s.took, s.clock.Since(began))
	return true
}

// print says how long they took, against the jobs of the bulk.
func (s *singles) print(out io.Writer, bulk []time.Duration) {
	if len(s.took) == 0 {
		line(out, "singles", "none was answered, %s failed", thousands(s.failed))
		return
	}
	line(out, "singles", "%s answered, %s failed; of %s at the median and %s at p95, they waited for %s and %s",
		thousands(len(s.took)), thousands(s.failed), seconds(s.took, 0.5), seconds(s.took, 0.95), seconds(s.waited, 0.5), seconds(s.waited, 0.95))
	if len(bulk) > 0 {
		line(out, "", "an answer of the bulk took %s and %s since its prompt was taken", seconds(bulk, 0.5), seconds(bulk, 0.95))
	}
}

// seconds is the quantile of durations, by the nearest rank; q is above 0, to 1.
func seconds(all []time.Duration, q float64) string {
	sorted := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%.2fs", sorted[int(math.Ceil(q*float64(len(sorted))))-1].Seconds())
}
