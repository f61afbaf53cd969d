package main

import (
	"fmt"
	"math"
	"time"
)

// sliding is HAProxy's http_req_rate with a deny rule. Its counter (freq_ctr.c) knows how many requests came in this
// period and in the one before, and takes of the latter the share that a window as long as a period still sees. Periods
// begin with a request; time is in whole milliseconds.
type sliding struct {
	manners
	period        time.Duration
	most          int64 // requests in a period
	deniedCount   bool  // what is denied is counted, as where the rule stands after the tracking
	current, past int64
	began         time.Duration // the current period
}

func (w *sliding) Arrive(now time.Duration, _ job) answer {
	now = now.Truncate(time.Millisecond)
	w.rotate(now)
	seen := w.read(now)
	if seen >= w.most {
		if w.deniedCount {
			w.current++
		}
		return w.refuse(0)
	}
	w.current++
	return w.accept()
}

// rotate begins a period if the last one is over. HAProxy does so when it counts; what it reads is the same.
func (w *sliding) rotate(now time.Duration) {
	switch passed := now - w.began; {
	case passed >= 2*w.period:
		w.past, w.current, w.began = 0, 0, now
	case passed >= w.period:
		w.past, w.current = w.current, 0
		w.began += w.period
	}
}

// read is how many requests the window sees.
func (w *sliding) read(now time.Duration) int64 {
	if w.current == 0 && w.past <= 1 {
		return w.past // or a request now and then would be seen and not be seen by turns
	}
	remain := w.period - (now - w.began)
	return w.current + w.past*remain.Milliseconds()/w.period.Milliseconds()
}

func (w *sliding) Truth(time.Duration) truth {
	return truth{Rate: float64(w.most) / w.period.Seconds()}
}

func (d dice) sliding(s *scenario) {
	w := &sliding{manners: d.manners(s, silent), period: []time.Duration{time.Second, 10 * time.Second}[d.IntN(2)]}
	w.deniedCount = d.IntN(2) == 0
	w.most = max(int64(math.Round(logUniform(d.Rand, slowest, fastest)*w.period.Seconds())), 2)
	s.service = w
	rate := w.Truth(0).Rate
	d.allow(s, rate*s.latency.mean.Seconds())
	s.oracle = rate * (d.length - min(s.latency.mean, d.length)).Seconds()
	counted := "what is denied is not counted"
	if w.deniedCount {
		counted = "what is denied counts"
	}
	s.about = fmt.Sprintf("%d in a sliding window of %v, %s, %s", w.most, w.period, counted, w.manners)
}
