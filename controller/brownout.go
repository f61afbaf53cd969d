package controller

import "math"

// A brownout is a time in which a service refuses a large share of attempts whatever the
// pressure, because it has trouble of its own. (A hosted model answers 529 to every second
// request for some seconds.)
//
// A bucket is empty when it refuses. So what is accepted from a refusal on is what it is
// given, and when much less than that is sent, it refuses nothing. If it does, it is a
// brownout: what was in force before is in force again, and until fewer are refused, that
// share is taken for chance.
type brownout struct {
	from     pressure // before it was lowered; rate 0: it was not
	bank     float64  // refusals that could be spent then
	first    attempt  // that was refused
	calm     float64  // attempts accepted one after another
	accepted float64  // attempts after it
	given    float64  // the most of them in a second

	since float64 // so little is sent that nothing should be refused; 0: it is more
	low   seen    // attempts that started since

	share float64 // refused in the brownout under way; 0: there is none
	began float64 // when that was noticed
	over  float64 // weight of its being over

	suspicion
}

// seen counts attempts, and those that were refused.
type seen struct{ attempts, refused float64 }

func (t *seen) share() float64 { return t.refused / max(t.attempts, 1) }

const (
	brownoutLow     = 0.25 // of what was accepted is little, since jobs differ
	brownoutFew     = 8    // attempts accepted that say how many are in a second
	brownoutEnough  = 16   // attempts that say what share is refused of little
	brownoutLeast   = 0.1  // share that is more than chance
	brownoutRun     = 7    // refusals one after another that are hardly chance
	brownoutMost    = 0.95 // share at most, so that a success has a finite weight
	brownoutOver    = 5    // weight that shows that it is over
	brownoutSpan    = 64   // attempts that the share is a mean of
	brownoutLongest = 60   // seconds after which it has to be shown anew
	brownoutGrowth  = 0.5  // of the trial before the next one, which then doubles the pace
	brownoutFall    = 0.5  // of the pace is more than one usually falls at once
	brownoutCalm    = 32   // attempts accepted one after another after which it does not fall any more
)

// begin takes note of what is in force before it is lowered, unless it is falling already.
func (p *brownout) begin(from pressure, bank float64, a attempt) {
	if p.from.rate == 0 {
		*p = brownout{from: from, bank: bank, first: a, share: p.share, began: p.began, over: p.over, suspicion: p.suspicion}
	}
}

// add takes the attempts up to one, of which some were refused, while so many are sent in a
// second.
func (p *brownout) add(a attempt, now, sent, attempts, refused float64) {
	if sent > brownoutLow*p.given {
		p.since = 0
	} else if p.since == 0 {
		p.since = now
	}
	switch {
	case p.since > 0 && a.start >= p.since:
		p.low.attempts += attempts
		p.low.refused += refused
	case p.since == 0:
		if p.calm += attempts; refused > 0 {
			p.calm = 0
		}
		p.accepted += attempts - refused
		if passed := a.start - p.first.start; refused > 0 && p.accepted >= brownoutFew && passed > 0 {
			p.given = max(p.given, p.accepted/passed)
		}
	}
}

// ends takes attempts of a brownout under way, and reports whether they show that it is over,
// with a share by chance e outside of it.
func (p *brownout) ends(e, attempts, refused float64) bool {
	n := min(attempts, brownoutSpan)
	p.share = min(settle(p.share+n/brownoutSpan*(refused/attempts-p.share)), brownoutMost)
	p.over += (attempts-refused)*math.Log((1-e)/(1-p.share)) + refused*math.Log(e/p.share)
	p.over = max(p.over, 0)
	return p.over >= brownoutOver || p.share <= 2*e
}

// longest returns for how many seconds it is believed without being shown anew.
func (p *brownout) longest() float64 {
	if p.suspected {
		return silentLongest
	}
	return brownoutLongest
}

// weighBrownout takes the attempts up to one, of which some were refused. Where refusals come no
// sooner than successes, it is not known in time what was accepted; and a refusal that says when
// to come again is not by chance.
func (s *seek) weighBrownout(a attempt, o *Outcome, attempts, refused float64) {
	p := &s.brownout
	if o.RetryAfter > 0 {
		p.from.rate = 0
	}
	if attempts == 0 {
		return
	}
	if p.share > 0 && !(p.suspected && o.RetryAfter > 0) { // that was for the pressure
		switch {
		case p.ends(s.chance.usual(), attempts, refused):
			p.share, p.ended = 0, s.now
			s.chance.changed(false)
		case s.now > p.began+p.longest():
			if p.suspected && p.share >= brownoutLeast {
				p.refuted = s.now
			}
			p.share = 0
			s.chance.changed(false)
		}
		s.chance.brownout = p.share
	}
	if p.from.rate == 0 || s.outage.is || !s.trip.quickRefusals() {
		return
	}
	p.add(a, s.now, min(s.pace.inForce(), s.slots.inForce()/max(s.trip.success.value, instant)), attempts, refused)
	switch {
	case p.since == 0 && p.calm >= brownoutCalm:
		if s.pace.inForce() < brownoutFall*p.from.rate {
			s.retry()
		}
		p.from.rate = 0
	case len(s.delivery.run()) >= brownoutRun:
		p.low = seen{} // nothing at all is given: it may be a window that is used up
	case p.low.attempts < brownoutEnough:
	case p.low.share() >= brownoutLeast:
		s.restore(p.from)
		s.price.bank = max(s.price.bank, p.bank)
		*p = brownout{share: p.low.share(), began: s.now, suspicion: suspicion{refuted: p.refuted}}
		s.chance.brownout = p.share
	default: // it was the pressure, or it is over: in any case, what failed says little
		s.retry()
		p.from.rate = 0
	}
}

// retry has the next trial double the pace: what failed while it fell says little.
func (s *seek) retry() {
	s.pace.cancel(s.now)
	s.pace.fails, s.pace.growth = math.Inf(1), brownoutGrowth
}
