package stage

import "github.com/paceline-go/paceline/controller"

// Hint takes what a server said of its limits. When it returns, nothing is let
// through against it any more.
func (d *Dispatcher) Hint(h controller.Hint) {
	d.do(func() { d.hint(h) })
}

// heed takes the hint of an error that says when to come again, unless that
// error tells nothing of the service.
func (d *Dispatcher) heed(j *Job) {
	if j.retryAfter > 0 && (j.verdict == controller.Failed || j.verdict == controller.Overload) {
		d.hint(controller.Hint{RetryAfter: j.retryAfter})
	}
}

func (d *Dispatcher) hint(h controller.Hint) {
	if h.Budget != "" {
		d.takeBack() // what it has reserved, the server does not know of
	}
	d.gate.hint(d.now, h)
	if slower := d.pace(); slower || d.gate.advice.Wait(d.now) > 0 {
		d.takeBack()
	}
}

// watchPause notes that a server has asked to be left alone, or that this is
// over.
func (d *Dispatcher) watchPause() {
	left := d.gate.advice.Wait(d.now)
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
