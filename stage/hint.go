package stage

import (
	"sync"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// hearsay is what a server said of its limits, to the attempt with the marks.
type hearsay struct {
	Job   // the message
	to    *Dispatcher
	hints []controller.Hint
	marks marks
}

// hearsays are those that wait to be used again.
var hearsays sync.Pool

func newHearsay() *hearsay {
	if h, ok := hearsays.Get().(*hearsay); ok {
		return h
	}
	h := &hearsay{Job: Job{message: requested}}
	h.request = h.tell
	return h
}

// Hint takes what a server said of its limits, to the attempt with the marks. When it
// returns, nothing is let through against it any more.
func (d *Dispatcher) Hint(h controller.Hint, m marks) { d.hintAll([]controller.Hint{h}, m) }

// hintAll is Hint for several.
func (d *Dispatcher) hintAll(hints []controller.Hint, m marks) {
	h := newHearsay()
	h.to, h.hints, h.marks = d, append(h.hints[:0], hints...), m
	if !d.serve(&h.Job, 0) {
		d.do(func() {}) // who reads the mailbox may have read all that was in it before
	}
}

// tell tells the dispatcher.
func (h *hearsay) tell() {
	d := h.to
	for _, hint := range h.hints {
		d.learn(hint, h.marks)
	}
	d.obey()
	clear(h.hints)
	h.to, h.marks = nil, marks{}
	hearsays.Put(h)
}

// waitAsked takes the hint of an error that says when to come again, unless that
// error tells nothing of the service, or is the job's own or by chance, and no reason for
// others to wait. If it was for a resource that is used up, it is for others of which the same
// is said as of this job, or as little.
func (d *Dispatcher) waitAsked(j *Job) {
	asked := j.askedFor()
	switch {
	case asked == 0:
	case j.spent:
		d.gate.pauseOne(d.now, j.Resource, asked)
		d.boundPause(asked)
	case !j.own && !j.alone && j.retryAfter > 0:
		d.hint(controller.Hint{RetryAfter: j.retryAfter}, marks{})
	}
}

// unwelcome reports whether the service failed the job's last attempt or refused
// it. What is noted of other attempts may be left over.
func (j *Job) unwelcome() bool {
	return j.verdict == controller.Failed || j.verdict == controller.Overload
}

// askedFor returns how long the service asked to be left alone, in the error of
// the job's last attempt or in a hint to its slot.
func (j *Job) askedFor() time.Duration {
	if !j.unwelcome() {
		return 0
	}
	if j.alone {
		return j.hinted
	}
	return max(j.retryAfter, j.hinted)
}

// hint takes a hint, and what comes of it.
func (d *Dispatcher) hint(h controller.Hint, m marks) {
	d.learn(h, m)
	d.obey()
}

// learn takes a hint.
func (d *Dispatcher) learn(h controller.Hint, m marks) {
	if h.Budget != "" || m == (marks{}) {
		d.takeBack() // what it has reserved, the server does not know of
	}
	h = h.WithinReason()
	d.gate.hint(d.now, h, m)
	if learned, ok := d.gate.told.Learned(d.now); ok {
		d.status.Limiters = d.gate.told.Limiters()
		d.note(controller.Event{Kind: controller.EventLimiterLearned, Limiter: learned})
	}
	d.boundPause(h.RetryAfter)
}

// obey takes back what was let through before hints that ask for a pause, or of which too much has
// started.
func (d *Dispatcher) obey() {
	d.boundPause(d.gate.told.Pause(d.now))
	if d.gate.pause(d.now) > 0 || d.gate.overdrawn(d.now) {
		d.takeBack()
	}
}

// watchPause notes that a server has asked to be left alone, or that this is
// over.
func (d *Dispatcher) watchPause() {
	left := d.gate.pause(d.now)
	d.bounded = d.bounded && left > 0
	if paused := left > 0; paused == d.paused {
		return
	}
	d.paused = !d.paused
	if d.paused {
		d.note(controller.Event{Kind: controller.EventPaused, Wait: left})
	} else {
		d.gate.gaps = controller.Gaps{} // one of them was the server's
		d.note(controller.Event{Kind: controller.EventResumed})
	}
}
