package controller

import (
	"math"
	"time"
)

// A ledger is what is left of one quota that the server tells of: the Remaining of the
// newest hint, less what has started since the server counted it, and more what has
// flowed back.
//
// Answers overtake each other, so the newest hint is that of the attempt that started
// last. Of attempts that started together, nobody knows in which order they reached the
// server: the least of what they tell counts, less those of them that have not told yet.
type ledger struct {
	name     string
	resource string // of whose calls it is; empty: of all
	requests bool   // it counts these; else tokens
	budget   bool   // a budget stands for it, of all calls
	limit    int64
	since    time.Time // when it was told of first
	told     int64     // what remained, by the newest hint
	whole    time.Time // then nothing is missing any more
	level    float64   // what might start, at the time at
	at       time.Time
	origin   origin
	refill   refill
	renewal  renewal
	early    early
	again    again
	brief    brief
	sliding  sliding
	rolling  rolling
	shallow  shallow
	said     Limiter // what Learned has said of it
}

// origin is what the newest hint counts from.
type origin struct {
	volley int64     // of the attempts that started together
	start  time.Time // of the one that told first
	least  float64   // of what they have told
	heard  int64     // the use of those that have
	last   int64     // the number of the one that told last
	again  Mark      // what it counts from if it tells once more
}

// rounding is by how much two times until the same reset may differ.
const rounding = time.Second

// hear takes what an attempt tells that started at a time. all is what had started by
// now.
func (l *ledger) hear(now time.Time, h Hint, m Mark, start time.Time, all int64) {
	if l.brief.doubt(l, h, m) {
		return
	}
	if h.Limit != l.limit {
		l.limit, l.since, l.refill, l.shallow = h.Limit, now, refill{}, shallow{}
	}
	l.shallow.hear(h, start, l.of(m.before))
	if l.limit > 0 {
		l.refill.hear(l.limit-h.Remaining, start, now.Add(h.Reset))
	}
	if flows := l.again.hear(h, m, l.of(m.own), now); flows && start.Before(l.whole) {
		l.refill.known = true
	}
	o := &l.origin
	if m.volley < o.volley {
		return
	}
	part := m.volley > o.volley && l.fresh(start) && float64(h.Remaining) < (1-rollingGap)*float64(l.limit-l.renewal.started)
	l.sliding.hear(l, h, m, start, now)
	rate, before := l.rate(), l.balance(now)
	whole := l.early.hear(l, h, m, start, now)
	l.renewal.hear(l, h, start, now, all)
	l.note(h, m, start, whole, rate)
	o.last = m.number
	l.level, l.at = o.least+rate*now.Sub(o.start).Seconds(), now
	if rate > 0 {
		l.level = min(l.level, l.most())
	}
	since := all - l.of(m.before)
	unheard := max(since-o.heard, 0)
	l.level -= float64(unheard) + l.sliding.debt(l.limit)
	if l.sliding.on {
		l.level = min(l.level, before) // evenly, whatever is left
	}
	l.rolling.hear(l, now, h, part, since, unheard)
}

// note takes what remained, and until when, of the newest volley; of that, the least.
func (l *ledger) note(h Hint, m Mark, start, whole time.Time, rate float64) {
	o, left, own := &l.origin, float64(h.Remaining), l.of(m.own)
	if m.volley > o.volley || m.number == 0 {
		*o = origin{volley: m.volley, start: start, least: left, heard: own}
		l.told, l.whole = h.Remaining, whole
		return
	}
	if m.number != o.last {
		o.heard += own
	}
	switch ahead := whole.Sub(l.whole); {
	case rate == 0 && ahead < -rounding: // it is of a window that is over
	case rate == 0 && ahead > rounding: // the others are
		o.least = left
		l.told, l.whole = h.Remaining, whole
	default:
		o.least = min(o.least, left-rate*start.Sub(o.start).Seconds())
		l.told = min(l.told, h.Remaining)
		if ahead > 0 {
			l.whole = whole
		}
	}
}

// of returns how much of this quota a use is.
func (l *ledger) of(u Use) int64 {
	if l.requests {
		return u.Requests
	}
	return u.Tokens
}

