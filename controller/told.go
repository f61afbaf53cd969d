package controller

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Use is what attempts take of quotas.
type Use struct{ Requests, Tokens int64 }

func (u *Use) add(v Use) { u.Requests, u.Tokens = u.Requests+v.Requests, u.Tokens+v.Tokens }

// A Mark is what an attempt has to remember of its start: a hint that it brings was
// counted then. Its zero value is that of no attempt.
type Mark struct {
	number int64         // of the attempt; from 1
	volley int64         // of those that started together
	at     time.Duration // since the first start
	before Use           // of all that started before the volley
	own    Use

	resource string // empty: not known

	// Asked is how long the same answer asked to be left alone; see Hint. 0: not at all.
	Asked time.Duration
}

// asked returns how long the server wants to be left alone by an answer with a hint.
func (m Mark) asked(h Hint) time.Duration { return max(m.Asked, h.RetryAfter) }

// volleySpan is how far apart attempts that started together are. A network may bring
// them in another order. Chosen: twenty times what it takes to wake a worker, and less
// than most services take.
const volleySpan = 20 * time.Millisecond

// mostLedgers bounds the quotas that are kept. Nobody has half as many.
const mostLedgers = 16

// Told is what a server has told of quotas. Each is a ledger,
// not a schedule: as long as something is left, it may be used as fast as may be, and
// not more than that.
//
// Servers mean different things by the same words, and what comes of them tells which. Each
// question has a machine of its own in a ledger:
//
//   - refill: whether it flows back all the time, as a bucket
//   - renewal: what is there from a reset on, until the next hint
//   - early: whether a short window is whole sooner than a rounded reset says
//   - again: whether something is left when a refusal says to come again, long before the reset
//   - brief: whether a reset within a second is one at all
//   - sliding: whether what was used of the window before counts, so that a reset is none
//   - rolling: whether it is a log, of which each place comes back by itself
//   - shallow: whether it is the level of a small bucket, and the limit that of a time
//
// So that a hint can be as old as its attempt is long, Told counts what starts. Its zero
// value is ready to use.
type Told struct {
	first   time.Time // start or hint
	number  int64     // of the last attempt
	all     Use       // that has started, or was used beyond what was expected
	volley  Mark      // the first one of it
	ledgers []*ledger // the one that was told of last is the last
	plenty  time.Time // when it was told that much is left of a quota, but not of a reset
}

// Start notes that an attempt starts that is expected to use u.
func (t *Told) Start(now time.Time, u Use) Mark { return t.StartOf(now, u, "") }

// StartOf is Start for an attempt of one resource.
func (t *Told) StartOf(now time.Time, u Use, resource string) Mark {
	t.begin(now)
	t.number++
	m := Mark{number: t.number, volley: 2 * t.number, at: now.Sub(t.first), before: t.all, own: u, resource: resource}
	if t.volley.number > 0 && m.at-t.volley.at <= volleySpan {
		m.volley, m.before = t.volley.volley, t.volley.before
	} else {
		t.volley = m
	}
	for i := range t.ledgers {
		if l := t.ledgers[i]; l.concerns(resource) && l.mayAsk(now) && l.now(now) < float64(l.of(u)) {
			l.again.number = t.number
		}
	}
	t.take(now, u, resource)
	return m
}

// concerns reports whether an attempt of a resource may take of the quota; empty: nobody knows.
func (l *ledger) concerns(resource string) bool {
	return l.resource == "" || resource == "" || l.resource == resource
}

func (t *Told) begin(now time.Time) {
	if t.first.IsZero() {
		t.first = now
	}
}

// Back notes that an attempt does not start after all.
func (t *Told) Back(now time.Time, m Mark) {
	t.take(now, Use{-m.own.Requests, -m.own.Tokens}, m.resource)
}

// Succeed notes that an attempt has succeeded.
func (t *Told) Succeed(m Mark) {
	for i := range t.ledgers {
		t.ledgers[i].renewal.end(m.number)
	}
}

// Refuse notes that an attempt was refused. If it brought no hint, that says something of
// quotas that ought to have been whole.
func (t *Told) Refuse(now time.Time, m Mark) {
	for i := range t.ledgers {
		t.ledgers[i].again.refuse(m)
		if l := t.ledgers[i]; l.requests && m.number > l.origin.last && l.fresh(t.first.Add(m.at)) {
			l.sliding.refuse(now)
		}
	}
}

