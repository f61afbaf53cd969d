package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A scenario is a service drawn at random and those who call it.
type scenario struct {
	family   string
	about    string // in a few words
	service  service
	latency  latency
	workers  int           // each client is allowed
	clients  int           // that share the service
	timeout  time.Duration // callers give up after it; 0: never
	attempts int           // that a job may have
	park     bool          // a job that backs off holds no worker
	breaker  bool          // ours has one too
	length   time.Duration
	oracle   float64 // successes of clients that know the service exactly
	tokens   func() int64

	bad       func() bool // draws whether the next job always goes wrong; nil: none does
	rows      *rows       // nil: jobs without end
	reference finish      // of rows: when a client that knows the service exactly has them back
}

// size is how many jobs can be done in a run.
func (s scenario) size() float64 {
	if s.rows != nil {
		return float64(s.rows.total())
	}
	return s.oracle
}

// The families of services, in the order of the table.
var families = []string{
	"rate", "rate, hints", "rate steps", "window", "concurrency", "concurrency steps",
	"queue", "outage", "noise", "shared", "drift",
	"bad rows", "chance", "hosted model", "pauses", "sliding window", "mixed", poolFamily,
}

// withoutFaults is how many of the families have services at which neither jobs nor chance are at fault, noise excepted.
const withoutFaults = 11

const (
	slowest, fastest = 1, 2000 // attempts a second
	mostBurst        = 100
	mostAtOnce       = 500
	meanTokens       = 1000 // of a job
)

// draw draws a service of the family and those who call it for so long.
func draw(family string, random *rand.Rand, length time.Duration) scenario {
	d := dice{random, length}
	s := scenario{family: family, latency: d.latency(), clients: 1, attempts: 5, park: true, length: length}
	s.tokens = func() int64 { return 1 }
	switch family {
	case "rate":
		d.rate(&s, constant(logUniform(random, slowest, fastest)), silent)
	case "rate, hints":
		d.rate(&s, constant(logUniform(random, slowest, fastest)), hints(1+random.IntN(3)))
	case "rate steps":
		d.rate(&s, steps(random, slowest, fastest, length), hints(random.IntN(2)))
	case "window":
		d.window(&s)
	case "concurrency":
		d.slots(&s, func() limit { return constant(math.Floor(logUniform(random, 1, mostAtOnce+1))) })
	case "concurrency steps":
		d.slots(&s, func() limit { return steps(random, 1, mostAtOnce, length) })
	case "queue":
		d.queue(&s)
	case "outage":
		d.outage(&s)
	case "noise":
		d.noise(&s)
	case "shared":
		d.shared(&s)
	case "drift":
		if random.IntN(2) == 0 {
			d.rate(&s, tide(random, logUniform(random, slowest, fastest/1.6)), silent)
		} else {
			d.slots(&s, func() limit { return tide(random, logUniform(random, 2, mostAtOnce/1.6)) })
		}
	case "bad rows":
		d.badRows(&s)
	case "chance":
		d.chance(&s)
	case "hosted model":
		d.hosted(&s)
	case "pauses":
		d.pauses(&s)
	case "sliding window":
		d.sliding(&s)
	case "mixed":
		s = d.mixed()
	case poolFamily:
		d.pool(&s)
	default:
		panic(fmt.Sprintf("no family is named %q", family))
	}
	return s
}

// dice draw services.
type dice struct {
	*rand.Rand
	length time.Duration
}

func (d dice) latency() latency {
	mean := logUniform(d.Rand, 0.005, 5)
	return latency{d.Rand, time.Duration(mean * float64(time.Second)), uniform(d.Rand, 0.05, 0.5)}
}

// manners are those of a service that refuses at once, or after as long as it takes to do the work.
func (d dice) manners(s *scenario, h hints) manners {
	m := manners{latency: s.latency, hints: h}
	if d.IntN(2) == 0 {
		m.refusal = min(time.Duration(uniform(d.Rand, 1, 5)*float64(time.Millisecond)), s.latency.mean)
	}
	return m
}

// allow allows 2 to 10 times more workers than are needed.
func (d dice) allow(s *scenario, needed float64) {
	s.workers = max(int(math.Ceil(needed*uniform(d.Rand, 2, 10))), 2)
}

func (d dice) rate(s *scenario, l limit, h hints) {
	burst := math.Floor(logUniform(d.Rand, 1, mostBurst+1))
	m := d.manners(s, h)
	s.service = newBucket(m, l, burst)
	highest := 0.0
	for t := time.Duration(0); t < d.length; t += time.Second {
		highest = max(highest, l.at(t))
	}
	d.allow(s, highest*s.latency.mean.Seconds())
	s.oracle = burst + l.total(d.length-min(s.latency.mean, d.length))
	s.about = fmt.Sprintf("%.3g/s, burst %.0f, %s", l.at(0), burst, m)
}

func (d dice) window(s *scenario) {
	rate := logUniform(d.Rand, slowest, fastest)
	w := &window{length: time.Minute, tokens: d.IntN(2) == 0}
	w.manners = d.manners(s, []hints{silent, silent, precise, detailed}[d.IntN(4)])
	w.phase = time.Duration(uniform(d.Rand, 0, 1) * float64(w.length))
	s.service = w
	w.quota = int64(rate * w.length.Seconds())
	if w.tokens {
		w.quota *= meanTokens
		cost := latency{d.Rand, meanTokens, 0.5} // the same distribution, in tokens
		s.tokens = func() int64 { return int64(cost.draw()) }
	}
	d.allow(s, rate*s.latency.mean.Seconds())
	turns := 0.0
	for t := w.length - w.phase; t < d.length-s.latency.mean; t += w.length {
		turns += min((d.length-s.latency.mean-t).Seconds()*float64(s.workers)/s.latency.mean.Seconds()/(rate*w.length.Seconds()), 1)
	}
	first := min((w.length-w.phase).Seconds()*float64(s.workers)/s.latency.mean.Seconds()/(rate*w.length.Seconds()), 1)
	s.oracle = rate * w.length.Seconds() * (first + turns)
	unit := "requests"
	if w.tokens {
		unit = "tokens"
	}
	s.about = fmt.Sprintf("%.3g/s, %s by the minute, %s", rate, unit, w.manners)
}

