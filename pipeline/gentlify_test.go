package pipeline_test

// What gentlify's README promises, sentence by sentence, kept by this package.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

var errPromise = errors.New("the service failed")

// promiseContext ends after a (virtual) day, so that a wait that should end and does not is an error, not a deadlock.
func promiseContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	t.Cleanup(cancel)
	return ctx
}

// promiseThrottle returns a throttle that is closed when the test ends.
func promiseThrottle(t *testing.T, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	cfg.Spread = exact(cfg.Spread)
	th, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatalf("NewThrottle: %v", err)
	}
	t.Cleanup(th.Close)
	return th
}

// promiseAnswer executes one call that is answered with err at once.
func promiseAnswer(t *testing.T, th *pipeline.Throttle, err error) error {
	t.Helper()
	_, got := pipeline.Execute(promiseContext(t), th, func(context.Context) (int, error) { return 0, err })
	return got
}

// promiseSucceed executes one call that succeeds at once.
func promiseSucceed(t *testing.T, th *pipeline.Throttle) {
	t.Helper()
	if err := promiseAnswer(t, th, nil); err != nil {
		t.Fatalf("a call that succeeds: %v", err)
	}
}

// promiseFail executes n calls, one after the other, that fail at once.
func promiseFail(t *testing.T, th *pipeline.Throttle, n int) {
	t.Helper()
	for range n {
		if err := promiseAnswer(t, th, errPromise); !errors.Is(err, errPromise) {
			t.Fatalf("a call that fails: got %v, want %v", err, errPromise)
		}
	}
}

// promiseTogether runs f(0) … f(n-1) side by side and returns when all are done.
func promiseTogether(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// promiseServer is a service that notes when its calls start and how many there are at once.
type promiseServer struct {
	takes  time.Duration        // by each call
	answer func(call int) error // to the call with this number, from 0; nil: every call succeeds

	mu       sync.Mutex
	born     time.Time
	starts   []time.Duration // since the server was made
	inFlight int
	peak     int
}

func promiseServerOf(takes time.Duration, answer func(call int) error) *promiseServer {
	return &promiseServer{takes: takes, answer: answer, born: time.Now()}
}

// call is one request. It returns the request's number.
func (s *promiseServer) call(context.Context) (int, error) {
	s.mu.Lock()
	call := len(s.starts)
	s.starts = append(s.starts, time.Since(s.born))
	s.inFlight++
	s.peak = max(s.peak, s.inFlight)
	s.mu.Unlock()

	time.Sleep(s.takes)

	s.mu.Lock()
	s.inFlight--
	s.mu.Unlock()
	if s.answer == nil {
		return call, nil
	}
	return call, s.answer(call)
}

// work is call in the form that Wrap takes.
func (s *promiseServer) work(ctx context.Context, _ string) (int, error) { return s.call(ctx) }

func (s *promiseServer) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.starts)
}

func (s *promiseServer) startedAt() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.starts)
}

func (s *promiseServer) wantStarts(t *testing.T, want ...time.Duration) {
	t.Helper()
	if got := s.startedAt(); !slices.Equal(got, want) {
		t.Errorf("calls started at %v, want %v", got, want)
	}
}

// promiseEvents keeps what OnEvent is told.
type promiseEvents struct {
	mu  sync.Mutex
	all []pipeline.Event
}

func (e *promiseEvents) note(event pipeline.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// of returns the events of the given kinds, in the order in which they came.
func (e *promiseEvents) of(kinds ...pipeline.EventKind) []pipeline.Event {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	var some []pipeline.Event
	for _, event := range e.all {
		if slices.Contains(kinds, event.Kind) {
			some = append(some, event)
		}
	}
	return some
}

// names is of, with the kinds' names only.
func (e *promiseEvents) names(kinds ...pipeline.EventKind) []string {
	var names []string
	for _, event := range e.of(kinds...) {
		names = append(names, event.Kind.String())
	}
	return names
}

// promiseRejected makes one call, which the open circuit must reject at once. It returns the error's RetryAfter.
func promiseRejected(t *testing.T, th *pipeline.Throttle) time.Duration {
	t.Helper()
	asked, called := time.Now(), false
	_, err := pipeline.Execute(promiseContext(t), th, func(context.Context) (int, error) {
		called = true
		return 0, nil
	})
	open, ok := errors.AsType[*pipeline.CircuitOpenError](err)
	if !ok {
		t.Fatalf("a call while the circuit is open: got %v, want a *CircuitOpenError", err)
	}
	if called {
		t.Error("a rejected call reached the service")
	}
	if waited := time.Since(asked); waited != 0 {
		t.Errorf("a rejected call waited %v, want to be rejected at once", waited)
	}
	return open.RetryAfter
}

// promiseRound makes as many calls side by side as the limit allows, each taking 100ms and succeeding.
// It returns the limit after that.
func promiseRound(t *testing.T, th *pipeline.Throttle) int {
	t.Helper()
	promiseTogether(th.Snapshot().Concurrency, func(int) {
		_, err := pipeline.Execute(promiseContext(t), th, func(context.Context) (int, error) {
			time.Sleep(100 * time.Millisecond)
			return 0, nil
		})
		if err != nil {
			t.Errorf("a call that succeeds: %v", err)
		}
	})
	return th.Snapshot().Concurrency
}

// Gentlify automatically adjusts concurrency and dispatch rate in response to failures, so your application backs off
// when an API is struggling and speeds up when it recovers — without manual tuning.

func TestGentlifyBacksOffWhenTheServiceStrugglesAndSpeedsUpWhenItRecovers(t *testing.T) {
	for name, policy := range map[string]pipeline.Policy{
		"default policy": nil,
		"AIMD":           pipeline.AIMD{CoolingPeriod: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MaxConcurrency:      16,
					MinDispatchInterval: time.Millisecond,
					Policy:              policy,
				})
				const struggle, end = time.Minute, 5 * time.Minute
				began := time.Now()
				var inFlight atomic.Int32
				call := func(context.Context) (int, error) { // the struggling service takes four at once, no more
					defer inFlight.Add(-1)
					tooMany := inFlight.Add(1) > 4
					time.Sleep(time.Second)
					if tooMany && time.Since(began) < struggle {
						return 0, errPromise
					}
					return 0, nil
				}
				ctx := promiseContext(t)
				var workers sync.WaitGroup
				for range 16 {
					workers.Go(func() {
						for time.Since(began) < end {
							pipeline.Execute(ctx, th, call)
						}
					})
				}

				time.Sleep(struggle)
				low := th.Snapshot().Concurrency
				if low >= 16 || policy != nil && low > 8 {
					t.Errorf("concurrency %d while the service can take 4, want it to be backed off from 16", low)
				}
				time.Sleep(end - struggle - time.Second)
				high := th.Snapshot()
				if high.Concurrency <= low || policy != nil && high.Concurrency != 16 {
					t.Errorf("concurrency %d long after the service recovered, want it up from %d to 16", high.Concurrency, low)
				}
				if policy != nil && high.DispatchInterval != time.Millisecond {
					t.Errorf("dispatch interval %v long after the service recovered, want 1ms again", high.DispatchInterval)
				}
				workers.Wait()
			})
		})
	}
}

// Quick Start: Throttle(max_concurrency=5), 20 items.

func TestGentlifyQuickStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 5})
		server := promiseServerOf(time.Second, nil)
		for item := range 20 {
			if call, err := pipeline.Execute(promiseContext(t), th, server.call); call != item || err != nil {
				t.Errorf("item %d: got %d, %v", item, call, err)
			}
		}
		if took := time.Since(server.born); took != 20*time.Second {
			t.Errorf("20 calls of 1s, one after the other, took %v, want 20s", took)
		}
	})
}

func TestGentlifyKeepsNoMoreThanMaxConcurrencyInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 5, Policy: pipeline.AIMD{}})
		server := promiseServerOf(time.Second, nil)
		promiseTogether(20, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		if server.peak != 5 || server.calls() != 20 {
			t.Errorf("%d calls, at most %d at once; want 20 and 5", server.calls(), server.peak)
		}
		if took := time.Since(server.born); took != 4*time.Second {
			t.Errorf("20 calls of 1s, five at a time, took %v, want 4s", took)
		}
	})
}

// If requests start failing, gentlify automatically halves concurrency, …

