package pipeline

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/stage"
)

// choices are the entrance of a run through a pool. A job stays here until a member can start it;
// then it is submitted there. What cannot start there after all, or is to be tried again, comes
// back here. It belongs to the run's goroutine.
type choices[V, In, Out any] struct {
	way       *poolWay[V, In, Out]
	ctx       context.Context
	inbox     *stage.Inbox
	members   []*choice[In, Out]
	fallbacks []int           // that members have, in order
	waiting   []*job[In, Out] // those that come back in front
	back      stage.Batch     // jobs that come back without having been submitted
	hasty     bool            // jobs do not wait for circuits
	timer     *clock.Timer    // for jobs that wait for their backoff; nil: none ever did
}

// A choice is a member of the pool, as a run sees it.
type choice[In, Out any] struct {
	line
	work     Work[In, Out]
	weight   float64
	credit   float64 // of the weighted turns
	fallback int
}

// wish is what a job of a pool wants of a member.
type wish struct {
	affinity string    // empty: none
	avoid    *line     // where it was last; nil: it comes for the first time
	until    time.Time // as long as it is not tried there again
	failed   bool      // it has been tried
	patience time.Time // until when it waits; zero: for as long as it takes
}

func newChoices[V, In, Out any](ctx context.Context, w *poolWay[V, In, Out], share *atomic.Pointer[Share]) *choices[V, In, Out] {
	cs := &choices[V, In, Out]{way: w, ctx: ctx, inbox: stage.NewInbox(), hasty: w.hasty}
	for _, m := range w.members {
		c := &choice[In, Out]{
			line:   line{name: m.Name, throttle: m.throttle, door: m.throttle.dispatcher.OpenRoaming(ctx, share, cs.inbox)},
			weight: m.Weight, fallback: m.Fallback,
			work: func(ctx context.Context, in In) (Out, error) { return w.work(ctx, m.Value, in) },
		}
		cs.members = append(cs.members, c)
		cs.fallbacks = append(cs.fallbacks, m.Fallback)
	}
	slices.Sort(cs.fallbacks)
	cs.fallbacks = slices.Compact(cs.fallbacks)
	return cs
}

// choose asks for the affinity of a job.
func (cs *choices[V, In, Out]) choose(j *job[In, Out]) error {
	j.wish = new(wish)
	if cs.way.affinity != nil {
		j.wish.affinity = cs.way.affinity(j.in)
	}
	return nil
}

// Submit lets jobs wait for a member.
func (cs *choices[V, In, Out]) Submit(b stage.Batch, _ int) {
	jobs := b.Jobs()
	for j := jobs.Pop(); j != nil; j = jobs.Pop() {
		if j.Err != nil {
			cs.back.Add(j)
			continue
		}
		jj := j.Work.(*job[In, Out])
		cs.bind(jj)
		cs.waiting = append(cs.waiting, jj)
	}
	cs.place()
}

// place submits the jobs for which there is a member, and reports whether there was any.
func (cs *choices[V, In, Out]) place() (placed bool) {
	now := cs.way.clock.Now()
	if left := cs.circuitsLeft(); cs.hasty && left > 0 {
		for _, j := range cs.waiting {
			j.Abandon(&CircuitOpenError{RetryAfter: left})
			cs.back.Add(&j.Job)
		}
		placed, cs.waiting = len(cs.waiting) > 0, nil
		return placed
	}
	rest := cs.waiting[:0]
	for _, j := range cs.waiting {
		c, open := cs.pick(j, now)
		switch {
		case !open:
			j.Abandon(ErrClosed)
			cs.back.Add(&j.Job)
		case c == nil:
			if err := cs.tooLong(j, now); err != nil {
				j.Abandon(err)
				cs.back.Add(&j.Job)
				break
			}
			rest = append(rest, j)
			continue
		default:
			j.line, j.work = &c.line, c.work
			if !j.wish.patience.IsZero() {
				c.door.WaitUntil(j.wish.patience)
			}
			c.submit(&j.Job)
		}
		placed = true
	}
	clear(cs.waiting[len(rest):])
	cs.waiting = rest
	return placed
}

// Finished returns the jobs that have come back and are done with; the others wait again.
func (cs *choices[V, In, Out]) Finished() stage.List {
	finished := cs.inbox.Finished()
	var again []*job[In, Out]
	now := cs.way.clock.Now()
	for j := finished.Pop(); j != nil; j = finished.Pop() {
		jj := j.Work.(*job[In, Out])
		switch j.Returned() {
		case stage.TryAgain:
			jj.wish.avoid, jj.wish.until, jj.wish.failed = jj.line, j.Due(), true
			cs.bind(jj)
		case stage.TurnedAway:
			jj.wish.avoid, jj.wish.until = jj.line, now.Add(lookAgain)
		default:
			cs.back.Add(j)
			continue
		}
		if err := context.Cause(cs.ctx); err != nil {
			j.Abandon(err)
			cs.back.Add(j)
			continue
		}
		again = append(again, jj)
	}
	if len(again) > 0 {
		cs.waiting = append(again, cs.waiting...)
	}
	if len(cs.waiting) > 0 {
		cs.place()
	}
	return cs.back.Jobs()
}

