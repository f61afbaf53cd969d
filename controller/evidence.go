package controller

import "math"

// Peers are the other attempts at a service, as running totals: how many it has
// accepted, and how many it has refused whose refusals were not their job's own.
//
// They answer whose fault it is that a job is refused. Under pressure, or by chance,
// a share of all attempts is refused, and a job that is tried again has the same
// chance as others. One that is too large for the service is refused each time
// while others are accepted. So each refusal is weighed by how unlikely it was.
// Of n attempts of others that started since the job was refused last, k were
// refused. If the job is as likely to be refused as they are, it is among the k+1
// that are with probability (k+1)/(n+1). The logarithms of these add up (Wald, Sequential
// Tests of Statistical Hypotheses, 1945), and the chance that the sum of an innocent
// job ever reaches log(1/p) is at most p (Ville's inequality).
type Peers struct {
	accepted, refused int64
}

// Evidence is what is known of one job that is refused. Its zero value is that of a
// job that never was.
type Evidence struct {
	since Peers // as of its last refusal
	times int32 // it was refused
	odds  float64
}

const (
	// suspected is from when on a refusal is no sign of overload. Some 1% of those
	// who are refused by pressure get there, and the pressure shows in the others.
	suspected = 4.605 // log(1/0.01)

	// convicted is from when on a job is set aside, and uses up an attempt with each refusal
	// when there is nothing else to do, which may lose it: one of a million innocent ones.
	convicted = 13.816 // log(1e6)

	// leastShare is the smallest share of refusals that is believed. Refusals come in
	// bursts, so that a job may meet two while hardly any other attempt meets one:
	// with 2% it takes four after the first to convict.
	leastShare = 0.02
)

// Accept counts an attempt that was accepted.
func (p *Peers) Accept() { p.accepted++ }

// Refuse counts a refusal of the job with the evidence e, and reports whether it is
// the job's own. Of the other attempts that are inFlight at the time, which started
// before, nobody knows what will become of them: they are not counted as accepted.
func (p *Peers) Refuse(e *Evidence, inFlight int) (own bool) {
	if e.times > 0 {
		e.odds -= math.Log(max(p.share(e.since), leastShare))
	}
	own = e.Suspected()
	if !own {
		p.refused++
	}
	e.since = Peers{accepted: p.accepted + int64(inFlight), refused: p.refused}
	e.times++
	return own
}

// Undecided reports whether it is not known yet whose fault the refusals of the job are, and another attempt that is
// accepted before it is refused again would tell something.
func (p *Peers) Undecided(e *Evidence) bool { return !e.Convicted() && p.share(e.since) > leastShare }

// share returns the share of refusals since, one that has just come included.
func (p *Peers) share(since Peers) float64 {
	refused := float64(p.refused - since.refused + 1)
	return refused / (float64(max(p.accepted-since.accepted, 0)) + refused)
}

// Suspected reports whether the job's refusals are likely to be its own.
func (e *Evidence) Suspected() bool { return e.odds >= suspected }

// Convicted reports whether they are its own beyond doubt.
func (e *Evidence) Convicted() bool { return e.odds >= convicted }
