package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A call is what the work of a batch was given, and when.
type call struct {
	at   time.Duration
	jobs []int
}

// A teller notes the calls that its work gets.
type teller struct {
	begin  time.Time
	answer func(number int, jobs []int) ([]int, error) // nil: all succeed

	mu    sync.Mutex
	calls []call
}

func (l *teller) work(_ context.Context, jobs []int) ([]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call{time.Since(l.begin), jobs})
	if l.answer != nil {
		return l.answer(len(l.calls)-1, jobs)
	}
	return slices.Clone(jobs), nil
}

func newBatches(t *testing.T, l *teller, cfg pipeline.Config, size int, wait time.Duration) *pipeline.Chain[int, int] {
	t.Helper()
	l.begin = time.Now()
	return pipeline.Batch(pipeline.Attach(newThrottle(t, cfg), l.work), size, wait)
}

func TestABatchGoesWhenItIsFullOrHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l teller
		chain, jobs := newBatches(t, &l, pipeline.Config{}, 3, 5*time.Second), make(chan int)
		go func() {
			defer close(jobs)
			for job, at := range []time.Duration{0, 1, 2, 10, 13, 14, 16, 30} {
				time.Sleep(at*time.Second - time.Since(l.begin))
				jobs <- job
			}
		}()
		collect(chain.Run(t.Context(), jobs))
		want := []call{
			{2 * time.Second, []int{0, 1, 2}},  // full
			{14 * time.Second, []int{3, 4, 5}}, // full, and so it does not wait
			{21 * time.Second, []int{6}},       // its first job has waited
			{30 * time.Second, []int{7}},       // no more come
		}
		if fmt.Sprint(l.calls) != fmt.Sprint(want) {
			t.Errorf("got calls %v, want %v", l.calls, want)
		}
	})
}

func TestABatchGrowsWhileThereIsNoRoomForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l teller
		cfg := pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{},
			Budgets: []pipeline.Budget{{Tokens: 1, Window: time.Hour, Requests: true}},
		}
		jobs := make(chan int)
		go func() {
			defer close(jobs)
			for job := range 60 {
				jobs <- job
				time.Sleep(time.Minute)
			}
		}()
		collect(newBatches(t, &l, cfg, 100, time.Second).Run(t.Context(), jobs))
		// The budget lets the first go. While it is empty one waits inside, and the
		// next one grows.
		if n := len(l.calls); n < 2 || n > 5 || len(l.calls[0].jobs) != 1 || len(l.calls[n-1].jobs) < 50 {
			t.Errorf("got calls %v, want a few, and all that came meanwhile in the last", l.calls)
		}
	})
}

func TestACancelledBatchWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		jobs := make(chan int, 3)
		jobs <- 1
		jobs <- 2
		begin := time.Now()
		all := collect(newBatches(t, new(teller), pipeline.Config{}, 3, time.Hour).Run(ctx, jobs))
		for _, r := range all {
			if !errors.Is(r.Err, context.DeadlineExceeded) || r.Attempts != 0 {
				t.Errorf("got %+v, want one that never started", r)
			}
		}
		if took := time.Since(begin); took != time.Second || len(all) != 2 {
			t.Errorf("got %d results after %v, want 2 after 1s", len(all), took)
		}
	})
}

func TestTheWaitOfABatchIsOfTheConfiguredClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l teller
		mock := clock.NewMock()
		results := newBatches(t, &l, pipeline.Config{Clock: mock}, 10, time.Hour).Run(t.Context(), numbers(1, 2))
		jobs := make(chan int, 2)
		jobs <- 1
		jobs <- 2
		collect(results) // no more come, so it does not wait
		results = newBatches(t, &l, pipeline.Config{Clock: mock}, 10, time.Hour).Run(t.Context(), jobs)
		synctest.Wait()
		mock.Add(time.Hour - 1)
		synctest.Wait()
		if len(l.calls) != 1 {
			t.Errorf("got calls %v, want none before its time", l.calls)
		}
		mock.Add(1)
		for range 2 {
			if r := <-results; r.Waited != time.Hour || r.Err != nil {
				t.Errorf("got %+v, want one that has waited an hour", r)
			}
		}
		close(jobs)
		collect(results)
	})
}

func TestOrderedHoldsForTheJobsOfBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := func(_ context.Context, jobs []int) ([]int, error) {
			time.Sleep(time.Duration(jobs[0]*7%5) * time.Second)
			return jobs, nil
		}
		p := pipeline.Attach(newThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}}), work)
		var got []int
		for r := range pipeline.Batch(p.Ordered(), 3, time.Second).Run(t.Context(), feed(100)) {
			got = append(got, r.In)
		}
		if !slices.IsSorted(got) || len(got) != 100 {
			t.Errorf("got %v", got)
		}
	})
}

func TestCostAndWeightAreThoseOfAWholeBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l teller
		throttle := newThrottle(t, pipeline.Config{
			MaxConcurrency: 1,
			Budgets:        []pipeline.Budget{{Tokens: 100, Window: time.Minute}},
			Rate:           &pipeline.Rate{PerSecond: 1, Burst: 10},
		})
		sum := func(jobs []int) (sum int64) {
			for _, job := range jobs {
				sum += int64(job)
			}
			return sum
		}
		p := pipeline.Attach(throttle, l.work).Cost(sum).Weight(func(jobs []int) float64 { return float64(len(jobs)) })
		l.begin = time.Now()
		results := collect(pipeline.Batch(p, 5, time.Second).Run(t.Context(), numbers(10, 20, 30, 5, 5, 10, 10, 10, 0, 0, 1, 1, 1)))
		want := []call{ // the rate's burst is two calls of 5, the budget has 100
			{0, []int{10, 20, 30, 5, 5}},
			{0, []int{10, 10, 10, 0, 0}},
			{time.Minute, []int{1, 1, 1}},
		}
		if fmt.Sprint(l.calls) != fmt.Sprint(want) || len(results) != 13 {
			t.Errorf("got calls %v, want %v", l.calls, want)
		}
	})
}

