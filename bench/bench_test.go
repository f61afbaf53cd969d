package main

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// BenchmarkOverhead is the overhead table for benchstat: one op is one job.
func BenchmarkOverhead(b *testing.B) {
	for _, c := range contestants() {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			if err := c.race(overheadWorkers, b.N, addOne); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func TestEveryContestantDoesEveryJob(t *testing.T) {
	for _, c := range contestants() {
		t.Run(c.name, func(t *testing.T) {
			for _, jobs := range []int{0, 1, 2_000} {
				if err := c.race(overheadWorkers, jobs, addOne); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestEveryLimiterLetsEveryJobPassAtThePaceThatWasAsked(t *testing.T) {
	for _, interval := range []time.Duration{time.Millisecond, time.Second} {
		for i := range paced(interval) {
			synctest.Test(t, func(t *testing.T) { // in here time is virtual, and the rate exact
				c := paced(interval)[i]
				starts, err := timeStarts(c, 300)
				if err != nil {
					t.Fatal(err)
				}
				if off := assess(starts, interval).off; math.Abs(off) > maxRateError {
					t.Errorf("%s at %v: the rate is %.2f%% off", c.name, interval, off*100)
				}
			})
		}
	}
}

func TestAllWorkersAreInFlightAtOnce(t *testing.T) {
	for _, name := range []string{handWrittenName, oursOnName, oursOrderedName} {
		t.Run(name, func(t *testing.T) {
			// It deadlocks, and so fails, where fewer than all workers may hold a job.
			f, err := memoryTask{Contestant: name, Workers: 100, Jobs: 300, Blocked: true}.measure()
			if err != nil {
				t.Fatal(err)
			}
			if f.Held == 0 || f.Peak == 0 {
				t.Errorf("got %+v, want memory in use", f)
			}
		})
	}
}

func TestALostOrDoubledJobIsNoticed(t *testing.T) {
	drop := contestant{name: "drop", run: func(workers int, do work, jobs <-chan int) tally {
		<-jobs
		return handWritten(workers, do, jobs)
	}}
	double := contestant{name: "double", run: func(workers int, do work, jobs <-chan int) tally {
		t := handWritten(workers, do, jobs)
		t.add(1)
		return t
	}}
	for _, c := range []contestant{drop, double} {
		if c.race(1, 100, addOne) == nil {
			t.Errorf("%s: got no error, want one", c.name)
		}
	}
}

func TestPacingOfAnEvenSequence(t *testing.T) {
	ms := time.Millisecond
	p := assess([]time.Duration{5 * ms, 6 * ms, 7 * ms, 8 * ms}, ms)
	if p.rate != 1000 || p.off != 0 || p.ahead != 0 {
		t.Errorf("got %+v, want 1000 starts per second, even", p)
	}
	burst := assess([]time.Duration{0, 4 * ms, 4 * ms, 4 * ms}, ms)
	if burst.ahead != 2 {
		t.Errorf("a burst of three: got %v starts ahead, want 2", burst.ahead)
	}
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	values := []int64{40, 10, 30, 20}
	for q, want := range map[float64]int64{0: 10, 0.01: 10, 0.25: 10, 0.5: 20, 0.75: 30, 0.99: 40, 1: 40} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v: got %d, want %d", q, got, want)
		}
	}
}