func TestGentlifyHalvesConcurrencyWhenRequestsFail(t *testing.T) {
	for _, limit := range []struct{ before, after int }{{10, 5}, {8, 4}, {2, 1}, {1, 1}} {
		t.Run(fmt.Sprintf("%d to %d", limit.before, limit.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MaxConcurrency:      limit.before,
					MinDispatchInterval: time.Millisecond,
					Policy:              pipeline.AIMD{},
				})
				promiseFail(t, th, 2)
				if got := th.Snapshot().Concurrency; got != limit.before {
					t.Errorf("concurrency %d after two failures, want still %d", got, limit.before)
				}
				promiseFail(t, th, 1)
				if got := th.Snapshot().Concurrency; got != limit.after {
					t.Errorf("concurrency %d after three failures, want %d", got, limit.after)
				}
			})
		})
	}
}

func TestGentlifyHalvedConcurrencyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      8,
			MinDispatchInterval: time.Millisecond,
			Policy:              pipeline.AIMD{},
		})
		promiseFail(t, th, 3)
		server := promiseServerOf(time.Second, nil)
		promiseTogether(12, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		if server.peak != 4 {
			t.Errorf("%d calls at once after halving 8, want 4", server.peak)
		}
	})
}

func TestGentlifyHalvesAgainWhenRequestsFailAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      8,
			MinDispatchInterval: time.Millisecond,
			Policy:              pipeline.AIMD{},
		})
		for _, want := range []int{4, 2, 1, 1} {
			promiseFail(t, th, 3)
			if got := th.Snapshot().Concurrency; got != want {
				t.Fatalf("concurrency %d, want %d", got, want)
			}
			time.Sleep(61 * time.Second)
		}
	})
}

func TestGentlifyOneBurstOfFailuresHalvesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.AIMD{}})
		server := promiseServerOf(time.Second, func(int) error { return errPromise })
		promiseTogether(8, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		if got := th.Snapshot().Concurrency; got != 4 {
			t.Errorf("concurrency %d after eight calls failed together, want 4", got)
		}
	})
}

func TestGentlifySlowsDispatchWhenRequestsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 200 * time.Millisecond
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      8,
			MinDispatchInterval: interval,
			Policy:              pipeline.AIMD{},
		})
		promiseFail(t, th, 3)
		if got := th.Snapshot().DispatchInterval; got != 2*interval {
			t.Errorf("dispatch interval %v after three failures, want %v", got, 2*interval)
		}

		time.Sleep(time.Second)
		server := promiseServerOf(0, nil)
		promiseTogether(4, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		server.wantStarts(t, 0, 2*interval, 4*interval, 6*interval)
	})
}

func TestGentlifySlowsDispatchThatWasNotPacedWhenRequestsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.AIMD{}})
		server := promiseServerOf(100*time.Millisecond, func(int) error { return errPromise })
		if got := th.Snapshot().DispatchInterval; got != 0 {
			t.Errorf("dispatch interval %v before anything failed, want 0", got)
		}
		for range 3 {
			pipeline.Execute(promiseContext(t), th, server.call)
		}
		if got := th.Snapshot().DispatchInterval; got <= 0 || got > 30*time.Second {
			t.Errorf("dispatch interval %v after three failures 100ms apart, want it above 0 and at most 30s", got)
		}
	})
}

func TestGentlifyForgetsOldFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.AIMD{}})
		promiseFail(t, th, 2)
		if got := th.Snapshot().FailureCount; got != 2 {
			t.Errorf("failure count %d, want 2", got)
		}
		time.Sleep(61 * time.Second)
		promiseFail(t, th, 2)
		if got := th.Snapshot(); got.Concurrency != 8 || got.FailureCount != 2 {
			t.Errorf("concurrency %d, failure count %d after two failures a minute after two others; want 8 and 2",
				got.Concurrency, got.FailureCount)
		}
	})
}

// … enters a cooling period, …

func TestGentlifyEntersACoolingPeriodWhenRequestsFail(t *testing.T) {
	for _, cooling := range []time.Duration{60 * time.Second, 10 * time.Second} {
		t.Run(cooling.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MaxConcurrency:      8,
					MinDispatchInterval: time.Millisecond,
					Policy:              pipeline.AIMD{CoolingPeriod: cooling},
				})
				wantState := func(want pipeline.State) {
					t.Helper()
					if got := th.Snapshot().State; got != want {
						t.Errorf("state %v, want %v", got, want)
					}
				}
				promiseFail(t, th, 2)
				wantState(pipeline.Running)
				promiseFail(t, th, 1)
				wantState(pipeline.Cooling)
				time.Sleep(cooling - time.Second)
				wantState(pipeline.Cooling)
				time.Sleep(2 * time.Second)
				wantState(pipeline.Running)
			})
		})
	}
}

func TestGentlifyStaysSlowWhileItCools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      8,
			MinDispatchInterval: time.Millisecond,
			Policy:              pipeline.AIMD{},
		})
		promiseFail(t, th, 3)
		for range 100 {
			promiseRound(t, th)
		}
		got := th.Snapshot()
		if got.Concurrency != 4 || got.DispatchInterval != 2*time.Millisecond {
			t.Errorf("concurrency %d, interval %v after successes while cooling; want still 4 and 2ms",
				got.Concurrency, got.DispatchInterval)
		}
	})
}

// … then gradually reaccelerates — all without any manual intervention.

func TestGentlifyReacceleratesGraduallyAfterCooling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      16,
			InitialConcurrency:  8,
			MinDispatchInterval: time.Millisecond,
			Policy:              pipeline.AIMD{CoolingPeriod: 10 * time.Second},
		})
		promiseFail(t, th, 3)
		if got := th.Snapshot().SafeCeiling; got != 8 {
			t.Errorf("safe ceiling %d, want 8, the limit that failed", got)
		}
		time.Sleep(10*time.Second + time.Millisecond)

		limit := 4
		for range 30 {
			next := promiseRound(t, th)
			if next < limit || next > limit+1 || next > 8 {
				t.Fatalf("concurrency went from %d to %d in a round, want at most one step up, to 8 at most", limit, next)
			}
			limit = next
		}
		if limit != 8 {
			t.Errorf("concurrency %d after 30 good rounds, want 8", limit)
		}
		if got := th.Snapshot().DispatchInterval; got != time.Millisecond {
			t.Errorf("dispatch interval %v after 30 good rounds, want 1ms", got)
		}
	})
}

func TestGentlifyReturnsToMaxConcurrencyWhenNothingFailsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      16,
			InitialConcurrency:  8,
			MinDispatchInterval: time.Millisecond,
			Policy:              pipeline.AIMD{CoolingPeriod: 10 * time.Second, SafeCeilingDecay: 5},
			OnEvent:             events.note,
		})
		promiseFail(t, th, 3)
		time.Sleep(51 * time.Second)
		for range 60 {
			promiseRound(t, th)
		}
		if got := th.Snapshot(); got.Concurrency != 16 || got.SafeCeiling != 16 {
			t.Errorf("concurrency %d, ceiling %d; want 16 and 16", got.Concurrency, got.SafeCeiling)
		}
		if got := len(events.of(pipeline.EventCeilingDecayed)); got != 1 {
			t.Errorf("%d ceiling_decayed events, want 1", got)
		}
	})
}

// execute() is the primary API — pass an async callable and get throttling, retry, and custom logic in one call.

func TestGentlifyExecuteReturnsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{})
		text, err := pipeline.Execute(promiseContext(t), th, func(context.Context) (string, error) { return "text", nil })
		if text != "text" || err != nil {
			t.Errorf("got %q, %v; want the callable's result", text, err)
		}
		_, err = pipeline.Execute(promiseContext(t), th, func(context.Context) (string, error) { return "", errPromise })
		if err != errPromise {
			t.Errorf("got %v, want the callable's own error", err)
		}
	})
}

func TestGentlifyExecuteThrottlesAndRetriesInOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 1,
			Retry:          &pipeline.Retry{MaxAttempts: 2, Backoff: pipeline.Fixed, BaseDelay: time.Second},
			Policy:         pipeline.Static{},
		})
		server := promiseServerOf(time.Second, func(call int) error {
			if call == 0 {
				return errPromise
			}
			return nil
		})
		promiseTogether(2, func(i int) {
			if _, err := pipeline.Execute(promiseContext(t), th, server.call); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
		server.wantStarts(t, 0, 2*time.Second, 3*time.Second)
	})
}

// slot.record_tokens(count) — report token consumption.