// take notes that the attempt with the number uses n more, after so much in all.
func (l *ledger) take(now time.Time, n, number, before int64) {
	level := l.balance(now)
	l.early.take(now, number)
	l.rolling.take(now, n)
	if l.renewed(now) && l.renewal.begun.IsZero() {
		l.renewal.begun, l.renewal.number, l.renewal.before, l.renewal.started = now, number, before, 0
		if l.renewal.alone() {
			level = float64(n)
		}
	}
	l.renewal.started += n
	l.level, l.at = level-float64(n), now
}

// renewed reports whether the quota ought to be whole since the newest hint.
func (l *ledger) renewed(now time.Time) bool {
	return l.rate() == 0 && !now.Before(l.whole)
}

// now returns what may start.
func (l *ledger) now(now time.Time) float64 { return l.balance(now) - l.reserve() }

// balance returns what is left, what is kept included.
func (l *ledger) balance(now time.Time) float64 {
	r := &l.renewal
	switch rate := l.rate(); {
	case l.shallow.is:
		return math.Inf(1)
	case l.rolling.on:
		return float64(l.rolling.starts.Remaining(now))
	case rate > 0:
		return min(max(l.level, l.deepest())+rate*now.Sub(l.at).Seconds(), l.most())
	case now.Before(l.whole) && l.early.open(now):
		return max(l.level, 1)
	case now.Before(l.whole):
		return l.level
	case r.begun.IsZero() && l.limit > 0 && !r.alone() && !r.late():
		return float64(l.limit)
	case r.begun.IsZero(), r.silent, r.late(), !now.Before(r.lapse()):
		return math.Inf(1) // nothing is known any more
	}
	return l.level
}

// ampleShare is the share of a quota that is far more than an attempt needs whose cost is not
// known: few cost ten times the mean.
const ampleShare = 0.125

// hasLeft reports whether far more is left than an attempt needs that has taken n. A quota that
// ought to be whole by now is.
func (l *ledger) hasLeft(now time.Time, n int64) bool {
	return l.limit > 0 && !l.shallow.is && l.now(now) >= max(float64(n), ampleShare*float64(l.limit))
}

// crumb is how much less than what is needed is enough: what is lost in adding up numbers
// of seven digits. It must be small, because a server that is short of it refuses: with a
// millionth, one attempt in a hundred was refused at a bucket of 21 a minute.
const crumb = 1e-9

// wait returns how long it takes until n may start. What is more than the quota waits
// for all of it.
func (l *ledger) wait(now time.Time, n int64) time.Duration {
	need := float64(max(n, 1))
	if l.limit > 0 {
		need = min(need, l.most()-l.reserve())
	}
	missing, rate := need-l.now(now), l.rate()
	silent := l.awaits().Sub(now)
	switch {
	case l.rolling.on:
		return l.rolling.wait(now, max(n, 1))
	case silent > 0:
		return silent
	case missing < crumb:
		return 0
	case l.mayAsk(now):
		return 0
	case rate > 0:
		return time.Duration(min(math.Ceil(missing/rate*1e9), float64(LongestHint)))
	case now.Before(l.whole):
		return l.sooner(now).Sub(now)
	}
	return l.renewal.lapse().Sub(now)
}

// mayAsk reports whether one attempt may start to find out whether the quota flows back.
func (l *ledger) mayAsk(now time.Time) bool {
	return l.rate() == 0 && now.Before(l.whole) && l.again.open(now)
}

// sooner returns when somebody asks whether something is left, or when the quota is whole.
func (l *ledger) sooner(now time.Time) time.Time {
	return l.again.sooner(now, l.early.sooner(now, l.whole))
}

// pause returns for how long the server has said that nothing is left.
func (l *ledger) pause(now time.Time) time.Duration {
	if l.told > 0 || l.rate() > 0 || l.rolling.on || l.shallow.is {
		return 0
	}
	return max(l.sooner(now).Sub(now), 0)
}

// interval returns how far apart attempts are that use n each, if it is this quota that
// keeps them so.
func (l *ledger) interval(now time.Time, n int64) time.Duration {
	rate, need := l.rate(), float64(max(n, 1))
	if rate == 0 || l.now(now) >= 2*need {
		return 0
	}
	return time.Duration(min(need/rate*1e9, float64(LongestHint)))
}
