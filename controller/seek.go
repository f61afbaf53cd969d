package controller

import (
	"math"
	"time"
)

// Seek finds the limit of a service that nobody has told it: how many attempts a
// second it takes, or how many at once. It presses up to that limit, and spends a
// bounded share of attempts on finding out where it is now. A zero field takes its
// default.
//
// The package comment explains how.
type Seek struct {
	Refusals float64 // share of attempts that may be refused for finding out, above 0, at most 1; default 0.005
}

func (p Seek) withDefaults() Seek {
	if p.Refusals == 0 {
		p.Refusals = 0.005
	}
	return p
}

// Start returns a law that begins with the initial limit. If that is the maximum, it
// begins with one attempt, and when that has succeeded, with a tenth of the maximum.
func (p Seek) Start(b Bounds) (Law, Setting) {
	first := b.InitialLimit
	if first == b.MaxLimit {
		first = 1
	}
	s := &seek{
		Seek:     p.withDefaults(),
		bounds:   b,
		starting: true,
		doubled:  -1,
		room:     1.2,
		bank:     3,
		changed:  math.Inf(-1),
		slots:    newLever(float64(first), true),
		pace:     newLever(unpaced, false),
	}
	s.least = s.slowest()
	return s, s.setting()
}

// seek is Seek at work. All times are in seconds since the first attempt.
type seek struct {
	Seek
	bounds Bounds
	epoch  time.Time
	now    float64
	newest attempt // that we have heard of
	last   Setting

	slots lever   // attempts in flight
	pace  lever   // attempts a second
	least float64 // that the bounds allow of it
	bank  float64 // refusals that may be spent

	starting bool    // nothing has been refused yet
	doubled  float64 // when the levers were; -1: never
	round    int     // successes since
	room     float64 // how many times faster than the limit asks for

	latency mean // of successes
	answer  mean // of refusals
	pause   mean // that they ask for

	holdup   holdup
	queueing queueing
	settled  float64 // attempts from before say nothing of how long they take
	refusals refusals
	downtime downtime

	// Since a lever was lowered:
	cut      float64 // when it was
	suspect  *lever  // which it was
	accepted int     // attempts that started since the storm began
	most     int     // that the service worked on then, …
	usual    float64 // … their mean, …
	spread   float64 // … and its variance
	edge     int     // worked on at a refusal that may be the limit's, but was taken for the pace's; 0: none
	known    float64 // pace that failed, before the refusals that came since a success
	review   float64 // when all refusals have been heard; 0: they have

	ended          float64 // up to 1,024, successes and failures
	lately, always float64 // share of them that failed

	raised  float64 // when the pace was; refusals from before are of another rate
	token   attempt // when a service was to accept again that says so
	rate    float64 // of the service, roughly
	changed float64 // when it was another
}

func (s *seek) Next(now time.Time, o Outcome) Setting {
	if s.unhindered() && o.Verdict == Succeeded {
		s.latency.add(o.Took.Seconds())
		return s.last
	}
	if s.epoch.IsZero() {
		s.epoch = o.Start
	}
	s.now = now.Sub(s.epoch).Seconds()
	a := attempt{o.Seq, o.Start.Sub(s.epoch).Seconds()}
	if a.seq > s.newest.seq {
		s.rested(a, o)
		s.newest = a
	}
	s.holdup.add(a.start, o)
	switch o.Verdict {
	case Succeeded:
		s.succeed(a, o)
	case Overload:
		s.refuse(a, o)
	case Failed:
		s.fail(a, o)
	case Ignored:
		s.ignore(a, o)
	}
	s.pace.value = max(s.pace.value, s.least)
	s.last = s.setting()
	return s.last
}

// rested takes note of a time without jobs. A bucket that is full is given nothing
// more, so what was accepted meanwhile bounds nothing; nor was that the pace.
func (s *seek) rested(a attempt, o Outcome) {
	due := float64(a.seq-s.newest.seq) / s.pace.now()
	if !o.Paced && s.newest.seq > 0 && a.start-s.newest.start > 2*s.latency.value+4*due {
		s.raised = a.start
		s.holdup.begin(a.start)
	}
}

