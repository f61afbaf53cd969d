package controller

import (
	"math/big"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// spend spends up to n retries and returns how many it got.
func spend(a *Allowance, n int) (got int) {
	for range n {
		if a.Spend() {
			got++
		}
	}
	return got
}

func TestAllowanceHasAFewInHand(t *testing.T) {
	a := NewAllowance(10)
	if got := spend(a, 100); got != 10 {
		t.Errorf("%d retries, want 10", got)
	}
	if NewAllowance(0).Spend() {
		t.Error("a retry out of nothing")
	}
}

func TestAllowanceEachAttemptEarnsTheShare(t *testing.T) {
	for share, want := range map[float64]int{0: 0, 0.01: 1, 0.1: 10, 0.2: 20, 0.25: 25, 1: 100} {
		a, got := NewAllowance(50), 0
		spend(a, 50)
		for range 100 {
			a.Earn(share)
			got += spend(a, 1)
		}
		if got != want {
			t.Errorf("share %v: %d retries after 100 attempts, want %d", share, got, want)
		}
	}
}

func TestAllowanceSavesUpNoMoreThanItBeganWith(t *testing.T) {
	a := NewAllowance(10)
	for range 1000 {
		a.Earn(1)
	}
	if got := spend(a, 100); got != 10 {
		t.Errorf("%d retries, want 10", got)
	}
}

func TestAllowanceResizeKeepsWhatWasSpent(t *testing.T) {
	for _, c := range []struct{ from, spent, to, want int }{
		{10, 3, 10, 7}, {10, 3, 20, 17}, {10, 10, 12, 2}, {10, 3, 5, 2}, {10, 8, 5, 0}, {10, 0, 0, 0}, {0, 0, 3, 3},
	} {
		a := NewAllowance(c.from)
		spend(a, c.spent)
		a.Resize(c.to)
		if got := spend(a, 100); got != c.want {
			t.Errorf("%d of %d spent, then of %d: %d retries, want %d", c.spent, c.from, c.to, got, c.want)
		}
		for range 100 {
			a.Earn(1)
		}
		if got := spend(a, 200); got != c.to {
			t.Errorf("%d retries saved up, want %d", got, c.to)
		}
	}
}

// As often as it may be done, it makes no retries.
func TestAllowanceResizeThereAndBack(t *testing.T) {
	a := NewAllowance(10)
	spend(a, 10)
	a.Resize(5)
	a.Resize(10)
	if got := spend(a, 100); got != 0 {
		t.Errorf("%d retries out of nothing", got)
	}
}

// The reference counts in fractions. Of an attempt's share, less than a millionth
// may be lost.
func TestAllowanceAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			inHand = rapid.IntRange(0, 20).Draw(t, "in hand")
			a      = NewAllowance(inHand)
			cap    = big.NewRat(int64(inHand), 1)
			most   = new(big.Rat).Set(cap) // that there can be left
			least  = new(big.Rat).Set(cap)
			one    = big.NewRat(1, 1)
			lost   = big.NewRat(1, million)
		)
		for range rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "events") {
			if rapid.IntRange(0, 30).Draw(t, "resize") == 30 { // to less is above
				more := int64(rapid.IntRange(0, 5).Draw(t, "more"))
				cap.Add(cap, big.NewRat(more, 1))
				most.Add(most, big.NewRat(more, 1))
				least.Add(least, big.NewRat(more, 1))
				a.Resize(int(cap.Num().Int64()))
			}
			if rapid.Bool().Draw(t, "earn") {
				share := rapid.Float64Range(0, 1).Draw(t, "share")
				a.Earn(share)
				exact := new(big.Rat).SetFloat64(share)
				most = smaller(most.Add(most, exact), cap)
				if less := exact.Sub(exact, lost); less.Sign() > 0 {
					least = smaller(least.Add(least, less), cap)
				}
				continue
			}
			switch got := a.Spend(); {
			case got && most.Cmp(one) < 0:
				t.Fatalf("a retry although at most %s is left", most.FloatString(7))
			case !got && least.Cmp(one) >= 0:
				t.Fatalf("no retry although at least %s is left", least.FloatString(7))
			case got:
				most.Sub(most, one)
				least.Sub(least, one)
				if least.Sign() < 0 {
					least.SetInt64(0)
				}
			}
		}
	})
}

func smaller(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) > 0 {
		a.Set(b)
	}
	return a
}

func TestAllowanceLosesNothingBetweenGoroutines(t *testing.T) {
	a := NewAllowance(1000)
	spend(a, 1000)
	var all sync.WaitGroup
	var got atomic.Int64
	for range 4 {
		all.Go(func() {
			for range 1000 {
				a.Earn(0.25)
			}
		})
		all.Go(func() { got.Add(int64(spend(a, 1000))) })
	}
	all.Wait()
	if total := int(got.Load()) + spend(a, 2000); total != 1000 {
		t.Errorf("%d retries out of 4000 attempts, want 1000", total)
	}
}

func FuzzAllowance(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 0, 0, 0, 0, 255, 255, 0, 128, 128, 0, 0})
	f.Fuzz(func(t *testing.T, events []byte) {
		if len(events) == 0 {
			return
		}
		inHand := int(events[0] & 15)
		a := NewAllowance(inHand)
		earned, spent, inARow := 0.0, 0, 0
		for _, e := range events[1:] {
			if e == 255 {
				inHand++
				earned++ // or so it seems
				a.Resize(inHand)
				continue
			}
			if e > 0 {
				share := float64(e) / 255
				a.Earn(share)
				earned += share
				inARow = 0
				continue
			}
			if a.Spend() {
				spent++
				inARow++
			}
			if float64(spent) > float64(events[0]&15)+earned+1e-9 || inARow > inHand {
				t.Fatalf("%d retries, %d in a row, of %d in hand and %v earned", spent, inARow, inHand, earned)
			}
		}
	})
}

func BenchmarkAllowance(b *testing.B) {
	a := NewAllowance(10)
	for b.Loop() {
		a.Earn(0.1)
		a.Spend()
	}
	b.ReportAllocs()
}
