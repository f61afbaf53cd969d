package controller

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Seek finds the limit.
type Seek struct {
	Refusals float64 // share of attempts that may be spent on finding out, 0 to 1; default 0.005
}

func (p Seek) withDefaults() Seek {
	if p.Refusals == 0 {
		p.Refusals = 0.005
	}
	return p
}

// Start returns a law that begins with a tenth of the limit.
func (p Seek) Start(b Bounds) (Law, Setting) {
	s := &seek{Seek: p.withDefaults(), bounds: b, bank: 3, starting: true}
	s.slots = newLever(float64(min(b.InitialLimit, max(b.MaxLimit/10, 1))), 1)
	s.pace = newLever(10, 0.03)
	s.doubled = -1
	return s, s.setting()
}

type seek struct {
	Seek
	bounds Bounds
	epoch  time.Time
	now    float64 // seconds since epoch
	bank   float64 // refusals that may be spent

	latency mean // of successes
	answer  mean // of refusals

	refusals []refusal // of late, in order of seq
	inARow   int       // refusals since the last success ended
	last     spot      // the newest attempt that is known

	starting bool
	doubled  float64 // when both levers were
	round    int
	room     float64 // of the pace above the limit

	slots    lever   // attempts in flight
	pace     lever   // attempts a second
	cut      float64 // when one of them was lowered
	review   float64
	suspect  *lever  // that failed last
	crowded  float64 // share of attempts that started with no slot left, of late
	highest  int     // in flight, of those accepted since the cut
	accepted int

	moved          float64 // when the levers were, last
	mark, newest   spot    // the first and the newest attempt that started since
	watched        float64
	peak           int // in flight, since
	raised         float64
	held           float64
	storm          float64
	rowStart       float64
	misses         int
	inSeq          int
	lastSeq        int64
	before         before
	quiet          float64 // start of the newest refusal
	block, settled float64
	baseAt         float64 // the limit with which base was seen
	base, recent   sample  // how long attempts take: with nothing in their way, and since the levers were moved
	waited         float64 // how long they took when the limit was lowered for it
	heard          float64 // when the newest refusal was
	pause          mean    // that a refusal asks for
	token          spot    // when the service was to have one, as it said last
	usual, spread  float64 // accepted in flight: mean and variance
	calm           bool
	seen           int

	down down
}

type spot struct {
	seq int64
	at  float64
}

// A lever is one of the two things that can be limited. It is moved up on trial,
// and back if that fails.
type lever struct {
	value  float64 // known to work
	failed float64 // known to fail; +Inf: unknown
	trial  float64 // being tried; 0: none
	since  spot    // the trial
	until  float64 // the trial is over
	rested float64 // since when there is none
	growth float64
	least  float64 // difference that matters: of 1 as it is, below as a share
}

func newLever(value, least float64) lever {
	return lever{value: value, failed: math.Inf(1), least: least}
}

// now returns what is in force.
func (l *lever) now() float64 { return max(l.value, l.trial) }

// close reports whether the limit is known closely.
func (l *lever) close() bool {
	if l.least == 1 {
		return l.failed-l.value <= 1.5
	}
	return l.failed <= l.value*(1+1.2*firstStep(l.value))
}

// next returns what is to be tried next.
func (l *lever) next(first float64) float64 {
	if !math.IsInf(l.failed, 1) && !l.close() {
		return min(max(math.Sqrt(l.value*l.failed), l.value+min(l.least, 1)*0.5), l.value*4)
	}
	if l.growth == 0 {
		l.growth = first
	} else {
		l.growth = min(2*l.growth, 1)
	}
	return l.value * (1 + l.growth)
}

func (l *lever) fail(at float64) {
	l.failed = at
	l.trial, l.growth = 0, 0
	l.value = min(l.value, at)
}

// succeed ends a trial.
func (l *lever) succeed() {
	l.value, l.trial = l.trial, 0
	if l.failed <= l.value || l.growth > 0 {
		l.failed = math.Inf(1)
	}
}

// down is a service that answers nothing.
type down struct {
	now      bool
	since    float64
	lastFail float64 // the newest attempt that failed
	rate     float64
	slots    float64

	turn     float64 // when the service was first seen to work again, the last time
	turnFail float64 // and last seen not to
	first    int64
	onset    float64 // when it went down
	quota    float64 // accepted between then and the next time it was down
	period   float64 // with which it comes back; 0: none
}

type before struct {
	rate, slots float64
	proven      bool // for long enough to believe in
}