// Settle notes how many tokens an attempt has used. What a job was said to cost is not
// given back, since some servers keep what they have reserved: the next hint will tell.
// What is a mean is.
func (t *Told) Settle(now time.Time, m Mark, tokens int64, mean bool) {
	if more := tokens - m.own.Tokens; more > 0 || mean {
		t.take(now, Use{Tokens: more}, m.resource)
	}
}

func (t *Told) take(now time.Time, u Use, resource string) {
	for i := range t.ledgers {
		if l := t.ledgers[i]; l.of(u) != 0 && l.concerns(resource) {
			l.take(now, l.of(u), t.number, l.of(t.all))
		}
	}
	t.all.add(u)
}

// Hint takes what the attempt with the mark heard of a quota; one that says until when
// it holds.
func (t *Told) Hint(now time.Time, h Hint, m Mark) {
	t.begin(now)
	l := t.ledger(h)
	again := Mark{number: m.number, volley: 2*t.number + 1, at: now.Sub(t.first), before: t.all}
	switch {
	case m.number == 0:
		m = again
	case m.number == l.origin.last && again.at-l.origin.again.at > volleySpan: // it has asked again meanwhile
		m = l.origin.again
	}
	l.hear(now, h, m, t.first.Add(m.at), l.of(t.all))
	l.origin.again = again
}

// HintOfBudget is Hint of a quota that the budget stands for. It holds attempts up as the
// budget does: whatever their resource, and Wait, Pause and Interval do not count it.
func (t *Told) HintOfBudget(now time.Time, b Budget, h Hint, m Mark) {
	h.Budget, h.Requests, h.Resource = b.Name, b.Requests, ""
	t.Hint(now, h, m)
	t.ledgers[len(t.ledgers)-1].budget = true
}

// WaitOfBudget returns how long an attempt has to wait for the quota of a budget.
func (t *Told) WaitOfBudget(now time.Time, b Budget, u Use) time.Duration {
	if l := t.of(b); l != nil {
		return l.wait(now, l.of(u))
	}
	return 0
}

// LeftOfBudget returns what is left of a budget: of what is free, what the server has told
// of.
func (t *Told) LeftOfBudget(now time.Time, b Budget, free int64) int64 {
	if l := t.of(b); l != nil {
		return int64(min(float64(free), max(l.now(now), 0)))
	}
	return free
}

// of returns the ledger of a budget; nil: there is none.
func (t *Told) of(b Budget) *ledger {
	if len(t.ledgers) == 0 || b.Name == "" {
		return nil
	}
	if i := t.findOf(b.Name, ""); i >= 0 && t.ledgers[i].budget && t.ledgers[i].requests == b.Requests {
		return t.ledgers[i]
	}
	return nil
}

// ledger returns that of a quota.
func (t *Told) ledger(h Hint) *ledger {
	name, requests := h.Budget, h.Requests || h.Budget == ""
	var l *ledger
	if i := t.findOf(name, h.Resource); i >= 0 {
		if t.ledgers[i].requests == requests {
			l = t.ledgers[i]
		}
		t.ledgers = slices.Delete(t.ledgers, i, i+1)
	}
	if l == nil {
		l = &ledger{name: name, resource: h.Resource, requests: requests}
	}
	if len(t.ledgers) == mostLedgers {
		t.ledgers = slices.Delete(t.ledgers, 0, 1)
	}
	t.ledgers = append(t.ledgers, l)
	return l
}

func (t *Told) findOf(name, resource string) int {
	return slices.IndexFunc(t.ledgers, func(l *ledger) bool { return l.name == name && l.resource == resource })
}

// Forget drops a quota, since a budget stands for it.
func (t *Told) Forget(name string) {
	t.ledgers = slices.DeleteFunc(t.ledgers, func(l *ledger) bool { return l.name == name })
}

// Wait returns how long an attempt has to wait that is expected to use u.
func (t *Told) Wait(now time.Time, u Use) time.Duration { return t.WaitOf(now, u, "") }

// WaitOf is Wait for an attempt of one resource.
func (t *Told) WaitOf(now time.Time, u Use, resource string) time.Duration {
	return t.longest(resource, func(l *ledger) time.Duration { return l.wait(now, l.of(u)) })
}

