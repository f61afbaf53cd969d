package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A fault is how an attempt goes wrong.
type fault int

const (
	none           fault = iota
	plainError           // an error that says nothing
	fatalError           // Fatal
	transientError       // Transient
	shed                 // Overloaded, without a time
	shedFor              // Overloaded, with one
	hintedError          // an error with a method RetryAfter
	panicking            // with an error
	exits                // runtime.Goexit
	cancels              // context.Canceled, though nobody cancelled
	hangs                // until the context is done
	deaf                 // slow, without a look at the context
	quota                // tells what is left of a quota, and succeeds
	interrupted          // the context was done before the service had answered
	outage               // the service is down
	overRate             // refused: too many in a second
	overCrowd            // refused: too many at once
	faultKinds
)

var faultNames = [faultKinds]string{
	"none", "error", "Fatal", "Transient", "Overloaded", "Overloaded for a time", "error with RetryAfter", "panic", "Goexit",
	"context.Canceled", "hangs", "deaf and slow", "success with a Hint", "context ended", "outage", "over the rate limit",
	"over the concurrency limit",
}

func (f fault) String() string { return faultNames[f] }

// final reports whether no other attempt may follow it.
func (f fault) final() bool {
	return f == fatalError || f == panicking || f == exits || f == cancels
}

// A failure is the error of one attempt, and of no other.
type failure struct {
	job    job
	number int
	fault  fault
	cause  error
}

func (f *failure) Error() string {
	return fmt.Sprintf("attempt %d of job %v: %v", f.number, f.job, f.fault)
}

func (f *failure) Unwrap() error { return f.cause }

// hinted is a failure that says when to come again.
type hinted struct {
	*failure
	after time.Duration
}

func (h hinted) Unwrap() error             { return h.failure }
func (h hinted) RetryAfter() time.Duration { return h.after }

// An answer is what the service does with an attempt.
type answer struct {
	fault  fault
	takes  time.Duration
	after  time.Duration // to be left alone for
	tokens int64         // to record; below 0: none
	hint   pipeline.Hint
}

// A service answers, well or not, as the weather is.
type service struct {
	soak *soak

	mu       sync.Mutex
	sky      sky
	inFlight int
	second   time.Time // that accepted counts
	accepted int
}

// A sky is the weather of a service.
type sky struct {
	share    float64       // of attempts that go wrong by chance
	latency  time.Duration // of the others, about
	outage   fault         // how attempts end while it is down; none: it is up
	perStep  int           // attempts a second; 0: any number
	together int           // attempts at once; 0: any number
}

// weather changes the sky until the soak is over.
func (s *service) weather(d *dice) {
	for !s.soak.isOver() {
		s.turn(d.sky())
		s.soak.pause(d.between(3*time.Second, 40*time.Second))
	}
	s.turn(sky{})
}

func (s *service) turn(to sky) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sky = to
}

// sky makes up a weather.
func (d *dice) sky() sky {
	next := sky{
		share:   pick(d, 0, 0.01, 0.05, 0.3),
		latency: pick(d, 0, d.between(time.Millisecond, 300*time.Millisecond)),
		outage:  none,
	}
	if d.oneIn(2) {
		next.perStep = d.from(5, 200)
	}
	if d.oneIn(2) {
		next.together = d.from(1, 20)
	}
	if d.oneIn(6) {
		next.outage = pick(d, outage, shed, shedFor, hangs)
	}
	return next
}

// answer tells what becomes of an attempt. What is chance depends on the seed,
// the job and the attempt only.
func (s *service) answer(j job, number int) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.soak.dice(j.client, j.number, number)
	s.inFlight++
	a := answer{
		fault:  s.fault(d),
		takes:  d.around(s.sky.latency),
		after:  d.between(time.Millisecond, 5*time.Second),
		tokens: j.used(d),
	}
	switch a.fault {
	case deaf:
		a.takes = d.between(time.Second, 20*time.Second)
	case hangs:
		a.takes = d.between(time.Second, 2*time.Minute) // then the connection breaks
	case quota:
		a.hint = d.hint()
	case overRate, overCrowd:
		a.takes = 0
	}
	return a
}

