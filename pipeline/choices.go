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

// choices are the entrance of a run through a pool. A job waits in the pool's lobby until it is its turn
// and a member can start it; then it is submitted there. What cannot start there after all, or is to be
// tried again, comes back here. It belongs to the run's goroutine, but for its guest, which belongs to
// the run that has the lobby.
type choices[V, In, Out any] struct {
	way       *poolWay[V, In, Out]
	ctx       context.Context
	inbox     *stage.Inbox
	members   []*choice[In, Out]
	fallbacks []int // that members have, in order
	guest     *stage.Guest
	back      stage.Batch  // jobs that come back without having been submitted
	hasty     bool         // jobs do not wait for circuits
	timer     *clock.Timer // for jobs that wait for their backoff; nil: none ever did
}

// A choice is a member of the pool, as a run sees it.
type choice[In, Out any] struct {
	line
	work     Work[In, Out]
	weight   float64
	credit   *float64 // of the member
	fallback int
}

// wish is what a job of a pool wants of a member.
type wish struct {
	affinity string    // empty: none
	avoid    *line     // where it was tried last; nil: it was not
	until    time.Time // as long as it is not tried there again
	turned   []*line   // where it could not start
	again    time.Time // when it asks there again
	failed   bool      // it has been tried
	patience time.Time // until when it waits; zero: for as long as it takes
	member   int       // that can start it now
	turns    bool      // it is the member whose turn it is, and not that of the affinity
}

func newChoices[V, In, Out any](ctx context.Context, w *poolWay[V, In, Out], share *atomic.Pointer[Share]) *choices[V, In, Out] {
	cs := &choices[V, In, Out]{way: w, ctx: ctx, inbox: stage.NewInbox(), hasty: w.hasty}
	for _, m := range w.members {
		c := &choice[In, Out]{
			line:   line{name: m.Name, throttle: m.throttle, door: m.throttle.dispatcher.OpenRoaming(ctx, share, cs.inbox)},
			weight: m.Weight, credit: &m.credit, fallback: m.Fallback,
			work: func(ctx context.Context, in In) (Out, error) { return w.work(ctx, m.Value, in) },
		}
		cs.members = append(cs.members, c)
		cs.fallbacks = append(cs.fallbacks, m.Fallback)
	}
	slices.Sort(cs.fallbacks)
	cs.fallbacks = slices.Compact(cs.fallbacks)
	cs.guest = &stage.Guest{Inbox: cs.inbox, Can: cs.can, Start: cs.start}
	cs.with(func(l *stage.Lobby) { l.Enter(cs.guest, stage.AskedOf(ctx).Share, share, w.single) })
	return cs
}

// with calls f with the lobby.
func (cs *choices[V, In, Out]) with(f func(*stage.Lobby)) {
	l := <-cs.way.lobby
	defer func() { cs.way.lobby <- l }()
	f(l)
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
	var waiting []*stage.Job
	jobs := b.Jobs()
	for j := jobs.Pop(); j != nil; j = jobs.Pop() {
		if j.Err != nil {
			cs.back.Add(j)
			continue
		}
		cs.bind(j)
		waiting = append(waiting, j)
	}
	cs.with(func(l *stage.Lobby) {
		l.Wait(cs.guest, waiting, false)
		cs.place(l)
	})
}

// place has the jobs started that have their turn and for which there is a member, and sends home those that wait
// no longer. It reports whether any of the run's own were among them.
func (cs *choices[V, In, Out]) place(l *stage.Lobby) (placed bool) {
	if len(cs.guest.Waiting) > 0 {
		if err := cs.noMember(); err != nil {
			return cs.sendHome(l, func(*stage.Job) error { return err })
		}
	}
	placed = l.Start(cs.guest, cs.meanTokens(), cs.free)
	now := cs.way.clock.Now()
	return cs.sendHome(l, func(j *stage.Job) error { return cs.tooLong(j, now) }) || placed
}

// noMember returns why no job can wait for any member; nil: it can.
func (cs *choices[V, In, Out]) noMember() error {
	if left := cs.circuitsLeft(); cs.hasty && left > 0 {
		return &CircuitOpenError{RetryAfter: left}
	}
	if !slices.ContainsFunc(cs.members, func(c *choice[In, Out]) bool { return !c.closed(cs.way) }) {
		return ErrClosed
	}
	return nil
}

// sendHome gives those jobs back that wait no longer, and reports whether there was any.
func (cs *choices[V, In, Out]) sendHome(l *stage.Lobby, why func(*stage.Job) error) bool {
	home := l.Take(cs.guest, why)
	for _, j := range home {
		cs.back.Add(j)
	}
	return len(home) > 0
}

// free reports whether any member could start anything.
func (cs *choices[V, In, Out]) free() bool {
	return slices.ContainsFunc(cs.members, func(c *choice[In, Out]) bool { return c.door.Vacant() > 0 })
}

// meanTokens returns how many tokens attempts use, by what the members last said.
func (cs *choices[V, In, Out]) meanTokens() (mean int64) {
	for _, c := range cs.members {
		mean = max(mean, c.throttle.dispatcher.MeanTokens())
	}
	return mean
}

// can looks for a member that can start a job now. The run that has the lobby asks, which may be another one.
func (cs *choices[V, In, Out]) can(j *stage.Job) bool {
	return cs.pick(wishOf[In, Out](j), cs.way.clock.Now())
}

// start submits a job to the member that can start it. The run that has the lobby does it, which may be another one.
func (cs *choices[V, In, Out]) start(j *stage.Job) {
	jj := j.Work.(*job[In, Out])
	c := cs.members[jj.wish.member]
	cs.count(jj.wish, cs.way.clock.Now())
	jj.line, jj.work = &c.line, c.work
	if !jj.wish.patience.IsZero() {
		c.door.WaitUntil(jj.wish.patience)
	}
	c.submit(j)
}