// slots draws limits until their rate is within bounds, to keep runs short.
func (d dice) slots(s *scenario, draw func() limit) {
	l, highest, sum := limit{}, 0.0, 0.0
	for {
		l, highest, sum = draw(), 0, 0
		for t := time.Duration(0); t < d.length; t += time.Second {
			highest = max(highest, math.Floor(l.at(t)))
			sum += max(math.Floor(l.at(t)), 0)
		}
		if highest/s.latency.mean.Seconds() <= fastest {
			break
		}
		s.latency = d.latency()
	}
	m := d.manners(s, silent)
	s.service = &slots{manners: m, most: l}
	d.allow(s, highest)
	mean := sum / math.Ceil(d.length.Seconds())
	s.oracle = slotted(mean, s.latency, d.length)
	s.about = fmt.Sprintf("%.0f at once, %s", l.at(0), m)
}

// slotted is how many attempts n slots do that are never empty (a renewal process).
func slotted(n float64, l latency, length time.Duration) float64 {
	return n * (length.Seconds()/l.mean.Seconds() - (1-l.cv2())/2)
}

func (d dice) queue(s *scenario) {
	n := 0
	for {
		n = int(logUniform(d.Rand, 1, mostAtOnce+1))
		if float64(n)/s.latency.mean.Seconds() <= fastest {
			break
		}
		s.latency = d.latency()
	}
	s.service = &queue{manners: manners{latency: s.latency}, servers: n}
	d.allow(s, float64(n))
	s.timeout = max(time.Duration(uniform(d.Rand, 4, 10)*float64(s.latency.mean)), 2*s.latency.p99())
	s.oracle = slotted(float64(n), s.latency, d.length)
	s.about = fmt.Sprintf("%d servers, latency %v ± %.2g, callers give up after %v", n,
		s.latency.mean.Round(time.Millisecond), s.latency.sigma, s.timeout.Round(10*time.Millisecond))
}

func (d dice) outage(s *scenario) {
	if d.IntN(2) == 0 {
		d.rate(s, constant(logUniform(d.Rand, slowest, fastest)), silent)
	} else {
		d.slots(s, func() limit { return constant(math.Floor(logUniform(d.Rand, 1, mostAtOnce+1))) })
	}
	lasts := min(time.Duration(logUniform(d.Rand, 10, 300)*float64(time.Second)), d.length/2)
	from := time.Duration(d.Float64() * float64(d.length-lasts))
	o := &outage{service: s.service, manners: d.manners(s, silent), from: from, to: from + lasts}
	o.status = []status{refused, failed}[d.IntN(2)]
	s.service = o
	s.oracle *= 1 - lasts.Seconds()/d.length.Seconds()
	s.about += fmt.Sprintf("; down from %.0fs to %.0fs, %s", from.Seconds(), o.to.Seconds(), []string{"", "refusing", "failing"}[o.status])
}

func (d dice) noise(s *scenario) {
	for {
		s.workers = int(logUniform(d.Rand, 1, mostAtOnce+1))
		if float64(s.workers)/s.latency.mean.Seconds() <= fastest {
			break
		}
		s.latency = d.latency()
	}
	n := &noise{manners: d.manners(s, silent), share: logUniform(d.Rand, 0.005, 0.05)}
	s.service = n
	failure := n.refusal
	if failure == 0 {
		failure = s.latency.mean
	}
	each := s.latency
	each.mean += time.Duration(n.share / (1 - n.share) * float64(failure))
	s.oracle = slotted(float64(s.workers), each, d.length)
	s.about = fmt.Sprintf("%d workers, %.2g%% errors, %s", s.workers, 100*n.share, n.manners)
}

func (d dice) shared(s *scenario) {
	s.clients = 2 + d.IntN(19)
	n := float64(s.clients)
	if d.IntN(2) == 0 {
		d.rate(s, constant(logUniform(d.Rand, n*slowest, fastest)), silent)
	} else {
		d.slots(s, func() limit { return constant(math.Floor(logUniform(d.Rand, n, mostAtOnce+1))) })
	}
	s.workers = max(s.workers/s.clients, 2)
	s.about = fmt.Sprintf("%d clients, %s", s.clients, s.about)
}

func (m manners) String() string {
	refusals := "fast"
	if m.refusal == 0 {
		refusals = "slow"
	}
	hints := []string{"no hints", "says when to come again", "says so in seconds", "says what is left", "asks for " + m.pause.String()}[m.hints]
	return fmt.Sprintf("latency %v ± %.2g, %s refusals, %s", m.latency.mean.Round(time.Millisecond), m.latency.sigma, refusals, hints)
}

func uniform(random *rand.Rand, from, to float64) float64 { return from + random.Float64()*(to-from) }

func logUniform(random *rand.Rand, from, to float64) float64 {
	return math.Exp(uniform(random, math.Log(from), math.Log(to)))
}
