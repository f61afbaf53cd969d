package controller

import "sync/atomic"

// An Allowance keeps retries from being more than a share of all attempts, so
// that an outage does not double the load ("retry budget": Finagle's
// RetryBudget; Google SRE book, chapter 21). Every attempt earns the share, a
// retry spends 1, and a job that has none to spend ends. Some are in hand from the
// start, as many as MaxConcurrency and at least 10, or the first job that fails
// would never be tried again; no more than these are saved up. It may be used from
// any goroutine.
type Allowance struct {
	millionths atomic.Int64
	most       int64
}

// NewAllowance returns an allowance of so many retries in hand, which is also
// the most that it saves up.
func NewAllowance(inHand int) *Allowance {
	a := &Allowance{most: int64(inHand) * million}
	a.millionths.Store(a.most)
	return a
}

const million = 1_000_000

// Earn notes an attempt, of which share is allowed for retries.
func (a *Allowance) Earn(share float64) {
	for {
		had := a.millionths.Load()
		if had >= a.most || a.millionths.CompareAndSwap(had, min(had+int64(share*million), a.most)) {
			return
		}
	}
}

// Spend takes one retry; it returns false if there is none left.
func (a *Allowance) Spend() bool {
	for {
		had := a.millionths.Load()
		if had < million {
			return false
		}
		if a.millionths.CompareAndSwap(had, had-million) {
			return true
		}
	}
}
