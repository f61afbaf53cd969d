package controller

// A price keeps the account of what finding out may cost. Each success earns a share of a
// refusal, and a refusal that was caused costs one.
type price struct {
	bank    float64 // refusals that may be spent
	pause   mean    // seconds that refusals ask for
	burst   mean    // attempts that the service takes beyond its rate before it refuses, at most
	rate    float64 // of the service, roughly
	changed float64 // when the rate was another; long ago at first
	noticed float64 // when it was, and is to be followed closely; long ago at first
}

const (
	firstBank      = 3   // refusals that may be spent at first
	mostBank       = 100 // and saved up
	restless       = 200 // seconds for which a service that changed is asked more often, …
	restlessBy     = 1.5 // … by this factor
	politeBy       = 3   // where refusals say when to come again, less is to be found out
	rateSettles    = 30  // seconds in which the rate is not known yet
	sameRate       = 1.25
	mostPause      = 3600
	unsettledFor   = 30  // seconds after a change in which the next one is looked for, …
	unsettledRate  = 20  // … where so many attempts are done in a second that some refusals are earned meanwhile, …
	unsettledAgain = 120 // … but not again for so many, as it may be looking for it that brings it about, …
	unsettledRest  = 10  // … and this is rested for a bank of one refusal instead: 5 to 10 are alike
	closeRest      = 1   // seconds that are rested at least when what is known is close, …
	bankRest       = 30  // … or so many for a bank of one refusal, …
	leastBank      = 0.3 // … or of next to none, …
	pauseRests     = 100 // … or so many of the pauses that a refusal brings, for one percent of the time
	periodRests    = 2.5 // … or so many periods of a quota
)

// earn takes a success, of which a share is earned.
func (p *price) earn(share, now float64) {
	switch {
	case now < p.changed+restless:
		share *= restlessBy
	case p.pause.n > 0:
		share /= politeBy
	}
	p.bank = min(p.bank+share, mostBank)
}

// spend takes refusals that were caused.
func (p *price) spend(n float64) { p.bank = max(p.bank-n, 0) }

// asked takes note of the pause that a refusal asked for. Where pauses are asked for, one
// without counts too, or a single long one would be believed for ever.
func (p *price) asked(pause float64) {
	if pause > 0 || p.pause.n > 0 {
		p.pause.add(min(pause, mostPause))
	}
}

const (
	mostBurstSeen = 1000 // attempts
	costlyRefusal = 10   // attempts that a pause costs, where it is costly
)

// costly reports whether the pause that a refusal brings costs many attempts.
func (p *price) costly(rate float64) bool { return p.pause.value*rate > costlyRefusal }

// overrun takes note of how many attempts more than before were sent until one was refused.
func (p *price) overrun(n float64) {
	if n > 0 {
		p.burst.add(min(n, mostBurstSeen))
	}
}

// proof returns how many attempts beyond what works show that more works: two, or, where a
// refusal costs much, so many that a burst does not hide it.
func (p *price) proof(rate float64) float64 {
	return 2 + p.burst.value*min(p.pause.value*rate/costlyRefusal, 1)
}

// rest returns how long to leave alone what is known closely.
func (p *price) rest(period, now float64) float64 {
	byBank := bankRest / max(p.bank, leastBank)
	if p.unsettled(now) {
		byBank = unsettledRest / max(p.bank, leastBank*unsettledRest/bankRest)
	}
	return max(closeRest, byBank, pauseRests*p.pause.value, periodRests*period)
}

// unsettled reports whether the rate was another a short while ago: then it may soon be another
// again. A slow one earns too little to find out. Where it has been the same for longer, others may share it, and large steps of one
// would drive them off.
func (p *price) unsettled(now float64) bool {
	return p.rate >= unsettledRate && (now < rateSettles || now < p.noticed+unsettledFor)
}

// compare notes whether the service's rate is another than it was.
func (p *price) compare(rate, now float64) {
	switch {
	case p.rate == 0 || now < rateSettles:
		p.rate = rate
	case rate < p.rate/sameRate || rate > p.rate*sameRate:
		p.rate, p.changed = rate, now
		if now >= p.noticed+unsettledAgain {
			p.noticed = now
		}
	}
}
