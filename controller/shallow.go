package controller

import "time"

// shallow finds out whether what remains is the level of a small bucket, though the limit is
// what flows in within the time until the reset: 400 a second, of which never more than 5
// remain, and a second later they are whole. Such a hint holds up what the server would take,
// so it is not believed.
//
// In a window, what was used since a hint and what remains now are together no more than what
// remained then, until the reset. Here they are more by a whole bucket within half of that
// time, and the most that ever remained, which is far from the limit, remains again. Or that is
// all there is after a reset, time and again.
type shallow struct {
	top   int64     // the most that has remained
	from  time.Time // when the attempt started that told what is compared with
	left  int64     // what remained then
	used  int64     // what had started before it
	until time.Time // half of its reset
	whole time.Time // its reset
	same  int       // resets one after another at which the most that ever remained was there, and no more
	is    bool
}

const (
	shallowGain   = 2 // how much more than a whole bucket has come back: one may be because of what is rounded
	shallowResets = 2 // after so many it is no accident; chosen
)

// hear takes a hint of an attempt that started at a time, when so much had started before.
func (s *shallow) hear(h Hint, start time.Time, before int64) {
	s.top = max(s.top, h.Remaining)
	switch {
	case 2*s.top > h.Limit || h.Remaining < 2: // it may be a window, or one place that has come back
		s.is = s.is && 2*s.top <= h.Limit
	case s.from.IsZero() || start.After(s.until):
		switch {
		case s.whole.IsZero() || start.Before(s.whole):
		case h.Remaining == s.top:
			s.same++
		default:
			s.same = 0
		}
		s.is = s.is || s.same >= shallowResets
		s.from, s.left, s.used = start, h.Remaining, before
		s.until, s.whole = start.Add(h.Reset/2), start.Add(h.Reset)
	case h.Remaining == s.top && before-s.used+h.Remaining-s.left >= s.top+shallowGain:
		s.is = true
	}
}