func TestGentlifyTracksTokensHoweverTheyAreReported(t *testing.T) {
	report := map[string]func(context.Context, *pipeline.Throttle) error{
		"execute": func(ctx context.Context, th *pipeline.Throttle) error {
			_, err := pipeline.Execute(ctx, th, func(ctx context.Context) (int, error) {
				pipeline.SlotFrom(ctx).RecordTokens(1000)
				pipeline.SlotFrom(ctx).RecordTokens(500)
				return 0, nil
			})
			return err
		},
		"wrap": func(ctx context.Context, th *pipeline.Throttle) error {
			_, err := pipeline.Wrap(th, func(ctx context.Context, tokens int64) (int, error) {
				pipeline.SlotFrom(ctx).RecordTokens(tokens)
				return 0, nil
			})(ctx, 1500)
			return err
		},
		"acquire": func(ctx context.Context, th *pipeline.Throttle) error {
			slot, err := th.Acquire(ctx)
			if err != nil {
				return err
			}
			slot.RecordTokens(1500)
			slot.Release(nil)
			return nil
		},
		"a call that fails": func(ctx context.Context, th *pipeline.Throttle) error {
			pipeline.Execute(ctx, th, func(ctx context.Context) (int, error) {
				pipeline.SlotFrom(ctx).RecordTokens(1500)
				return 0, errPromise
			})
			return nil
		},
		"record tokens by hand": func(_ context.Context, th *pipeline.Throttle) error {
			th.RecordTokens(1500)
			return nil
		},
		"record success by hand": func(_ context.Context, th *pipeline.Throttle) error {
			th.RecordSuccess(time.Second, 1500)
			return nil
		},
	}
	for name, report := range report {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MaxConcurrency: 10,
					Budgets:        []pipeline.Budget{{Tokens: 100_000, Window: time.Minute}},
				})
				wantTokens := func(used, remaining int64) {
					t.Helper()
					got := th.Snapshot()
					if got.TokensUsed != used || got.TokensRemaining != remaining {
						t.Errorf("%d tokens used, %d remaining; want %d and %d",
							got.TokensUsed, got.TokensRemaining, used, remaining)
					}
				}
				wantTokens(0, 100_000)
				if err := report(promiseContext(t), th); err != nil {
					t.Fatal(err)
				}
				wantTokens(1500, 98_500)
				time.Sleep(59 * time.Second)
				wantTokens(1500, 98_500)
				time.Sleep(2 * time.Second)
				wantTokens(0, 100_000)
			})
		})
	}
}

// slot.attempt — zero-indexed attempt number (for idempotency keys).

func TestGentlifySlotAttemptCountsFromZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Retry:  &pipeline.Retry{MaxAttempts: 3},
			Policy: pipeline.Static{},
		})
		for _, item := range []string{"a", "b"} {
			var keys []string
			pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
				keys = append(keys, fmt.Sprintf("%s-%d", item, pipeline.SlotFrom(ctx).Attempt()))
				return 0, errPromise
			})
			if want := []string{item + "-0", item + "-1", item + "-2"}; !slices.Equal(keys, want) {
				t.Errorf("idempotency keys %v, want %v", keys, want)
			}
		}
	})
}

// Wrap async functions directly — delegates to execute() internally. Each call is automatically throttled (with retry
// if configured).

func TestGentlifyWrapThrottlesEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.AIMD{}})
		server := promiseServerOf(time.Second, nil)
		call := pipeline.Wrap(th, server.work)
		promiseTogether(4, func(int) { call(promiseContext(t), "item") })
		server.wantStarts(t, 0, 0, time.Second, time.Second)
	})
}

func TestGentlifyWrapRetriesIfConfigured(t *testing.T) {
	for name, test := range map[string]struct {
		retry *pipeline.Retry
		calls int
		ok    bool
	}{
		"configured":     {&pipeline.Retry{MaxAttempts: 3}, 2, true},
		"not configured": {nil, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{Retry: test.retry, Policy: pipeline.Static{}})
				server := promiseServerOf(0, func(call int) error {
					if call == 0 {
						return errPromise
					}
					return nil
				})
				_, err := pipeline.Wrap(th, server.work)(promiseContext(t), "item")
				if (err == nil) != test.ok || server.calls() != test.calls {
					t.Errorf("%d calls, error %v; want %d calls, success %v", server.calls(), err, test.calls, test.ok)
				}
			})
		})
	}
}

// The decorator preserves the function signature and return value.

func TestGentlifyWrapKeepsTheSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{})
		post := func(_ context.Context, item string) (int, error) { return len(item), nil }
		post = pipeline.Wrap(th, post) // only compiles if the signature is the same
		if got, err := post(promiseContext(t), "item"); got != 4 || err != nil {
			t.Errorf("got %d, %v; want the function's return value, 4", got, err)
		}

		fail := func(_ context.Context, item string) (string, error) { return item, errPromise }
		fail = pipeline.Wrap(th, fail)
		if _, err := fail(promiseContext(t), "item"); err != errPromise {
			t.Errorf("got %v, want the function's own error", err)
		}
	})
}

// Failures are recorded automatically.

func TestGentlifyWrapRecordsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.AIMD{}})
		call := pipeline.Wrap(th, func(context.Context, string) (int, error) { return 0, errPromise })
		for range 3 {
			if _, err := call(promiseContext(t), "item"); err == nil {
				t.Error("got no error")
			}
			time.Sleep(time.Second)
		}
		if got := th.Snapshot(); got.Failed != 3 || got.Concurrency != 4 {
			t.Errorf("failed %d, concurrency %d; want 3 and 4", got.Failed, got.Concurrency)
		}
	})
}

// Track and enforce token consumption within a rolling time window. When the budget is exhausted, execute() blocks
// until tokens expire from the rolling window.

func TestGentlifyBlocksUntilTokensExpireWhenTheBudgetIsExhausted(t *testing.T) {
	again := map[string]func(context.Context, *pipeline.Throttle) error{
		"execute": func(ctx context.Context, th *pipeline.Throttle) error {
			_, err := pipeline.Execute(ctx, th, func(context.Context) (int, error) { return 0, nil })
			return err
		},
		"wrap": func(ctx context.Context, th *pipeline.Throttle) error {
			_, err := pipeline.Wrap(th, func(context.Context, int) (int, error) { return 0, nil })(ctx, 0)
			return err
		},
		"acquire": func(ctx context.Context, th *pipeline.Throttle) error {
			slot, err := th.Acquire(ctx)
			if err == nil {
				slot.Release(nil)
			}
			return err
		},
	}
	spent := map[string]int64{"exactly": 100_000, "overspent": 150_000}
	for name, again := range again {
		for how, tokens := range spent {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					th := promiseThrottle(t, pipeline.Config{
						MaxConcurrency: 10,
						Budgets:        []pipeline.Budget{{Tokens: 100_000, Window: time.Minute}},
						Policy:         pipeline.Static{},
					})
					began := time.Now()
					pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
						pipeline.SlotFrom(ctx).RecordTokens(tokens)
						return 0, nil
					})
					if err := again(promiseContext(t), th); err != nil {
						t.Fatalf("a call while the budget is exhausted: got %v, want it to wait", err)
					}
					if waited := time.Since(began); waited != time.Minute {
						t.Errorf("waited %v, want 1m", waited)
					}
				})
			})
		}
	}
}

func TestGentlifyBudgetWindowRolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 10,
			Budgets:        []pipeline.Budget{{Tokens: 100_000, Window: time.Minute}},
			Policy:         pipeline.Static{},
		})
		server := promiseServerOf(0, nil)
		spend := func() {
			pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
				pipeline.SlotFrom(ctx).RecordTokens(50_000)
				return server.call(ctx)
			})
		}
		spend()
		time.Sleep(10 * time.Second)
		spend()
		spend() // waits for the first one's tokens
		spend() // waits for the second one's
		server.wantStarts(t, 0, 10*time.Second, 60*time.Second, 70*time.Second)
	})
}

func TestGentlifyBudgetHoldsForCallsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 10,
			Budgets:        []pipeline.Budget{{Tokens: 100_000, Window: time.Minute}},
			Policy:         pipeline.Static{},
		})
		server := promiseServerOf(time.Second, nil)
		promiseTogether(6, func(i int) {
			ctx := pipeline.WithCost(promiseContext(t), 50_000)
			_, err := pipeline.Execute(ctx, th, func(ctx context.Context) (int, error) {
				pipeline.SlotFrom(ctx).RecordTokens(50_000)
				return server.call(ctx)
			})
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
		starts := server.startedAt()
		if len(starts) != 6 || starts[0] != 0 || starts[1] != 0 {
			t.Fatalf("calls started at %v, want six, two of them at once", starts)
		}
		for i := range 4 { // a call's tokens are spent when it starts or, at the latest, a second later
			if apart := starts[i+2] - starts[i]; apart < time.Minute || apart > 61*time.Second {
				t.Errorf("calls started at %v, want two in any minute", starts)
			}
		}
	})
}

// After 5 consecutive failures the circuit opens, …