func wishOf[In, Out any](j *stage.Job) *wish { return j.Work.(*job[In, Out]).wish }

// Finished returns the jobs that have come back and are done with; the others wait again.
func (cs *choices[V, In, Out]) Finished() stage.List {
	finished := cs.inbox.Finished()
	var again []*stage.Job
	now := cs.way.clock.Now()
	for j := finished.Pop(); j != nil; j = finished.Pop() {
		jj := j.Work.(*job[In, Out])
		switch j.Returned() {
		case stage.TryAgain:
			jj.wish.avoid, jj.wish.until, jj.wish.failed = jj.line, j.Due(), true
			cs.bind(j)
		case stage.TurnedAway:
			jj.wish.turnedAway(jj.line, now)
			cs.with(func(l *stage.Lobby) { l.TurnedAway(cs.guest, j) })
		default:
			cs.back.Add(j)
			continue
		}
		if err := context.Cause(cs.ctx); err != nil {
			j.Abandon(err)
			cs.back.Add(j)
			continue
		}
		again = append(again, j)
	}
	cs.with(func(l *stage.Lobby) {
		l.Wait(cs.guest, again, true)
		cs.place(l) // it may have been woken for others
	})
	return cs.back.Jobs()
}

// lookAgain is how long a job that was turned away leaves a member alone that seems to be free.
const lookAgain = 10 * time.Millisecond

// Room returns how many jobs may be taken: as many as members could start, but for those that
// wait already. One waits if none can start, or nobody would see that no more jobs come. If others wait
// for the same members, as many wait as all of these may start at once, so that each run has its share then. Jobs
// that back off keep no others from the member where they failed, nor do those that wait for the member of
// their affinity.
func (cs *choices[V, In, Out]) Room() (room int) {
	cs.with(func(l *stage.Lobby) { room = cs.room(l) })
	return room
}

func (cs *choices[V, In, Out]) room(l *stage.Lobby) int {
	vacant, limit := 0, 0
	for _, c := range cs.members {
		vacant += max(c.door.Vacant(), 0)
		_, _, most := c.throttle.dispatcher.StartsIn()
		limit += most
	}
	switch {
	case cs.way.affinity != nil:
		vacant = cs.way.window() / 2
	case l.Shared():
		vacant = max(vacant, limit, fewTurns)
	}
	room := max(vacant, 1)
	now := cs.way.clock.Now()
	for _, j := range cs.guest.Waiting {
		if w := wishOf[In, Out](j); !now.Before(w.until) && !now.Before(w.again) {
			room--
		}
	}
	return room
}

// fewTurns is how many jobs of a run wait at least where it shares a pool: it may have several turns one after
// another, in less time than it takes to bring more. Chosen, as in a dispatcher.
const fewTurns = 16

// Sleep tells that the owner is about to wait.
func (cs *choices[V, In, Out]) Sleep(hungry bool) bool {
	if !cs.back.Empty() {
		return false
	}
	waits := false
	cs.with(func(*stage.Lobby) {
		cs.guest.Hungry = hungry
		waits = len(cs.guest.Waiting) > 0
	})
	for _, c := range cs.members {
		c.door.Hungry(hungry || waits)
	}
	if !cs.inbox.Sleep() {
		return false
	}
	moved := false
	cs.with(func(l *stage.Lobby) {
		moved = cs.place(l) || hungry && cs.room(l) > 0
		if !moved {
			cs.wakeForRetry()
		}
	})
	if moved {
		cs.Awake()
	}
	return !moved
}

// bind bounds how long a job waits from now on.
func (cs *choices[V, In, Out]) bind(j *stage.Job) {
	if a := cs.way.asked; a.Bounded {
		wishOf[In, Out](j).patience = cs.way.clock.Now().Add(a.MaxWait)
	}
}

// tooLong returns the error of a job that would have to wait for longer than it wants to; nil: it waits on.
func (cs *choices[V, In, Out]) tooLong(j *stage.Job, now time.Time) error {
	w := wishOf[In, Out](j)
	if w.patience.IsZero() {
		return nil
	}
	err := &WaitError{MaxWait: cs.way.asked.MaxWait, Expected: math.MaxInt64}
	for _, c := range cs.members {
		if c.closed(cs.way) {
			continue
		}
		wait, by, limit := c.throttle.dispatcher.StartsIn()
		err.Limit += limit
		if wait = max(wait, w.waits(&c.line, now)); wait < err.Expected {
			err.Expected, err.HeldBy = wait, by
		}
	}
	if left := w.patience.Sub(now); left > 0 && err.Expected <= left {
		return nil
	}
	return err
}

// wakeForRetry has the owner woken when a job that waits may go where it was before, or waits no
// more.
func (cs *choices[V, In, Out]) wakeForRetry() {
	var first time.Time
	now := cs.way.clock.Now()
	for _, j := range cs.guest.Waiting {
		w := wishOf[In, Out](j)
		for _, u := range []time.Time{w.until, w.again, w.patience} {
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
	cs.with(func(l *stage.Lobby) {
		cs.sendHome(l, func(*stage.Job) error { return context.Cause(cs.ctx) })
	})
	for _, c := range cs.members {
		c.door.Cancel()
	}
}

// Leave returns when nothing runs any more of the members that nobody else uses.
func (cs *choices[V, In, Out]) Leave() {
	if cs.timer != nil {
		cs.timer.Stop()
	}
	cs.with(func(l *stage.Lobby) {
		l.Leave(cs.guest)
		cs.place(l) // it may have been woken for others
	})
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
