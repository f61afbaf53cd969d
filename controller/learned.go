package controller

import "time"

// A Learner is a Law from which one of another process can go on.
type Learner interface {
	// Learned returns the setting to go on from; false: there is nothing to tell yet. It
	// changes nothing.
	Learned() (Setting, bool)

	// Recall goes on from a setting that was learned before, which is within the bounds,
	// and returns the one now in force. Nothing was stepped yet.
	Recall(now time.Time, s Setting) Setting
}

// Learned returns what the policy has learned; false: nothing, or it is no Learner. Only a
// visitor may ask, or the owner of a controller at rest.
func (c *Controller) Learned() (s Setting, ok bool) {
	defer c.recoverPolicy()
	if law, is := c.law.(Learner); is {
		return law.Learned()
	}
	return Setting{}, false
}

// Recall has the policy go on from what was learned before, if it is a Learner. It is for
// visitors, as Learned is.
func (c *Controller) Recall(now time.Time, s Setting) {
	next := c.decided
	defer func() { c.decide(now, next) }()
	defer c.recoverPolicy()
	if law, is := c.law.(Learner); is {
		s = s.within(c.cfg.Bounds)
		s.Ceiling = max(s.Ceiling, s.Limit)
		next = law.Recall(now, s)
	}
}

// Learned returns what works, without the trial that is under way. While the service is
// down, that is what worked before.
func (s *seek) Learned() (Setting, bool) {
	pace, slots := s.pace.works, s.slots.works
	if s.outage.is && s.outage.pressed.rate > 0 {
		pace, slots = s.outage.pressed.rate, s.outage.pressed.slots
	}
	if !s.trip.worked || s.startup.on && s.startup.began < 0 {
		return Setting{}, false
	}
	l := Setting{Limit: int(slots), Ceiling: s.bounds.MaxLimit, Reason: s.reason}
	if pace < unpaced {
		l.Interval = seconds(1 / pace)
	}
	if s.startup.on {
		l.Reason = ReasonStart
	}
	return l, true
}

// Recall begins with what worked. If nothing was ever refused, it goes on doubling from
// there, else it goes on with trials. Too much is refused, and lowered, as ever.
func (s *seek) Recall(_ time.Time, l Setting) Setting {
	s.slots.works = float64(l.Limit)
	if l.Interval > 0 {
		s.pace.works = 1 / l.Interval.Seconds()
	}
	s.startup.began = 0
	if l.Reason != ReasonStart {
		s.endStartup()
	}
	s.reason = ReasonRecalled
	s.keepWithin()
	s.last = s.setting()
	return s.last
}

// Learned returns the setting if a failure has cut it, or growth has moved it.
func (a *aimd) Learned() (Setting, bool) {
	begun := Setting{Limit: a.bounds.InitialLimit, Interval: a.bounds.MinInterval, Ceiling: a.bounds.MaxLimit}
	return a.setting, a.setting != begun
}

// Recall grows on from the setting. A ceiling counts from now on.
func (a *aimd) Recall(now time.Time, s Setting) Setting {
	a.setting, a.failed = s, s.Ceiling < a.bounds.MaxLimit
	a.lastFailure = now
	return a.setting
}
