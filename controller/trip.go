package controller

// A roundTrip is how long attempts take.
type roundTrip struct {
	success, refusal mean
	adjacent         mean    // refusals of two attempts in a row, where some are by chance: these hardly are
	raised           float64 // when the pace was; refusals from before are of another rate
	settled          float64 // attempts from before say nothing of how long they take
	worked           bool    // there was a success
}

// echo is how long it takes to hear of a refusal. Where those by chance are quick and those of a
// limit are not, it is the latter that one waits for.
func (t *roundTrip) echo() float64 {
	if t.refusal.n > 0 {
		return max(t.refusal.value, t.adjacent.value)
	}
	return t.success.value
}

// quickRefusals reports whether refusals are heard of long before successes: then those
// attempts of which nothing was heard have been accepted.
func (t *roundTrip) quickRefusals() bool {
	return t.refusal.n > 0 && t.echo() < t.success.value/4
}

// longWaits is how many times longer than successes refusals take where callers give up.
const longWaits = 1.2

// waits reports whether attempts that were refused had waited for long before.
func (t *roundTrip) waits() bool { return t.refusal.value > longWaits*t.success.value }

// instant is a latency, in seconds, below which a few divisions would cost more than an
// attempt does.
const instant = 10e-6

// unhindered reports whether nothing was ever refused, all that the bounds allow is in
// force, and attempts take next to no time: then there is nothing to find out.
func (s *seek) unhindered() bool {
	return s.startup.on && s.trip.success.value < instant && s.trip.success.n >= meanSpan &&
		s.slots.works == float64(s.bounds.MaxLimit) && s.pace.works >= s.fastest
}
