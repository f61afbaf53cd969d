package controller

// A silent refusal is one that does not say when to come again, of a service that says so
// when a quota is used up, or one of whose quotas it tells that much is left. It is hardly for
// the pressure, but trouble of the service's own: an HTTP 529 beside 429s with Retry-After. But it may
// be for a limit that nobody tells of. So what is refused more often than by chance is taken
// for a brownout, but only for so long, and if it goes on then, for the pressure.

const (
	silentShare   = 0.3  // that a brownout is taken to refuse at first, which is about the mean of what was seen
	silentLongest = 30   // seconds for which that is believed, as most overloads are over then
	silentStart   = 0.1  // share of silent refusals that is taken for chance in the startup, …
	silentChance  = 0.05 // … and later
	silentGap     = 10   // seconds without one that end it
	silentAgain   = 300  // seconds after one that went on for too long in which none is suspected: a limit stays
)

// A suspicion is what is known of a brownout that was taken for one before less was sent.
type suspicion struct {
	suspected bool    // it was
	ended     float64 // when that was over
	refuted   float64 // when one had gone on for too long; 0: none did
}

// silent reports whether a refusal is hardly for the pressure: not for a while after such refusals
// have gone on for too long.
func (s *seek) silent(o *Outcome) bool {
	refuted := s.brownout.refuted > 0 && s.now < s.brownout.refuted+silentAgain
	return o.RetryAfter == 0 && (o.Trouble || s.price.pause.n > 0) && !refuted
}

// leastChance returns the share of such refusals that is taken for chance at least.
func (s *seek) leastChance(o *Outcome) float64 {
	if s.silent(o) {
		return silentChance
	}
	return leastChance
}

// suspectBrownout takes refusals that are more than chance for a brownout, and reports whether it did:
// not in a trial, which finds out what is too much. In the startup, nothing doubles until it is over.
func (s *seek) suspectBrownout(o *Outcome) bool {
	p := &s.brownout
	trial := s.pace.trial > 0 || s.slots.trial > 0
	if !s.silent(o) || trial || !s.trip.quickRefusals() {
		return false
	}
	began := s.now
	if p.suspected && (p.share > 0 || s.now < p.ended+silentGap) {
		began = p.began // it goes on, and a few successes in a row did not end it
	}
	*p = brownout{share: silentShare, began: began, suspicion: suspicion{suspected: true}}
	s.startup.doubt = 0
	s.chance.brownout = p.share
	s.chance.changed(s.chance.lowered)
	return true
}
