// Package tiny is for the tests of bench/mutate.
package tiny

const most = 100

// Sum returns 1 + 2 + … + n, for n up to 100.
func Sum(n int) int {
	n = min(n, most)
	sum := 0
	for n > 0 {
		sum += n
		n--
	}
	return sum
}

// Unused has no test.
func Unused(x float64) bool { return x < 0.5 }
