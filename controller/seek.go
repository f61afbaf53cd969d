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

	slots    lever   // attempts in flight
	pace     lever   // attempts a second
	cut      float64 // when one of them was lowered
	review   float64
	suspect  *lever  // that failed last
	crowded  float64 // share of attempts that started with no slot left, of late
	highest  int     // in flight, of those accepted since the cut
	accepted int

	moved        float64 // when the levers were, last
	mark, newest spot    // the first and the newest attempt that started since
	watched      float64
	peak         int // in flight, since
	raised       float64
	held         float64
	storm        float64
	seen         int

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
	return l.failed <= l.value*(1+max(l.least, min(0.3/l.value, 0.1)))
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
	now   bool
	since float64
	rate  float64
	slots float64
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
	}
	return s.setting()
}

func (s *seek) setting() Setting {
	set := Setting{Limit: int(s.slots.now() + 1e-9), Ceiling: s.bounds.MaxLimit}
	set.Interval = time.Duration(float64(time.Second) / s.pace.now())
	if s.down.now {
		set.Limit = 1
		set.Interval = s.patience()
		set.Probing = true
	} else if run := s.run(); s.inARow >= 3 && len(run) >= 3 {
		set.Interval = max(set.Interval, time.Duration((s.now-run[0].start)*float64(time.Second)))
	}
	return set.within(s.bounds)
}

func (s *seek) patience() time.Duration {
	cap := max(4, min(100/s.down.rate, 60))
	wait := min(max(s.now-s.down.since, 0.001), cap)
	return time.Duration(wait * float64(time.Second))
}

// occupancy is how many attempts the service was working on when this one came.
func (s *seek) occupancy(start float64, o Outcome) int {
	n := o.InFlight
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
	s.bank = min(s.bank+s.Refusals, 100)
	s.latency.add(o.Took.Seconds())
	s.inARow = 0
	if s.down.now {
		if start > s.down.since {
			s.revive()
		}
		return
	}
	if start >= s.storm {
		n := s.occupancy(start, o)
		s.accepted++

		s.highest = max(s.highest, n)
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
		if s.round++; float64(s.round) < s.slots.value/4 {
			return
		}
		s.slots.value = min(2*s.slots.value, float64(s.bounds.MaxLimit))
	}
	s.round = 0
	s.doubled = s.now
	s.pace.value = 1.2 * s.slots.value / max(s.latency.value, 1e-6)
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
		wait = max(wait, 60/max(s.bank, 0.3), 1)
	}
	return l.rested + wait
}

func (s *seek) begin(l *lever) {
	first := max(1/l.value, 0.03)
	most := float64(s.bounds.MaxLimit)
	if l == &s.pace {
		first = min(max(0.3/l.value, 0.02), 0.1)
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
	if l == &s.pace {
		l.until += 2 / (to - l.value)
	}
}

func (s *seek) refuse(start float64, o Outcome) {
	s.answer.add(o.Took.Seconds())
	s.bank = max(s.bank-1, 0)
	n := s.occupancy(start, o)
	s.note(refusal{start: start, end: s.now, seq: o.Seq, n: n})
	s.inARow++
	if s.down.now {
		return
	}
	if s.isDown() {
		s.goDown()
		return
	}
	if start < s.cut {
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
	top := n > s.highest && s.accepted >= min(8, n)
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
	case s.suspect != nil && s.now < s.cut+4*s.echo():
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
	case l == &s.slots:
		s.less(n)
	default:
		s.slow()
		if forced {
			s.pace.failed = math.Inf(1)
		}
	}
	s.seen = 0
	if l == &s.pace && (top || s.accepted < 8) {
		s.seen = n
	}
	s.pace.trial, s.slots.trial = 0, 0
	s.suspect = l
	l.rested = s.now
	s.lowered(start)
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
	trial := p.trial > 0
	p.fail(p.now())
	bound := s.bound()
	switch {
	case math.IsInf(bound, 1) && !trial:
		p.value *= 0.7
	case !trial:
		bound = min(bound, p.value*0.995)
	}
	p.value = min(p.value, bound)
}

// bound is what the rate can have been at most since it was raised last, for as
// many attempts to be refused.
func (s *seek) bound() float64 {
	most := math.Inf(1)
	last := len(s.refusals) - 1
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

func (s *seek) isDown() bool {
	run := s.run()
	if len(run) < 6 || s.inARow < 6 {
		return false
	}
	span := s.now - run[0].start
	return span > max(2*s.latency.value, 20/s.pace.value)
}

func (s *seek) goDown() {
	run := s.run()
	s.down = down{now: true, since: run[0].start, rate: s.pace.value, slots: s.slots.value}
}

func (s *seek) revive() {
	s.down.now = false
	s.pace.value, s.slots.value = s.down.rate, s.down.slots
	s.lowered(s.now)
	s.pace.rested, s.slots.rested = s.now, s.now
}

// Debug is for development.
func (s *seek) Debug() string {
	f := func(l *lever) string {
		return fmt.Sprintf("%.2f<%.2f try %.2f until %.2f g %.3f", l.value, l.failed, l.trial, l.until, l.growth)
	}
	return fmt.Sprintf("start %v slots %s pace %s bank %.2f crowd %.2f high %d lat %.3f echo %.3f", s.starting, f(&s.slots), f(&s.pace), s.bank, s.crowded, s.highest, s.latency.value, s.answer.value)
}

// lowered notes that there is less now, because of an attempt that started then.
func (s *seek) lowered(start float64) {
	s.storm = start
	s.review = s.now + 1.5*s.echo()
	s.from()
	s.cut = s.now
	s.highest, s.accepted = 0, 0
}

func (s *seek) note(r refusal) {
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
