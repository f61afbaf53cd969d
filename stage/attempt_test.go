package stage

import (
	"context"
	"testing"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// idle is work that there is nothing to.
type idle struct{}

func (idle) Attempt(context.Context) error { return nil }

// A worker that has not rested knows the time of its last attempt's end only,
// and the job may have been submitted since.
func TestAttemptDoesNotStartBeforeItWasLetThrough(t *testing.T) {
	mock := clock.NewMock()
	a := &attempts{clock: mock, epoch: mock.Now()}
	a.rules.Store(&rules{classify: Classify})
	mock.Add(10 * time.Second)
	for _, test := range []struct{ known, want time.Duration }{
		{3 * time.Second, time.Second}, {5 * time.Second, time.Second}, {8 * time.Second, 3 * time.Second},
	} {
		j := &Job{Work: idle{}, door: &Door{ctx: t.Context()}, taken: 5 * time.Second, started: 6 * time.Second}
		if ended := a.run(j, test.known); ended != 10*time.Second || j.Waited != test.want || j.Waited+j.Took != 5*time.Second {
			t.Errorf("known to be after %v: waited %v, took %v, ended at %v", test.known, j.Waited, j.Took, ended)
		}
	}
}
