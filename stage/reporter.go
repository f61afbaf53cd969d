package stage

import (
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/controller"
)

// A reporter is the dispatcher's end of its conversation with the controller.
// Two reports take turns: while the controller judges one, the other is filled.
// All but answered and awaited belongs to the dispatcher.
type reporter struct {
	controller *controller.Controller
	nudge      func()                  // wakes the dispatcher
	listens    bool                    // the configuration wants to know of events
	reports    chan *controller.Report // nil: the controller is at rest
	actor      conc.WaitGroup          // the controller's goroutine

	filling  *controller.Report
	spare    *controller.Report // to be filled next; nil: the controller has it
	suspect  bool               // the report being filled may lead to a cut
	unjudged bool               // the one that the controller has may
	told     int64              // jobs done, as of the last report
	next     time.Time          // when what can wait is reported

	answered atomic.Pointer[controller.Report] // on its way back
	awaited  atomic.Bool                       // the dispatcher waits for it
}

func newReporter(c *controller.Controller, cfg controller.Config, nudge func()) *reporter {
	return &reporter{
		controller: c,
		nudge:      nudge,
		listens:    cfg.Listens(),
		filling:    new(controller.Report),
		spare:      new(controller.Report),
	}
}

// end reports the end of an attempt.
func (r *reporter) end(e controller.End) {
	r.filling.Ends = append(r.filling.Ends, e)
	r.suspect = r.suspect || e.Overloads()
}

// note reports an event, if anybody wants to know, or has to.
func (r *reporter) note(now time.Time, e controller.Event) {
	if r.listens || r.controller.Watched() || e.Mistake() {
		e.At = now
		r.filling.Events = append(r.filling.Events, e)
	}
}

// update gives the controller another configuration. Nothing starts before it is
// in force.
func (r *reporter) update(now time.Time, cfg controller.Config) {
	r.filling.Updates = append(r.filling.Updates, controller.Update{
		Config: cfg, Now: now, Events: len(r.filling.Events), Ends: len(r.filling.Ends),
	})
	r.listens = cfg.Listens()
	r.suspect = true
}

// ask asks for a snapshot.
func (r *reporter) ask(asked chan<- controller.Snapshot) {
	r.filling.Asked = append(r.filling.Asked, asked)
}

// visit has the controller's goroutine call f. Nothing starts before it has.
func (r *reporter) visit(f func(*controller.Controller)) {
	r.filling.Visits = append(r.filling.Visits, f)
	r.suspect = true
}

// backlog is how many ends may pile up while the controller is busy.
const backlog = 8 * batch

// budgets returns room for the budgets of the report's status.
func (r *reporter) budgets() []controller.BudgetSnapshot { return r.filling.Status.Budgets[:0] }

// pending reports whether nothing may start before the controller has answered:
// because a sign of overload has not been judged, so that what is in force may be
// too much, or because the controller lags behind.
func (r *reporter) pending() bool {
	return r.suspect || r.unjudged || r.spare == nil && len(r.filling.Ends) >= backlog
}

// reportGap is how far apart reports are of what nobody waits for. Chosen: an answer that comes so
// late is early for those who come next, and 1,000 reports a second cost nothing.
const reportGap = time.Millisecond

// due reports whether there is something to tell and the controller is ready to
// hear it. Successes that more will follow within no time can wait, and so can, for a while, what
// nobody waits for.
func (r *reporter) due(now time.Time, done int64, moreToCome, waited bool) bool {
	f := r.filling
	urgent := r.suspect || len(f.Events) > 0 || len(f.Asked) > 0 || len(f.Ends) >= backlog
	worth := urgent || len(f.Ends) >= batch || !moreToCome && r.behind(done) && (waited || !now.Before(r.next))
	if r.spare != nil {
		return worth
	}
	if urgent || worth && !moreToCome {
		r.await()
	}
	return false
}

// behind reports whether there is something to tell that can wait until next.
func (r *reporter) behind(done int64) bool { return len(r.filling.Ends) > 0 || done != r.told }

// await sees to it that the controller's answer wakes the dispatcher.
func (r *reporter) await() {
	r.awaited.Store(true)
	if r.answered.Load() != nil {
		r.nudge()
	}
}

// send gives the report to the controller, which it starts if it is at rest. Unless more are
// to follow, it goes to rest after that.
func (r *reporter) send(now time.Time, gap time.Duration, status controller.Status, more bool) {
	f := r.filling
	f.Now, f.Gap, f.Status, f.Urgent = now, gap, status, r.suspect
	r.next = now.Add(reportGap)
	r.told = status.Completed + status.Failed
	r.filling, r.spare = r.spare, nil
	r.unjudged, r.suspect = r.suspect, false
	if r.reports == nil {
		reports := make(chan *controller.Report, 1)
		r.reports = reports
		r.actor.Go(func() { r.controller.Run(reports, r.answer, r.actor.Go) })
	}
	r.reports <- f
	if !more {
		close(r.reports)
		r.reports = nil
	}
}

// answer is called by the controller. An answer that changes nothing need not
// wake anybody.
func (r *reporter) answer(f *controller.Report) {
	wake := f.Urgent || f.Changed
	r.answered.Store(f)
	if wake || r.awaited.Load() {
		r.nudge()
	}
}

// take takes the controller's answer, if one has come.
func (r *reporter) take() (s controller.Setting, ok bool) {
	f := r.answered.Swap(nil)
	if f == nil {
		return s, false
	}
	r.awaited.Store(false)
	r.unjudged = false
	clear(f.Events)
	clear(f.Asked)
	f.Ends, f.Events, f.Asked = f.Ends[:0], f.Events[:0], f.Asked[:0]
	f.Updates, f.Visits = nil, nil
	r.spare = f
	return f.Setting, true
}

// rest sends the controller to rest. It returns false if an answer is to be taken before. If that is
// waited for, it sees to it that the dispatcher is woken, and else that nothing of the controller runs.
func (r *reporter) rest(waited bool) bool {
	if r.spare == nil {
		if waited || r.reports != nil {
			r.await()
		}
		return false
	}
	if r.reports != nil {
		close(r.reports)
		r.reports = nil
	}
	if waited {
		r.actor.Wait()
	}
	return true
}