// lookAgain is how long a job that was turned away leaves a member alone that seems to be free.
const lookAgain = 10 * time.Millisecond

// Room returns how many jobs may be taken: as many as members could start, but for those that
// wait already. One waits if none can start, or nobody would see that no more jobs come. Jobs
// that back off keep no others from the member where they failed, nor do those that wait for the member of
// their affinity.
func (cs *choices[V, In, Out]) Room() int {
	vacant := 0
	for _, c := range cs.members {
		vacant += max(c.door.Vacant(), 0)
	}
	if cs.way.affinity != nil {
		vacant = cs.way.window() / 2
	}
	room := max(vacant, 1)
	now := cs.way.clock.Now()
	for _, j := range cs.waiting {
		if j.wish.avoid == nil || !now.Before(j.wish.until) {
			room--
		}
	}
	return room
}

// Sleep tells that the owner is about to wait.
func (cs *choices[V, In, Out]) Sleep(hungry bool) bool {
	if !cs.back.Empty() {
		return false
	}
	for _, c := range cs.members {
		c.door.Hungry(hungry || len(cs.waiting) > 0)
	}
	if !cs.inbox.Sleep() {
		return false
	}
	if len(cs.waiting) > 0 && cs.place() || hungry && cs.Room() > 0 {
		cs.Awake()
		return false
	}
	cs.wakeForRetry()
	return true
}

// bind bounds how long a job waits from now on.
func (cs *choices[V, In, Out]) bind(j *job[In, Out]) {
	if a := cs.way.asked; a.Bounded {
		j.wish.patience = cs.way.clock.Now().Add(a.MaxWait)
	}
}

// tooLong returns the error of a job that would have to wait for longer than it wants to; nil: it waits on.
func (cs *choices[V, In, Out]) tooLong(j *job[In, Out], now time.Time) error {
	if j.wish.patience.IsZero() {
		return nil
	}
	err := &WaitError{MaxWait: cs.way.asked.MaxWait, Expected: math.MaxInt64}
	for _, c := range cs.members {
		if c.closed(cs.way) {
			continue
		}
		wait, by, limit := c.throttle.dispatcher.StartsIn()
		if err.Limit += limit; j.wish.avoids(&c.line, now) {
			wait = max(wait, j.wish.until.Sub(now))
		}
		if wait < err.Expected {
			err.Expected, err.HeldBy = wait, by
		}
	}
	if left := j.wish.patience.Sub(now); left > 0 && err.Expected <= left {
		return nil
	}
	return err
}

// wakeForRetry has the owner woken when a job that waits may go where it was before, or waits no
// more.
func (cs *choices[V, In, Out]) wakeForRetry() {
	var first time.Time
	now := cs.way.clock.Now()
	for _, j := range cs.waiting {
		for _, u := range []time.Time{j.wish.until, j.wish.patience} {
			if u.After(now) && (first.IsZero() || u.Before(first)) {
				first = u
			}
		}
	}
	wait := first.Sub(now)
	switch {
	case first.IsZero():
	case cs.timer == nil:
		cs.timer = cs.way.clock.AfterFunc(wait, cs.inbox.Nudge)
	default:
		cs.timer.Reset(wait)
	}
}

func (cs *choices[V, In, Out]) Awake()                { cs.inbox.Awake() }
func (cs *choices[V, In, Out]) Wake() <-chan struct{} { return cs.inbox.Wake() }
func (cs *choices[V, In, Out]) Lead() int             { return 0 }
func (cs *choices[V, In, Out]) Aside() int            { return 0 }
func (cs *choices[V, In, Out]) Stop()                 {} // jobs that are here may go to any member until the end

// Cancel sends back what has not been started and what waits for another attempt.
func (cs *choices[V, In, Out]) Cancel() {
	for _, j := range cs.waiting {
		j.Abandon(context.Cause(cs.ctx))
		cs.back.Add(&j.Job)
	}
	cs.waiting = nil
	for _, c := range cs.members {
		c.door.Cancel()
	}
}

// Leave returns when nothing runs any more of the members that nobody else uses.
func (cs *choices[V, In, Out]) Leave() {
	if cs.timer != nil {
		cs.timer.Stop()
	}
	var leaving conc.WaitGroup
	for _, c := range cs.members {
		leaving.Go(func() {
			c.door.Stop()
			c.door.Leave()
		})
	}
	leaving.Wait()
}

// NotRead says on the first member that nobody reads the results.
func (cs *choices[V, In, Out]) NotRead() { cs.members[0].door.NotRead() }

// NotClosed says on the first member that no more jobs come.
func (cs *choices[V, In, Out]) NotClosed() { cs.members[0].door.NotClosed() }
