package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// TestMain tries each property on a few schedules only, unless -rapid.checks
// says otherwise, and looks for goroutines that were left over.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", schedules); err != nil {
		panic(err)
	}
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// attack tries a property on random schedules. draw makes one up; what it
// returns plays it in a bubble of virtual time, which also sees to it that no
// goroutine is left over, and notes what is wrong.
func attack(t *testing.T, draw func(*rapid.T) func(*faults)) {
	t.Helper()
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		play := draw(rt)
		var f faults
		synctest.Test(t, func(*testing.T) { play(&f) })
		if len(f.found) > 0 {
			rt.Fatal(strings.Join(f.found, "\n"))
		}
	})
}

// faults collects what is wrong, from any goroutine.
type faults struct {
	mu    sync.Mutex
	found []string
}

func (f *faults) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.found) < 10 {
		f.found = append(f.found, fmt.Sprintf(format, args...))
	}
}

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		f.add(format, args...)
	}
}

// An ending is how an attempt ends.
type ending int

const (
	succeeds ending = iota
	fails
	failsFatally
	failsTransiently
	refuses  // with Overloaded
	hints    // with an error that has a method RetryAfter
	panics   // with a string
	exits    // its goroutine
	cancels  // returns context.Canceled though nobody cancelled
	timesOut // returns context.DeadlineExceeded though nothing timed out
	hangs    // until its context is done
)

// An answer is what the service does with an attempt.
type answer struct {
	ending ending
	takes  time.Duration
	after  time.Duration // to be left alone for; of refuses and hints
	tokens int64         // to record; 0: none
	spends string        // resource that it says is used up; empty: none
	deaf   bool          // does not look at the context while it works
}

var errService = errors.New("service failed")

// hintError is an error of the user's own that says when to come again.
type hintError struct{ after time.Duration }

func (e hintError) Error() string             { return "busy" }
func (e hintError) RetryAfter() time.Duration { return e.after }

// An attempt is an entry in the service's log.
type attempt struct {
	job, number int
	start, end  time.Time
	inFlight    int // when it started, itself included
	answer      answer
	err         error // that it returned
}

// A service answers jobs as it is told and keeps a log, in the time of the
// bubble.
type service struct {
	answer func(job, number int) answer
	clock  clock.Clock // of the log; nil: the bubble's

	mu       sync.Mutex
	log      []*attempt
	inFlight int
	most     int // in flight, ever
	attempts map[int]int
}

// always is a service that answers each attempt alike.
func always(a answer) *service {
	return &service{answer: func(int, int) answer { return a }}
}

func (s *service) now() time.Time {
	if s.clock != nil {
		return s.clock.Now()
	}
	return time.Now()
}

func (s *service) begin(job int) *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempts == nil {
		s.attempts = make(map[int]int)
	}
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	a := &attempt{job: job, number: s.attempts[job], start: s.now(), inFlight: s.inFlight}
	s.attempts[job]++
	a.answer = s.answer(job, a.number)
	s.log = append(s.log, a)
	return a
}

func (s *service) finish(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	a.end = s.now()
}

// work is the service's Work. A job's output is its square.
func (s *service) work(ctx context.Context, job int) (int, error) {
	a := s.begin(job)
	defer s.finish(a)
	pass(ctx, a.answer)
	if a.answer.tokens > 0 {
		pipeline.SlotFrom(ctx).RecordTokens(a.answer.tokens)
	}
	if r := a.answer.spends; r != "" {
		pipeline.SlotFrom(ctx).Hint(pipeline.Hint{Limit: 3, Reset: 50 * time.Millisecond, Budget: r, Requests: true, Resource: r})
	}
	a.err = a.answer.err(ctx)
	return job * job, a.err
}

// pass lets the answer's time pass.
func pass(ctx context.Context, a answer) {
	switch {
	case a.takes <= 0:
	case a.deaf:
		time.Sleep(a.takes)
	default:
		timer := time.NewTimer(a.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

func (a answer) err(ctx context.Context) error {
	switch a.ending {
	case fails:
		return errService
	case failsFatally:
		return pipeline.Fatal(errService)
	case failsTransiently:
		return pipeline.Transient(errService)
	case refuses:
		return pipeline.Overloaded(errService, a.after)
	case hints:
		return hintError{a.after}
	case panics:
		panic("service panicked")
	case exits:
		runtime.Goexit()
	case cancels:
		return context.Canceled
	case timesOut:
		return context.DeadlineExceeded
	case hangs:
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// of returns the log of one job.
func (s *service) of(job int) (log []*attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.log {
		if a.job == job {
			log = append(log, a)
		}
	}
	return log
}

// count returns how many attempts have started.
func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// starts returns how long after begin each attempt started.
func (s *service) starts(begin time.Time) (starts []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.log {
		starts = append(starts, a.start.Sub(begin))
	}
	return starts
}

type (
	result = pipeline.Result[int, int]
	line   = pipeline.Pipeline[int, int]
)

// feed returns a closed channel of n jobs.
func feed(n int) <-chan int {
	jobs := make(chan int, n)
	for i := range n {
		jobs <- i
	}
	close(jobs)
	return jobs
}

// exact returns the spread of a test that asks for none: pauses end when they are to.
func exact(spread float64) float64 {
	if spread == 0 {
		return -1
	}
	return spread
}

// newLine returns a pipeline through a throttle of its own.
func newLine(t testing.TB, s *service, cfg pipeline.Config) *line {
	t.Helper()
	cfg.Spread = exact(cfg.Spread)
	p, err := pipeline.New(s.work, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// collect reads all results.
func collect(results <-chan result) (all []result) {
	for r := range results {
		all = append(all, r)
	}
	return all
}

// newThrottle returns a throttle.
func newThrottle(t testing.TB, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	cfg.Spread = exact(cfg.Spread)
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// runAll runs n jobs through a pipeline of its own and returns the results.
func runAll(t testing.TB, s *service, cfg pipeline.Config, n int) []result {
	t.Helper()
	return collect(newLine(t, s, cfg).Run(t.Context(), feed(n)))
}
