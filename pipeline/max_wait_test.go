package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestWaitingIsBounded: whatever holds it up, a call with a bound starts within it, or is
// rejected with a *WaitError when it is over at the latest.
func TestWaitingIsBounded(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.AttemptTimeout = 0
		if cfg.Breaker != nil {
			cfg.Breaker.Wait = true
		}
		jobs := rapid.IntRange(0, 60).Draw(rt, "jobs")
		answers := drawAnswers(rt, cfg, 10)
		waits := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{
			0, time.Millisecond, 20 * time.Millisecond, time.Second, time.Minute,
		}), 1, 40).Draw(rt, "waits")
		gap := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 100 * time.Millisecond}).Draw(rt, "gap")
		priority := rapid.IntRange(-1, 1).Draw(rt, "priority")
		return func(f *faults) {
			throttle := mustThrottle(f, cfg)
			s := &service{answer: func(job, number int) answer { return answers(job%10, number) }}
			var all sync.WaitGroup
			all.Go(func() { collect(pipeline.Attach(throttle, s.work).Run(context.Background(), feed(jobs))) })
			for i, most := range waits {
				time.Sleep(gap)
				all.Go(func() {
					since := time.Now() // it waits
					late := func(what string) {
						waited := time.Since(since)
						f.check(waited <= most, "call %d: %s after %v, want at most %v", i, what, waited, most)
					}
					ctx := pipeline.WithShare(pipeline.WithMaxWait(context.Background(), most), pipeline.Share{Priority: priority})
					_, err := pipeline.Execute(ctx, throttle, func(ctx context.Context) (int, error) {
						late("an attempt")
						defer func() { since = time.Now() }()
						return s.work(ctx, i%10)
					})
					var wait *pipeline.WaitError
					if errors.As(err, &wait) {
						late("rejected")
						f.check(wait.MaxWait == most && wait.Expected >= 0, "call %d: %+v", i, wait)
					}
				})
			}
			all.Wait()
		}
	})
}

// A queueing is what holds calls up, and when they may start: the k-th of those that are admitted
// after time 0, when it begins to hold them up.
type queueing struct {
	cfg   pipeline.Config
	begin func(f *faults, t *pipeline.Throttle)
	start func(k int, came, last time.Duration) time.Duration
}

var errRefused = errors.New("refused")

func queueings(wait time.Duration, n int) map[string]queueing {
	once := func(err error) func(*faults, *pipeline.Throttle) {
		return func(f *faults, t *pipeline.Throttle) {
			if _, got := pipeline.Execute(context.Background(), t, func(context.Context) (int, error) { return 0, err }); !errors.Is(got, err) {
				f.add("the first call: %v", got)
			}
		}
	}
	spaced := func(_ int, came, last time.Duration) time.Duration { return max(came, last+wait) }
	together := func(_ int, came, _ time.Duration) time.Duration { return max(came, wait) }
	return map[string]queueing{
		"pace":    {pipeline.Config{MinDispatchInterval: wait}, once(nil), spaced},
		"rate":    {pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1 / wait.Seconds(), Burst: 1}}, once(nil), spaced},
		"pause":   {pipeline.Config{Spread: -1}, once(pipeline.Overloaded(errRefused, wait)), together},
		"circuit": {pipeline.Config{Spread: -1, Breaker: &pipeline.Breaker{Failures: 1, OpenFor: wait, Wait: true}}, once(errRefused), together},
		"budget": {
			pipeline.Config{Budgets: []pipeline.Budget{{Tokens: int64(n), Window: wait, Requests: true}}},
			func(f *faults, t *pipeline.Throttle) {
				for range n {
					once(nil)(f, t)
				}
			},
			func(k int, came, _ time.Duration) time.Duration { return wait * time.Duration(1+k/n) },
		},
	}
}

