package controller

import (
	"math"
	"time"
)

// Rate is a fixed limit of attempts per second, with a burst.
type Rate struct {
	PerSecond float64 // above 0
	Burst     float64 // at least the weight of the heaviest attempt; default 1
}

// WithDefaults returns r with its zero fields set.
func (r Rate) WithDefaults() Rate {
	if r.Burst == 0 {
		r.Burst = 1
	}
	return r
}

// A Bucket is a Rate at work: a token bucket that starts full. Unlike
// golang.org/x/time/rate it takes fractional weights and a fractional burst.
type Bucket struct {
	Rate
	tokens float64
	at     time.Time
}

// NewBucket returns a full bucket.
func NewBucket(r Rate) *Bucket {
	r = r.WithDefaults()
	return &Bucket{Rate: r, tokens: r.Burst}
}

// Wait returns how long it takes until an attempt of the given weight may
// start. The weight must not be above Burst.
func (b *Bucket) Wait(now time.Time, weight float64) time.Duration {
	b.fill(now)
	missing := weight - b.tokens
	if missing <= 0 {
		return 0
	}
	wait := math.Ceil(missing / b.PerSecond * float64(time.Second))
	if wait >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(wait)
}

// Update makes b the bucket of another rate, of which as much has been taken, but
// no more than all of it.
func (b *Bucket) Update(now time.Time, r Rate) {
	b.fill(now)
	taken := b.Burst - b.tokens
	b.Rate = r.WithDefaults()
	b.tokens = max(b.Burst-taken, 0)
}

// Take takes the weight of an attempt that starts now.
func (b *Bucket) Take(now time.Time, weight float64) {
	b.fill(now)
	b.tokens -= weight
}

// Give gives the weight back of an attempt that did not start after all.
func (b *Bucket) Give(weight float64) { b.tokens = min(b.tokens+weight, b.Burst) }

func (b *Bucket) fill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		if !b.at.IsZero() {
			earned := float64(passed.Seconds() * b.PerSecond) // rounded, as on every machine
			b.tokens = min(b.tokens+earned, b.Burst)
		}
		b.at = now
	}
}
