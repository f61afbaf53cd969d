package pipeline

import (
	"fmt"
	"hash/maphash"

	"github.com/paceline-go/paceline/pipeline/internal/spool"
	"github.com/paceline-go/paceline/stage"
)

// growth is the state of a growing run. It belongs to one goroutine, which calls the functions
// that others send it:
//
//	loop's body ──Submit──┐                                   ┌── take ◀── Each, when it has room
//	work ──Submit──▶ staged until the attempt succeeds ──▶ waiting
//
// A job waits in memory if there is room and none waits in a file, since those are to be taken
// before it.
type growth[In any] struct {
	cfg     FrontierConfig[In]
	most    func() int // how many may be inside; nil: any number
	seeds   [2]maphash.Seed
	seen    map[fingerprint]struct{} // nil: jobs have no names
	memory  deque[In]
	spool   *spool.Spool // nil: there is none
	staged  map[*stage.Slot]*[]submission[In]
	held    int      // places in memory that staged jobs have
	asking  *ask[In] // for the next job; nil: nobody does
	inside  int
	stopped error // why no jobs are submitted any more; nil: they are

	submitted, duplicates, done int64
	lost                        LostError
}

// A fingerprint stands for the name of a job. There are so many that two names never have the
// same in practice: among a billion, the chance is 1 in 10^21.
type fingerprint [2]uint64

// A submission is a job on its way into the frontier.
type submission[In any] struct {
	job    In
	print  fingerprint
	record []byte // for the spool
	err    error  // it is not taken
	placed bool   // it has been decided where it waits, or that it does not
	encode bool   // it needs a record first
	known  bool   // it is a duplicate
}

// An ask is for the next job.
type ask[In any] struct {
	seeding bool // if none waits, a seed will do
	answer  chan<- answer[In]
}

// An answer is a job, a record of one, or neither: then seed tells whether a seed may be taken, or
// no more jobs come.
type answer[In any] struct {
	job    In
	record []byte
	ok     bool
	seed   bool
}

func newGrowth[In any](cfg FrontierConfig[In], most func() int) growth[In] {
	g := growth[In]{cfg: cfg, most: most, staged: make(map[*stage.Slot]*[]submission[In])}
	if cfg.Key != nil {
		g.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
		g.seen = make(map[fingerprint]struct{})
	}
	if cfg.Spill != nil {
		g.spool = spool.New(cfg.Spill.Dir)
	}
	return g
}

func (g *growth[In]) snapshot() FrontierSnapshot {
	return FrontierSnapshot{
		Submitted: g.submitted, Duplicates: g.duplicates, Done: g.done,
		Waiting: int64(g.waiting()), Spilled: int64(g.onDisk()), Inside: int64(g.inside),
	}
}

func (g *growth[In]) waiting() int { return g.memory.len() + g.spooled() }

func (g *growth[In]) spooled() int {
	if g.spool == nil {
		return 0
	}
	return g.spool.Len()
}

func (g *growth[In]) onDisk() int {
	if g.spool == nil {
		return 0
	}
	return g.spool.OnDisk()
}

// print returns the fingerprint of a job. It calls code of the user's, so it is not for the owner.
func (g *growth[In]) print(job In) (p fingerprint) {
	if g.cfg.Key == nil {
		return p
	}
	name := g.cfg.Key(job)
	for i, seed := range g.seeds {
		p[i] = maphash.String(seed, name)
	}
	return p
}

// fresh notes the name of a job, and reports whether none had it.
func (g *growth[In]) fresh(p fingerprint) bool {
	if g.seen == nil {
		return true
	}
	if _, known := g.seen[p]; known {
		g.duplicates++
		return false
	}
	g.seen[p] = struct{}{}
	return true
}

// place finds out whether a job can be taken, and whether it needs a record for that; staged is how
// many its attempt has submitted before, -1 for one that takes effect at once.
func (g *growth[In]) place(s *submission[In], staged int) {
	if g.stopped != nil {
		s.err = g.stopped
		return
	}
	if g.seen != nil {
		if _, s.known = g.seen[s.print]; s.known {
			return
		}
	}
	switch {
	case g.spool == nil:
		if g.memory.len()+g.held >= g.cfg.Memory {
			s.err = ErrFrontierFull
		}
	case staged >= g.cfg.Memory:
		s.err = ErrFrontierFull
	case staged >= 0 || !g.inMemory():
		s.err = g.spool.Flush()
		s.encode = s.err == nil && s.record == nil
	}
}

// inMemory reports whether the next job waits in memory.
func (g *growth[In]) inMemory() bool { return g.spooled() == 0 && g.memory.len() < g.cfg.Memory }

// admit takes a job that was placed.
func (g *growth[In]) admit(s *submission[In]) {
	if !g.fresh(s.print) {
		return
	}
	g.submitted++
	if s.record == nil || g.inMemory() {
		g.memory.add(s.job)
		return
	}
	g.spool.Add(s.record)
}

