package controller

import "time"

const (
	// quickestSpan is how many successes a minimum is taken over, at least.
	quickestSpan = 64

	// quickestMemory is how long it is believed. A service that has been slow may
	// have recovered, which nobody would see if nothing were sent.
	quickestMemory = time.Minute
)

// Quickest is the least time that a success has taken recently, which an attempt
// needs at least. It is the minimum over the last span and the one before, as a
// windowed filter in two steps (Jacobson and Nichols' min-RTT filter, of which
// BBR keeps three).
type Quickest struct {
	this  time.Duration // of this span
	least time.Duration // of this span and the last
	n     int           // successes in this span
	at    time.Time     // of the last success
}

// Add takes the time that a success took.
func (q *Quickest) Add(now time.Time, took time.Duration) {
	if now.Sub(q.at) > quickestMemory { // also on the first
		*q = Quickest{this: took, least: took}
	}
	if q.n == quickestSpan {
		q.this, q.least, q.n = took, q.this, 0
	}
	q.this, q.least = min(q.this, took), min(q.least, took)
	q.n++
	q.at = now
}

// Left returns how long it takes until what is known is forgotten.
func (q *Quickest) Left(now time.Time) time.Duration {
	return q.at.Add(quickestMemory + 1).Sub(now)
}

// Least returns the least time that an attempt needs, 0 if it is not known.
func (q *Quickest) Least(now time.Time) time.Duration {
	if now.Sub(q.at) > quickestMemory {
		return 0
	}
	return q.least
}
