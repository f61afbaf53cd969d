package stage

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Only a timer's lateness is made up for: an attempt that something else held up
// beyond its due time does not bring the next one forward.
func TestGapAfterAnotherHoldIsNoShorter(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4, paced(50*ms), budgeted(controller.Budget{Tokens: 10, Window: 55 * ms}))
		v := s.open(t.Context())
		for _, cost := range []int64{10, 1, 1, 1} {
			v.sendJobs(&Job{Work: s.work("job", 0), Ask: Ask{Cost: cost, Weight: 1}})
		}
		v.leave(4)
		s.started("job 0s", "job 55ms", "job 105ms", "job 155ms")
	})
}