// promiseCircuit is the README's throttle with a circuit breaker.
func promiseCircuit(t *testing.T) *pipeline.Throttle {
	t.Helper()
	return promiseThrottle(t, pipeline.Config{
		MaxConcurrency: 10,
		Breaker:        &pipeline.Breaker{Failures: 5, OpenFor: 30 * time.Second, Probes: 2},
		Policy:         pipeline.Static{},
	})
}

func promiseWantCircuit(t *testing.T, th *pipeline.Throttle, want pipeline.CircuitState) {
	t.Helper()
	if got := th.Snapshot().Circuit; got != want {
		t.Errorf("circuit %v, want %v", got, want)
	}
}

func TestGentlifyCircuitOpensAfterConsecutiveFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		promiseFail(t, th, 4)
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
		promiseFail(t, th, 1)
		promiseWantCircuit(t, th, pipeline.BreakerOpen)
		promiseRejected(t, th)
	})
}

func TestGentlifyCircuitStaysClosedWhenFailuresAreNotConsecutive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		for range 5 {
			promiseFail(t, th, 4)
			promiseSucceed(t, th)
		}
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
	})
}

// … rejecting requests with CircuitOpenError for 30 seconds.

func TestGentlifyOpenCircuitRejectsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		promiseFail(t, th, 5)
		for _, left := range []time.Duration{30 * time.Second, 20 * time.Second, 10 * time.Second} {
			if got := promiseRejected(t, th); got != left {
				t.Errorf("RetryAfter %v, want %v", got, left)
			}
			if _, err := th.Acquire(promiseContext(t)); !promiseIsCircuitOpen(err) {
				t.Errorf("Acquire: got %v, want a *CircuitOpenError", err)
			}
			time.Sleep(10*time.Second - time.Nanosecond)
			promiseRejected(t, th)
			time.Sleep(time.Nanosecond)
		}
		promiseSucceed(t, th)
	})
}

func promiseIsCircuitOpen(err error) bool {
	_, ok := errors.AsType[*pipeline.CircuitOpenError](err)
	return ok
}

// It then enters half-open state, allowing 2 probe requests.

func TestGentlifyHalfOpenCircuitAllowsTheProbesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		promiseFail(t, th, 5)
		time.Sleep(30 * time.Second)

		server := promiseServerOf(time.Second, nil)
		var probes sync.WaitGroup
		for range 2 {
			probes.Go(func() {
				if _, err := pipeline.Execute(promiseContext(t), th, server.call); err != nil {
					t.Errorf("a probe: %v", err)
				}
			})
		}
		synctest.Wait()
		if got := server.calls(); got != 2 {
			t.Errorf("%d probes let through, want 2", got)
		}
		promiseWantCircuit(t, th, pipeline.BreakerHalfOpen)
		promiseRejected(t, th)
		probes.Wait()
	})
}

// If those succeed, the circuit closes; …

func TestGentlifyCircuitClosesWhenTheProbesSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		promiseFail(t, th, 5)
		time.Sleep(30 * time.Second)
		promiseSucceed(t, th)
		promiseWantCircuit(t, th, pipeline.BreakerHalfOpen)
		promiseSucceed(t, th)
		promiseWantCircuit(t, th, pipeline.BreakerClosed)

		server := promiseServerOf(time.Second, nil)
		promiseTogether(10, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		if server.peak != 10 {
			t.Errorf("%d calls at once through the closed circuit, want 10", server.peak)
		}
	})
}

// … if they fail, it re-opens with a doubled delay (capped at 5x).

func TestGentlifyCircuitReopensForTwiceAsLongWhenAProbeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		promiseFail(t, th, 5)
		for _, seconds := range []time.Duration{30, 60, 120, 150, 150} {
			open := seconds * time.Second
			if got := promiseRejected(t, th); got != open {
				t.Errorf("RetryAfter %v, want %v", got, open)
			}
			time.Sleep(open - time.Nanosecond)
			promiseRejected(t, th)
			time.Sleep(time.Nanosecond)
			promiseFail(t, th, 1)
		}
	})
}

func TestGentlifyCircuitReopensWhenOneProbeOfTwoFails(t *testing.T) {
	for name, fails := range map[string]int{"the first": 0, "the second": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseCircuit(t)
				promiseFail(t, th, 5)
				time.Sleep(30 * time.Second)
				server := promiseServerOf(time.Second, func(call int) error {
					if call == fails {
						return errPromise
					}
					return nil
				})
				promiseTogether(2, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
				promiseWantCircuit(t, th, pipeline.BreakerOpen)
				if got := promiseRejected(t, th); got != time.Minute {
					t.Errorf("RetryAfter %v, want 1m", got)
				}
			})
		})
	}
}

func TestGentlifyCircuitThatClosedOpensForTheFirstDelayAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseCircuit(t)
		promiseFail(t, th, 5)
		time.Sleep(30 * time.Second)
		promiseFail(t, th, 1)
		time.Sleep(60 * time.Second)
		promiseSucceed(t, th)
		promiseSucceed(t, th)
		promiseFail(t, th, 5)
		if got := promiseRejected(t, th); got != 30*time.Second {
			t.Errorf("RetryAfter %v, want 30s", got)
		}
	})
}

// Automatically retry failed requests with configurable backoff.

func TestGentlifyRetriesFailedRequestsUpToMaxAttempts(t *testing.T) {
	for _, test := range []struct{ failures, calls int }{{0, 1}, {1, 2}, {2, 3}, {3, 3}, {9, 3}} {
		t.Run(fmt.Sprintf("%d failures", test.failures), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MaxConcurrency: 5,
					Retry: &pipeline.Retry{
						MaxAttempts: 3,
						Backoff:     pipeline.ExponentialJitter,
						BaseDelay:   time.Second,
						MaxDelay:    time.Minute,
					},
					Policy: pipeline.Static{},
				})
				server := promiseServerOf(0, func(call int) error {
					if call < test.failures {
						return errPromise
					}
					return nil
				})
				_, err := pipeline.Execute(promiseContext(t), th, server.call)
				if wantErr := test.failures >= 3; (err != nil) != wantErr {
					t.Errorf("got error %v, want one: %v", err, wantErr)
				}
				if got := server.calls(); got != test.calls {
					t.Errorf("%d calls, want %d", got, test.calls)
				}
				if got := th.Snapshot().Retries; got != int64(test.calls-1) {
					t.Errorf("the snapshot counts %d retries, want %d", got, test.calls-1)
				}
			})
		})
	}
}

// Retries happen inside the throttled slot, so concurrency accounting stays correct.

func TestGentlifyRetriesInsideTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 3,
			Retry:          &pipeline.Retry{MaxAttempts: 2, Backoff: pipeline.Fixed, BaseDelay: time.Second},
			Policy:         pipeline.AIMD{},
		})
		began := time.Now()
		go func() {
			time.Sleep(1500 * time.Millisecond) // the first three calls are between their attempts
			if got := th.Snapshot(); got.InFlight != 0 || got.Waiting != 9 {
				t.Errorf("%d in flight and %d waiting while three calls hold their slots to retry, want 0 and 9", got.InFlight, got.Waiting)
			}
		}()
		promiseTogether(9, func(i int) {
			_, err := pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				if pipeline.SlotFrom(ctx).Attempt() == 0 {
					return 0, errPromise
				}
				return 0, nil
			})
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("nine calls, three at a time, each 1s + 1s backoff + 1s, took %v, want 9s", took)
		}
		if got := th.Snapshot().InFlight; got != 0 {
			t.Errorf("%d in flight after the last call, want 0", got)
		}
	})
}

// Only the final failure (after all retries are exhausted) triggers throttle deceleration — intermediate failures just
// trigger backoff sleep.

func TestGentlifyOnlyTheFinalFailureDecelerates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 8,
			Retry:          &pipeline.Retry{MaxAttempts: 3, Backoff: pipeline.Fixed, BaseDelay: time.Second},
			Policy:         pipeline.AIMD{FailureThreshold: 1},
		})
		failUntil := func(success int) error {
			_, err := pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
				if got := th.Snapshot(); got.Concurrency != 8 || got.FailureCount != 0 {
					t.Errorf("concurrency %d, failure count %d before the final failure; want 8 and 0",
						got.Concurrency, got.FailureCount)
				}
				if pipeline.SlotFrom(ctx).Attempt() < success {
					return 0, errPromise
				}
				return 0, nil
			})
			return err
		}
		if err := failUntil(2); err != nil {
			t.Errorf("a call that succeeds at its third attempt: %v", err)
		}
		if got := th.Snapshot(); got.Concurrency != 8 || got.State != pipeline.Running || got.Failed != 0 {
			t.Errorf("concurrency %d, state %v, failed %d after intermediate failures; want 8, running and 0",
				got.Concurrency, got.State, got.Failed)
		}
		if err := failUntil(3); err == nil {
			t.Error("a call that fails at every attempt: got no error")
		}
		if got := th.Snapshot(); got.Concurrency != 4 || got.State != pipeline.Cooling || got.Failed != 1 {
			t.Errorf("concurrency %d, state %v, failed %d after a final failure; want 4, cooling and 1",
				got.Concurrency, got.State, got.Failed)
		}
	})
}

