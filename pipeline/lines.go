package pipeline

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/stage"
)

// lines are the entrance of a run by key. The jobs of each key stand in a line of their own, in
// front of a door of the key's throttle, for as long as there are any. So what is held up waits
// in its dispatcher, and holds neither a worker nor another key's job.
//
// All lines together may hold as many jobs as the buffer, and one line no more than there is
// room left for others: so one key fills half of it at most, two fill two thirds, and there is
// always some left. (Choudhury and Hahne, Dynamic Queue Length Thresholds for Shared-Memory
// Packet Switches, 1998.) When a job has come that makes a line too long, no more are taken
// until that line is shorter.
//
// It belongs to the run's goroutine.
type lines[K comparable, In, Out any] struct {
	way     *keyedWay[K, In, Out]
	ctx     context.Context
	share   *atomic.Pointer[Share] // of the run
	inbox   *stage.Inbox
	open    map[K]*line
	inside  int
	last    *stage.Door    // that was opened last
	long    *line          // that is too long; nil: none is
	back    stage.Batch    // jobs that come back without having been submitted
	leaving conc.WaitGroup // doors that nobody needs any more
}

// A line is the jobs of one key.
type line struct {
	id       any    // the key
	name     string // of the key
	throttle *Throttle
	door     *stage.Door  // nil: the key has no throttle, or a closed one
	inside   int          // jobs
	behind   []*stage.Job // that wait until the one before them is done with
}

// key returns the name of the line's key.
func (l *line) key() string {
	if l == nil {
		return ""
	}
	return l.name
}

func newLines[K comparable, In, Out any](ctx context.Context, w *keyedWay[K, In, Out], share *atomic.Pointer[Share]) *lines[K, In, Out] {
	return &lines[K, In, Out]{way: w, ctx: ctx, share: share, inbox: stage.NewInbox(), open: make(map[K]*line)}
}

// choose finds the line of a job.
func (ls *lines[K, In, Out]) choose(j *job[In, Out]) error {
	key := ls.way.key(j.in)
	l := ls.open[key]
	if l == nil {
		l = &line{id: key, name: fmt.Sprint(key)}
		j.line = l
		if err := ls.openLine(key, l); err != nil {
			return err
		}
	}
	j.line = l
	if closed(l.throttle) && !closed(ls.way) { // else what was taken is finished
		j.line = &line{name: l.name}
		return ErrClosed
	}
	return nil
}

// openLine opens a line with a door of the key's throttle.
func (ls *lines[K, In, Out]) openLine(key K, l *line) error {
	t, err := ls.way.throttle(key)
	switch {
	case err != nil:
		return err
	case closed(t):
		return ErrClosed
	case t.nested(ls.ctx):
		return stage.ErrNested
	}
	l.throttle, l.door = t, t.dispatcher.OpenFor(ls.ctx, ls.share, ls.inbox)
	ls.open[key], ls.last = l, l.door
	return nil
}

// Submit lets each job stand in its line.
func (ls *lines[K, In, Out]) Submit(b stage.Batch, n int) {
	jobs := b.Jobs()
	for j := jobs.Pop(); j != nil; j = jobs.Pop() {
		l := j.Work.(*job[In, Out]).line
		if l == nil || l.door == nil { // it has no throttle
			ls.back.Add(j)
			continue
		}
		ls.inside++
		l.inside++
		if ls.way.inOrder && l.inside > 1 {
			l.behind = append(l.behind, j)
		} else {
			l.submit(j)
		}
		if ls.tooLong(l) {
			ls.long = l
		}
	}
	ls.way.tally.inside.Add(int64(n))
}

func (l *line) submit(j *stage.Job) {
	var b stage.Batch
	b.Add(j)
	l.door.Submit(b, 1)
}

func (ls *lines[K, In, Out]) tooLong(l *line) bool { return l.inside > ls.way.buffer-ls.inside }

// Finished returns the jobs that have come back, and lets those go on that waited for them.
func (ls *lines[K, In, Out]) Finished() stage.List {
	finished := ls.inbox.Finished()
	var done keyedCount
	for j := finished.Pop(); j != nil; j = finished.Pop() {
		ls.leave(j.Work.(*job[In, Out]).line)
		ls.back.Add(j)
	}
	back := ls.back.Jobs()
	back.Each(done.add)
	ls.way.tally.add(done)
	return back
}

