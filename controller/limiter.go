package controller

import (
	"fmt"
	"time"
)

// LimiterKind is how a limiter gives back what was used.
type LimiterKind int

// The kinds of limiters that are told apart.
const (
	FixedWindow   LimiterKind = iota + 1 // all of it at one moment
	SlidingWindow                        // little by little: a counter that takes part of the window before
	SlidingLog                           // each place a window after it was taken
	TokenBucket                          // all the time, at a steady rate
)

func (k LimiterKind) String() string {
	switch k {
	case FixedWindow:
		return "fixed_window"
	case SlidingWindow:
		return "sliding_window"
	case SlidingLog:
		return "sliding_log"
	case TokenBucket:
		return "token_bucket"
	}
	return fmt.Sprintf("limiter(%d)", int(k))
}

// A Limiter is one that a server tells of in its answers. What it is called and how much it
// has was told; of which kind it is and how long its window lasts was found out by what came of
// that.
type Limiter struct {
	Name     string // of its quota, as in Hint.Budget; empty: it has none
	Resource string // of whose calls it is; empty: of all
	Requests bool   // it counts these; else tokens
	Kind     LimiterKind
	Limit    int64         // how much there is in a window, or in a full bucket
	Window   time.Duration // in which all of it comes back: the longest that was seen, the server's rounding included
}

// String says it in words: "requests: a window of 5s with 50".
func (l Limiter) String() string {
	name := l.Name
	if l.Resource != "" && l.Resource != l.Name {
		name += " of " + l.Resource
	}
	if name != "" {
		name += ": "
	}
	window := roundedWindow(l.Window)
	switch l.Kind {
	case TokenBucket:
		return fmt.Sprintf("%sa bucket of %d, full within %v", name, l.Limit, window)
	case SlidingLog:
		return fmt.Sprintf("%sa window of %v with %d, each place free that long after it was taken", name, window, l.Limit)
	case SlidingWindow:
		return fmt.Sprintf("%sa sliding window of %v with %d", name, window, l.Limit)
	}
	return fmt.Sprintf("%sa window of %v with %d", name, window, l.Limit)
}

// roundedWindow rounds a window to what a reset in seconds, read when an answer has arrived, says of it.
func roundedWindow(window time.Duration) time.Duration {
	if window < time.Second {
		return window.Round(time.Millisecond)
	}
	return window.Round(100 * time.Millisecond)
}

// like reports whether there is nothing new in other.
func (l Limiter) like(other Limiter) bool {
	between := (l.Window - other.Window).Abs()
	l.Window = other.Window
	return l == other && between <= other.Window/10
}

// limiter returns what is known of the limiter that tells of a quota; its Kind is 0 if that is
// not known yet.
func (l *ledger) limiter(now time.Time) Limiter {
	known := Limiter{Name: l.name, Resource: l.resource, Requests: l.requests, Limit: l.limit, Window: l.renewal.longest}
	switch rate := l.refill.rate(); {
	case l.limit == 0 || now.Sub(l.since) < l.renewal.longest: // or two tell of themselves under one name
	case l.rolling.on:
		known.Kind = SlidingLog
	case l.sliding.on:
		known.Kind = SlidingWindow
	case rate > 0:
		known.Kind, known.Window = TokenBucket, seconds(float64(l.limit)/rate)
	case l.renewal.seen:
		known.Kind = FixedWindow
	}
	return known
}

// Learned returns what is known of the limiter that was told of last, if there is something
// new.
func (t *Told) Learned(now time.Time) (Limiter, bool) {
	if len(t.ledgers) == 0 {
		return Limiter{}, false
	}
	l := t.ledgers[len(t.ledgers)-1]
	known := l.limiter(now)
	if known.Kind == 0 || known.like(l.said) {
		return Limiter{}, false
	}
	l.said = known
	return known, true
}

// Limiters returns what Learned has said of those that are still told of.
func (t *Told) Limiters() (all []Limiter) {
	for i := range t.ledgers {
		if said := t.ledgers[i].said; said.Kind != 0 {
			all = append(all, said)
		}
	}
	return all
}