// fixed — constant delay between retries. exponential — delay doubles each attempt (base_delay × 2^attempt, capped at
// max_delay).

func TestGentlifyBackoff(t *testing.T) {
	for name, test := range map[string]struct {
		backoff pipeline.Backoff
		delays  []time.Duration // in seconds
	}{
		"fixed is constant":            {pipeline.Fixed, []time.Duration{1, 1, 1, 1, 1}},
		"exponential doubles to a cap": {pipeline.Exponential, []time.Duration{1, 2, 4, 5, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					Retry: &pipeline.Retry{
						MaxAttempts: 6,
						Backoff:     test.backoff,
						BaseDelay:   time.Second,
						MaxDelay:    5 * time.Second,
					},
					Policy: pipeline.Static{},
				})
				const takes = 100 * time.Millisecond
				server := promiseServerOf(takes, func(int) error { return errPromise })
				pipeline.Execute(promiseContext(t), th, server.call)

				want := []time.Duration{0}
				for i, delay := range test.delays {
					want = append(want, want[i]+takes+delay*time.Second)
				}
				server.wantStarts(t, want...)
			})
		})
	}
}

// exponential_jitter — exponential with random jitter (default, recommended).

func TestGentlifyBackoffJitters(t *testing.T) {
	for name, retry := range map[string]pipeline.Retry{
		"when asked to": {Backoff: pipeline.ExponentialJitter},
		"by default":    {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				retry.MaxAttempts, retry.BaseDelay, retry.MaxDelay = 4, time.Second, 3*time.Second
				seen := map[time.Duration]bool{} // the first delays
				for seed := range uint64(20) {
					th := promiseThrottle(t, pipeline.Config{Retry: &retry, Policy: pipeline.Static{}, Seed: seed + 1})
					server := promiseServerOf(0, func(int) error { return errPromise })
					pipeline.Execute(promiseContext(t), th, server.call)

					starts := server.startedAt()
					if len(starts) != 4 {
						t.Fatalf("%d attempts, want 4", len(starts))
					}
					for i, atMost := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
						if delay := starts[i+1] - starts[i]; delay < 0 || delay > atMost {
							t.Errorf("delay %d was %v, want at most %v", i, delay, atMost)
						}
					}
					seen[starts[1]] = true
				}
				if len(seen) < 10 {
					t.Errorf("20 throttles waited %d different times, want them to differ", len(seen))
				}
			})
		})
	}
}

// You can also filter which exceptions are retryable. Non-retryable exceptions propagate immediately without further
// attempts.

func TestGentlifyRetriesOnlyWhatIsRetryable(t *testing.T) {
	var (
		errTimeout   = errors.New("timeout")
		errRateLimit = errors.New("rate limit")
		errBadInput  = errors.New("bad input")
	)
	for _, test := range []struct {
		err   error
		calls int
	}{{errTimeout, 3}, {errRateLimit, 3}, {errBadInput, 1}} {
		t.Run(test.err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					Retry: &pipeline.Retry{
						MaxAttempts: 3,
						Retryable: func(err error) bool {
							return errors.Is(err, errTimeout) || errors.Is(err, errRateLimit)
						},
					},
					Policy: pipeline.Static{},
				})
				server := promiseServerOf(0, func(int) error { return test.err })
				_, err := pipeline.Execute(promiseContext(t), th, server.call)
				if got := server.calls(); got != test.calls {
					t.Errorf("%d calls, want %d", got, test.calls)
				}
				if !errors.Is(err, test.err) {
					t.Errorf("got %v, want %v", err, test.err)
				}
				_, exhausted := errors.AsType[*pipeline.RetriesExhaustedError](err)
				if wantExhausted := test.calls > 1; exhausted != wantExhausted {
					t.Errorf("got %v, want retries exhausted: %v", err, wantExhausted)
				}
				if took := time.Since(server.born); test.calls == 1 && took != 0 {
					t.Errorf("a non-retryable error took %v to propagate, want it immediately", took)
				}
			})
		})
	}
}

// Configuration from code.

func TestGentlifyConfigurationFromCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu       sync.Mutex
			progress []float64
		)
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      10,
			InitialConcurrency:  3,
			MinDispatchInterval: 200 * time.Millisecond,
			TotalJobs:           12,
			OnProgress: func(snap pipeline.Snapshot) {
				mu.Lock()
				defer mu.Unlock()
				progress = append(progress, snap.Percentage)
			},
			Policy: pipeline.AIMD{FailureThreshold: 3, CoolingPeriod: 10 * time.Second},
		})
		got := th.Snapshot()
		if got.Concurrency != 3 || got.MaxConcurrency != 10 ||
			got.DispatchInterval != 200*time.Millisecond || got.Total != 12 {
			t.Errorf("concurrency %d of %d, interval %v, total %d; want 3 of 10, 200ms, 12",
				got.Concurrency, got.MaxConcurrency, got.DispatchInterval, got.Total)
		}

		server := promiseServerOf(10*time.Second, nil)
		promiseTogether(6, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		server.wantStarts(t, 0, 200*time.Millisecond, 400*time.Millisecond,
			10*time.Second, 10200*time.Millisecond, 10400*time.Millisecond)

		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(progress) == 0 || progress[len(progress)-1] != 50 {
			t.Errorf("progress %v after 6 of 12 tasks, want it to end with 50", progress)
		}
	})
}

func TestGentlifyGrowsFromInitialToMaxConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 10, InitialConcurrency: 3, Policy: pipeline.AIMD{}})
		server := promiseServerOf(time.Second, nil)
		promiseTogether(6, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		if got := server.startedAt(); got[2] != 0 || got[3] == 0 {
			t.Errorf("calls started at %v, want three at once", got)
		}
		for range 50 {
			promiseRound(t, th)
		}
		if got := th.Snapshot().Concurrency; got != 10 {
			t.Errorf("concurrency %d after 50 good rounds, want 10", got)
		}
	})
}

// ThrottleConfig: validated configuration dataclass.

func TestGentlifyConfigurationIsValidated(t *testing.T) {
	for name, cfg := range map[string]pipeline.Config{
		"max concurrency":     {MaxConcurrency: -1},
		"initial concurrency": {InitialConcurrency: -1},
		"dispatch interval":   {MinDispatchInterval: -time.Second},
		"jitter":              {Jitter: 1.5},
		"total":               {TotalJobs: -1},
		"budget tokens":       {Budgets: []pipeline.Budget{{Tokens: -1, Window: time.Minute}}},
		"budget window":       {Budgets: []pipeline.Budget{{Tokens: 1, Window: -time.Minute}}},
		"breaker failures":    {Breaker: &pipeline.Breaker{Failures: -1}},
		"breaker probes":      {Breaker: &pipeline.Breaker{Probes: -1}},
		"retry attempts":      {Retry: &pipeline.Retry{MaxAttempts: -1}},
		"retry delay":         {Retry: &pipeline.Retry{BaseDelay: -time.Second}},
		"failure threshold":   {Policy: pipeline.AIMD{FailureThreshold: -1}},
		"cooling period":      {Policy: pipeline.AIMD{CoolingPeriod: -time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, ok := errors.AsType[*pipeline.ConfigError](cfg.Validate()); !ok {
				t.Errorf("Validate: got %v, want a *ConfigError", cfg.Validate())
			}
			_, err := pipeline.NewThrottle(cfg)
			if _, ok := errors.AsType[*pipeline.ConfigError](err); !ok {
				t.Errorf("NewThrottle: got %v, want a *ConfigError", err)
			}
		})
	}
	if err := (pipeline.Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v, want it to be valid", err)
	}
}

// From a dictionary; from environment variables.

