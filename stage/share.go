package stage

import (
	"cmp"
	"fmt"
	"math"
	"sync/atomic"
)

// A Share says how often the jobs of a line have their turn, beside those of others.
type Share struct {
	Name     string  // tells lines of the same weight and priority apart; may be empty
	Weight   float64 // part of what starts, by cost, against the weights of others; 0: 1
	Priority int     // higher goes first; -9 to 9
}

// topPriority is the highest priority, and that below zero the lowest.
const topPriority = 9

// levels is how many priorities there are.
const levels = 2*topPriority + 1

// Check returns what is wrong with s; empty: nothing.
func (s Share) Check() string {
	switch {
	case !(s.Weight >= 0) || math.IsInf(s.Weight, 1):
		return fmt.Sprintf("weight: got %v, want above 0, or 0 for 1", s.Weight)
	case s.Priority < -topPriority || s.Priority > topPriority:
		return fmt.Sprintf("priority: got %d, want %d to %d", s.Priority, -topPriority, topPriority)
	}
	return ""
}

func (s Share) weight() float64 { return cmp.Or(s.Weight, 1) }

// level is the place of the priority, from 0 for the lowest.
func (s Share) level() int { return s.Priority + topPriority }

// A line is where jobs wait for their turn: a door, or a counter, where calls do.
//
// Turns are given by start-time fair queueing: each line has a virtual time, which passes by
// what its attempts cost over its weight, and the one whose time is least goes first. A line
// that comes back begins at the time of its level, so that it saves nothing up. Unlike in
// deficit round robin there is no quantum to choose, and the turns of a heavy line are spread
// (Goyal, Vin, Cheng: Start-Time Fair Queueing, SIGCOMM 1996).
type line struct {
	share   Share
	chosen  *atomic.Pointer[Share] // another share, which its owner may change at any time; nil: never
	applied *Share                 // of chosen, what is in force
	virtual float64                // time: the cost over the weight of what has started
	turn    int64                  // the last one that it had; 0: none yet

	came, went int64 // calls that came to a counter, and that have left it
}

// before reports whether it is l's turn and not that of another line of its level. Of equals it
// is whose last turn is longer ago, or else whose first job came first.
func (l *line) before(other *line, j, others *Job) bool {
	if l.virtual != other.virtual {
		return l.virtual < other.virtual
	}
	if l.turn != other.turn {
		return l.turn < other.turn
	}
	return j.taken < others.taken
}

// A level is what all lines of one priority have in common.
type level struct {
	virtual float64 // of the line that started last
	passed  float64 // cost that started while lower levels had work, since one of them started
}

// turns are what the dispatcher knows of its lines.
type turns struct {
	shared  bool // there are, or were, lines with a share of their own
	ranked  bool // and some of them with a priority
	levels  [levels]level
	turn    int64      // the last one, from 1
	ranking candidates // scratch
}

// above is how many times the cost of an attempt may start at a priority before one of a lower
// priority goes first, so that these get a twentieth at least. Chosen: it lengthens what is
// urgent by as much, and only where that alone would take everything.
const above = 19

// enter has a line that was empty begin at the time of its level.
func (t *turns) enter(l *line) {
	l.virtual = max(l.virtual, t.levels[l.share.level()].virtual)
}

// reshare puts the shares in force that owners of doors have chosen.
func (d *Dispatcher) reshare() {
	for _, door := range d.doors {
		d.apply(&door.line)
	}
}

// apply puts the share in force that the owner of a line has chosen.
func (t *turns) apply(l *line) {
	t.shared = t.shared || l.share != (Share{})
	t.ranked = t.ranked || l.share.Priority != 0
	if l.chosen == nil {
		return
	}
	s := l.chosen.Load()
	if s == nil || s == l.applied {
		return
	}
	if l.applied = s; s.Priority != l.share.Priority {
		l.virtual = t.levels[s.level()].virtual
	}
	l.share = *s
	t.shared, t.ranked = true, t.ranked || s.Priority != 0
}

// lineOf returns where a job stands.
func lineOf(j *Job) *line {
	if c := j.door.call; c != nil {
		return &c.counter.line
	}
	return &j.door.line
}

