package pacefleet

import "math"

// divide returns max-min fair shares of a whole: who wants less than an equal share gets
// what it wants, and the others what is left in equal parts (water filling; Bertsekas and
// Gallager, Data Networks, 6.5.2).
func divide(whole float64, wants []float64) (shares []float64) {
	shares = make([]float64, len(wants))
	open := len(wants)
	for open > 0 {
		level, settled := whole/float64(open), false
		for i, want := range wants {
			if shares[i] == 0 && want >= 0 && want <= level {
				shares[i], wants[i] = want, -1
				whole -= want
				open--
				settled = true
			}
		}
		if settled {
			continue
		}
		for i, want := range wants {
			if want >= 0 {
				shares[i] = max(level, 0)
			}
		}
		return shares
	}
	return shares
}

// spread adds what nobody wants to all shares, in equal parts, so that who gets work need
// not ask first.
func spread(whole float64, shares []float64) {
	for _, s := range shares {
		whole -= s
	}
	if whole <= 0 {
		return
	}
	for i := range shares {
		shares[i] += whole / float64(len(shares))
	}
}

// integers rounds shares to whole numbers with the same sum, rounded down. Those that lose
// by it come after turn.
func integers(shares []float64, turn int) (whole []int64) {
	whole = make([]int64, len(shares))
	n := len(shares)
	if n == 0 {
		return whole
	}
	sum := 0.0
	left := int64(0)
	for i, s := range shares {
		whole[i] = int64(math.Floor(s + 1e-9))
		sum += s
		left -= whole[i]
	}
	left += int64(math.Floor(sum + 1e-6))
	for k := 0; left > 0 && k < n; k++ {
		i := (turn + k) % n
		if shares[i]-float64(whole[i]) > 1e-9 {
			whole[i]++
			left--
		}
	}
	return whole
}
