package controller

import "time"

// failureWindow counts failures within a rolling window, up to a number beyond
// which nobody asks. It remembers just that many times.
type failureWindow struct {
	window time.Duration
	most   int
	times  []time.Time // a ring once it is full
	next   int         // place of the next one
}

func newFailureWindow(most int, window time.Duration) *failureWindow {
	return &failureWindow{window: window, most: most}
}

func (f *failureWindow) add(now time.Time) {
	if len(f.times) < f.most {
		f.times = append(f.times, now)
		return
	}
	f.times[f.next] = now
	f.next = (f.next + 1) % f.most
}

// count returns how many failures are younger than the window.
func (f *failureWindow) count(now time.Time) int {
	n := 0
	for n < len(f.times) {
		youngest := f.times[(f.next-1-n+2*len(f.times))%len(f.times)]
		if now.Sub(youngest) >= f.window {
			break
		}
		n++
	}
	return n
}

func (f *failureWindow) clear() { f.times, f.next = f.times[:0], 0 }
