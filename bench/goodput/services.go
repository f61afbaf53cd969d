package main

import (
	"container/heap"
	"math"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A service answers attempts. Times are since the run's beginning and never go back.
type service interface {
	// Arrive takes an attempt of a job that reaches the service now.
	Arrive(now time.Duration, j job) answer
	// Truth returns its true limits.
	Truth(now time.Duration) truth
}

// An answer is what comes of an attempt.
type answer struct {
	After  time.Duration // until the caller hears of it
	Status status
	Fault  fault          // whose it is if it is not ok
	Hint   *pipeline.Hint // what the service says of its limits; nil: nothing
	Other  *pipeline.Hint // the same of another limit
}

type status uint8

const (
	ok      status = iota
	refused        // no work was done
	failed
)

// A fault says why an attempt went wrong.
type fault uint8

const (
	byService fault = iota // too much was asked of it, or it is away
	byChance               // whatever the pressure
	byJob                  // whatever attempt of it goes wrong
)

// A truth is what a client would like to know; 0 is no limit.
type truth struct {
	Rate        float64 // attempts a second
	Concurrency float64
	Down        bool
}

// manners say how a service answers.
type manners struct {
	latency latency
	refusal time.Duration // until a refusal is heard of; 0: as long as a success takes
	hints   hints
	pause   time.Duration // that refusals ask for if hints is pausing
}

type hints uint8

const (
	silent   hints = iota
	precise        // refusals say when to come again
	seconds        // the same in whole seconds, rounded up, as Retry-After
	detailed       // every answer says what is left and when it is whole again; refusals are precise
	pausing        // refusals ask for the same pause each
)

func (m *manners) accept() answer { return answer{After: m.latency.draw(), Status: ok} }

func (m *manners) refuse(retryAfter time.Duration) answer {
	a := answer{After: m.refusal, Status: refused}
	if m.refusal == 0 {
		a.After = m.latency.draw()
	}
	switch m.hints {
	case precise, detailed:
		a.Hint = &pipeline.Hint{RetryAfter: retryAfter}
	case seconds:
		a.Hint = &pipeline.Hint{RetryAfter: (retryAfter + time.Second - 1).Truncate(time.Second)}
	case pausing:
		a.Hint = &pipeline.Hint{RetryAfter: m.pause}
	}
	return a
}

// bucket limits the rate.
type bucket struct {
	manners
	rate   limit
	burst  float64
	tokens float64
	at     time.Duration
}

func newBucket(m manners, rate limit, burst float64) *bucket {
	return &bucket{manners: m, rate: rate, burst: burst, tokens: burst}
}

func (b *bucket) Arrive(now time.Duration, _ job) answer {
	b.tokens = min(b.tokens+b.rate.total(now)-b.rate.total(b.at), b.burst)
	b.at = now
	rate := b.rate.at(now)
	after := func(tokens float64) time.Duration {
		return time.Duration(math.Ceil(max(tokens, 0) / rate * float64(time.Second)))
	}
	var a answer
	if b.tokens < 1 {
		a = b.refuse(after(1 - b.tokens))
	} else {
		b.tokens--
		a = b.accept()
	}
	if b.hints == detailed {
		if a.Hint == nil {
			a.Hint = new(pipeline.Hint)
		}
		a.Hint.Limit, a.Hint.Remaining, a.Hint.Reset = int64(b.burst), int64(b.tokens), after(b.burst-b.tokens)
	}
	return a
}

func (b *bucket) Truth(now time.Duration) truth { return truth{Rate: b.rate.at(now)} }

// window has a quota that is whole again at each turn.
type window struct {
	manners
	quota  int64
	length time.Duration
	phase  time.Duration
	tokens bool // else requests
	turn   int64
	left   int64
}

func (w *window) Arrive(now time.Duration, j job) answer {
	turn := int64((now+w.phase)/w.length) + 1
	if turn != w.turn {
		w.turn, w.left = turn, w.quota
	}
	reset := time.Duration(turn)*w.length - w.phase - now
	cost := int64(1)
	if w.tokens {
		cost = j.tokens
	}
	var a answer
	if w.left < cost {
		a = w.refuse(reset)
	} else {
		w.left -= cost
		a = w.accept()
	}
	if w.hints == detailed {
		if a.Hint == nil {
			a.Hint = new(pipeline.Hint)
		}
		if !w.tokens || a.Status == refused {
			a.Hint.Limit, a.Hint.Remaining, a.Hint.Reset = w.quota, w.left, reset
		}
		if w.tokens {
			a.Hint.Budget = "tokens"
		}
	}
	return a
}

func (w *window) Truth(time.Duration) truth {
	rate := float64(w.quota) / w.length.Seconds()
	if w.tokens {
		rate /= meanTokens
	}
	return truth{Rate: rate}
}

// slots limit how many attempts may be worked on at a time.
type slots struct {
	manners
	most limit
	busy times
}

func (s *slots) Arrive(now time.Duration, _ job) answer {
	s.busy.until(now)
	if float64(len(s.busy)) >= math.Floor(s.most.at(now)) {
		return s.refuse(0)
	}
	a := s.accept()
	heap.Push(&s.busy, now+a.After-min(trip, a.After/20))
	return a
}

// trip is how long an answer takes to its caller, by when its slot is free already.
// Without it a caller could come again at the same instant, and nobody else ever would.
const trip = time.Millisecond

func (s *slots) Truth(now time.Duration) truth {
	return truth{Concurrency: math.Floor(s.most.at(now))}
}

// queue refuses nothing: what cannot be worked on waits, also when its caller has given up.
type queue struct {
	manners
	servers int
	free    times // when each server is free again
}

func (q *queue) Arrive(now time.Duration, _ job) answer {
	start := now
	if len(q.free) == q.servers {
		start = max(now, heap.Pop(&q.free).(time.Duration))
	}
	a := q.accept()
	heap.Push(&q.free, start+a.After)
	a.After += start - now
	return a
}

func (q *queue) Truth(time.Duration) truth { return truth{Concurrency: float64(q.servers)} }

// outage is a service that does not work for a while.
type outage struct {
	service
	manners
	from, to time.Duration
	status   status
}

func (o *outage) Arrive(now time.Duration, j job) answer {
	if now < o.from || now >= o.to {
		return o.service.Arrive(now, j)
	}
	a := o.refuse(0)
	a.Status = o.status
	return a
}

func (o *outage) Truth(now time.Duration) truth {
	t := o.service.Truth(now)
	t.Down = now >= o.from && now < o.to
	return t
}

// noise is a service without a limit that fails now and then.
type noise struct {
	manners
	share float64
}

func (n *noise) Arrive(time.Duration, job) answer {
	if n.latency.random.Float64() >= n.share {
		return n.accept()
	}
	a := n.refuse(0)
	a.Status, a.Fault = failed, byChance
	return a
}

func (n *noise) Truth(time.Duration) truth { return truth{} }

// times is a heap.
type times []time.Duration

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i] < t[j] }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(time.Duration)) }
func (t *times) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}

// until takes out what is over by now.
func (t *times) until(now time.Duration) {
	for len(*t) > 0 && (*t)[0] <= now {
		heap.Pop(t)
	}
}