// A call that comes while it is known that it will have to wait for longer than it wants to is
// rejected at once, and its error says for how long; any other waits, and starts in time.
func TestCallIsRejectedAtOnceIfItIsKnownToWaitForTooLong(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		what := rapid.SampledFrom([]string{"pace", "rate", "pause", "circuit", "budget"}).Draw(rt, "what")
		wait := time.Duration(rapid.IntRange(200, 2000).Draw(rt, "wait")) * time.Millisecond
		n := rapid.IntRange(1, 4).Draw(rt, "n")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 150), 1, 8).Draw(rt, "gaps")
		waits := rapid.SliceOfN(rapid.IntRange(0, 6000), len(gaps), len(gaps)).Draw(rt, "waits")
		return func(f *faults) {
			l := queueings(wait, n)[what]
			l.cfg.Policy, l.cfg.MaxConcurrency, l.cfg.MaxDispatchInterval = pipeline.Static{}, 100, wait
			throttle := mustThrottle(f, l.cfg)
			l.begin(f, throttle)
			begin := time.Now()
			since := func() time.Duration { return time.Since(begin) }
			var all sync.WaitGroup
			admitted, last := 0, time.Duration(0)
			for i, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Millisecond)
				came, most := since(), time.Duration(waits[i])*time.Millisecond+time.Millisecond/2 // never just when it ends
				want := l.start(admitted, came, last)
				if came >= wait {
					break // what holds up is over
				}
				reject := want > came+most
				if !reject {
					admitted, last = admitted+1, want
				}
				all.Go(func() {
					const exact = time.Microsecond // a rate's times are rounded
					_, err := pipeline.Execute(pipeline.WithMaxWait(context.Background(), most), throttle, func(context.Context) (int, error) {
						f.check(!reject && (since()-want).Abs() <= exact, "%s: call %d came at %v and started at %v, want %v, rejected: %v", what, i, came, since(), want, reject)
						return 0, nil
					})
					var e *pipeline.WaitError
					if rejected := errors.As(err, &e); rejected != reject || err != nil && !rejected {
						f.add("%s: call %d came at %v, waits %v, is to start at %v: got %v", what, i, came, most, want, err)
					}
					if e != nil {
						f.check(since() == came, "%s: call %d came at %v, rejected at %v", what, i, came, since())
						f.check((e.Expected-(want-came)).Abs() <= exact && e.MaxWait == most, "%s: call %d: %+v, want %v", what, i, e, want-came)
					}
				})
				synctest.Wait()
			}
			all.Wait()
		}
	})
}

// What is known may change: a server asks for a pause while calls wait for a slot.
func TestWaitingCallIsRejectedWhenAPauseBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}, Spread: -1})
		if err != nil {
			t.Fatal(err)
		}
		slot, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		go func() {
			time.Sleep(time.Second)
			slot.Release(pipeline.Overloaded(errRefused, time.Minute))
		}()
		_, err = throttle.Acquire(pipeline.WithMaxWait(t.Context(), 10*time.Second))
		var e *pipeline.WaitError
		if !errors.As(err, &e) || e.Expected != time.Minute || time.Since(begin) != time.Second {
			t.Errorf("got %v at %v, want a wait of a minute at 1s", err, time.Since(begin))
		}
	})
}

// The bound is for each attempt: a call that is to be tried again later than it wants to wait is
// not, and the error has what it failed with.
func TestBoundIsAlsoForRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{
			Policy: pipeline.Static{}, Retry: &pipeline.Retry{BaseDelay: time.Second, Backoff: pipeline.Fixed, MaxAttempts: 5},
		})
		if err != nil {
			t.Fatal(err)
		}
		attempts := 0
		begin := time.Now()
		fails := func(context.Context) (int, error) {
			if attempts++; attempts == 2 {
				return 0, pipeline.Overloaded(errRefused, time.Minute)
			}
			return 0, errRefused
		}
		_, err = pipeline.Execute(pipeline.WithMaxWait(t.Context(), 2*time.Second), throttle, fails)
		var e *pipeline.WaitError
		if !errors.As(err, &e) || !errors.Is(err, errRefused) || e.Expected != time.Minute || attempts != 2 || time.Since(begin) != time.Second {
			t.Errorf("got %v after %d attempts and %v, want that it would be a minute after 2 and 1s", err, attempts, time.Since(begin))
		}
	})
}

// With a wait of 0 a call starts at once or not at all.
func TestMaxWaitOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
		if err != nil {
			t.Fatal(err)
		}
		ctx := pipeline.WithMaxWait(t.Context(), 0)
		for range 3 {
			slot, err := throttle.Acquire(ctx)
			if err != nil {
				t.Fatalf("got %v, want a slot that is free", err)
			}
			var e *pipeline.WaitError
			if _, err := throttle.Acquire(ctx); !errors.As(err, &e) {
				t.Errorf("got %v, want a *WaitError", err)
			}
			slot.Release(nil)
		}
	})
}
