package controller

import "time"

// tallySpans is in how many spans a tally counts its window. What happened is
// forgotten a span at a time, at most a tenth of the window late (failsafe-go and
// Hystrix count in ten, too).
const tallySpans = 10

// A tally counts jobs and failures in a rolling window, in constant memory. Its
// zero value has counted nothing.
type tally struct {
	spans [tallySpans]span
	last  int64 // number of the newest span, since the first job
	begin time.Time
}

// A span is what was counted in a tenth of the window.
type span struct{ jobs, failed int64 }

// add counts a job at now, in a window of the given length.
func (t *tally) add(now time.Time, window time.Duration, failed bool) {
	if t.begin.IsZero() {
		t.begin = now
	}
	number := max(int64(now.Sub(t.begin)/max(window/tallySpans, 1)), t.last)
	if number-t.last >= tallySpans {
		t.spans = [tallySpans]span{}
	}
	for ; t.last < number && number-t.last < tallySpans; t.last++ {
		t.spans[(t.last+1)%tallySpans] = span{}
	}
	t.last = number
	s := &t.spans[number%tallySpans]
	s.jobs++
	if failed {
		s.failed++
	}
}

// sum returns what was counted in the window.
func (t *tally) sum() (sum span) {
	for _, s := range t.spans {
		sum.jobs += s.jobs
		sum.failed += s.failed
	}
	return sum
}