// leave takes note that a job of a line has come back.
func (ls *lines[K, In, Out]) leave(l *line) {
	ls.inside--
	l.inside--
	if len(l.behind) > 0 {
		next := l.behind[0]
		l.behind = l.behind[1:]
		l.submit(next)
	}
	if l.inside == 0 {
		delete(ls.open, l.id.(K))
		ls.leaving.Go(func() {
			l.door.Stop()
			l.door.Leave()
		})
	}
}

// mostAtOnce is how many jobs are taken before it is asked anew whether there is room. Chosen:
// enough for what is done once for all of them to cost nothing.
const mostAtOnce = 64

// Room returns how many jobs may be taken: few at once, or a line would get far too long.
func (ls *lines[K, In, Out]) Room() int {
	if ls.long != nil && !ls.tooLong(ls.long) {
		ls.long = nil
	}
	if t := &ls.way.tally.stopped; t.Load() != ls.long {
		t.Store(ls.long)
	}
	free := ls.way.buffer - ls.inside
	if ls.long != nil || free <= 0 {
		return 0
	}
	return min(max(free/16, 1), mostAtOnce)
}

// Sleep tells that the owner is about to wait. Room comes with a job that comes back.
func (ls *lines[K, In, Out]) Sleep(hungry bool) bool {
	if !ls.back.Empty() || hungry && ls.Room() > 0 {
		return false
	}
	return ls.inbox.Sleep()
}

func (ls *lines[K, In, Out]) Awake()                { ls.inbox.Awake() }
func (ls *lines[K, In, Out]) Wake() <-chan struct{} { return ls.inbox.Wake() }
func (ls *lines[K, In, Out]) Lead() int             { return 0 }
func (ls *lines[K, In, Out]) Aside() int            { return 0 }
func (ls *lines[K, In, Out]) Stop()                 {} // a line closes its door when it is empty

// Cancel sends back what has not been started and what waits for another attempt.
func (ls *lines[K, In, Out]) Cancel() {
	for _, l := range ls.open {
		ls.giveBack(l, context.Cause(ls.ctx))
		l.door.Cancel()
	}
}

// withdraw sends back what has not been started.
func (ls *lines[K, In, Out]) withdraw(why error) {
	for _, l := range ls.open {
		ls.giveBack(l, why)
		l.door.Withdraw(why)
	}
}

// giveBack sends back the jobs of a line that wait for the one before them.
func (ls *lines[K, In, Out]) giveBack(l *line, why error) {
	for _, j := range l.behind {
		j.Err = why
		ls.back.Add(j)
	}
	ls.inside -= len(l.behind)
	l.inside -= len(l.behind)
	l.behind = nil
}

// Leave returns when nothing runs any more of the throttles that nobody else uses.
func (ls *lines[K, In, Out]) Leave() {
	ls.leaving.Wait()
	ls.way.tally.stopped.CompareAndSwap(ls.long, nil)
}

// NotRead says on the throttle of a job that waits, or else of the last one, that nobody reads the
// results.
func (ls *lines[K, In, Out]) NotRead() {
	for _, l := range ls.open {
		l.door.NotRead()
		return
	}
	if ls.last != nil {
		ls.last.NotRead()
	}
}

// NotClosed says on the throttle of the last job that no more jobs come.
func (ls *lines[K, In, Out]) NotClosed() {
	if ls.last != nil {
		ls.last.NotClosed()
	}
}

// A keyedCount is what has become of some jobs.
type keyedCount struct{ jobs, completed, failed, retries, refusals int64 }

func (c *keyedCount) add(j *stage.Job) {
	c.jobs++
	c.retries += int64(max(j.Attempts-1, 0))
	c.refusals += int64(j.Refusals)
	switch {
	case j.Err == nil:
		c.completed++
	case j.Attempts > 0:
		c.failed++
	}
}

func (t *keyedTally) add(c keyedCount) {
	if c.jobs > 0 {
		t.inside.Add(-c.jobs)
		t.completed.Add(c.completed)
		t.failed.Add(c.failed)
		t.retries.Add(c.retries)
		t.refusals.Add(c.refusals)
	}
}
