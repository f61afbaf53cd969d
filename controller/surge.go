package controller

// A surge notices that far more attempts fail than did before. A failure says nothing
// of a limit, since jobs fail for reasons of their own. But when the share of failures
// multiplies, the pressure is too high, and they are refusals by another name.
type surge struct {
	ended          float64 // attempts that succeeded or failed, up to surgeLong
	lately, always float64 // share of them that failed
}

const (
	surgeShort = 64   // attempts that are lately
	surgeLong  = 1024 // and always
	surgeShare = 0.2  // share that is many
	surgeRatio = 3    // times what is usual
)

func (s *surge) add(failed float64) {
	s.ended = min(s.ended+1, surgeLong)
	s.lately = settle(s.lately + (failed-s.lately)/surgeShort)
	s.always = settle(s.always + (failed-s.always)/s.ended)
}

// is reports whether failures are a sign of the pressure.
func (s *surge) is() bool { return s.lately > surgeShare && s.lately > surgeRatio*s.always }