// promiseSettings are gentlify's settings as a dictionary and as environment variables (without the prefix).
var promiseSettings = map[string]struct {
	dict map[string]any
	env  map[string]string
	read func(pipeline.Config) any
	want any
}{
	"max_concurrency": {
		map[string]any{"max_concurrency": 10},
		map[string]string{"MAX_CONCURRENCY": "10"},
		func(c pipeline.Config) any { return c.MaxConcurrency },
		10,
	},
	"max_concurrency as text": {
		map[string]any{"max_concurrency": "8"},
		map[string]string{"MAX_CONCURRENCY": "8"},
		func(c pipeline.Config) any { return c.MaxConcurrency },
		8,
	},
	"max_concurrency from json": {
		map[string]any{"max_concurrency": float64(10)},
		map[string]string{"MAX_CONCURRENCY": "10"},
		func(c pipeline.Config) any { return c.MaxConcurrency },
		10,
	},
	"initial_concurrency": {
		map[string]any{"initial_concurrency": 3},
		map[string]string{"INITIAL_CONCURRENCY": "3"},
		func(c pipeline.Config) any { return c.InitialConcurrency },
		3,
	},
	"min_dispatch_interval": {
		map[string]any{"min_dispatch_interval": 0.5},
		map[string]string{"MIN_DISPATCH_INTERVAL": "0.5"},
		func(c pipeline.Config) any { return c.MinDispatchInterval },
		500 * time.Millisecond,
	},
	"min_dispatch_interval as a duration": {
		map[string]any{"min_dispatch_interval": "200ms"},
		map[string]string{"MIN_DISPATCH_INTERVAL": "200ms"},
		func(c pipeline.Config) any { return c.MinDispatchInterval },
		200 * time.Millisecond,
	},
	"max_dispatch_interval": {
		map[string]any{"max_dispatch_interval": 15},
		map[string]string{"MAX_DISPATCH_INTERVAL": "15"},
		func(c pipeline.Config) any { return c.MaxDispatchInterval },
		15 * time.Second,
	},
	"jitter_fraction": {
		map[string]any{"jitter_fraction": 0.25},
		map[string]string{"JITTER_FRACTION": "0.25"},
		func(c pipeline.Config) any { return c.Jitter },
		0.25,
	},
	"total_tasks": {
		map[string]any{"total_tasks": 1000},
		map[string]string{"TOTAL_TASKS": "1000"},
		func(c pipeline.Config) any { return c.TotalJobs },
		1000,
	},
	"failure_threshold, failure_window, cooling_period, safe_ceiling_decay_multiplier": {
		map[string]any{
			"failure_threshold":             4,
			"failure_window":                30,
			"cooling_period":                10.0,
			"safe_ceiling_decay_multiplier": 2.5,
		},
		map[string]string{
			"FAILURE_THRESHOLD":             "4",
			"FAILURE_WINDOW":                "30",
			"COOLING_PERIOD":                "10.0",
			"SAFE_CEILING_DECAY_MULTIPLIER": "2.5",
		},
		func(c pipeline.Config) any { return c.Policy },
		pipeline.AIMD{
			FailureThreshold: 4,
			FailureWindow:    30 * time.Second,
			CoolingPeriod:    10 * time.Second,
			SafeCeilingDecay: 2.5,
		},
	},
	"token_budget": {
		map[string]any{"token_budget": map[string]any{"max_tokens": 50000, "window_seconds": 60.0}},
		map[string]string{"TOKEN_BUDGET_MAX": "50000", "TOKEN_BUDGET_WINDOW": "60.0"},
		func(c pipeline.Config) any {
			if len(c.Budgets) != 1 {
				return c.Budgets
			}
			return fmt.Sprint(c.Budgets[0].Tokens, " in ", c.Budgets[0].Window)
		},
		"50000 in 1m0s",
	},
	"circuit_breaker": {
		map[string]any{"circuit_breaker": map[string]any{
			"consecutive_failures": 5, "open_duration": 30.0, "half_open_max_calls": 2,
		}},
		map[string]string{
			"CIRCUIT_BREAKER_CONSECUTIVE_FAILURES": "5",
			"CIRCUIT_BREAKER_OPEN_DURATION":        "30.0",
			"CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS":  "2",
		},
		func(c pipeline.Config) any {
			if c.Breaker == nil {
				return nil
			}
			return fmt.Sprint(c.Breaker.Failures, " ", c.Breaker.OpenFor, " ", c.Breaker.Probes)
		},
		"5 30s 2",
	},
	"retry, fixed": {
		map[string]any{"retry": map[string]any{
			"max_attempts": 4, "backoff": "fixed", "base_delay": 0.5, "max_delay": 45,
		}},
		map[string]string{
			"RETRY_MAX_ATTEMPTS": "4", "RETRY_BACKOFF": "fixed", "RETRY_BASE_DELAY": "0.5", "RETRY_MAX_DELAY": "45",
		},
		promiseReadRetry,
		promiseRetryText(4, pipeline.Fixed, 500*time.Millisecond, 45*time.Second),
	},
	"retry, exponential": {
		map[string]any{"retry": map[string]any{
			"max_attempts": 2, "backoff": "exponential", "base_delay": "1s", "max_delay": "1m",
		}},
		map[string]string{
			"RETRY_MAX_ATTEMPTS": "2", "RETRY_BACKOFF": "exponential", "RETRY_BASE_DELAY": "1s", "RETRY_MAX_DELAY": "1m",
		},
		promiseReadRetry,
		promiseRetryText(2, pipeline.Exponential, time.Second, time.Minute),
	},
	"retry, exponential_jitter": {
		map[string]any{"retry": map[string]any{
			"max_attempts": 3, "backoff": "exponential_jitter", "base_delay": 1.0, "max_delay": 60.0,
		}},
		map[string]string{
			"RETRY_MAX_ATTEMPTS": "3", "RETRY_BACKOFF": "exponential_jitter",
			"RETRY_BASE_DELAY": "1.0", "RETRY_MAX_DELAY": "60.0",
		},
		promiseReadRetry,
		promiseRetryText(3, pipeline.ExponentialJitter, time.Second, time.Minute),
	},
}

func promiseReadRetry(c pipeline.Config) any {
	if c.Retry == nil {
		return nil
	}
	return promiseRetryText(c.Retry.MaxAttempts, c.Retry.Backoff, c.Retry.BaseDelay, c.Retry.MaxDelay)
}

func promiseRetryText(attempts int, backoff pipeline.Backoff, base, most time.Duration) string {
	return fmt.Sprint(attempts, " attempts, backoff ", backoff, ", ", base, " to ", most)
}

func TestGentlifyConfigurationFromADictionary(t *testing.T) {
	for name, setting := range promiseSettings {
		t.Run(name, func(t *testing.T) {
			cfg, err := pipeline.ConfigFromMap(setting.dict)
			if err != nil {
				t.Fatal(err)
			}
			if got := setting.read(cfg); got != setting.want {
				t.Errorf("%v: got %v, want %v", setting.dict, got, setting.want)
			}
		})
	}
}

func TestGentlifyConfigurationFromEnvironmentVariables(t *testing.T) {
	for _, prefix := range []string{"GENTLIFY", "MYAPP"} {
		for name, setting := range promiseSettings {
			t.Run(prefix+" "+name, func(t *testing.T) {
				for key, value := range setting.env {
					t.Setenv(prefix+"_"+key, value)
				}
				cfg, err := pipeline.ConfigFromEnv(prefix)
				if err != nil {
					t.Fatal(err)
				}
				if got := setting.read(cfg); got != setting.want {
					t.Errorf("%v: got %v, want %v", setting.env, got, setting.want)
				}
			})
		}
	}
}

func TestGentlifyConfigurationFromEnvironmentReadsItsPrefixOnly(t *testing.T) {
	t.Setenv("GENTLIFY_MAX_CONCURRENCY", "10")
	t.Setenv("MYAPP_MAX_CONCURRENCY", "20")
	for prefix, want := range map[string]int{"GENTLIFY": 10, "MYAPP": 20, "OTHERAPP": 5} {
		cfg, err := pipeline.ConfigFromEnv(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if got := promiseThrottle(t, cfg).Snapshot().MaxConcurrency; got != want {
			t.Errorf("prefix %s: max concurrency %d, want %d", prefix, got, want)
		}
	}
}

func TestGentlifyDictionaryMakesAThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := pipeline.ConfigFromMap(map[string]any{
			"max_concurrency": 10,
			"token_budget":    map[string]any{"max_tokens": 50000, "window_seconds": 60.0},
		})
		if err != nil {
			t.Fatal(err)
		}
		th := promiseThrottle(t, cfg)
		if got := th.Snapshot(); got.MaxConcurrency != 10 || got.TokensRemaining != 50_000 {
			t.Errorf("max concurrency %d, tokens remaining %d; want 10 and 50000", got.MaxConcurrency, got.TokensRemaining)
		}
	})
}

