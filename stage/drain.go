package stage

import (
	"context"
	"slices"

	"github.com/paceline-go/paceline/controller"
)

// Close takes no new work from now on. What was taken is finished.
func (d *Dispatcher) Close() {
	closed := make(chan struct{})
	d.request(func() {
		d.close()
		close(closed)
	})
	<-closed
}

// Closing is closed when no new work is taken.
func (d *Dispatcher) Closing() <-chan struct{} { return d.closing }

// Drain closes, and waits until nothing is left inside or ctx is done; then it
// returns the cause. Work that calls it, with its context, would wait for itself: it gets
// ErrNested.
func (d *Dispatcher) Drain(ctx context.Context) error {
	if d.Nested(ctx) {
		d.Close()
		return ErrNested
	}
	drained := make(chan struct{})
	d.request(func() {
		d.close()
		d.drains = append(d.drains, drained)
	})
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Closed reports whether no new work is taken.
func (d *Dispatcher) Closed() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}

// close takes no new work from now on.
func (d *Dispatcher) close() {
	if d.status.Closed {
		return
	}
	d.status.Closed = true
	close(d.closing)
	d.note(controller.Event{Kind: controller.EventClosed})
	if d.busy() {
		d.note(controller.Event{Kind: controller.EventDraining})
	}
}

// busy reports whether there are jobs, or more may come.
func (d *Dispatcher) busy() bool {
	return d.jobs > 0 || slices.ContainsFunc(d.doors, func(door *Door) bool { return !door.stopped })
}

// watchDrain notes that a closed throttle has nothing left to do.
func (d *Dispatcher) watchDrain() {
	if d.status.Closed && !d.status.Drained && !d.busy() {
		d.status.Drained = true
		d.note(controller.Event{Kind: controller.EventDrained})
	}
}

// rest sends the workers and the controller home when there is no more work and
// none to come, and tells those who wait for that.
func (d *Dispatcher) rest() {
	if len(d.retired) > 0 {
		d.retired = slices.DeleteFunc(d.retired, (*pool).left)
	}
	if d.busy() {
		d.letGo(&d.leavers)
		return
	}
	d.wantReport()
	d.alarm.arm(d.now) // for nothing else
	d.pool.resize(0)
	left := d.pool.left()
	if !d.reporter.rest(len(d.leavers) > 0 || len(d.drains) > 0) || !left || len(d.retired) > 0 {
		return
	}
	d.letGo(&d.leavers)
	if d.status.Closed {
		d.letGo(&d.drains)
	}
}

func (d *Dispatcher) letGo(waiting *[]chan struct{}) {
	for _, w := range *waiting {
		close(w)
	}
	*waiting = nil
}
