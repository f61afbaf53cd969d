package controller

// A spacing tells a limit on how many are at work from one on how close together they start.
// Where the limit is low and the pace far above what is sent, attempts start when others end,
// now and then two at once, and a service whose bucket holds one refuses the second, whatever
// the limit. So when higher limits have failed again and again, one is tried with the pace
// that it needs, and no more.
type spacing struct {
	failed int     // trials of the limit, one after another
	pace   float64 // before the trial that is under way; 0: it is none with a pace of its own
}

const (
	spacedAfter = 4   // trials that failed, …
	unsentPace  = 2   // … with a pace so many times what is needed, …
	spacedBy    = 1.2 // … which is this, since attempts do not all take equally long
)

// spaceOut lowers the pace for a trial of a limit to what that needs, if it is time to.
func (s *seek) spaceOut(limit float64) {
	p := &s.spacing
	p.pace = 0
	if p.failed < spacedAfter || p.failed&(p.failed-1) != 0 {
		return // after 4, 8, 16, …
	}
	if needed := spacedBy * limit / s.trip.success.value; s.pace.works > unsentPace*needed {
		p.pace, s.pace.works = s.pace.works, needed
	}
}

// spaced takes how a trial of the limit ended. One that held shows that it was the pace.
func (s *seek) spaced(held bool) {
	p := &s.spacing
	if held {
		*p = spacing{}
		return
	}
	p.failed++
	s.space()
}

// space gives back the pace that a trial of the limit had lowered.
func (s *seek) space() {
	s.pace.works = max(s.pace.works, s.spacing.pace)
	s.spacing.pace = 0
}