func TestGentlifyConfigurationErrorNamesTheKey(t *testing.T) {
	for key, dict := range map[string]map[string]any{
		"max_concurency":       {"max_concurency": 10},
		"max_concurrency":      {"max_concurrency": "ten"},
		"min_dispatch":         {"min_dispatch_interval": "soon"},
		"max_tokens":           {"token_budget": map[string]any{"max_tokens": "many", "window_seconds": 60.0}},
		"window_minutes":       {"token_budget": map[string]any{"max_tokens": 1, "window_minutes": 1}},
		"consecutive_failures": {"circuit_breaker": map[string]any{"consecutive_failures": "few"}},
		"backoff":              {"retry": map[string]any{"backoff": "quadratic"}},
	} {
		t.Run(key, func(t *testing.T) {
			_, err := pipeline.ConfigFromMap(dict)
			promiseWantConfigError(t, err, key)
		})
	}
	t.Run("in the environment", func(t *testing.T) {
		t.Setenv("MYAPP_MAX_CONCURRENCY", "ten")
		_, err := pipeline.ConfigFromEnv("MYAPP")
		promiseWantConfigError(t, err, "max_concurrency")
	})
}

func promiseWantConfigError(t *testing.T, err error, key string) {
	t.Helper()
	fault, ok := errors.AsType[*pipeline.ConfigError](err)
	if !ok {
		t.Fatalf("got %v, want a *ConfigError", err)
	}
	if !strings.Contains(strings.ToLower(fault.Field), key) {
		t.Errorf("the error is about %q, want %q", fault.Field, key)
	}
}

// State change events: [decelerated] {'concurrency': (10, 5), ...}, [reaccelerated] {'concurrency': (5, 6), ...}.

func TestGentlifyTellsOfStateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      10,
			MinDispatchInterval: time.Millisecond,
			Policy:              pipeline.AIMD{CoolingPeriod: 10 * time.Second},
			OnEvent:             events.note,
		})
		promiseFail(t, th, 3)
		failed := time.Now()
		slower := events.of(pipeline.EventDecelerated)
		if len(slower) != 1 {
			t.Fatalf("%d decelerated events after three failures, want 1", len(slower))
		}
		if from, to := slower[0].From, slower[0].To; from.Limit != 10 || to.Limit != 5 ||
			from.Interval != time.Millisecond || to.Interval != 2*time.Millisecond {
			t.Errorf("decelerated from %+v to %+v, want 10 to 5 and 1ms to 2ms", from, to)
		}
		if !slower[0].At.Equal(failed) {
			t.Errorf("decelerated at %v, want %v", slower[0].At, failed)
		}
		if got := len(events.of(pipeline.EventCoolingStarted)); got != 1 {
			t.Errorf("%d cooling_started events, want 1", got)
		}

		time.Sleep(10*time.Second + time.Millisecond)
		for range 30 {
			promiseRound(t, th)
		}
		limits := []string{}
		for _, faster := range events.of(pipeline.EventReaccelerated) {
			if faster.From.Limit != faster.To.Limit {
				limits = append(limits, fmt.Sprint(faster.From.Limit, " to ", faster.To.Limit))
			}
		}
		if want := []string{"5 to 6", "6 to 7", "7 to 8", "8 to 9", "9 to 10"}; !slices.Equal(limits, want) {
			t.Errorf("reaccelerated %v, want %v", limits, want)
		}
	})
}

func TestGentlifyTellsOfTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{
			Breaker: &pipeline.Breaker{Failures: 5, OpenFor: 30 * time.Second, Probes: 1},
			Policy:  pipeline.Static{},
			OnEvent: events.note,
		})
		promiseFail(t, th, 5)
		time.Sleep(30 * time.Second)
		promiseFail(t, th, 1)
		time.Sleep(60 * time.Second)
		promiseSucceed(t, th)
		got := events.names(pipeline.EventCircuitOpened, pipeline.EventCircuitHalfOpen, pipeline.EventCircuitClosed)
		want := []string{"circuit_opened", "circuit_half_open", "circuit_opened", "circuit_half_open", "circuit_closed"}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestGentlifyTellsOfTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{
			Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Minute}},
			Policy:  pipeline.Static{},
			OnEvent: events.note,
		})
		for range 2 {
			pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
				pipeline.SlotFrom(ctx).RecordTokens(100)
				return 0, nil
			})
		}
		got := events.names(pipeline.EventBudgetExhausted, pipeline.EventBudgetRestored)
		if len(got) < 2 || got[0] != "budget_exhausted" || got[1] != "budget_restored" {
			t.Errorf("got %v, want budget_exhausted, then budget_restored", got)
		}
	})
}

func TestGentlifyTellsOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{
			Retry:   &pipeline.Retry{MaxAttempts: 3},
			Policy:  pipeline.Static{},
			OnEvent: events.note,
		})
		promiseFail(t, th, 1)
		if got := len(events.of(pipeline.EventRetry)); got != 2 {
			t.Errorf("%d retry events for a call of three attempts, want 2", got)
		}
	})
}

func TestGentlifyEventKindsHaveNames(t *testing.T) {
	for kind, want := range map[pipeline.EventKind]string{
		pipeline.EventDecelerated:     "decelerated",
		pipeline.EventCoolingStarted:  "cooling_started",
		pipeline.EventReaccelerated:   "reaccelerated",
		pipeline.EventCeilingDecayed:  "ceiling_decayed",
		pipeline.EventCircuitOpened:   "circuit_opened",
		pipeline.EventCircuitHalfOpen: "circuit_half_open",
		pipeline.EventCircuitClosed:   "circuit_closed",
		pipeline.EventBudgetExhausted: "budget_exhausted",
		pipeline.EventBudgetRestored:  "budget_restored",
		pipeline.EventRetry:           "retry",
		pipeline.EventClosed:          "closed",
		pipeline.EventDraining:        "draining",
		pipeline.EventDrained:         "drained",
	} {
		if got := kind.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Progress milestones: percentage and ETA.

func TestGentlifyReportsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu    sync.Mutex
			snaps []pipeline.Snapshot
		)
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 10,
			TotalJobs:      100,
			OnProgress: func(snap pipeline.Snapshot) {
				mu.Lock()
				defer mu.Unlock()
				snaps = append(snaps, snap)
			},
			Policy: pipeline.AIMD{},
		})
		server := promiseServerOf(time.Second, nil)
		for range 100 {
			pipeline.Execute(promiseContext(t), th, server.call)
		}
		synctest.Wait()

		mu.Lock()
		defer mu.Unlock()
		if len(snaps) < 2 {
			t.Fatalf("%d milestones in 100 tasks, want several", len(snaps))
		}
		done := 0.0
		for _, snap := range snaps {
			if snap.Percentage < done || snap.Percentage > 100 {
				t.Errorf("%.0f%% after %.0f%%, want it to grow to 100%%", snap.Percentage, done)
			}
			done = snap.Percentage
			left := time.Duration(100-done) * time.Second
			if off := (snap.ETA - left).Abs(); done >= 50 && off > 2*time.Second {
				t.Errorf("ETA %v at %.0f%% with a task a second, want about %v", snap.ETA, done, left)
			}
		}
		if done != 100 {
			t.Errorf("the last milestone is %.0f%%, want 100%%", done)
		}
	})
}

// acquire() provides a low-level context manager.

func TestGentlifyAcquireHoldsASlotUntilItIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
		began := time.Now()
		slot, err := th.Acquire(promiseContext(t))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() {
			slot.Release(nil)
			slot.Release(nil) // does nothing
		})
		promiseSucceed(t, th)
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("the next call waited %v, want until the release at 5s", waited)
		}
		if got := th.Snapshot(); got.InFlight != 0 || got.Completed != 2 {
			t.Errorf("%d in flight, %d completed; want 0 and 2", got.InFlight, got.Completed)
		}
	})
}

// Retry does not apply — the body runs exactly once.

func TestGentlifyRetryDoesNotApplyToAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 8,
			Retry:          &pipeline.Retry{MaxAttempts: 3},
			Policy:         pipeline.AIMD{FailureThreshold: 1},
			OnEvent:        events.note,
		})
		slot, err := th.Acquire(promiseContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := slot.Attempt(); got != 0 {
			t.Errorf("attempt %d, want 0", got)
		}
		time.Sleep(time.Second)
		slot.Release(errPromise)
		got := th.Snapshot()
		if got.InFlight != 0 || got.Retries != 0 || got.Failed != 1 || got.Concurrency != 4 {
			t.Errorf("in flight %d, retries %d, failed %d, concurrency %d after a release with an error; want 0, 0, 1, 4",
				got.InFlight, got.Retries, got.Failed, got.Concurrency)
		}
		if got := len(events.of(pipeline.EventRetry)); got != 0 {
			t.Errorf("%d retry events, want none", got)
		}
	})
}

