package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"

	"github.com/paceline-go/paceline/pipeline"
)

const (
	oursPacedName = "paceline"

	paceWorkers = 16
	// maxRateError is the target for the mean rate, in either direction.
	maxRateError = 0.01
)

var intervals = []time.Duration{
	10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond,
	10 * time.Millisecond, 100 * time.Millisecond, time.Second,
}

// paced returns the contestants with their limiters set to one start per interval. The peers limit the hand-written
// workers, as their users would.
func paced(interval time.Duration) []contestant {
	bucket := rate.NewLimiter(rate.Every(interval), 1)
	leaky := ratelimit.New(1, ratelimit.Per(interval))
	return []contestant{
		{name: oursPacedName, run: paceline(func(workers int) pipeline.Config {
			return pipeline.Config{MaxConcurrency: workers, Policy: pipeline.Static{}, MinDispatchInterval: interval}
		})},
		{name: "x/time/rate", run: handWrittenBehind(func() { _ = bucket.Wait(context.Background()) })},
		{name: "go.uber.org/ratelimit", run: handWrittenBehind(func() { leaky.Take() })},
	}
}

// handWrittenBehind has each worker wait before each job.
func handWrittenBehind(wait func()) func(int, work, <-chan int) tally {
	return func(workers int, do work, jobs <-chan int) tally {
		return handWritten(workers, func(j int) int {
			wait()
			return do(j)
		}, jobs)
	}
}

const paceCaption = `## Pace

%d workers, work that adds 1, one start per interval, for %v or at least %d intervals; of %d rounds that with the median rate.
Off: the mean rate against the asked one. Gap: between one start of the work and the next. Ahead: the most starts, counted
from any start on, that the interval would not yet have allowed.

`

// pace shows how well the asked rate is kept, and how evenly.
func pace(w io.Writer, size sizes) error {
	fmt.Fprintf(w, paceCaption, paceWorkers, size.paceFor, size.paceSteps, size.paceRounds)
	t := newTable("", "interval", "starts per second", "off", "gap p1", "p50", "p99", "max", "ahead")
	worst := 0.0
	for _, interval := range intervals {
		contestants := paced(interval)
		rounds := make([][]pacing, len(contestants))
		for range size.paceRounds {
			for i, c := range paced(interval) {
				starts, err := timeStarts(c, max(int(size.paceFor/interval), size.paceSteps)+1)
				if err != nil {
					return err
				}
				rounds[i] = append(rounds[i], assess(starts, interval))
			}
		}
		for i, c := range contestants {
			p := medianRate(rounds[i])
			t.addFor(c.name, p.cells(interval)...)
			if c.name == oursPacedName {
				worst = max(worst, math.Abs(p.off))
			}
		}
	}
	t.print(w)
	fmt.Fprintf(w, "Target, paceline: the mean rate within %.0f%%: %s (at most %.2f%% off).\n\n",
		maxRateError*100, verdict(worst <= maxRateError), worst*100)
	return nil
}

// medianRate picks the round that a stall of the machine, or luck, did not make.
func medianRate(rounds []pacing) pacing {
	slices.SortFunc(rounds, func(a, b pacing) int { return cmp.Compare(a.rate, b.rate) })
	return rounds[len(rounds)/2]
}

// timeStarts returns when each attempt started, in order.
func timeStarts(c contestant, jobs int) ([]time.Duration, error) {
	starts := make([]time.Duration, jobs)
	begin := time.Now()
	err := c.race(paceWorkers, jobs, func(j int) int {
		starts[j] = time.Since(begin)
		return addOne(j)
	})
	slices.Sort(starts)
	return starts, err
}

// A pacing describes a sequence of starts.
type pacing struct {
	rate  float64 // starts per second
	off   float64 // 0.01: 1% too fast
	gaps  []int64 // ns
	ahead float64 // in starts
}

func assess(starts []time.Duration, interval time.Duration) pacing {
	var p pacing
	steps := len(starts) - 1
	for i := range steps {
		p.gaps = append(p.gaps, int64(starts[i+1]-starts[i]))
	}
	p.rate = float64(steps) / (starts[steps] - starts[0]).Seconds()
	p.off = p.rate*interval.Seconds() - 1
	p.ahead = mostAhead(starts, interval)
	return p
}

// mostAhead is the largest number of starts in any stretch of time beyond those that its length allows: the depth of
// the token bucket that would just let this sequence pass, less one.
func mostAhead(starts []time.Duration, interval time.Duration) float64 {
	most, lowest := 0.0, 0.0
	for i, start := range starts {
		lead := float64(i) - float64(start-starts[0])/float64(interval)
		lowest = min(lowest, lead)
		most = max(most, lead-lowest)
	}
	return most
}

func (p pacing) cells(interval time.Duration) []string {
	row := []string{interval.String(), fmt.Sprintf("%.6g", p.rate), fmt.Sprintf("%+.2f%%", p.off*100)}
	for _, q := range []float64{0.01, 0.5, 0.99, 1} {
		row = append(row, short(time.Duration(quantile(p.gaps, q))))
	}
	return append(row, fmt.Sprintf("%.1f", p.ahead))
}

// short keeps four digits: 1.234567ms is 1.235ms.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 10_000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