type refusal struct {
	start, end float64
	seq        int64
	n          int
}

type mean struct{ n, value float64 }

func (m *mean) add(x float64) {
	m.n = min(m.n+1, 64)
	m.value += (x - m.value) / m.n
}

func (s *seek) Next(now time.Time, o Outcome) Setting {
	if s.epoch.IsZero() {
		s.epoch = o.Start
	}
	s.now = now.Sub(s.epoch).Seconds()
	start := o.Start.Sub(s.epoch).Seconds()
	s.watch(start, o)
	if o.Seq > s.last.seq {
		s.last = spot{o.Seq, start}
	}
	switch o.Verdict {
	case Succeeded:
		s.succeed(start, o)
	case Overload:
		s.refuse(start, o)
	case Failed:
		s.fail(start, o)
	}
	return s.setting()
}

func (s *seek) setting() Setting {
	s.pace.value = max(s.pace.value, 1.0/60)
	set := Setting{Limit: int(s.slots.now() + 1e-9), Ceiling: s.bounds.MaxLimit}
	set.Interval = time.Duration(float64(time.Second) / s.pace.now())
	if s.down.now {
		set.Limit = 1
		set.Interval = s.patience()
		set.Probing = true
	} else if run := s.run(); s.inARow >= 3 && len(run) >= 3 {
		set.Interval = max(set.Interval, time.Duration(3*(s.now-run[0].start)*float64(time.Second)))
	}
	return set.within(s.bounds)
}

func (s *seek) patience() time.Duration {
	cap := max(4, min(100/s.down.rate, 60))
	wait := min(max(s.now-s.down.since, 0.001), cap)
	if d := &s.down; d.period > 0 && s.now < d.since+1.1*d.period {
		next := d.turn + math.Ceil((s.now-d.turn)/d.period)*d.period
		wait = max(next-s.last.at, 0.001)
	}
	return time.Duration(wait * float64(time.Second))
}

// occupancy is how many attempts the service was working on when this one came.
func (s *seek) occupancy(start float64, o Outcome) int {
	n := o.InFlight
	if start >= s.heard {
		return n
	}
	for i := len(s.refusals) - 1; i >= 0; i-- {
		if r := &s.refusals[i]; r.seq < o.Seq && r.end > start {
			n--
		}
	}
	return max(n, 1)
}

// echo is how long a refusal takes to be heard.
func (s *seek) echo() float64 {
	if s.answer.n > 0 {
		return s.answer.value
	}
	return s.latency.value
}

func (s *seek) succeed(start float64, o Outcome) {
	earned := s.Refusals
	if s.pause.n > 0 {
		earned /= 3 // who is told need not find out
	}
	s.bank = min(s.bank+earned, 100)
	s.latency.add(o.Took.Seconds())
	s.inARow = 0
	if start > s.quiet {
		s.calm, s.misses, s.inSeq = true, 0, 0
	}
	if s.down.now {
		if start > s.down.lastFail && start > s.down.since {
			s.revive(start, o)
		}
		return
	}
	if s.queues(start, o.Took.Seconds()) {
		return
	}
	if start >= s.storm {
		n := s.occupancy(start, o)
		s.accepted++

		s.highest = max(s.highest, n)
		off := float64(n) - s.usual
		s.usual += off / min(float64(s.accepted), 64)
		s.spread += (off*off - s.spread) / min(float64(s.accepted), 64)
	}
	if s.starting {
		s.double(start, o)
		return
	}
	s.look()
	s.try()
}

// double is the start: twice as much each round trip.
func (s *seek) double(start float64, o Outcome) {
	if s.doubled < 0 {
		if s.latency.n < min(4, s.slots.value/2) {
			return
		}
	} else {
		if start < s.doubled || float64(o.InFlight) < s.slots.value/2 {
			return
		}
		enough := max(s.slots.value/4, min(8, s.slots.value/s.latency.value)) // a second is not too long
		if s.round++; float64(s.round) < enough {
			return
		}
		if s.recent.n >= 8 && s.slower() {
			s.starting, s.slots.rested = false, s.now
			s.pace.value = max(s.pace.value, 4*s.slots.value/s.base.mean)
			s.slots.value = max(math.Floor(s.slots.value/2), 1) // to see how long they take alone
			s.base, s.waited = sample{}, 0
			return
		}
		if s.slots.value == float64(s.bounds.MaxLimit) {
			s.room = min(2*s.room, 20)
		}
		s.slots.value = min(2*s.slots.value, float64(s.bounds.MaxLimit))
	}
	s.room = max(s.room, 1.2)
	s.round = 0
	s.doubled = s.now
	s.recent = sample{}
	s.pace.value = s.room * s.slots.value / max(s.latency.value, 1e-6)
}