// stage keeps a job that was placed until the attempt of the slot has ended. Without a spool, it has
// a place in memory; with one, it has a record, since there may be no place when it is admitted.
func (g *growth[In]) stage(slot *stage.Slot, s submission[In]) {
	if g.spool == nil {
		g.held++
	}
	*g.staged[slot] = append(*g.staged[slot], s)
}

// commit takes what an attempt has submitted, or forgets it.
func (g *growth[In]) commit(slot *stage.Slot, succeeded bool) {
	staged := *g.staged[slot]
	delete(g.staged, slot)
	for i := range staged {
		s := &staged[g.turn(i, len(staged))]
		if g.spool == nil {
			g.held--
		}
		if succeeded {
			g.admit(s)
			if g.spool != nil {
				_ = g.spool.Flush() // or it stays in memory, and Submit tells why
			}
		}
	}
}

// turn returns which of n jobs that were submitted together is admitted as number i.
func (g *growth[In]) turn(i, n int) int {
	if g.cfg.DepthFirst {
		return n - 1 - i
	}
	return i
}

// serve answers who asks for the next job, if there is an answer.
func (g *growth[In]) serve() {
	a := g.asking
	switch {
	case a == nil:
		return
	case g.stopped != nil:
		a.answer <- answer[In]{}
	case g.most != nil && g.inside >= max(g.most(), 1):
		return
	case g.waiting() > 0:
		next, ok := g.next()
		if !ok {
			g.serve() // what was lost has been counted
			return
		}
		g.inside++
		a.answer <- next
	case a.seeding:
		a.answer <- answer[In]{seed: true}
	case g.inside == 0:
		a.answer <- answer[In]{}
	default:
		return
	}
	g.asking = nil
}

// next removes and returns the job that is to be taken next. ok is false if it is lost.
func (g *growth[In]) next() (next answer[In], ok bool) {
	var lost int
	var err error
	switch {
	case g.cfg.DepthFirst && g.spooled() > 0:
		next.record, lost, err = g.spool.TakeLast()
	case g.cfg.DepthFirst:
		next.job = g.memory.takeLast()
	case g.memory.len() > 0:
		next.job = g.memory.takeFirst()
	default:
		next.record, lost, err = g.spool.TakeFirst()
	}
	if err != nil {
		g.lose(lost, err)
	}
	next.ok = err == nil
	return next, next.ok
}

func (g *growth[In]) lose(jobs int, err error) {
	g.lost.Jobs += jobs
	g.lost.Err = err
}

// takeSeed notes a seed that goes to the pipeline at once, unless one with its name was taken.
func (g *growth[In]) takeSeed(p fingerprint) (fresh, stopped bool) {
	if g.stopped != nil || !g.fresh(p) {
		return false, g.stopped != nil
	}
	g.submitted++
	g.inside++
	return true, false
}

// handedOut takes note that a result was handed out, and whether the loop goes on.
func (g *growth[In]) handedOut(more bool) {
	g.inside--
	g.done++
	if !more {
		g.stopped = ErrFrontierOver
	}
}

// giveBack returns a job that waits when the pipeline takes no more, if there is one.
func (g *growth[In]) giveBack(why error) (next answer[In], waits bool) {
	g.stopped = fmt.Errorf("%w: %w", ErrFrontierOver, why)
	for g.waiting() > 0 {
		if next, ok := g.next(); ok {
			g.inside++
			return next, true
		}
	}
	return next, false
}

// unreadable takes note that the record of a job that was taken is none.
func (g *growth[In]) unreadable(err error) {
	g.inside--
	g.lose(1, err)
}

func (g *growth[In]) close() {
	if g.spool != nil {
		_ = g.spool.Close() // what is in there is not needed any more
	}
	g.memory, g.seen, g.staged = deque[In]{}, nil, nil
}

// A deque is a queue with two ends.
type deque[T any] struct {
	ring  []T
	first int
	n     int
}

func (d *deque[T]) len() int { return d.n }

func (d *deque[T]) add(v T) {
	if d.n == len(d.ring) {
		ring := make([]T, max(2*d.n, 16))
		copied := copy(ring, d.ring[d.first:])
		copy(ring[copied:], d.ring[:d.first])
		d.ring, d.first = ring, 0
	}
	d.ring[(d.first+d.n)%len(d.ring)] = v
	d.n++
}

func (d *deque[T]) takeFirst() (v T) {
	v = d.take(d.first)
	d.first = (d.first + 1) % len(d.ring)
	return v
}

func (d *deque[T]) takeLast() (v T) { return d.take((d.first + d.n - 1) % len(d.ring)) }

func (d *deque[T]) take(i int) (v T) {
	var none T
	v, d.ring[i] = d.ring[i], none
	d.n--
	return v
}
