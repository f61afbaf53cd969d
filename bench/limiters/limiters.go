package main

import (
	"context"
	"time"
)

// A limiter is a middleware or a server that limits its callers, with a window that has room for 50 requests.
type limiter struct {
	name, about string
	start       starter

	rate float64       // requests that it accepts per window in the long run; 0: perWindow
	room int           // requests that it accepts at once, if that is what it limits
	work time.Duration // that each request takes the service behind it
	best bestTime      // nil: fixedWindow
}

func (l limiter) ID() string { return l.name }

// perWindow is what all but a few limiters accept in a window.
const perWindow = 50

// told is how many requests a second it accepts.
func (l limiter) told(window time.Duration) float64 {
	if l.room > 0 {
		return float64(l.room) / l.work.Seconds()
	}
	if l.rate > 0 {
		return l.rate / window.Seconds()
	}
	return perWindow / window.Seconds()
}

// A bestTime is how long so many jobs take a client that knows the algorithm exactly.
type bestTime func(jobs int, window time.Duration) time.Duration

// fixedWindow uses up each window at its beginning. A bucket whose burst is a window's worth takes as long.
func fixedWindow(jobs int, window time.Duration) time.Duration {
	return time.Duration((jobs-1)/perWindow) * window
}

// twoWindows is for one of 20 in a fifth of the window beside it: the last window takes two fifths.
func twoWindows(jobs int, window time.Duration) time.Duration {
	last := (jobs - 1) % perWindow
	return fixedWindow(jobs, window) + time.Duration(last/20)*window/5
}

// evenly is for sliding counters: what was sent in the window before counts in part.
func evenly(jobs int, window time.Duration) time.Duration {
	return time.Duration(jobs-1) * window / perWindow
}

// bySeconds is for fiber's sliding counter, which counts the part of the window before in whole seconds: takes what
// there is in each second.
func bySeconds(jobs int, window time.Duration) time.Duration {
	seconds := int(window / time.Second)
	done, before, current := 0, 0, 0
	for second := 0; ; second++ {
		if second > 0 && second%seconds == 0 {
			before, current = current, 0
		}
		left := seconds - second%seconds
		room := max(perWindow-(before*left+seconds-1)/seconds-current, 0)
		done, current = done+room, current+room
		if done >= jobs {
			return time.Duration(second) * time.Second
		}
	}
}

func (l limiter) bestFor(jobs int, window time.Duration) time.Duration {
	if l.best != nil {
		return l.best(jobs, window)
	}
	return fixedWindow(jobs, window)
}

// A starter starts a limiter of the house.
type starter func(ctx context.Context, h *house, o order) (*site, error)

// An order is for a limiter with such a window.
type order struct {
	name   string
	window time.Duration
	work   time.Duration // of the service behind it
}

// A site is a limiter that runs.
type site struct {
	url  string
	stop func()
}

// limiters are all, the general ones first.
var limiters = append(append(append([]limiter{}, nodeLimiters...), goLimiters...), programLimiters...)