// watch measures what holds attempts up, from those that started since the
// levers were moved last.
func (s *seek) watch(start float64, o Outcome) {
	if start < s.moved {
		return
	}
	if s.mark.seq == 0 {
		s.mark = spot{o.Seq, start}
	}
	if o.Seq > s.newest.seq {
		s.newest = spot{o.Seq, start}
	}
	s.peak = max(s.peak, o.InFlight)
	count := func(share *float64, yes bool) {
		one := 0.0
		if yes {
			one = 1
		}
		*share += (one - *share) / min(s.watched, 32)
	}
	s.watched++
	count(&s.crowded, !o.Paced && float64(o.InFlight) > s.slots.now()-1)
	count(&s.held, o.Paced)
}

// sent returns how many attempts a second have started since the levers were
// moved last, 0 if it is not known.
func (s *seek) sent() float64 {
	if passed := s.newest.at - s.mark.at; passed > 0 {
		return float64(s.newest.seq-s.mark.seq) / passed
	}
	return 0
}

// from begins to measure anew.
func (s *seek) from() {
	s.moved = s.now
	s.mark, s.newest = spot{}, spot{}
	s.watched, s.peak = 0, 0
}

// look looks again at what is known of the rate, when all refusals have been heard.
func (s *seek) look() {
	if s.review == 0 || s.now < s.review {
		return
	}
	s.review = 0
	if rate := s.bound(); rate > s.pace.value && s.pace.trial == 0 && s.suspect != &s.slots && !math.IsInf(rate, 1) {
		s.pace.value = min(rate, s.pace.failed)
	}
}

// try ends the trial that is under way, and begins another one.
func (s *seek) try() {
	if s.watched < 3 {
		return
	}
	for _, l := range []*lever{&s.pace, &s.slots} {
		if l.trial == 0 {
			continue
		}
		if s.now < l.until {
			return
		}
		if l == &s.slots && float64(s.peak) <= l.value {
			if s.now < l.until+2*s.latency.value {
				return
			}
			l.trial, l.growth = 0, 0 // it is not what holds attempts up
			l.rested = s.now
			s.from()
			return
		}
		if l == &s.pace {
			s.raised = s.now
		}
		l.succeed()
		s.from()
		return
	}
	var l *lever
	switch {
	case s.sent() > 0.85*s.pace.value:
		l = &s.pace
	case float64(s.peak) > s.slots.value-1 && s.now >= s.rests(&s.slots):
		l = &s.slots
	case s.held > 0.2 && s.pace.value < 4*s.sent():
		l = &s.pace
	default:
		return
	}
	if s.now >= s.rests(l) {
		s.begin(l)
	}
}

// rests returns until when a lever is left alone.
func (s *seek) rests(l *lever) float64 {
	if l.growth > 0 {
		return l.rested
	}
	wait := max(2*s.echo(), 4/s.pace.value)
	if l.close() {
		wait = max(wait, 60/max(s.bank, 0.3), 1, 2.5*s.down.period, 200*s.pause.value)
	}
	wait = max(wait, 5*s.pause.value)
	return l.rested + wait
}

func (s *seek) begin(l *lever) {
	first := max(1/l.value, 0.03)
	most := float64(s.bounds.MaxLimit)
	if l == &s.pace {
		first = firstStep(l.value)
		most = 1e6
	}
	to := l.next(first)
	if l == &s.slots {
		to = math.Round(to)
		to = max(to, l.value+1)
	}
	to = min(to, most)
	if to <= l.value {
		return
	}
	s.from()
	l.trial = to
	l.since = spot{s.last.seq, s.now}
	l.until = s.now + 2*s.echo()
	if l == &s.slots && s.answer.n == 0 { // only latency tells
		l.until = s.now + 2*s.latency.value + 64*s.latency.value/to
	}
	if l == &s.pace {
		l.until += 2 / (to - l.value)
	}
}

