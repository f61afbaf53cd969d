package controller

// brief is for hints whose Reset is no more than its rounding: a second, written in whole
// seconds. That may be a window of a second, or the end of a longer one, or a bucket that
// is full within milliseconds and holds nobody up. Such a hint is believed if the quota
// has been told of with a longer Reset, or if what remains has gone down with each attempt
// for a while, as it does in a window.
type brief struct {
	number int64 // of the last attempt that told
	told   int64
	steady int // attempts in a row of which each took one and nothing came back
}

// steadyEnough is how many attempts are enough. Chosen: half of a window that is worth it.
const steadyEnough = 8

// doubt reports whether a hint says nothing.
func (b *brief) doubt(l *ledger, h Hint, m Mark) bool {
	if h.Rounding == 0 || h.Reset > h.Rounding || h.Remaining == 0 {
		return false
	}
	if took := m.number - b.number; took > 0 {
		switch down := b.told - h.Remaining; {
		case down >= took-1 && down > 0:
			b.steady += int(min(took, steadyEnough))
		case down < 0 && h.Remaining < h.Limit-took: // some of it has come back
			b.steady = 0
		}
		b.number, b.told = m.number, h.Remaining
	}
	return b.steady < steadyEnough && l.renewal.longest <= h.Rounding
}