// What the work makes of a batch is what its jobs get, each its own.
func TestWhatBecomesOfTheJobsOfABatch(t *testing.T) {
	bad, worse := errors.New("bad"), errors.New("worse")
	all := func(jobs []int, err error) []error { return slices.Repeat([]error{err}, len(jobs)) }
	retry := &pipeline.Retry{MaxAttempts: 2, BaseDelay: time.Second, GiveUpAfter: time.Hour}
	for name, test := range map[string]struct {
		answer func(number int, jobs []int) ([]int, error)
		retry  *pipeline.Retry
		calls  []int    // how many jobs each had
		want   []string // error of each of three jobs
	}{
		"success": {
			calls: []int{3}, want: []string{"<nil>", "<nil>", "<nil>"},
		},
		"one error is that of all": {
			answer: func(_ int, jobs []int) ([]int, error) { return nil, bad },
			calls:  []int{3}, want: []string{"bad", "bad", "bad"},
		},
		"all are tried again": {
			answer: func(_ int, jobs []int) ([]int, error) { return jobs, bad }, retry: retry,
			calls: []int{3, 3}, want: slices.Repeat([]string{"paceline: gave up after 2 attempts: bad"}, 3),
		},
		"too few outs": {
			answer: func(_ int, jobs []int) ([]int, error) { return jobs[1:], nil }, retry: retry,
			calls: []int{3}, want: slices.Repeat([]string{"paceline: batch: got 2 outs, want 3, one for each job"}, 3),
		},
		"too few errors": {
			answer: func(_ int, jobs []int) ([]int, error) { return jobs, pipeline.Partial(all(jobs, bad)[1:]) }, retry: retry,
			calls: []int{3}, want: slices.Repeat([]string{"paceline: batch: got 2 errors, want 3, one for each job: 2 of a batch of 2 failed: bad"}, 3),
		},
		"no outs, though some succeeded": {
			answer: func(_ int, jobs []int) ([]int, error) { return nil, pipeline.Partial([]error{nil, bad, nil}) }, retry: retry,
			calls: []int{3}, want: slices.Repeat([]string{"paceline: batch: got 0 outs, want 3, one for each job: 1 of a batch of 3 failed: bad"}, 3),
		},
		"none failed in part": {
			answer: func(_ int, jobs []int) ([]int, error) { return jobs, pipeline.Partial(all(jobs, nil)) },
			calls:  []int{3}, want: []string{"<nil>", "<nil>", "<nil>"},
		},
		"without a retry": {
			answer: func(_ int, jobs []int) ([]int, error) { return jobs, pipeline.Partial([]error{nil, bad, worse}) },
			calls:  []int{3}, want: []string{"<nil>", "bad", "worse"},
		},
		"those that failed are tried again": {
			answer: func(number int, jobs []int) ([]int, error) {
				return jobs, pipeline.Partial([][]error{{bad, nil, worse}, {nil, bad}}[number])
			},
			retry: retry,
			calls: []int{3, 2}, want: []string{"<nil>", "<nil>", "paceline: gave up after 2 attempts: bad"},
		},
		"what is fatal is not": {
			answer: func(number int, jobs []int) ([]int, error) {
				return jobs, pipeline.Partial([][]error{{pipeline.Fatal(bad), worse, nil}, {nil}}[number])
			},
			retry: retry,
			calls: []int{3, 1}, want: []string{"bad", "<nil>", "<nil>"},
		},
		"nor is what is final, or not retryable": {
			answer: func(number int, jobs []int) ([]int, error) {
				return jobs, pipeline.Partial([][]error{{pipeline.Final(pipeline.Overloaded(bad, 0)), io.EOF, bad}, {nil}}[number])
			},
			retry: &pipeline.Retry{BaseDelay: time.Second, Retryable: func(err error) bool { return !errors.Is(err, io.EOF) }},
			calls: []int{3, 1}, want: []string{"bad", "EOF", "<nil>"},
		},
		"nor are all, if all are": {
			answer: func(_ int, jobs []int) ([]int, error) { return nil, pipeline.Partial(all(jobs, pipeline.Fatal(bad))) }, retry: retry,
			calls: []int{3}, want: []string{"bad", "bad", "bad"},
		},
		"a refusal uses up no attempt": {
			answer: func(number int, jobs []int) ([]int, error) {
				if number < 5 {
					return jobs, pipeline.Partial(append([]error{bad, pipeline.Overloaded(worse, 0)}, make([]error, len(jobs)-2)...))
				}
				return jobs, nil
			},
			retry: retry,
			calls: []int{3, 2, 2, 2, 2, 2}, want: []string{"<nil>", "<nil>", "<nil>"},
		},
		"a wrapped one": {
			answer: func(number int, jobs []int) ([]int, error) {
				return jobs, fmt.Errorf("insert: %w", pipeline.Partial([]error{nil, bad, nil}))
			},
			calls: []int{3}, want: []string{"<nil>", "bad", "<nil>"},
		},
		"a panic is that of those that are left": {
			answer: func(number int, jobs []int) ([]int, error) {
				if number > 0 {
					panic("sorry")
				}
				return jobs, pipeline.Partial([]error{nil, bad, pipeline.Fatal(worse)})
			},
			retry: retry,
			calls: []int{3, 1}, want: []string{"<nil>", "paceline: panic: sorry", "worse"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &teller{answer: test.answer}
				var got [3]string
				for _, r := range collect(newBatches(t, l, pipeline.Config{Retry: test.retry}, 3, time.Second).Run(t.Context(), feed(3))) {
					got[r.In] = fmt.Sprint(r.Err)
					if r.Err == nil && r.Out != r.In {
						t.Errorf("job %d: got %d", r.In, r.Out)
					}
				}
				var sizes []int
				for _, c := range l.calls {
					sizes = append(sizes, len(c.jobs))
				}
				if !slices.Equal(got[:], test.want) || !slices.Equal(sizes, test.calls) {
					t.Errorf("got %q after calls of %v, want %q after %v", got, sizes, test.want, test.calls)
				}
			})
		})
	}
}

func TestEachJobOfABatchHasItsOwnErrorBesideTheCause(t *testing.T) {
	bad, worse, left := errors.New("bad"), errors.New("worse"), errors.New("left")
	fail := func(_ int, jobs []int) ([]int, error) { return jobs, pipeline.Partial([]error{bad, worse}) }
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(left) })
		retry := &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Hour, MaxDelay: time.Hour}
		for _, r := range collect(newBatches(t, &teller{answer: fail}, pipeline.Config{Retry: retry}, 2, time.Second).Run(ctx, feed(2))) {
			own, other := bad, worse
			if r.In == 1 {
				own, other = worse, bad
			}
			if !errors.Is(r.Err, own) || errors.Is(r.Err, other) || !errors.Is(r.Err, left) {
				t.Errorf("job %d: got %q, want %q and %q", r.In, r.Err, own, left)
			}
			if text := r.Err.Error(); !strings.HasPrefix(text, own.Error()) {
				t.Errorf("job %d: got %q", r.In, text)
			}
		}
	})
}