func (s *seek) refuse(start float64, o Outcome) {
	s.answer.add(o.Took.Seconds())
	s.bank = max(s.bank-1, 0)
	n := s.occupancy(start, o)
	s.note(refusal{start: start, end: s.now, seq: o.Seq, n: n})
	s.row(start, o)
	if o.RetryAfter > 0 {
		s.pause.add(o.RetryAfter.Seconds())
	}
	told := s.told(start, o)
	if s.down.now {
		s.down.lastFail = max(s.down.lastFail, start)
		return
	}
	if s.isDown() || o.RetryAfter > time.Second && o.RetryAfter.Seconds() > 5*s.latency.value {
		s.goDown()
		return
	}
	if start < s.cut {
		if told > 0 && s.suspect != &s.slots {
			s.pace.value, s.pace.failed = told*0.999, told*1.001
			return
		}
		s.review = s.now + 1.5*s.echo()
		switch {
		case s.suspect == &s.slots:
			if to := float64(max(n-1, s.highest, 1)); to < s.slots.value {
				s.slots.value, s.slots.failed = to, to+1
			}
		default:
			if n > s.highest && s.seen > 0 {
				s.seen = min(s.seen, n)
			}
			s.pace.value = min(s.pace.value, s.bound())
		}
		return
	}
	top := s.above(n) && s.accepted >= min(20, 3*n)
	var l *lever
	forced := false
	switch {
	case s.starting, n == 1:
		l = &s.pace
		forced = !s.starting && s.slots.trial > 0
	case s.slots.trial > 0 && start >= s.slots.since.at:
		l = &s.slots
	case top && s.seen > 0 && near(n, s.seen):
		l = &s.slots
	case s.pace.trial > 0 && start >= s.pace.since.at:
		l = &s.pace
	case s.suspect != nil && s.now < s.cut+4*s.echo() && (s.suspect == &s.pace || n > s.highest):
		l = s.suspect
	case o.Paced || float64(o.InFlight) < s.slots.value:
		l = &s.pace
	case n < s.highest:
		l = &s.pace
		if sent := s.sent(); sent > 0 {
			s.pace.value = min(s.pace.value, sent)
		}
		forced = true
	default:
		l = &s.slots
	}
	switch {
	case s.starting:
		s.pace.failed = s.pace.value
		s.pace.value /= 2
		s.starting = false
		s.base, s.recent, s.settled = sample{}, sample{}, s.now
	case l == &s.slots:
		s.less(n)
	default:
		s.slow()
		if forced {
			s.pace.failed = math.Inf(1)
		}
	}
	if told > 0 && l == &s.pace {
		s.pace.value, s.pace.failed = told*0.999, told*1.001
		s.review = 0
	}
	s.seen = 0
	if l == &s.pace && s.above(n) {
		s.seen = n
	}
	s.pace.trial, s.slots.trial = 0, 0
	s.suspect = l
	l.rested = s.now
	s.lowered(start)
}

// above reports whether so many in flight are more than were ever accepted of
// late, or, since the count is uncertain by those refusals that have not been
// heard of, hardly less and more than is usual.
func (s *seek) above(n int) bool {
	x := float64(n)
	return n > s.highest || x >= 0.97*float64(s.highest) && n > 20 && x > s.usual+1.5*math.Sqrt(s.spread)
}

// near reports whether two occupancies may be the same limit.
func near(a, b int) bool { return float64(max(a-b, b-a)) <= max(1, 0.05*float64(b)) }

// less lowers the limit after a refusal of an attempt with which so many were
// worked on.
func (s *seek) less(n int) {
	l := &s.slots
	by := 1.0
	if k := len(s.run()); k > 1 {
		by = math.Pow(2, float64(min(k, 10)-1))
	}
	to := max(min(float64(n), l.now())-by, l.now()/2, 1)
	if l.trial > 0 && by == 1 {
		l.fail(max(to+1, l.value))
		l.value = to
		return
	}
	l.fail(to + 1)
	l.value = to
	if by > 1 {
		l.failed = to + by
	}
}

// slow lowers the pace.
func (s *seek) slow() {
	p := &s.pace
	trial, fresh := p.trial > 0, s.accepted >= 8
	was, failed := p.value, p.failed
	p.fail(p.now())
	bound := s.bound()
	switch {
	case trial:
	case math.IsInf(bound, 1):
		bound = p.value * 0.7
	default:
		bound = min(bound, p.value*0.995)
	}
	p.value = min(p.value, bound)
	if !trial && !fresh { // one storm still: not closely known
		p.failed = min(failed, max(was, 1.5*p.value))
	}
}

