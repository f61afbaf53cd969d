package controller

import "math"

// chance knows the share of attempts that a service refuses whatever the pressure, and
// weighs whether refusals are more than that.
//
// The share is counted where the pressure was lowered and not raised again since: what is
// still refused there is by chance, since a limit would have been left behind. It is taken
// at the lower end of what so few allow to say.
//
// The weight is a log-likelihood ratio: that more is refused by a certain excess, against
// that it is the share by chance. Refusals raise it and successes lower it. At enough it
// is evidence (Wald's sequential test, 1945); it never falls below zero, so that a change
// is noticed as quickly at any time (Page's CUSUM, 1954). As long as nothing is known to
// be refused by chance, one refusal is evidence.
type chance struct {
	attempts, refused  float64 // at lowered pressure, recently
	lowered            bool    // the pressure was lowered and not raised since
	epoch, missed      float64 // attempts since the pressure was changed, and those refused of them
	rest               float64 // weight of what was refused outside of trials
	trial              float64 // weight of what was refused in the trial under way
	tried, trialMissed float64 // attempts in the trial, and those refused of them
	late               float64 // weight of what was refused of attempts from before the last cut
	e                  float64 // the share, as far as it is known
	brownout           float64 // the share in a brownout under way; 0: there is none
}

const (
	priorAttempts = 40     // as if so many had been seen before the first, …
	leastChance   = 0.0005 // … of which next to none was refused: one refusal is evidence at first
	mostChance    = 0.06   // more is never put down to chance
	chanceSpan    = 1000   // attempts that the share is a mean of
	fresh         = 20     // attempts after a change that tell more of the change than of chance
	raisedWeight  = 0.1    // of attempts at raised pressure, so that what was long ago is forgotten
	evidence      = 3.9    // of weight: one time in fifty it was chance
	learned       = 3      // refusals at lowered pressure that make chance known, if they are …
	learnedShare  = 0.002  // … such a share at least
	fewMissed     = 5      // refusals that say something of a small excess, …
	longEvidence  = 6.5    // … with this weight, since one looks at every refusal
	excess        = 0.05   // share that too much pressure refuses at least, for the weight of a refusal
)

// share returns the share that is refused by chance, and usual that outside of a brownout.
func (c *chance) share() float64 { return max(c.usual(), c.brownout) }
func (c *chance) usual() float64 { return max(c.e, leastChance) }

// accept and refuse count attempts outside of trials. The first ones after a change tell
// more of the change than of chance.
func (c *chance) accept(n float64) {
	early := min(max(fresh-c.epoch, 0), n)
	c.epoch += n
	c.add(n - early)
}

func (c *chance) refuse(alone bool) {
	c.missed++
	if c.epoch++; c.epoch <= fresh {
		return
	}
	if c.brownout > 0 {
		return
	}
	if alone && c.lowered {
		c.refused++
	} else if alone {
		c.refused += raisedWeight
	}
	c.add(1)
}

func (c *chance) add(n float64) {
	if c.brownout > 0 {
		return // that is not what is usual
	}
	if !c.lowered {
		n *= raisedWeight
	}
	if c.attempts += n; c.attempts > chanceSpan {
		c.refused = settle(c.refused * chanceSpan / c.attempts)
		c.attempts = chanceSpan
	}
	few := math.Sqrt(c.refused)
	if c.refused >= learned {
		few = 0
	}
	c.e = min(max(c.refused-few, 0)/(c.attempts+priorAttempts), mostChance)
}

// refusal returns the weight of a refusal, if pressure refuses so much more.
func (c *chance) refusal(more float64) float64 {
	e := c.share()
	return math.Log((e + more) / e)
}

// success returns the weight of a success, which is negative.
func (c *chance) success(more float64) float64 {
	e := c.share()
	return math.Log(max(1-e-more, 0.01) / (1 - e))
}

// restSuccess and restRefusal take an attempt outside of trials. Of the refusals a share at least is
// taken for chance.
func (c *chance) restSuccess(n float64) {
	c.accept(n)
	if c.rest > 0 {
		c.rest = max(c.rest+n*c.success(excess), 0)
	}
}

func (c *chance) restRefusal(alone bool, least float64) (convincing bool) {
	e := max(c.share(), least)
	c.rest += math.Log((e + excess) / e)
	convincing = c.rest >= c.enough()
	c.refuse(alone)
	return convincing || c.unlikely(e)
}

// unlikely reports whether far more was refused since the pressure was changed than a share e by
// chance would: a generalized likelihood ratio, for what is too little for a quick sign.
func (c *chance) unlikely(e float64) bool {
	k, n := c.missed, c.epoch
	if k <= e*n || k < fewMissed {
		return false
	}
	x := k / n
	weight := k * math.Log(x/e)
	if x < 1 {
		weight += (n - k) * math.Log((1-x)/(1-e))
	}
	return weight >= longEvidence
}

// enough is how much weight is evidence: more where refusals by chance are known, since
// they come all the time.
func (c *chance) enough() float64 {
	if c.known() {
		return longEvidence
	}
	return evidence
}

// known reports whether it is known that something is refused by chance.
func (c *chance) known() bool { return c.refused >= learned && c.e >= learnedShare }

// trialSuccess takes successes in a trial that raises the pressure by a share.
func (c *chance) trialSuccess(n, by float64) {
	c.tried += n
	c.trial = max(c.trial+n*c.success(by/(1+by)), -c.enough())
}

// trialRefusal takes a refusal in one, of which a share at least is taken for chance.
func (c *chance) trialRefusal(by, least float64) (convincing bool) {
	c.tried++
	c.trialMissed++
	e := max(c.share(), least)
	c.trial += math.Log((e + max(by/(1+by), excess)) / e)
	return c.trial >= c.enough()
}

const (
	lateChance = 0.02 // share of refusals that come late, which is taken for chance at least
	lateExcess = 0.2  // and what they are if the pressure was far too high
)

// lateSuccess and lateRefusal take an attempt from before the last cut.
func (c *chance) lateSuccess(n float64) {
	if c.late == 0 {
		return
	}
	e := max(c.share(), lateChance)
	c.late = max(c.late+n*math.Log((1-e-lateExcess)/(1-e)), 0)
}

func (c *chance) lateRefusal() (convincing bool) {
	e := max(c.share(), lateChance)
	c.late = min(c.late+math.Log((e+lateExcess)/e), 3*evidence)
	return c.late >= evidence
}

// changed begins to weigh anew, after the pressure was lowered or raised.
func (c *chance) changed(lowered bool) {
	c.lowered, c.epoch, c.missed, c.rest, c.trial = lowered, 0, 0, 0, 0
}

// tries begins to weigh a trial.
func (c *chance) tries() { c.trial, c.tried, c.trialMissed = 0, 0, 0 }

// caused returns how many refusals the pressure has caused, in a trial or outside, beyond
// those by chance.
func (c *chance) caused(trial bool) float64 {
	if trial {
		return max(c.trialMissed-c.share()*c.tried, 0)
	}
	return max(c.missed-c.share()*c.epoch, 0)
}