// A call is a success of the service if all that failed is the jobs' own fault.
func TestWhatABatchTellsOfTheService(t *testing.T) {
	bad, none := errors.New("bad"), errors.New("no such job")
	classify := func(err error) pipeline.Verdict {
		if errors.Is(err, none) {
			return pipeline.Succeeded
		}
		return pipeline.Classify(err)
	}
	for _, test := range []struct {
		errs  []error
		retry *pipeline.Retry
		want  pipeline.AttemptCounts
	}{
		{[]error{nil, nil}, nil, pipeline.AttemptCounts{Succeeded: 1}},
		{[]error{nil, pipeline.Fatal(bad)}, nil, pipeline.AttemptCounts{Succeeded: 1}},
		{[]error{pipeline.Fatal(bad), pipeline.Fatal(bad)}, nil, pipeline.AttemptCounts{Ignored: 1}},
		{[]error{nil, bad}, nil, pipeline.AttemptCounts{Succeeded: 1}},
		{[]error{bad, bad}, nil, pipeline.AttemptCounts{Failed: 1}},
		{[]error{none, pipeline.Final(pipeline.Overloaded(bad, 0))}, nil, pipeline.AttemptCounts{Overloaded: 1}},
		{[]error{nil, pipeline.Overloaded(bad, 0)}, nil, pipeline.AttemptCounts{Overloaded: 1}},
		{[]error{nil, none}, nil, pipeline.AttemptCounts{Succeeded: 1}},
		{[]error{nil, bad}, &pipeline.Retry{}, pipeline.AttemptCounts{Ignored: 1, Succeeded: 1}},
		{[]error{bad, bad}, &pipeline.Retry{}, pipeline.AttemptCounts{Failed: 1, Succeeded: 1}},
		{[]error{nil, pipeline.Overloaded(bad, 0)}, &pipeline.Retry{}, pipeline.AttemptCounts{Overloaded: 1, Succeeded: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &teller{answer: func(number int, jobs []int) ([]int, error) {
				if number > 0 {
					return jobs, nil
				}
				return jobs, pipeline.Partial(test.errs)
			}}
			throttle := newThrottle(t, pipeline.Config{Classify: classify, Retry: test.retry})
			collect(pipeline.Batch(pipeline.Attach(throttle, l.work), 2, time.Second).Run(t.Context(), feed(2)))
			if got := throttle.Snapshot().Attempts; got != test.want {
				t.Errorf("%v: got %+v, want %+v", test.errs, got, test.want)
			}
		})
	}
}

// With a few failures in every call, hardly a call is without one; that must not
// look like a service that does not work.
func TestFewFailuresInEachCallDoNotOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		l := &teller{answer: func(_ int, jobs []int) ([]int, error) {
			errs := make([]error, len(jobs))
			if len(jobs) > 1 {
				errs[0] = errors.New("lost")
			}
			return jobs, pipeline.Partial(errs)
		}}
		cfg := pipeline.Config{
			Retry:   &pipeline.Retry{},
			Breaker: &pipeline.Breaker{Failures: 2},
			OnEvent: func(e pipeline.Event) {
				if e.Kind == pipeline.EventCircuitOpened {
					opened++
				}
			},
		}
		for _, r := range collect(newBatches(t, l, cfg, 10, time.Second).Run(t.Context(), feed(500))) {
			if r.Err != nil {
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
		synctest.Wait()
		if opened > 0 || len(l.calls) != 100 {
			t.Errorf("the circuit opened %d times in %d calls, want none in 100", opened, len(l.calls))
		}
	})
}

func TestPartialIsTakenForTheWorst(t *testing.T) {
	bad := errors.New("bad")
	refusal, fatal := pipeline.Overloaded(bad, time.Second), pipeline.Fatal(bad)
	for _, test := range []struct {
		errs []error
		want pipeline.Verdict
	}{
		{[]error{nil, fatal, nil}, pipeline.Ignored},
		{[]error{fatal, bad, nil}, pipeline.Failed},
		{[]error{bad, fatal}, pipeline.Failed},
		{[]error{bad, refusal, fatal}, pipeline.Overload},
		{[]error{refusal, bad}, pipeline.Overload},
	} {
		err := pipeline.Partial(test.errs)
		if got := pipeline.Classify(err); got != test.want || !errors.Is(err, bad) {
			t.Errorf("%v: got %v, want %v", test.errs, got, test.want)
		}
	}
	if err := pipeline.Partial(make([]error, 3)); err != nil {
		t.Errorf("got %v, want nil: all have succeeded", err)
	}
}
