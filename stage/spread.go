package stage

import (
	"math/rand/v2"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A spread lengthens pauses and the time that a circuit is open by a random share, or
// all clients of a service would come back at the same instant. It never shortens one.
type spread struct {
	most   float64 // share of a pause; 0: none
	random *rand.Rand
	pause  float64   // share that was drawn for this pause, and holds for all of it
	opened time.Time // until when the circuit was said to be open
}

// longestSpread bounds the time that is lost. Chosen: in a minute, a service that was
// not overrun before is not overrun.
const longestSpread = time.Minute

func (s *spread) of(d time.Duration, share float64) time.Duration {
	return min(time.Duration(share*float64(d)), longestSpread)
}

func (s *spread) draw() float64 {
	if s.most <= 0 {
		return 0
	}
	return s.most * s.random.Float64()
}

// overPause returns how much longer than asked for a pause is to be. Of one pause the
// server may tell many attempts, and the longest of many draws would always be about the
// same, so that there is one draw for each pause.
func (s *spread) overPause(asked time.Duration, begins bool) time.Duration {
	if begins {
		s.pause = s.draw()
	}
	return s.of(asked, s.pause)
}

// overOpen keeps a circuit that has just opened open for longer.
func (s *spread) overOpen(now time.Time, c *controller.Circuit) {
	if c.State(now) != controller.BreakerOpen || c.Until().Equal(s.opened) {
		return
	}
	c.Delay(s.of(c.Until().Sub(now), s.draw()))
	s.opened = c.Until()
}
