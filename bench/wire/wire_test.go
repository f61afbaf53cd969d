package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// TestEveryJobComesBackRightOnceWhateverTheWireDoes sends jobs over a wire with faults,
// through each door, until one of them has hurt an attempt: a fault is on a share of
// connections only.
func TestEveryJobComesBackRightOnceWhateverTheWireDoes(t *testing.T) {
	const size, takes, mostRounds = 1_000, 10 * time.Millisecond, 20
	for _, f := range faults {
		for _, d := range doors {
			t.Run(f.name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				o := newOrigin(size, takes)
				defer o.Close()
				w, err := newWire(o.Listener.Addr().String(), f)
				if err != nil {
					t.Fatal(err)
				}
				defer w.close()
				throttle, err := pipeline.NewThrottle(config())
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				var s pipeline.Snapshot
				jobs, hurt := 0, !f.breaks
				for round := 0; round == 0 || !hurt && round < mostRounds; round++ {
					mustReturnEachOnce(t, d.do(t.Context(), throttle, w.url(), jobsEach, size), size)
					jobs += jobsEach
					s = throttle.Snapshot()
					hurt = hurt || s.Attempts.Failed+s.Attempts.Overloaded+s.Attempts.Succeeded > int64(jobs)
				}
				if s.InFlight != 0 || s.Waiting != 0 {
					t.Errorf("%d in flight and %d waiting when all is done", s.InFlight, s.Waiting)
				}
				if !hurt {
					t.Error("no attempt was broken: nothing was tested")
				}
				t.Logf("%d jobs, %d requests, attempts %+v, %v", jobs, o.requests.Load(), s.Attempts, time.Since(begin).Round(time.Millisecond))
			})
		}
	}
}

// mustReturnEachOnce reads the results of a round of jobs.
func mustReturnEachOnce(t *testing.T, results <-chan result, size int) {
	t.Helper()
	seen := make([]int, jobsEach)
	for r := range results {
		seen[r.job]++
		if r.err != nil {
			t.Errorf("job %d: %v", r.job, r.err)
		} else if !bytes.Equal(r.body, content(r.job, size)) {
			t.Errorf("job %d came back with %d bytes that are not its own", r.job, len(r.body))
		}
	}
	for job, times := range seen {
		if times != 1 {
			t.Errorf("job %d came back %d times", job, times)
		}
	}
}