// bound is what the rate can have been at most since it was raised last, for as
// many attempts to be refused.
func (s *seek) bound() float64 {
	most := math.Inf(1)
	last := len(s.refusals) - 1
	if last < 0 {
		return most
	}
	newest := s.refusals[last]
	for i := last - 1; i >= 0 && s.refusals[i].start >= s.raised; i-- {
		r := s.refusals[i]
		if r.start > s.storm {
			continue // one of many; only the first counts
		}
		if passed := newest.start - r.start; passed > 0 {
			accepted := float64(newest.seq-r.seq) - float64(last-i)
			most = min(most, (accepted+1)/passed)
		}
	}
	return most
}

// isDown reports whether the service has stopped answering.
func (s *seek) isDown() bool {
	enough := max(2*s.latency.value, 20/s.before.rate)
	if !s.before.proven {
		enough = max(enough, 3)
	}
	return s.misses >= 4 && s.now-s.rowStart > enough
}

// fail takes a failure. One says nothing; many in a row that the service is down.
func (s *seek) fail(start float64, o Outcome) {
	s.row(start, o)
	if s.down.now {
		s.down.lastFail = max(s.down.lastFail, start)
		return
	}
	size := math.Log2(float64(o.InFlight) + 1)
	if float64(s.inSeq) >= 3+size/2 || float64(s.inARow) >= 4+size {
		s.goDown()
	}
}

// row counts what did not succeed, in the order of ends and of starts.
func (s *seek) row(start float64, o Outcome) {
	if s.calm || s.before.rate == 0 {
		s.before, s.calm = before{s.pace.value, s.slots.value, !s.starting && s.accepted >= 10}, false
	}
	if s.misses == 0 {
		s.rowStart = start
	}
	s.misses++
	s.inARow++
	s.rowStart = min(s.rowStart, start)
	s.quiet = max(s.quiet, start)
	if o.Seq != s.lastSeq+1 {
		s.inSeq = 0
	}
	s.inSeq++
	s.lastSeq = o.Seq
}

func (s *seek) goDown() {
	d := &s.down
	d.now, d.since, d.lastFail = true, s.rowStart, s.last.at
	d.rate, d.slots = s.before.rate, s.before.slots
	s.pace.trial, s.slots.trial = 0, 0
	if d.turn > 0 {
		d.quota = max(float64(s.last.seq-d.first)-float64(s.misses)+1, 1)
		if passed := s.rowStart - d.onset; d.quota < 20 && passed > 0 { // not down, but slower than we thought
			d.rate = min(d.rate, (d.quota+1)/passed)
			d.quota = 0
		}
	}
	d.onset = s.rowStart
	s.starting = false
}

// revive is the end of being down.
func (s *seek) revive(start float64, o Outcome) {
	d := &s.down
	d.now = false
	s.pace.value, s.slots.value = d.rate, d.slots
	if d.turn > 0 && d.quota > 0 {
		if p := humanPeriod(d.lastFail-d.turn, start-d.turnFail); p > 0 {
			d.period = p
			s.pace.value = d.quota / p * (1 - slack)
			s.pace.failed = s.pace.value * 1.01
		}
	}
	d.turn, d.turnFail, d.first, d.quota = start, d.lastFail, o.Seq, 0
	for _, l := range []*lever{&s.pace, &s.slots} {
		if l.failed <= l.value {
			l.failed = math.Inf(1)
		}
	}
	s.lowered(s.now)
	s.before, s.calm, s.misses = before{s.pace.value, s.slots.value, false}, false, 0
	s.refusals = s.refusals[:0]
	s.pace.rested, s.slots.rested = s.now, s.now
}

const slack = 0.005

// humanPeriod returns the period between two bounds by which people count.
func humanPeriod(lo, hi float64) float64 {
	for _, p := range []float64{60, 3600, 86400} {
		if p >= lo && p <= hi && hi-lo < p/3 {
			return p
		}
	}
	return 0
}

// Debug is for development.
func (s *seek) Debug() string {
	f := func(l *lever) string {
		return fmt.Sprintf("%.2f<%.2f try %.2f until %.2f g %.3f", l.value, l.failed, l.trial, l.until, l.growth)
	}
	return fmt.Sprintf("base %.4f at %.1f start %v slots %s pace %s bank %.2f crowd %.2f high %d lat %.3f echo %.3f", s.base.mean, s.baseAt, s.starting, f(&s.slots), f(&s.pace), s.bank, s.crowded, s.highest, s.latency.value, s.answer.value)
}

// lowered notes that there is less now, because of an attempt that started then.
func (s *seek) lowered(start float64) {
	if s.accepted >= 8 || s.storm == 0 {
		s.storm = start
	}
	s.review = s.now + 1.5*s.echo()
	s.from()
	s.cut = s.now
	s.highest, s.accepted = 0, 0
}

