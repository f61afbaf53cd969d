package stage

import (
	"slices"
	"sync/atomic"
)

// A Lobby is where jobs wait that any of several dispatchers may start: those of a pool. They have
// their turns here, before they have a dispatcher, by the same rules as the jobs of one dispatcher's
// doors have theirs. So a job is not bound to a dispatcher before that can start it, and
// which one goes first is not left to whose owner is the first to hear of a free place.
//
// It belongs to the run that has taken it. A run that hears of a free place starts the job whose turn it is,
// also one of another run.
type Lobby struct {
	turns
	guests int
	lines  []*lobbyLine
	calls  map[Share]*lobbyLine // where single calls with that share wait
	mean   int64                // of the tokens that an attempt uses; 0: nobody counts them
}

// A lobbyLine is a line of guests: of a run alone, or of calls.
type lobbyLine struct {
	line
	guests []*Guest // with jobs that wait, in the order in which they came
	inside int      // guests, whether any of their jobs wait or not
}

// A Guest is a run or a call whose jobs wait in a lobby.
type Guest struct {
	Waiting []*Job          // those that come back in front
	Can     func(*Job) bool // whether there is a dispatcher that can start it now
	Start   func(*Job)      // submits what can start
	Inbox   *Inbox          // of its owner
	Hungry  bool            // its owner waits for room

	line *lobbyLine
}

// NewLobby returns an empty one.
func NewLobby() *Lobby { return &Lobby{calls: make(map[Share]*lobbyLine)} }

// Enter lets a guest in, which has a share, unless chosen, which may change at any time, has another one. Calls
// with equal shares stand in one line.
func (l *Lobby) Enter(g *Guest, share Share, chosen *atomic.Pointer[Share], call bool) {
	l.guests++
	if call {
		g.line = l.calls[share]
	}
	if g.line == nil {
		g.line = &lobbyLine{line: line{share: share, chosen: chosen}}
		if call {
			l.tidy()
			l.calls[share] = g.line
		}
		l.lines = append(l.lines, g.line)
		l.apply(&g.line.line)
		l.enter(&g.line.line)
	}
	g.line.inside++
}

// tidy gives up the lines of calls where none waits, and which have had no more than their share.
func (l *Lobby) tidy() {
	for share, line := range l.calls {
		if line.inside == 0 && line.virtual <= l.levels[share.level()].virtual {
			delete(l.calls, share)
			l.remove(line)
		}
	}
}

func (l *Lobby) remove(line *lobbyLine) {
	l.lines = slices.DeleteFunc(l.lines, func(other *lobbyLine) bool { return other == line })
}

// Leave lets a guest out, none of whose jobs waits.
func (l *Lobby) Leave(g *Guest) {
	l.guests--
	g.line.inside--
	if l.calls[g.line.share] != g.line {
		l.remove(g.line)
	}
}

// Shared reports whether there are several guests.
func (l *Lobby) Shared() bool { return l.guests > 1 }

// Wait lets jobs wait, behind those of their guest or in front.
func (l *Lobby) Wait(g *Guest, jobs []*Job, inFront bool) {
	if len(jobs) == 0 {
		return
	}
	line := g.line
	if len(g.Waiting) == 0 {
		if len(line.guests) == 0 {
			l.enter(&line.line)
		}
		line.guests = append(line.guests, g)
	}
	if inFront {
		g.Waiting = append(jobs, g.Waiting...)
		return
	}
	g.Waiting = append(g.Waiting, jobs...)
}

// TurnedAway notes that a job which had its turn has not started.
func (l *Lobby) TurnedAway(g *Guest, j *Job) {
	price, level := l.price(j), g.line.share.level()
	l.refund(&g.line.line, price)
	l.levels[level].passed = max(l.levels[level].passed-price, 0)
	if j.owed {
		for i := level + 1; i < levels; i++ {
			l.levels[i].passed = max(l.levels[i].passed, above*price) // it is to have its floor as before
		}
	}
}

// Take returns the jobs of a guest for which there is a reason why they wait no longer.
func (l *Lobby) Take(g *Guest, why func(*Job) error) (taken []*Job) {
	g.Waiting = slices.DeleteFunc(g.Waiting, func(j *Job) bool {
		err := why(j)
		if err != nil {
			j.Abandon(err)
			taken = append(taken, j)
		}
		return err != nil
	})
	l.settle(g)
	return taken
}

// settle takes a guest out of its line if it has no jobs that wait.
func (l *Lobby) settle(g *Guest) {
	if len(g.Waiting) == 0 {
		g.line.guests = slices.DeleteFunc(g.line.guests, func(other *Guest) bool { return other == g })
	}
}

// Start starts what can, in the order of the turns, as long as some dispatcher is free. It reports
// whether anything of one guest has started. mean is how many tokens an attempt uses.
func (l *Lobby) Start(of *Guest, mean int64, free func() bool) (started bool) {
	l.mean = mean
	for _, line := range l.lines {
		l.apply(&line.line)
	}
	for free() {
		t := l.next()
		if t.job == nil {
			return started
		}
		level, price := t.line.share.level(), l.price(t.job)
		l.charge(&t.line.line, price)
		t.job.owed = t.owed
		if l.ranked {
			l.pass(level, price, t.lower)
		}
		i := slices.Index(t.guest.Waiting, t.job)
		t.guest.Waiting = slices.Delete(t.guest.Waiting, i, i+1)
		l.settle(t.guest)
		t.guest.Start(t.job)
		if t.guest == of {
			started = true
		} else if t.guest.Hungry {
			t.guest.Inbox.Nudge() // it has room for another one
		}
	}
	return started
}

// A turn is a job that may be the next to start.
type turn struct {
	line  *lobbyLine
	guest *Guest
	job   *Job
	lower bool // a line of a lower priority has one, too
	owed  bool // one of a higher priority has one, too, and leaves it its floor
}

// next returns the job whose turn it is of those that can start.
func (l *Lobby) next() (first turn) {
	var heads [levels]turn
	for _, line := range l.lines {
		i := line.share.level()
		if t := line.first(); t.job != nil && (heads[i].job == nil || line.before(&heads[i].line.line, t.job, heads[i].job)) {
			heads[i] = t
		}
	}
	level := -1 // of first
	for i := levels - 1; i >= 0; i-- {
		if heads[i].job == nil {
			continue
		}
		if level >= 0 && !l.owes(level, l.price(heads[i].job)) {
			break
		}
		owed := level >= 0
		first, level = heads[i], i
		first.owed = owed
	}
	if level >= 0 {
		first.lower = slices.ContainsFunc(heads[:level], func(t turn) bool { return t.job != nil })
	}
	return first
}

// first returns the first job of the line that can start.
func (l *lobbyLine) first() turn {
	for _, g := range l.guests {
		for _, j := range g.Waiting {
			if g.Can(j) {
				return turn{line: l, guest: g, job: j}
			}
		}
	}
	return turn{}
}

func (l *Lobby) price(j *Job) float64 { return priceOf(j, l.mean) }
