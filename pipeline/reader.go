package pipeline

import (
	"time"

	"github.com/paceline-go/paceline/clock"
)

// A results channel of Run has room for all jobs inside, so that a reader may leave once
// the context is done. The price: while the channel is not full, nothing tells that the
// reader has taken a result. So when too many lie unread, the intake stops and looks again
// later, as TCP's sender does whose receiver's window is closed (RFC 9293, section
// 3.8.6.1). That is in real time whatever the throttle's clock, because the reader is not
// part of what a mock clock simulates.

// leastRoom is how many results a channel has room for at least. It bounds what a run can
// hold when Update raises MaxConcurrency, and while it looks for a job that succeeds among many
// that fail. Chosen: 200 KB of results, 400 times the default MaxConcurrency.
const leastRoom = 2048

// leastBacklog is how many results may at least lie unread before the intake stops. Chosen: a
// reader who does not pause is hardly ever so far behind.
const leastBacklog = 64

// manyYields is how often others are let run before the reader is waited for.
const manyYields = 64

// How long to wait between two looks: at first only until others have run, at last as long
// as nobody minds after a reader's pause of some seconds. In a bubble of testing/synctest,
// a nanosecond is until a reader who does not pause has read all.
const (
	shortestLook = time.Nanosecond
	longestLook  = time.Second
)

// lull is how long to wait for a slow reader: the longer, the longer he has paused.
type lull struct {
	wait   time.Duration
	unread int           // results, at the last look
	idle   time.Duration // since they were fewer than before
	told   bool          // that nobody reads
}

// longIdle is how long nobody reads until that is said. Chosen: nobody takes so long for a result
// on purpose who has not been told.
const longIdle = 10 * time.Second

// stuck takes how many results lie unread at a look, and reports whether it has to be said now
// that nobody reads them.
func (l *lull) stuck(unread int) bool {
	if unread != l.unread {
		l.unread, l.idle = unread, 0
	}
	l.idle += l.wait
	if l.told || l.idle < longIdle {
		return false
	}
	l.told = true
	return true
}

// timer returns one that says when to look again.
func (l *lull) timer() *clock.Timer {
	l.wait = max(l.wait, shortestLook)
	return clock.Real().Timer(l.wait)
}

// looked takes note whether a look found that the reader has read.
func (l *lull) looked(read bool) {
	if read {
		l.wait /= 2
	} else {
		l.wait = min(2*l.wait, longestLook)
	}
}

// await waits until read says that the reader has read enough, or done is closed.
func (l *lull) await(read func() bool, done <-chan struct{}) {
	for !read() {
		timer := l.timer()
		select {
		case <-timer.C:
			l.looked(read())
		case <-done:
			timer.Stop()
			return
		}
	}
}