// unhindered reports whether nothing was ever refused, all that the bounds allow is in
// force, and attempts take next to no time: then there is nothing to find out, and a
// few divisions would cost more than an attempt does.
func (s *seek) unhindered() bool {
	return s.starting && s.latency.value < 10e-6 && s.latency.n >= 64 &&
		s.slots.value == float64(s.bounds.MaxLimit) && s.pace.value >= s.fastest()
}

func (s *seek) setting() Setting {
	set := Setting{Limit: int(s.slots.now()), Ceiling: s.bounds.MaxLimit}
	if pace := s.pace.now(); pace < unpaced && !(s.starting && set.Limit == 1) {
		set.Interval = seconds(1 / pace) // one after another needs none
	}
	switch {
	case s.downtime.is:
		set.Limit, set.Interval, set.Probing = 1, seconds(s.downtime.patience(s.now, s.newest.start)), true
	case s.downtime.inARow >= 3:
		if run := s.refusals.run(); len(run) >= 3 && run[0].start >= s.downtime.began { // four times as long each time
			set.Interval = max(set.Interval, seconds(3*(s.now-run[0].start)))
		}
	}
	return set.within(s.bounds)
}

// unpaced is a pace that is none: nothing is gained by waiting 10 us.
const unpaced = 1e5

// fastest and slowest are the paces that the bounds allow.
func (s *seek) fastest() float64 {
	if s.bounds.MinInterval > 0 {
		return 1 / s.bounds.MinInterval.Seconds()
	}
	return unpaced
}

func (s *seek) slowest() float64 { return min(1/s.bounds.MaxInterval.Seconds(), s.fastest()) }