func (s *seek) note(r refusal) {
	s.heard = s.now
	i, _ := slices.BinarySearchFunc(s.refusals, r, func(a, b refusal) int { return int(a.seq - b.seq) })
	s.refusals = slices.Insert(s.refusals, i, r)
	if len(s.refusals) > 256 {
		s.refusals = slices.Delete(s.refusals, 0, len(s.refusals)-256)
	}
}

// run returns the refusals of attempts one right after another, up to the newest.
func (s *seek) run() []refusal {
	i := len(s.refusals) - 1
	for i > 0 && s.refusals[i].seq-s.refusals[i-1].seq == 1 {
		i--
	}
	return s.refusals[max(i, 0):]
}

// firstStep is the smallest share by which a rate is raised.
func firstStep(rate float64) float64 { return min(max(0.3/rate, 0.02), 0.1) }

// told returns the rate that a service has if it says exactly when it would accept
// again: between two such times it has as many tokens to give as it gave. 0: it
// does not say, or not exactly, or not twice.
func (s *seek) told(start float64, o Outcome) float64 {
	if o.RetryAfter == 0 || o.RetryAfter%time.Second == 0 {
		return 0
	}
	at, before := spot{o.Seq, start + o.RetryAfter.Seconds()}, s.token
	s.token = at
	if before.seq == 0 || before.at < s.raised || at.seq <= before.seq || at.at <= before.at {
		return 0
	}
	refused := int64(0)
	for i := len(s.refusals) - 1; i >= 0 && s.refusals[i].seq > before.seq; i-- {
		if s.refusals[i].seq <= at.seq {
			refused++
		}
	}
	accepted := at.seq - before.seq - refused
	if accepted < 1 {
		return 0
	}
	return float64(accepted) / (at.at - before.at)
}

// A sample is a mean with its error.
type sample struct{ n, mean, squares float64 }

func (s *sample) add(x float64) {
	s.n++
	off := x - s.mean
	s.mean += off / s.n
	s.squares += off * (x - s.mean)
}

// error2 is the square of the mean's standard error.
func (s *sample) error2() float64 { return s.squares / (s.n * max(s.n-1, 1)) }

// merge adds what another sample saw, and forgets what is long past.
func (s *sample) merge(o sample) {
	if s.n > 256 {
		s.squares *= 256 / s.n
		s.n = 256
	}
	n, off := s.n+o.n, o.mean-s.mean
	s.squares += o.squares + off*off*s.n*o.n/n
	s.mean += off * o.n / n
	s.n = n
}

// queues looks whether attempts take longer than they do when nothing is in their
// way. If so, what is in flight beyond what the service works on only waits there.
//
// Those that end first are the quick ones. So while the limit doubles, the first of
// one round are compared with the first of another; later, whole blocks.
func (s *seek) queues(start, took float64) (lowered bool) {
	if s.starting {
		if s.doubled <= 0 || start < s.doubled {
			return false
		}
		s.recent.add(took)
		return false
	}
	if start < s.settled {
		return false
	}
	if s.recent.n == 0 {
		s.block = s.now
	}
	s.recent.add(took)
	if s.recent.n < 64 || s.now < s.block+2*s.latency.value {
		return false
	}
	return s.slower()
}

// slower compares what was seen of late with what is usual.
func (s *seek) slower() bool {
	recent := s.recent
	s.recent = sample{}
	if s.base.n < 8 {
		s.base, s.baseAt = recent, s.slots.now()
		return false
	}
	more := recent.mean - s.base.mean
	if more < 0.25*s.base.mean || more < 4*math.Sqrt(recent.error2()+s.base.error2()) {
		if s.slots.now() <= s.baseAt {
			s.base.merge(recent) // with more in flight it would creep up
		}
		s.waited = 0
		return false
	}
	if s.waited > 0 && recent.mean > 0.95*s.waited { // fewer in flight, and as slow
		s.base, s.baseAt, s.waited = recent, s.slots.now(), 0
		return false
	}
	s.waited = recent.mean
	l := &s.slots
	was := l.now()
	l.fail(was)
	l.value = max(was*max(s.base.mean/recent.mean, 0.5), 1)
	s.pace.trial = 0
	l.rested, s.suspect = s.now+20*(s.now-s.block), l // what nothing is gained by
	s.lowered(s.now)
	s.settled = s.now + s.latency.value
	return true
}
