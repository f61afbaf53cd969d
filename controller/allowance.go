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
	most       atomic.Int64
}

// NewAllowance returns an allowance of so many retries in hand, which is also
// the most that it saves up.
func NewAllowance(inHand int) *Allowance {
	a := new(Allowance)
	a.Resize(inHand)
	return a
}

const million = 1_000_000

// Resize makes a an allowance of so many retries in hand, of which as many have
// been spent.
func (a *Allowance) Resize(inHand int) {
	most := int64(inHand) * million
	more := most - a.most.Swap(most)
	a.add(func(had int64) int64 { return had + more }) // some may be owed
}

// Earn notes an attempt, of which share is allowed for retries; a share of 1 gives back a retry.
func (a *Allowance) Earn(share float64) {
	a.add(func(had int64) int64 { return had + int64(share*million) })
}

// add replaces what is there, up to the most there may be.
func (a *Allowance) add(to func(had int64) int64) {
	for {
		had := a.millionths.Load()
		has := min(to(had), a.most.Load())
		if has == had || a.millionths.CompareAndSwap(had, has) {
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
