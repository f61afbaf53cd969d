package controller

import (
	"math"
	"time"
)

// rateMemory is the time over which the rate of completion forgets.
const rateMemory = 30 * time.Second

// Progress follows how many jobs are done and how fast, for the ETA. The rate
// is an exponentially decayed mean, which needs no history.
type Progress struct {
	Total int64 // 0: unknown

	done  int64
	count float64 // jobs done, decayed
	span  float64 // seconds in which they were, decayed
	at    time.Time
}

// Begin takes out the time up to now in which nothing was to be done.
func (p *Progress) Begin(now time.Time) {
	if now.After(p.at) {
		p.at = now
	}
}

// Add notes that n more jobs are done.
func (p *Progress) Add(now time.Time, n int64) {
	passed := max(now.Sub(p.at), 0)
	keep := math.Exp(-passed.Seconds() / rateMemory.Seconds())
	p.count = p.count*keep + float64(n)
	p.span = p.span*keep + passed.Seconds()
	p.done += n
	p.at = now
}

// Percentage returns how much is done, 0 to 100, or 0 if the total is unknown.
func (p *Progress) Percentage() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(100*float64(p.done)/float64(p.Total), 100)
}

// ETA returns how long the rest takes at the recent rate, negative if the
// total or the rate is unknown.
func (p *Progress) ETA(now time.Time) time.Duration {
	if p.Total <= 0 {
		return -1
	}
	left := float64(p.Total - p.done)
	if left <= 0 {
		return 0
	}
	span := p.span + max(now.Sub(p.at), 0).Seconds()
	if p.count == 0 || span == 0 {
		return -1
	}
	eta := left * span / p.count * float64(time.Second)
	if eta >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(eta)
}
