package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// TestEveryJobComesBackRightOnceWhateverTheWireDoes sends jobs over a wire with faults,
// through each door.
func TestEveryJobComesBackRightOnceWhateverTheWireDoes(t *testing.T) {
	const jobs, size, takes = 500, 1_000, 10 * time.Millisecond
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
				seen := make([]int, jobs)
				for r := range d.do(t.Context(), throttle, w.url(), jobs, size) {
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
				s := throttle.Snapshot()
				if s.InFlight != 0 || s.Waiting != 0 {
					t.Errorf("%d in flight and %d waiting when all is done", s.InFlight, s.Waiting)
				}
				if hurt := s.Attempts.Failed+s.Attempts.Overloaded+s.Attempts.Succeeded > jobs; f.breaks && !hurt {
					t.Error("no attempt was broken: nothing was tested")
				}
				t.Logf("%d jobs, %d requests, attempts %+v, %v", jobs, o.requests.Load(), s.Attempts, time.Since(begin).Round(time.Millisecond))
			})
		}
	}
}