// Update goes on under another Seek and other bounds.
func (s *seek) Update(p Policy, b Bounds) (Setting, bool) {
	policy, ok := p.(Seek)
	if !ok {
		return Setting{}, false
	}
	s.Seek, s.bounds = policy.withDefaults(), b
	s.least = s.slowest()
	s.slots.limit(1, float64(b.MaxLimit))
	s.pace.limit(s.slowest(), s.fastest())
	s.last = s.setting()
	return s.last, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// succeed takes a success.
func (s *seek) succeed(a attempt, o Outcome) {
	s.earn()
	s.failed(0)
	s.latency.add(o.Took.Seconds())
	s.downtime.succeed(a.start)
	if s.downtime.is {
		if s.downtime.over(a.start) {
			s.revive(a)
		}
		return
	}
	if s.starting {
		if s.doubled > 0 && a.start >= s.doubled {
			s.queueing.add(s.now, o.Took.Seconds())
		}
		s.count(a, o)
		s.double(a, o)
		return
	}
	if s.waits(a, o) {
		return
	}
	s.count(a, o)
	s.look()
	s.try()
}

// ignore takes an attempt that ended without saying anything of the service. It was
// let through, so it is a reason to go on trying.
func (s *seek) ignore(a attempt, o Outcome) {
	switch {
	case s.downtime.is:
	case s.starting:
		s.latency.add(o.Took.Seconds())
		s.double(a, o)
	default:
		s.try()
	}
}

// earn puts into the bank what a success earns. Who changes has to be asked more
// often, who tells less.
func (s *seek) earn() {
	earned := s.Refusals
	switch {
	case s.now < s.changed+200:
		earned *= 1.5
	case s.pause.n > 0:
		earned /= 3
	}
	s.bank = min(s.bank+earned, 100)
}

// count notes how many the service worked on when it accepted an attempt.
func (s *seek) count(a attempt, o Outcome) {
	if a.start < s.refusals.storm {
		return
	}
	n := s.refusals.worked(a.seq, a.start, o.InFlight)
	s.accepted++
	s.most = max(s.most, n)
	share := 1 / min(float64(s.accepted), 64)
	off := float64(n) - s.usual
	s.usual += off * share
	s.spread += (off*off - s.spread) * share
	s.spread = settle(s.spread)
}

// double is the start: both levers, twice as far each round trip. A round trip is
// over when a quarter of what is in flight has succeeded that began in it, or,
// since a few say nothing of how long they take, eight, if that takes no more than
// a second.
func (s *seek) double(a attempt, o Outcome) {
	l := &s.slots
	switch {
	case s.doubled < 0:
		if s.latency.n < min(4, l.value/2) {
			return // of those in flight, the first to end is the quickest
		}
		if s.bounds.InitialLimit == s.bounds.MaxLimit {
			l.value = max(1, math.Floor(float64(s.bounds.MaxLimit)/10))
		}
	case a.start < s.doubled || float64(o.InFlight) < l.value/2 && !o.Paced:
		return
	default:
		if s.round++; float64(s.round) < max(l.value/4, min(8, l.value/s.latency.value)) {
			return
		}
		if s.queueing.recent.n >= 8 && s.latency.value >= noise {
			if longer := s.queueing.longer(l.value, 1); longer > 1 {
				s.crowd(longer)
				s.pace.value = max(s.pace.value, 4*l.value*longer/s.queueing.waited)
				l.value, l.rested = max(math.Floor(l.value/2), 1), s.now // to see how long they take alone
				s.endStart()
				s.settled = s.now + s.latency.value
				return
			}
		}
		if l.value == float64(s.bounds.MaxLimit) {
			s.room = min(2*s.room, 20)
		}
		l.value = min(2*l.value, float64(s.bounds.MaxLimit))
	}
	s.round, s.doubled, s.queueing.recent = 0, s.now, sample{}
	s.pace.value = min(s.room*l.value/max(s.latency.value, 1e-6), s.fastest())
}

// endStart ends the start. How long its attempts took, of which the quick ones ended
// first, is not comparable.
func (s *seek) endStart() {
	s.starting = false
	s.queueing, s.settled = queueing{}, s.now
}

// try ends the trial that is under way, or begins one: of the lever that holds
// attempts up, for only that makes a difference.
func (s *seek) try() {
	switch {
	case s.holdup.seen < 3:
	case s.pace.trial > 0:
		s.endPaceTrial()
	case s.slots.trial > 0:
		s.endSlotsTrial()
	default:
		s.beginTrial()
	}
}

func (s *seek) endPaceTrial() {
	if s.now < s.pace.until {
		return
	}
	s.pace.succeed()
	s.raised = s.now
	s.compare()
	s.holdup.begin(s.now)
}

func (s *seek) endSlotsTrial() {
	l := &s.slots
	switch {
	case s.now < l.until:
	case float64(s.holdup.peak) > l.value:
		l.succeed()
		s.holdup.begin(s.now)
	case s.now >= l.until+2*s.latency.value:
		l.cancel(s.now) // nobody wanted them
		s.holdup.begin(s.now)
	}
}

func (s *seek) beginTrial() {
	sent := s.holdup.rate()
	switch {
	case sent > 0.85*s.pace.value:
		s.tryPace()
	case float64(s.holdup.peak) > s.slots.value-1 && s.now >= s.rests(&s.slots):
		s.trySlots()
	case s.holdup.paced > 0.2 && s.pace.value < 4*sent: // it delays those that have a slot
		s.tryPace()
	}
}

// tryPace tries a faster pace, long enough for two attempts to be beyond what is
// known to work, and for a service that counts by the second to notice.
func (s *seek) tryPace() {
	p := &s.pace
	if s.now < s.rests(p) {
		return
	}
	to := p.next(s.fastest())
	if to <= p.value {
		return
	}
	p.try(to, s.now, s.now+max(2*s.echo(), min(s.latency.value, 0.1))+2/(to-p.value))
	s.holdup.begin(s.now)
}

// trySlots tries a higher limit. If nothing was ever refused, only how long attempts
// take can tell whether it is too high.
func (s *seek) trySlots() {
	l := &s.slots
	to := l.next(float64(s.bounds.MaxLimit))
	if to <= l.value {
		return
	}
	until := s.now + 2*s.echo()
	if s.answer.n == 0 {
		until = s.now + s.latency.value*(2+64/to)
	}
	l.try(to, s.now, until)
	s.holdup.begin(s.now)
}

// rests returns until when a lever is left alone: when what is known of it is close
// enough, until there are refusals to spend.
func (s *seek) rests(l *lever) float64 {
	if l.rising && (s.pause.value < 0.1 || l.far()) { // or a wrong step is dear
		return l.rested
	}
	wait := max(2*s.echo(), 4/s.pace.value)
	if !l.far() {
		wait = max(wait, 5*s.pause.value)
	}
	if l.close() {
		wait = max(wait, 1, 60/max(s.bank, 0.3), 100*s.pause.value, 2.5*s.downtime.period)
	}
	return l.rested + wait
}

// echo is how long it takes to hear of a refusal.
func (s *seek) echo() float64 {
	if s.answer.n > 0 {
		return s.answer.value
	}
	return s.latency.value
}

// refuse takes a refusal.
func (s *seek) refuse(a attempt, o Outcome) {
	s.answer.add(o.Took.Seconds())
	s.bank = max(s.bank-1, 0)
	n := s.refusals.worked(a.seq, a.start, o.InFlight)
	s.refusals.add(refusal{a.seq, a.start, s.now})
	s.miss(a)
	told, closed := s.told(a, o), a.start+o.RetryAfter.Seconds()
	switch {
	case s.downtime.is:
		s.downtime.lastMiss = max(s.downtime.lastMiss, closed)
	case s.closes(o):
		s.goDown()
		s.downtime.lastMiss = max(s.downtime.lastMiss, closed)
	case a.start < s.cut:
		s.late(n, told)
	default:
		if o.RetryAfter > 0 {
			s.pause.add(min(o.RetryAfter.Seconds(), 2))
		}
		s.lower(a, o, n, told)
	}
}

// closes reports whether nothing more will be accepted for a while: a window's quota
// is used up, nothing was for long, or it says so.
func (s *seek) closes(o Outcome) bool {
	return s.downtime.period > 0 ||
		s.downtime.silent(s.now, s.latency.value) ||
		o.RetryAfter > time.Second && o.RetryAfter.Seconds() > 5*s.latency.value
}

// late takes a refusal of an attempt that started before the last cut. It says
// nothing of what is in force now, but something of where the limit is.
func (s *seek) late(n int, told float64) {
	switch {
	case s.suspect == &s.slots:
		if to := float64(max(n-1, s.most, 1)); to < s.slots.value {
			s.slots.value, s.slots.failed = to, to+1
		}
		s.review = s.now + 1.5*s.echo()
	case told > 0:
		s.pace.value = min(max(told*0.999, s.pace.value), s.pace.failed)
	default:
		if s.edge > 0 && n > s.most {
			s.edge = min(s.edge, n)
		}
		s.pace.value = min(s.pace.value, s.refusals.bound(s.raised))
		s.review = s.now + 1.5*s.echo()
	}
}

// lower lowers the lever to which a refusal is put down.
func (s *seek) lower(a attempt, o Outcome, n int, told float64) {
	l, overrun := s.blame(a, o, n)
	failing, trial := s.pace.now(), s.pace.trial > 0
	switch {
	case s.starting:
		s.pace.fail(s.pace.value)
		s.pace.value /= 2
		s.endStart()
	case l == &s.slots:
		s.less(n)
	default:
		s.slower()
		if overrun {
			s.pace.failed = math.Inf(1)
		}
	}
	if told == 0 && !trial && l == &s.pace && o.RetryAfter > 0 {
		s.spreadBurst(a, o, failing)
	}
	if told > 0 && l == &s.pace {
		p := &s.pace
		atMost := 1 / (1/failing + o.RetryAfter.Seconds()) // if it had nothing left after the one before
		p.value = min(max(told*0.999, p.value), atMost)
		p.failed = max(atMost*1.001, p.value)
	}
	s.edge = 0
	if l == &s.pace && s.above(n) {
		s.edge = n
	}
	s.pace.trial, s.slots.trial = 0, 0
	s.suspect, l.rested = l, s.now
	s.lowered(a.start)
	if told > 0 && l == &s.pace {
		s.review = 0
	}
}

// spreadBurst lowers the pace for a bucket that was full again before the pause that
// it had asked for was over, and lets a burst through each time. What it can be given
// lies between what came of that and the pace that failed.
func (s *seek) spreadBurst(a attempt, o Outcome, failing float64) {
	if came := s.refusals.since(a, o.RetryAfter.Seconds()); came < failing {
		s.pace.value = min(s.pace.value, math.Sqrt(came*failing))
	}
}

// blame returns the lever to which a refusal is put down: the one that is on trial,
// or else the one that let the attempt through. With a limit on what is in flight,
// a service never refuses with fewer in flight than it accepts with, and always with
// as many; that is what tells which it is when the trial does not.
//
// If it is the pace, it may have been faster than anything was sent: overrun.
func (s *seek) blame(a attempt, o Outcome, n int) (l *lever, overrun bool) {
	switch {
	case s.starting || n == 1:
		return &s.pace, s.slots.trial > 0
	case s.slots.trial > 0 && a.start >= s.slots.begun:
		return &s.slots, false
	case s.edge > 0 && near(n, s.edge) && s.above(n) && s.accepted >= min(20, 3*n):
		return &s.slots, false
	case s.pace.trial > 0 && a.start >= s.pace.begun:
		return &s.pace, false
	case s.suspect == &s.pace && s.now < s.cut+4*s.echo():
		return &s.pace, false
	case s.suspect == &s.slots && s.now < s.cut+4*s.echo() && n > s.most:
		return &s.slots, false
	case o.Paced || float64(o.InFlight) < s.slots.value:
		return &s.pace, false
	case n < s.most:
		if sent := s.holdup.rate(); sent > 0 {
			s.pace.value = min(s.pace.value, sent)
		}
		return &s.pace, true
	}
	return &s.slots, false
}

// above reports whether the service worked on more than it ever accepted of late,
// or, since the count is off by those refusals that we have not heard of, on hardly
// fewer and on more than is usual.
func (s *seek) above(n int) bool {
	x := float64(n)
	return n > s.most || n > 20 && x >= 0.97*float64(s.most) && x > s.usual+1.5*math.Sqrt(s.spread)
}

// near reports whether two counts may be of the same limit.
func near(a, b int) bool { return math.Abs(float64(a-b)) <= max(1, 0.05*float64(b)) }

// less lowers the limit below what the service worked on when it refused; twice as
// far with each refusal without an attempt accepted in between.
func (s *seek) less(n int) {
	l := &s.slots
	by := 1.0
	if run := len(s.refusals.run()); run > 1 {
		by = math.Pow(2, float64(min(run, 10)-1))
	}
	to := max(min(float64(n), l.now())-by, l.now()/2, 1)
	failed := to + by
	if l.trial > 0 && by == 1 {
		failed = max(failed, l.value)
	}
	l.fail(failed)
	l.value = to
}

// slower lowers the pace: after a trial, to what it was, else to what has been
// accepted.
func (s *seek) slower() {
	p := &s.pace
	trial, storm := p.trial > 0, s.accepted < 8 || s.downtime.misses >= 3
	value, failed := p.value, p.failed
	if s.downtime.misses <= 1 {
		s.known = failed
	}
	p.fail(p.now())
	bound := s.refusals.bound(s.raised)
	switch {
	case trial:
	case !storm:
		bound = min(max(bound, 0.97*value), 0.995*value)
	case math.IsInf(bound, 1):
		bound = 0.7 * value
	default:
		bound = min(bound, 0.995*value)
	}
	p.value = min(p.value, bound)
	s.compare()
	if !trial && storm { // it is not known closely
		p.failed = max(failed, s.known)
	}
}

// look looks again at what is known of the rate when all refusals of a storm have
// been heard of.
func (s *seek) look() {
	if s.review == 0 || s.now < s.review {
		return
	}
	s.review = 0
	bound := s.refusals.bound(s.raised)
	if s.pace.trial == 0 && s.suspect != &s.slots && bound > s.pace.value && !math.IsInf(bound, 1) {
		s.pace.value = min(bound, s.pace.failed)
	}
}

// lowered notes that there is less now, since a refusal of an attempt that started
// then.
func (s *seek) lowered(start float64) {
	if s.accepted >= 8 || s.refusals.storm == 0 {
		s.refusals.storm = start
	}
	s.review = s.now + 1.5*s.echo()
	s.cut = s.now
	s.most, s.accepted = 0, 0
	s.holdup.begin(s.now)
}

// told returns the rate of a service that says exactly when it will accept again:
// what it accepted between two such times is what it was given. 0: it does not say
// so, or not twice.
func (s *seek) told(a attempt, o Outcome) float64 {
	if o.RetryAfter == 0 || o.RetryAfter%time.Second == 0 {
		return 0
	}
	before := s.token
	s.token = attempt{a.seq, a.start + o.RetryAfter.Seconds()}
	if before.seq == 0 || before.start < s.raised || s.token.seq <= before.seq || s.token.start <= before.start {
		return 0
	}
	return float64(s.refusals.accepted(before.seq, a.seq)) / (s.token.start - before.start)
}

// compare notes whether the service's rate is another than it was. At the start it is
// not known yet.
func (s *seek) compare() {
	rate := s.pace.value
	switch {
	case s.rate == 0 || s.now < 30:
		s.rate = rate
	case rate < 0.8*s.rate || rate > 1.25*s.rate:
		s.rate, s.changed = rate, s.now
	}
}

// fail takes a failure. One says nothing of the limit. Many in a row say that the
// service is down; and if far more fail than did before, it is too much for it, and
// they are refusals by another name.
func (s *seek) fail(a attempt, o Outcome) {
	s.failed(1)
	if s.lately > 0.2 && s.lately > 3*s.always {
		s.refuse(a, o)
		return
	}
	s.miss(a)
	switch {
	case s.downtime.is:
		s.downtime.lastMiss = max(s.downtime.lastMiss, a.start)
	case s.downtime.failing(o.InFlight):
		s.goDown()
	}
}

// failed counts what share of attempts fails: of the last 64 or so, and of the last
// 1,024.
func (s *seek) failed(one float64) {
	s.ended = min(s.ended+1, 1024)
	s.lately = settle(s.lately + (one-s.lately)/64)
	s.always = settle(s.always + (one-s.always)/s.ended)
}

func (s *seek) miss(a attempt) {
	s.downtime.miss(a, pressure{s.pace.value, s.slots.value, !s.starting && s.accepted >= 10})
}

// goDown has the service be asked now and then whether it is there again.
func (s *seek) goDown() {
	s.downtime.start(s.newest)
	s.pace.trial, s.slots.trial = 0, 0
	if s.starting {
		s.endStart()
	}
}

// revive goes on where we were.
func (s *seek) revive(a attempt) {
	long := a.start-s.downtime.since > 10
	rate, window := s.downtime.end(a)
	s.pace.value, s.slots.value = rate, s.downtime.pressed.slots
	switch {
	case window:
		s.pace.failed = 1.01 * rate
	case long:
		s.pace.failed = math.Inf(1) // that was of another day
	}
	s.pace.sane()
	s.slots.sane()
	s.refusals.list = s.refusals.list[:0]
	s.lowered(s.now)
	s.pace.rested, s.slots.rested = s.now, s.now
	s.downtime.pressed = pressure{rate: s.pace.value, slots: s.slots.value}
}

// noise is a latency, in seconds, below which a difference is the scheduler's.
const noise = 100e-6

// waits looks whether attempts wait for one another at the service. If so, what is in
// flight beyond what it works on only makes them slower.
func (s *seek) waits(a attempt, o Outcome) bool {
	if a.start < s.settled || s.latency.value < noise {
		return false
	}
	q := &s.queueing
	q.add(s.now, o.Took.Seconds())
	if q.recent.n < 64 || s.now < q.since+2*s.latency.value {
		return false
	}
	longer := q.longer(s.slots.now(), 2)
	if longer == 1 {
		return false
	}
	s.crowd(longer)
	return true
}

// crowd lowers the limit by as much as attempts take longer, and lets it be for long,
// since nothing is gained by more.
func (s *seek) crowd(longer float64) {
	l := &s.slots
	was := l.now()
	l.fail(was)
	l.value = max(was/min(longer, 2), 1)
	l.rested, s.suspect = s.now+20*(s.now-s.queueing.since), l
	s.pace.trial = 0
	s.lowered(s.now)
	s.settled = s.now + s.latency.value
}

// settle returns x, or 0 if it is next to nothing. A mean that only shrinks would end
// at numbers so small that a processor takes a hundred times as long for them.
func settle(x float64) float64 {
	if x < 1e-9 {
		return 0
	}
	return x
}