// charge notes that an attempt of j has its turn.
func (d *Dispatcher) charge(j *Job) {
	l, price := lineOf(j), d.gate.price(j)
	d.turns.charge(l, price)
	if d.ranked {
		d.pass(l.share.level(), price, d.candidates().below(l.share.level()) != nil)
	}
}

// charge notes that a line has its turn, with what costs so much.
func (t *turns) charge(l *line, price float64) {
	level := &t.levels[l.share.level()]
	level.virtual = max(level.virtual, l.virtual)
	t.turn++
	l.turn = t.turn
	l.virtual += price / l.share.weight()
}

// pass notes that so much has started at a level, and whether lower levels have work.
func (t *turns) pass(level int, price float64, lower bool) {
	for i := level + 1; i < levels; i++ {
		t.levels[i].passed = 0
	}
	if !lower {
		t.levels[level].passed = 0
		return
	}
	t.levels[level].passed += price
}

// owes reports whether so much has started at a level that what waits below, and costs so much, is to
// have its floor.
func (t *turns) owes(level int, price float64) bool { return t.levels[level].passed >= above*price }

// refund takes a charge back.
func (d *Dispatcher) refund(j *Job) {
	if j.charged {
		d.turns.refund(lineOf(j), d.gate.price(j))
	}
}

// refund takes a charge of so much back.
func (t *turns) refund(l *line, price float64) {
	l.virtual -= price / l.share.weight()
	level := &t.levels[l.share.level()]
	level.virtual = min(level.virtual, l.virtual) // or who comes now would begin behind what has not started
}

// leastPrice is that of an attempt which weighs nothing: a line of these has to take turns, too.
const leastPrice = 0.01

// price returns what an attempt costs of a line's share: the tokens that it is expected to use,
// or, where nobody counts tokens, the calls that it counts for.
func (g *gate) price(j *Job) float64 {
	mean, _ := g.usage.Mean()
	return priceOf(j, mean)
}

// priceOf returns what an attempt costs of a line's share where attempts use so many tokens in the mean.
func priceOf(j *Job, mean int64) float64 {
	switch {
	case j.Cost != Unknown:
		return max(float64(j.Cost), 1)
	case mean > 0:
		return float64(mean)
	}
	return max(j.Weight, leastPrice)
}

// candidates are the jobs that may start next, for each priority the first: a retry that is due,
// or else the first of the line whose turn it is.
type candidates [levels]*Job

func (d *Dispatcher) candidates() *candidates {
	c := &d.ranking
	clear(c[:])
	for _, heap := range []retryHeap{d.retries.holding, d.retries.parked} {
		for _, j := range heap {
			i := lineOf(j).share.level()
			if !j.due.After(d.now) && !d.bars.bar(j) && (c[i] == nil || j.due.Before(c[i].due)) {
				c[i] = j
			}
		}
	}
	for _, door := range d.doors {
		i := door.line.share.level()
		if j := d.head(door); j != nil && (c[i] == nil || !c[i].again && door.line.before(lineOf(c[i]), j, c[i])) {
			c[i] = j
		}
	}
	return c
}

// below returns the first candidate of a lower level.
func (c *candidates) below(level int) *Job {
	for i := level - 1; i >= 0; i-- {
		if c[i] != nil {
			return c[i]
		}
	}
	return nil
}

// nextOfAll returns the candidate of the highest priority, unless one below it has waited while
// so much started above it that it is to have its floor.
func (d *Dispatcher) nextOfAll() *Job {
	c := d.candidates()
	first := c.below(levels)
	for j := first; j != nil; {
		i := lineOf(j).share.level()
		lower := c.below(i)
		if lower == nil || !d.owes(i, d.gate.price(lower)) {
			return j
		}
		j = lower
	}
	return first
}

// yieldSlot parks a job that holds a slot while it backs off, if another one of a higher priority
// waits for one.
func (d *Dispatcher) yieldSlot() {
	if !d.ranked || len(d.retries.holding) == 0 || d.slotFree() || d.running >= d.limit() {
		return
	}
	first := d.waiting()
	if first == nil {
		return
	}
	least, holder := lineOf(first).share.Priority, (*Job)(nil)
	for _, j := range d.retries.holding {
		if p := lineOf(j).share.Priority; p < least {
			least, holder = p, j
		}
	}
	if holder != nil {
		d.retries.drop(holder)
		d.release(holder)
		d.retries.add(holder)
	}
}
