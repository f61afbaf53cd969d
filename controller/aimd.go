package controller

import "time"

// AIMD halves the limit and doubles the interval when failures pile up, waits,
// and then grows again step by step. A zero field takes its default.
//
// It is the additive increase, multiplicative decrease of TCP (Chiu and Jain
// 1989; RFC 5681 section 3.1), with two things that TCP calls by other names. One is a
// cooling period after each cut. The other is a safe ceiling, the limit that last
// failed: growth stops there until that failure is long past.
//
// Both steps are taken at most once a round trip. A failure of an attempt that
// started before the last cut says nothing about the setting after it, so it
// does not count towards the next cut. Each step of growth is paid for by
// a success of an attempt that started after the step before.
type AIMD struct {
	FailureThreshold int           // failures that make a cut; default 3
	FailureWindow    time.Duration // within which they count; default 60s
	CoolingPeriod    time.Duration // after a cut, without growth; default 60s
	SafeCeilingDecay float64       // cooling periods without a failure until the ceiling is forgotten; default 5
}

func (a AIMD) withDefaults() AIMD {
	if a.FailureThreshold == 0 {
		a.FailureThreshold = 3
	}
	if a.FailureWindow == 0 {
		a.FailureWindow = time.Minute
	}
	if a.CoolingPeriod == 0 {
		a.CoolingPeriod = time.Minute
	}
	if a.SafeCeilingDecay == 0 {
		a.SafeCeilingDecay = 5
	}
	return a
}

// Start returns a law that begins at the initial limit and the shortest
// interval and grows from there at once, without cooling first.
func (a AIMD) Start(b Bounds) (Law, Setting) {
	a = a.withDefaults()
	s := Setting{Limit: b.InitialLimit, Interval: b.MinInterval, Ceiling: b.MaxLimit}
	return &aimd{
		AIMD:     a,
		bounds:   b,
		setting:  s,
		failures: newFailureWindow(a.FailureThreshold, a.FailureWindow),
	}, s
}

type aimd struct {
	AIMD
	bounds  Bounds
	setting Setting

	failed      bool // the ceiling is a limit that failed
	failures    *failureWindow
	lastFailure time.Time     // of any attempt, whether it counted or not
	lastCut     time.Time     // attempts from before it do not count
	lastStep    time.Time     // attempts from before it do not pay for a step
	naturalGap  time.Duration // dispatch gap when the first interval was set
}

func (a *aimd) Next(now time.Time, o Outcome) Setting {
	switch {
	case o.Overloads():
		a.fail(now, o)
	case o.Verdict == Succeeded:
		a.succeed(now, o)
	}
	return a.setting
}

// Update goes on under another AIMD and other bounds. What no failure has cut
// starts anew; what one has stays, and grows from where it is.
func (a *aimd) Update(p Policy, b Bounds) (Setting, bool) {
	policy, ok := p.(AIMD)
	if !ok {
		return Setting{}, false
	}
	policy = policy.withDefaults()
	if policy.FailureThreshold != a.FailureThreshold || policy.FailureWindow != a.FailureWindow {
		a.failures = newFailureWindow(policy.FailureThreshold, policy.FailureWindow)
	}
	old, s := a.bounds, &a.setting
	a.AIMD, a.bounds = policy, b
	if !a.failed && s.Limit == old.MaxLimit && b.MaxLimit != old.MaxLimit {
		s.Limit = b.InitialLimit
	}
	if s.Interval == old.MinInterval {
		s.Interval = b.MinInterval
	}
	if !a.failed {
		s.Ceiling = b.MaxLimit
	}
	*s = s.within(b)
	return *s, true
}

// Failures returns how many failures count towards the next cut.
func (a *aimd) Failures(now time.Time) int { return a.failures.count(now) }

func (a *aimd) fail(now time.Time, o Outcome) {
	a.lastFailure = now
	if o.Start.Before(a.lastCut) {
		return
	}
	a.failures.add(now)
	if a.failures.count(now) < a.FailureThreshold {
		return
	}
	a.failures.clear()
	a.setting.Ceiling, a.failed = a.setting.Limit, true
	a.setting.Limit = max(a.setting.Limit/2, 1)
	a.setting.Interval = a.slower(o.Gap)
	a.setting.CoolUntil = now.Add(a.CoolingPeriod)
	a.lastCut, a.lastStep = now, now
}

// slower returns the doubled interval. Without one there is nothing to double,
// so it starts from the gap at which attempts were sent anyway.
func (a *aimd) slower(gap time.Duration) time.Duration {
	from := a.setting.Interval
	if from == 0 {
		from = gap
		if from <= 0 {
			from = time.Millisecond // not known yet
		}
		a.naturalGap = from
	}
	return min(2*from, a.bounds.MaxInterval)
}

func (a *aimd) succeed(now time.Time, o Outcome) {
	if now.Before(a.setting.CoolUntil) {
		return
	}
	if a.failed && float64(now.Sub(a.lastFailure)) >= a.SafeCeilingDecay*float64(a.CoolingPeriod) {
		a.setting.Ceiling, a.failed = a.bounds.MaxLimit, false
	}
	if a.setting.Limit == a.bounds.MaxLimit && a.setting.Interval == a.bounds.MinInterval {
		return // there is nothing left to grow
	}
	if o.Start.Before(a.lastStep) {
		return
	}
	limit := min(a.setting.Limit+1, a.setting.Ceiling)
	interval := a.faster()
	if limit <= a.setting.Limit && interval == a.setting.Interval {
		return
	}
	a.setting.Limit, a.setting.Interval = max(limit, a.setting.Limit), interval
	a.lastStep = now
}

// faster returns the halved interval. Halving alone would never get back to
// nothing: at the gap that attempts keep anyway, the interval has gone.
func (a *aimd) faster() time.Duration {
	half := a.setting.Interval / 2
	if half <= a.naturalGap {
		half = 0
	}
	return max(half, a.bounds.MinInterval)
}