func TestGentlifyManualFailuresHalveConcurrency(t *testing.T) {
	fail := map[string]func(*testing.T, *pipeline.Throttle){
		"released with an error": func(t *testing.T, th *pipeline.Throttle) {
			slot, err := th.Acquire(promiseContext(t))
			if err != nil {
				t.Fatal(err)
			}
			slot.Release(errPromise)
		},
		"recorded by hand": func(_ *testing.T, th *pipeline.Throttle) { th.RecordFailure(errPromise) },
	}
	for name, fail := range fail {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.AIMD{}})
				for _, want := range []int{8, 8, 4} {
					time.Sleep(time.Second)
					fail(t, th)
					if got := th.Snapshot().Concurrency; got != want {
						t.Fatalf("concurrency %d, want %d", got, want)
					}
				}
			})
		})
	}
}

// After close(), any new execute() or acquire() call raises ThrottleClosed.

func TestGentlifyClosedThrottleAcceptsNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{})
		server := promiseServerOf(0, nil)
		wrapped := pipeline.Wrap(th, server.work)
		th.Close()
		if _, err := pipeline.Execute(promiseContext(t), th, server.call); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("Execute: got %v, want ErrClosed", err)
		}
		if _, err := wrapped(promiseContext(t), "item"); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("a wrapped function: got %v, want ErrClosed", err)
		}
		if _, err := th.Acquire(promiseContext(t)); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("Acquire: got %v, want ErrClosed", err)
		}
		if got := server.calls(); got != 0 {
			t.Errorf("%d calls reached the service after Close, want none", got)
		}
	})
}

// In-flight requests complete normally.

func TestGentlifyInFlightRequestsCompleteAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Retry:  &pipeline.Retry{MaxAttempts: 2, Backoff: pipeline.Fixed, BaseDelay: 10 * time.Second},
			Policy: pipeline.Static{},
		})
		began := time.Now()
		time.AfterFunc(time.Second, th.Close)
		calls := map[string][]error{ // what each attempt is answered with
			"at work":        {nil},
			"about to retry": {errPromise, nil},
		}
		var all sync.WaitGroup
		for name, answers := range calls {
			all.Go(func() {
				got, err := pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (string, error) {
					if err := answers[pipeline.SlotFrom(ctx).Attempt()]; err != nil {
						return "", err
					}
					time.Sleep(5 * time.Second)
					return name, ctx.Err()
				})
				if got != name || err != nil {
					t.Errorf("the call %s when the throttle closed: got %q, %v; want it to complete", name, got, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("the calls took %v, want 15s", took)
		}
	})
}

// drain() blocks until all in-flight requests finish.

func TestGentlifyDrainWaitsForInFlightRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events promiseEvents
		th := promiseThrottle(t, pipeline.Config{Policy: pipeline.Static{}, OnEvent: events.note})
		began := time.Now()
		for _, takes := range []time.Duration{3 * time.Second, 5 * time.Second} {
			go pipeline.Execute(promiseContext(t), th, promiseServerOf(takes, nil).call)
		}
		slot, err := th.Acquire(promiseContext(t))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(7*time.Second, func() { slot.Release(nil) })
		time.Sleep(time.Second)

		th.Close()
		if err := th.Drain(promiseContext(t)); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("drained after %v, want 7s, when the last request finished", took)
		}
		if got := th.Snapshot(); got.InFlight != 0 || got.Completed != 3 {
			t.Errorf("%d in flight, %d completed after Drain; want 0 and 3", got.InFlight, got.Completed)
		}
		names := events.names(pipeline.EventClosed, pipeline.EventDraining, pipeline.EventDrained)
		if slices.Sort(names); !slices.Equal(names, []string{"closed", "drained", "draining"}) {
			t.Errorf("events %v, want closed, draining and drained, each once", names)
		}
		if drained := events.of(pipeline.EventDrained); len(drained) == 1 && drained[0].At.Sub(began) != 7*time.Second {
			t.Errorf("the event drained came at %v, want 7s", drained[0].At.Sub(began))
		}
	})
}

func TestGentlifyDrainReturnsAtOnceWhenNothingIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{})
		promiseSucceed(t, th)
		th.Close()
		began := time.Now()
		if err := th.Drain(promiseContext(t)); err != nil || time.Since(began) != 0 {
			t.Errorf("got %v after %v, want nil at once", err, time.Since(began))
		}
	})
}

// Inspect the throttle's current state at any time.

func TestGentlifySnapshotNamesTheState(t *testing.T) {
	for want, prepare := range map[string]func(*testing.T, *pipeline.Throttle){
		"running": func(*testing.T, *pipeline.Throttle) {},
		"cooling": func(t *testing.T, th *pipeline.Throttle) { promiseFail(t, th, 3) },
		"circuit_open": func(t *testing.T, th *pipeline.Throttle) {
			promiseFail(t, th, 3)
			promiseFail(t, th, 2)
		},
		"draining": func(t *testing.T, th *pipeline.Throttle) {
			slot, err := th.Acquire(promiseContext(t))
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Minute, func() { slot.Release(nil) })
			th.Close()
			go th.Drain(promiseContext(t))
			synctest.Wait()
		},
		"closed": func(t *testing.T, th *pipeline.Throttle) {
			th.Close()
			th.Drain(promiseContext(t))
		},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MinDispatchInterval: time.Millisecond,
					Breaker:             &pipeline.Breaker{Failures: 5, OpenFor: 30 * time.Second},
					Policy:              pipeline.AIMD{},
				})
				prepare(t, th)
				if got := th.Snapshot().State; got != promiseStates[want] || got.String() != want {
					t.Errorf("state %v, want %s", got, want)
				}
				time.Sleep(time.Minute) // for what prepare has begun
			})
		})
	}
}

var promiseStates = map[string]pipeline.State{
	"running":      pipeline.Running,
	"cooling":      pipeline.Cooling,
	"circuit_open": pipeline.CircuitOpen,
	"draining":     pipeline.Draining,
	"closed":       pipeline.Closed,
}

func TestGentlifySnapshotTellsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency:      6,
			InitialConcurrency:  4,
			MinDispatchInterval: 10 * time.Millisecond,
			Budgets:             []pipeline.Budget{{Tokens: 1000, Window: time.Hour}},
			TotalJobs:           20,
			Policy:              pipeline.Static{},
		})
		for range 10 {
			pipeline.Execute(promiseContext(t), th, func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				pipeline.SlotFrom(ctx).RecordTokens(10)
				return 0, nil
			})
		}
		got := th.Snapshot()
		if got.Concurrency != 4 || got.MaxConcurrency != 6 || got.DispatchInterval != 10*time.Millisecond {
			t.Errorf("concurrency %d of %d, interval %v; want 4 of 6, 10ms",
				got.Concurrency, got.MaxConcurrency, got.DispatchInterval)
		}
		if got.TokensUsed != 100 || got.TokensRemaining != 900 {
			t.Errorf("%d tokens used, %d remaining; want 100 and 900", got.TokensUsed, got.TokensRemaining)
		}
		if got.Completed != 10 || got.Total != 20 || got.Percentage != 50 {
			t.Errorf("%d of %d, %v%%; want 10 of 20, 50%%", got.Completed, got.Total, got.Percentage)
		}
		if got.ETA < 9*time.Second || got.ETA > 11*time.Second {
			t.Errorf("ETA %v after 10 of 20 tasks in 10s, want about 10s", got.ETA)
		}
		slot, err := th.Acquire(promiseContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := th.Snapshot().InFlight; got != 1 {
			t.Errorf("%d in flight, want 1", got)
		}
		slot.Release(nil)
	})
}

// tokens_remaining: remaining token budget (or None); eta_seconds: estimated time remaining (or None).

func TestGentlifySnapshotTellsWhatItDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{})
		promiseSucceed(t, th)
		if got := th.Snapshot(); got.TokensRemaining != -1 || got.ETA >= 0 || got.Percentage != 0 {
			t.Errorf("without a budget and a total: %d tokens remaining, ETA %v, %v%%; want -1, below 0 and 0%%",
				got.TokensRemaining, got.ETA, got.Percentage)
		}
		th = promiseThrottle(t, pipeline.Config{TotalJobs: 100})
		if got := th.Snapshot(); got.ETA >= 0 {
			t.Errorf("ETA %v before the first task is done, want it below 0", got.ETA)
		}
	})
}