// fault decides whether the attempt goes wrong, and how.
func (s *service) fault(d *dice) fault {
	switch {
	case s.soak.isOver():
		return none
	case s.sky.outage != none:
		return s.sky.outage
	case s.sky.together > 0 && s.inFlight > s.sky.together:
		return overCrowd
	case s.overRate():
		return overRate
	case d.Float64() < s.sky.share:
		return fault(d.from(int(plainError), int(quota)))
	}
	return none
}

// overRate reports whether the second has had its attempts.
func (s *service) overRate() bool {
	now := time.Now()
	if now.Sub(s.second) >= s.soak.scaled(time.Second) {
		s.second, s.accepted = now, 0
	}
	s.accepted++
	return s.sky.perStep > 0 && s.accepted > s.sky.perStep
}

func (s *service) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// used is what an attempt records, at most the job's cost if it has one.
func (j job) used(d *dice) int64 {
	switch {
	case d.oneIn(2):
		return -1
	case j.tokens > 0:
		return d.Int64N(j.tokens + 1)
	case j.tokens == 0:
		return 0
	}
	return d.Int64N(40)
}

func (d *dice) hint() pipeline.Hint {
	h := pipeline.Hint{
		Limit:     int64(d.from(10, 1000)),
		Reset:     d.between(time.Second, 20*time.Second),
		Budget:    pick(d, "", "", "fine", "coarse", "shared", "of nobody"),
		Remaining: int64(d.from(0, 500)),
	}
	if d.oneIn(3) {
		h.RetryAfter = d.between(10*time.Millisecond, 5*time.Second)
	}
	return h
}

// An attempt is one that the service is at work on.
type attempt struct {
	station *station
	job     job
	number  int
	answer  answer
	spent   []*spending
	last    *failure
}

// work is one attempt at a job.
func (st *station) work(ctx context.Context, j job) (out int, err error) {
	slot := pipeline.SlotFrom(ctx)
	a := st.begin(j, slot.Attempt())
	a.fail(exits, nil) // unless something else comes of it
	defer a.end()
	if a.answer.tokens >= 0 {
		slot.RecordTokens(a.answer.tokens)
	}
	if !a.pass(ctx) {
		return 0, a.fail(interrupted, ctx.Err())
	}
	if a.answer.fault == quota {
		slot.Hint(a.answer.hint)
	}
	if err := a.outcome(); err != nil {
		return 0, err
	}
	a.last = nil
	return j.output(), nil
}

// fail notes what the attempt ends with.
func (a *attempt) fail(f fault, cause error) *failure {
	a.last = &failure{job: a.job, number: a.number, fault: f, cause: cause}
	return a.last
}

// pass lets the answer's time pass. It returns false if the context ended it.
func (a *attempt) pass(ctx context.Context) bool {
	over := a.station.soak.over
	switch {
	case a.answer.takes == 0:
		return ctx.Err() == nil
	case a.answer.fault == deaf:
		ctx = context.Background()
	}
	select {
	case <-ctx.Done():
		return false
	case <-over:
	case <-time.After(a.answer.takes):
	}
	return true
}

// outcome is the error that the service answers with.
func (a *attempt) outcome() error {
	f := a.answer.fault
	switch f {
	case none, quota, deaf:
		return nil
	case fatalError:
		return pipeline.Fatal(a.fail(f, nil))
	case transientError:
		return pipeline.Transient(a.fail(f, nil))
	case shed:
		return pipeline.Overloaded(a.fail(f, nil), 0)
	case overRate, overCrowd, shedFor:
		return pipeline.Overloaded(a.fail(f, nil), a.answer.after)
	case hintedError:
		return hinted{a.fail(f, nil), a.answer.after}
	case panicking:
		panic(a.fail(f, nil))
	case exits:
		runtime.Goexit()
	case cancels:
		return a.fail(f, context.Canceled)
	}
	return a.fail(f, nil)
}
