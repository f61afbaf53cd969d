package controller

import "time"

// failureWindow counts failures within a rolling window, up to a number beyond
// which nobody asks. It remembers just that many times.
type failureWindow struct {
	window time.Duration
	times  []time.Time // a ring, the oldest at next once it is full
	next   int
	filled int
}

func newFailureWindow(most int, window time.Duration) *failureWindow {
	return &failureWindow{window: window, times: make([]time.Time, most)}
}

func (f *failureWindow) add(now time.Time) {
	f.times[f.next] = now
	f.next = (f.next + 1) % len(f.times)
	f.filled = min(f.filled+1, len(f.times))
}

// count returns how many failures are younger than the window.
func (f *failureWindow) count(now time.Time) int {
	n := 0
	for i := 1; i <= f.filled; i++ {
		at := f.times[(f.next-i+len(f.times))%len(f.times)]
		if now.Sub(at) >= f.window {
			break
		}
		n++
	}
	return n
}

func (f *failureWindow) clear() { f.filled = 0 }