// WaitOfAll is Wait for what quotas of all calls say.
func (t *Told) WaitOfAll(now time.Time, u Use) time.Duration {
	return t.longestOfAll(func(l *ledger) time.Duration { return l.wait(now, l.of(u)) })
}

// WaitOfOne is Wait for what quotas of one resource say, or if nobody knows of which the attempt
// is, those of the one that says the least.
func (t *Told) WaitOfOne(now time.Time, u Use, resource string) time.Duration {
	return t.longestOfOne(resource, func(l *ledger) time.Duration { return l.wait(now, l.of(u)) })
}

// longest returns the longest of what ledgers say to an attempt of a resource.
func (t *Told) longest(resource string, says func(*ledger) time.Duration) time.Duration {
	return max(t.longestOfAll(says), t.longestOfOne(resource, says))
}

func (t *Told) longestOfAll(says func(*ledger) time.Duration) (longest time.Duration) {
	for i := range t.ledgers {
		if l := t.ledgers[i]; l.resource == "" && !l.budget { // a budget is asked by itself
			longest = max(longest, says(l))
		}
	}
	return longest
}

func (t *Told) longestOfOne(resource string, says func(*ledger) time.Duration) (longest time.Duration) {
	var others map[string]time.Duration
	for i := range t.ledgers {
		switch l := t.ledgers[i]; {
		case l.resource == "" || l.budget:
		case l.resource == resource:
			longest = max(longest, says(l))
		case resource == "":
			if others == nil {
				others = make(map[string]time.Duration)
			}
			others[l.resource] = max(others[l.resource], says(l))
		}
	}
	least := time.Duration(math.MaxInt64)
	for _, d := range others {
		least = min(least, d)
	}
	if len(others) == 0 {
		return longest
	}
	return least
}

// Pause returns for how long the server has said that nothing is left of a quota, 0 if
// that flows back.
func (t *Told) Pause(now time.Time) time.Duration {
	return t.longest("", func(l *ledger) time.Duration { return l.pause(now) })
}

// UsedUp returns the name of the quota that Pause is of, requests if it has none; empty: there is no
// pause.
func (t *Told) UsedUp(now time.Time) (name string) {
	t.longest("", func(l *ledger) time.Duration {
		d := l.pause(now)
		if d > 0 && d == t.Pause(now) {
			name = cmp.Or(l.name, "requests")
		}
		return d
	})
	return name
}

// Interval returns how far apart quotas that flow back keep attempts that use u each, 0
// if they do not.
func (t *Told) Interval(now time.Time, u Use) time.Duration {
	return t.longest("", func(l *ledger) time.Duration { return l.interval(now, l.of(u)) })
}

// Until returns until when what is known of quotas counts at most: then all are whole.
func (t *Told) Until() (until time.Time) {
	for i := range t.ledgers {
		if whole := t.ledgers[i].whole; whole.After(until) {
			until = whole
		}
	}
	return until
}

// Holds reports whether anything is known that may hold attempts up.
func (t *Told) Holds() bool { return len(t.ledgers) > 0 }

// plentyFor is for how long it is believed that much is left of a quota of which nothing is counted.
const plentyFor = time.Minute

// WithoutReset takes a hint that says of no reset, as there is none when a bucket is full.
func (t *Told) WithoutReset(now time.Time, h Hint) {
	if h.Limit > 0 && float64(h.Remaining) >= ampleShare*float64(h.Limit) {
		t.plenty = now
	}
}

// HasLeft reports whether far more was left of each quota of an attempt's resource than it needed,
// by what the server told a short while ago.
func (t *Told) HasLeft(now time.Time, m Mark) (known bool) {
	known = !t.plenty.IsZero() && now.Sub(t.plenty) < plentyFor
	for i := range t.ledgers {
		if l := t.ledgers[i]; l.concerns(m.resource) {
			if !l.hasLeft(now, l.of(m.own)) {
				return false
			}
			known = true
		}
	}
	return known
}

// Overdrawn reports whether more has started than was left.
func (t *Told) Overdrawn(now time.Time) bool {
	return slices.ContainsFunc(t.ledgers, func(l *ledger) bool { return l.now(now) < 0 })
}
