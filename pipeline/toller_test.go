package pipeline_test

// What Toller's README promises, sentence by sentence, kept by this package.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

var (
	errPromiseRateLimit = errors.New("hit LLM rate limit")
	errPromiseServer    = errors.New("LLM service is temporarily down")
	errPromiseInput     = errors.New("prompt is too short")
)

// wantStartsAbout is wantStarts give or take a microsecond, for times that come from a rate: 1/3 s is no whole number
// of nanoseconds.
func (s *promiseServer) wantStartsAbout(t *testing.T, want ...time.Duration) {
	t.Helper()
	got := s.startedAt()
	near := func(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond }
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("calls started at %v, want %v", got, want)
	}
}

// promiseExhausted counts for a breaker only the calls whose retries were all used up.
func promiseExhausted(err error) bool {
	_, ok := errors.AsType[*pipeline.RetriesExhaustedError](err)
	return ok
}

// A single decorator applies all resilience patterns: rate limiting, retries (with backoff & jitter) and circuit
// breaking, to existing functions, with minimal boilerplate.

func TestTollerOneWrapAppliesEveryPattern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 10,
			Rate:           &pipeline.Rate{PerSecond: 1, Burst: 2},
			Retry:          &pipeline.Retry{MaxAttempts: 2, Backoff: pipeline.Fixed, BaseDelay: 10 * time.Second},
			Breaker:        &pipeline.Breaker{Failures: 1, OpenFor: time.Minute, Counts: promiseExhausted},
			Policy:         pipeline.Static{},
		})
		down := false
		server := promiseServerOf(0, func(int) error {
			if down {
				return errPromiseServer
			}
			return nil
		})
		call := pipeline.Wrap(th, server.work)

		promiseTogether(3, func(int) { call(promiseContext(t), "prompt") })
		server.wantStartsAbout(t, 0, 0, time.Second)

		time.Sleep(9 * time.Second)
		down = true
		if _, err := call(promiseContext(t), "prompt"); !promiseExhausted(err) {
			t.Errorf("got %v, want a *RetriesExhaustedError", err)
		}
		server.wantStartsAbout(t, 0, 0, time.Second, 10*time.Second, 20*time.Second)

		if _, err := call(promiseContext(t), "prompt"); !promiseIsCircuitOpen(err) {
			t.Errorf("got %v, want a *CircuitOpenError", err)
		}
	})
}

// Each pattern can be left out (enable_retry=False, enable_circuit_breaker=False).

func TestTollerPatternsThatAreNotAskedForDoNotApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 100, Policy: pipeline.Static{}})
		server := promiseServerOf(time.Second, func(int) error { return errPromiseServer })
		call := pipeline.Wrap(th, server.work)
		promiseTogether(100, func(int) {
			if _, err := call(promiseContext(t), "prompt"); err != errPromiseServer {
				t.Errorf("got %v, want the function's own error", err)
			}
		})
		server.wantStarts(t, make([]time.Duration, 100)...)
	})
}

// Token bucket: configurable call rates and burst capacity. Automatic waiting when limits are hit.

func TestTollerRateAndBurst(t *testing.T) {
	for _, test := range []struct {
		rate   pipeline.Rate
		starts []time.Duration // in milliseconds
	}{
		{pipeline.Rate{PerSecond: 1, Burst: 5}, []time.Duration{0, 0, 0, 0, 0, 1000, 2000}},
		{pipeline.Rate{PerSecond: 2, Burst: 2}, []time.Duration{0, 0, 500, 1000}},
		{pipeline.Rate{PerSecond: 10, Burst: 1}, []time.Duration{0, 100, 200, 300}},
		{pipeline.Rate{PerSecond: 0.5, Burst: 3}, []time.Duration{0, 0, 0, 2000, 4000}},
	} {
		t.Run(fmt.Sprintf("%v per second, burst %v", test.rate.PerSecond, test.rate.Burst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					MaxConcurrency: 10,
					Rate:           &test.rate,
					Policy:         pipeline.Static{},
				})
				server := promiseServerOf(0, nil)
				for range test.starts {
					if _, err := pipeline.Execute(promiseContext(t), th, server.call); err != nil {
						t.Fatalf("got %v, want the call to wait", err)
					}
				}
				var want []time.Duration
				for _, ms := range test.starts {
					want = append(want, ms*time.Millisecond)
				}
				server.wantStartsAbout(t, want...)
			})
		})
	}
}

func TestTollerUnusedRateAddsUpToTheBurstOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 10,
			Rate:           &pipeline.Rate{PerSecond: 1, Burst: 3},
			Policy:         pipeline.Static{},
		})
		for range 3 {
			promiseSucceed(t, th)
		}
		time.Sleep(time.Hour)
		server := promiseServerOf(0, nil)
		promiseTogether(5, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		server.wantStartsAbout(t, 0, 0, 0, time.Second, 2*time.Second)
	})
}

func TestTollerRateAppliesToEveryWayIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1, Burst: 1}, Policy: pipeline.Static{}})
		server := promiseServerOf(0, nil)
		pipeline.Execute(promiseContext(t), th, server.call)
		pipeline.Wrap(th, server.work)(promiseContext(t), "prompt")
		slot, err := th.Acquire(promiseContext(t))
		if err != nil {
			t.Fatal(err)
		}
		server.call(promiseContext(t))
		slot.Release(nil)
		for range pipeline.Attach(th, server.work).Each(promiseContext(t), slices.Values([]string{"prompt"})) {
		}
		server.wantStartsAbout(t, 0, time.Second, 2*time.Second, 3*time.Second)
	})
}

// Async-safe.

func TestTollerRateHoldsForManyCallsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 100,
			Rate:           &pipeline.Rate{PerSecond: 50, Burst: 10},
			Policy:         pipeline.Static{},
		})
		server := promiseServerOf(time.Second, nil)
		promiseTogether(100, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		var want []time.Duration
		for i := range 100 {
			want = append(want, time.Duration(max(0, i-9))*20*time.Millisecond)
		}
		server.wantStartsAbout(t, want...)
	})
}

// Retries: max attempts. Raises MaxRetriesExceeded wrapping the last encountered error.

func TestTollerRetriesExhaustedWrapsTheLastError(t *testing.T) {
	for _, attempts := range []int{1, 2, 3, 7} {
		t.Run(fmt.Sprintf("%d attempts", attempts), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					Retry:  &pipeline.Retry{MaxAttempts: attempts},
					Policy: pipeline.Static{},
				})
				var faults []error
				server := promiseServerOf(0, func(call int) error {
					faults = append(faults, fmt.Errorf("fault %d", call))
					return faults[call]
				})
				_, err := pipeline.Execute(promiseContext(t), th, server.call)
				if got := server.calls(); got != attempts {
					t.Fatalf("%d attempts, want %d", got, attempts)
				}
				last := faults[attempts-1]
				exhausted, ok := errors.AsType[*pipeline.RetriesExhaustedError](err)
				if !ok || exhausted.Attempts != attempts || exhausted.Err != last {
					t.Errorf("got %#v, want a *RetriesExhaustedError with %d attempts and %v", err, attempts, last)
				}
				if !errors.Is(err, last) || attempts > 1 && errors.Is(err, faults[0]) {
					t.Errorf("got %v, want it to wrap the last error only", err)
				}
			})
		})
	}
}

// Strategies: fixed delay, exponential backoff. (Jitter: TestGentlifyBackoffJitters.)

func TestTollerRetryDelayAndBackoff(t *testing.T) {
	for _, test := range []struct {
		name   string
		retry  pipeline.Retry
		starts []time.Duration // in milliseconds
	}{
		{"fixed delay", pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: 300 * time.Millisecond},
			[]time.Duration{0, 300, 600, 900}},
		{"doubling", pipeline.Retry{Backoff: pipeline.Exponential, BaseDelay: time.Second, Multiplier: 2},
			[]time.Duration{0, 1000, 3000, 7000}},
		{"half as much again", pipeline.Retry{Backoff: pipeline.Exponential, BaseDelay: time.Second, Multiplier: 1.5},
			[]time.Duration{0, 1000, 2500, 4750}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.retry.MaxAttempts = 4
				th := promiseThrottle(t, pipeline.Config{Retry: &test.retry, Policy: pipeline.Static{}})
				server := promiseServerOf(0, func(int) error { return errPromiseServer })
				pipeline.Execute(promiseContext(t), th, server.call)
				var want []time.Duration
				for _, ms := range test.starts {
					want = append(want, ms*time.Millisecond)
				}
				server.wantStarts(t, want...)
			})
		})
	}
}

// Conditional retries on specific exceptions (e.g., TransientError).

func TestTollerTransientErrorIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Retry:  &pipeline.Retry{MaxAttempts: 3, Backoff: pipeline.Fixed, BaseDelay: time.Second},
			Policy: pipeline.Static{},
		})
		server := promiseServerOf(0, func(call int) error {
			if call < 2 {
				return pipeline.Transient(errPromiseServer)
			}
			return nil
		})
		if _, err := pipeline.Execute(promiseContext(t), th, server.call); err != nil {
			t.Errorf("got %v, want the third attempt to succeed", err)
		}
		server.wantStarts(t, 0, time.Second, 2*time.Second)
	})
}

func TestTollerRetriesOnTheGivenErrorsOnly(t *testing.T) {
	for _, test := range []struct {
		err      error
		attempts int
	}{
		{errPromiseServer, 3},
		{fmt.Errorf("prompt 7: %w", errPromiseServer), 3},
		{errors.New("another error"), 1},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					Retry: &pipeline.Retry{
						MaxAttempts: 3,
						Retryable:   func(err error) bool { return errors.Is(err, errPromiseServer) },
					},
					Policy: pipeline.Static{},
				})
				server := promiseServerOf(0, func(int) error { return test.err })
				_, err := pipeline.Execute(promiseContext(t), th, server.call)
				if got := server.calls(); got != test.attempts || !errors.Is(err, test.err) {
					t.Errorf("%d attempts, then %v; want %d, then %v", got, err, test.attempts, test.err)
				}
			})
		})
	}
}

// Conditional stopping on specific exceptions (e.g., FatalError).

func TestTollerFatalErrorStopsRetrying(t *testing.T) {
	for _, attempts := range []int{1, 2} {
		t.Run(fmt.Sprintf("at attempt %d", attempts), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 5}, Policy: pipeline.Static{}})
				server := promiseServerOf(0, func(call int) error {
					if call == attempts-1 {
						return pipeline.Fatal(errPromiseInput)
					}
					return pipeline.Transient(errPromiseServer)
				})
				_, err := pipeline.Execute(promiseContext(t), th, server.call)
				if got := server.calls(); got != attempts {
					t.Errorf("%d attempts, want %d", got, attempts)
				}
				if !errors.Is(err, errPromiseInput) || promiseExhausted(err) {
					t.Errorf("got %v, want the fatal error itself", err)
				}
			})
		})
	}
}

func TestTollerFatalErrorIsNoSignOfAServiceInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 8,
			Breaker:        &pipeline.Breaker{Failures: 2, OpenFor: time.Minute},
			Policy:         pipeline.AIMD{FailureThreshold: 1},
		})
		for range 10 {
			if err := promiseAnswer(t, th, pipeline.Fatal(errPromiseInput)); !errors.Is(err, errPromiseInput) {
				t.Fatalf("got %v, want %v", err, errPromiseInput)
			}
		}
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
		if got := th.Snapshot(); got.Concurrency != 8 || got.State != pipeline.Running {
			t.Errorf("concurrency %d, state %v after bad input only; want 8 and running", got.Concurrency, got.State)
		}
	})
}

// We want to handle rate limits.

func TestTollerWaitsAsLongAsARateLimitAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			MaxConcurrency: 10,
			Retry:          &pipeline.Retry{MaxAttempts: 2, Backoff: pipeline.Fixed, BaseDelay: time.Second},
			Policy:         pipeline.Static{},
		})
		server := promiseServerOf(0, func(call int) error {
			if call < 3 { // more often than there are attempts: a refusal is none
				return pipeline.Overloaded(errPromiseRateLimit, 10*time.Second)
			}
			return nil
		})
		if _, err := pipeline.Execute(promiseContext(t), th, server.call); err != nil {
			t.Errorf("got %v, want the call to succeed once it is not refused", err)
		}
		starts := server.startedAt()
		if len(starts) != 4 {
			t.Fatalf("%d calls, want 4", len(starts))
		}
		for i := range 3 {
			if wait := starts[i+1] - starts[i]; wait < 10*time.Second {
				t.Errorf("refused at %v, called again %v later, want to wait 10s", starts[i], wait)
			}
		}
	})
}

func TestTollerARateLimitHoldsBackOtherCallsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{MaxConcurrency: 10, Policy: pipeline.Static{}})
		server := promiseServerOf(0, nil)
		err := promiseAnswer(t, th, pipeline.Overloaded(errPromiseRateLimit, 10*time.Second))
		if !errors.Is(err, errPromiseRateLimit) {
			t.Errorf("got %v, want %v", err, errPromiseRateLimit)
		}
		time.Sleep(time.Second)
		promiseTogether(3, func(int) { pipeline.Execute(promiseContext(t), th, server.call) })
		for _, start := range server.startedAt() {
			if start < 10*time.Second {
				t.Errorf("a call started %v after the refusal, want none before 10s", start)
			}
		}
		if got := server.calls(); got != 3 {
			t.Errorf("%d calls, want 3", got)
		}
	})
}

// Circuit breaker: standard states CLOSED, OPEN, HALF_OPEN.

func TestTollerCircuitPassesThroughTheStandardStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 20 * time.Second, Probes: 1},
			Policy:  pipeline.Static{},
		})
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
		promiseFail(t, th, 1)
		promiseWantCircuit(t, th, pipeline.BreakerOpen)
		time.Sleep(20 * time.Second)
		_, err := pipeline.Execute(promiseContext(t), th, func(context.Context) (int, error) {
			promiseWantCircuit(t, th, pipeline.BreakerHalfOpen)
			return 0, nil
		})
		if err != nil {
			t.Errorf("the test call: %v", err)
		}
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
	})
}

// Configurable failure thresholds and recovery timeouts.

func TestTollerCircuitThresholdAndRecoveryTimeout(t *testing.T) {
	for _, test := range []struct {
		failures int
		recovery time.Duration
	}{{1, time.Second}, {2, 20 * time.Second}, {10, 5 * time.Minute}} {
		t.Run(fmt.Sprintf("%d failures, %v", test.failures, test.recovery), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					Breaker: &pipeline.Breaker{Failures: test.failures, OpenFor: test.recovery},
					Policy:  pipeline.Static{},
				})
				promiseFail(t, th, test.failures)
				if got := promiseRejected(t, th); got != test.recovery {
					t.Errorf("RetryAfter %v, want %v", got, test.recovery)
				}
				time.Sleep(test.recovery - time.Nanosecond)
				promiseRejected(t, th)
				time.Sleep(time.Nanosecond)
				promiseSucceed(t, th)
			})
		})
	}
}

// Trips on specified exceptions (e.g., MaxRetriesExceeded, or custom fatal errors).

func TestTollerCircuitTripsOnExhaustedRetriesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Retry:   &pipeline.Retry{MaxAttempts: 3},
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 20 * time.Second, Counts: promiseExhausted},
			Policy:  pipeline.Static{},
		})
		promiseFail(t, th, 1) // three attempts
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
		promiseAnswer(t, th, pipeline.Fatal(errPromiseInput))
		promiseWantCircuit(t, th, pipeline.BreakerClosed)
		promiseFail(t, th, 1)
		promiseWantCircuit(t, th, pipeline.BreakerOpen)
	})
}

func TestTollerCircuitTripsOnTheGivenErrorsOnly(t *testing.T) {
	errDown, errOther := errors.New("service down"), errors.New("another error")
	for _, test := range []struct {
		name string
		err  error
		want pipeline.CircuitState
	}{
		{"a given error", errDown, pipeline.BreakerOpen},
		{"a given error, wrapped", fmt.Errorf("prompt 7: %w", errDown), pipeline.BreakerOpen},
		{"a given error that is fatal", pipeline.Fatal(errDown), pipeline.BreakerOpen},
		{"another error", errOther, pipeline.BreakerClosed},
		{"another error that is fatal", pipeline.Fatal(errOther), pipeline.BreakerClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := promiseThrottle(t, pipeline.Config{
					Breaker: &pipeline.Breaker{
						Failures: 2,
						OpenFor:  20 * time.Second,
						Counts:   func(err error) bool { return errors.Is(err, errDown) },
					},
					Policy: pipeline.Static{},
				})
				promiseAnswer(t, th, test.err)
				promiseWantCircuit(t, th, pipeline.BreakerClosed)
				promiseAnswer(t, th, test.err)
				promiseWantCircuit(t, th, test.want)
			})
		})
	}
}

// Prevents calls to a failing service, allowing it time to recover.

func TestTollerOpenCircuitKeepsCallsFromTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 20 * time.Second},
			Policy:  pipeline.Static{},
		})
		server := promiseServerOf(0, func(int) error { return errPromiseServer })
		began := time.Now()
		for time.Since(began) < 20*time.Second {
			pipeline.Execute(promiseContext(t), th, server.call)
			time.Sleep(100 * time.Millisecond)
		}
		server.wantStarts(t, 0, 100*time.Millisecond)
	})
}

func TestTollerOpenCircuitStopsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Retry:   &pipeline.Retry{MaxAttempts: 5, Backoff: pipeline.Fixed, BaseDelay: time.Second},
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 20 * time.Second},
			Policy:  pipeline.Static{},
		})
		server := promiseServerOf(0, func(int) error { return errPromiseServer })
		th.RecordFailure(errPromiseServer) // of another call: the retries of one do not count
		_, err := pipeline.Execute(promiseContext(t), th, server.call)
		if !promiseIsCircuitOpen(err) || !errors.Is(err, errPromiseServer) {
			t.Errorf("got %v, want a *CircuitOpenError and the last attempt's error", err)
		}
		server.wantStarts(t, 0)
	})
}

// Wait 20s before one test call.

func TestTollerHalfOpenCircuitLetsOneTestCallThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 20 * time.Second},
			Policy:  pipeline.Static{},
		})
		promiseFail(t, th, 2)
		time.Sleep(20 * time.Second)
		server := promiseServerOf(time.Second, nil)
		tested := make(chan error)
		go func() {
			_, err := pipeline.Execute(promiseContext(t), th, server.call)
			tested <- err
		}()
		synctest.Wait()
		promiseRejected(t, th)
		if err := <-tested; err != nil {
			t.Errorf("the test call: %v", err)
		}
		promiseSucceed(t, th)
	})
}

// Clear exceptions like OpenCircuitError, TransientError, FatalError for better error handling.

func TestTollerErrorsKeepTheirCause(t *testing.T) {
	for name, mark := range map[string]func(error) error{
		"transient":  pipeline.Transient,
		"fatal":      pipeline.Fatal,
		"overloaded": func(err error) error { return pipeline.Overloaded(err, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if !errors.Is(mark(errPromiseServer), errPromiseServer) {
					t.Error("the marked error does not wrap the error")
				}
				th := promiseThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
				if err := promiseAnswer(t, th, mark(errPromiseServer)); !errors.Is(err, errPromiseServer) {
					t.Errorf("got %v from Execute, want it to wrap %v", err, errPromiseServer)
				}
			})
		})
	}
}

func TestTollerErrorsCanBeToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Retry:   &pipeline.Retry{MaxAttempts: 2},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 20 * time.Second, Counts: promiseExhausted},
			Policy:  pipeline.Static{},
		})
		kind := func(err error) string {
			return fmt.Sprint("exhausted ", promiseExhausted(err), ", open ", promiseIsCircuitOpen(err),
				", closed ", errors.Is(err, pipeline.ErrClosed))
		}
		wantKind := func(want string) {
			t.Helper()
			if err := promiseAnswer(t, th, errPromiseServer); kind(err) != want {
				t.Errorf("got %v (%s), want %s", err, kind(err), want)
			}
		}
		wantKind("exhausted true, open false, closed false")
		wantKind("exhausted false, open true, closed false")
		th.Close()
		time.Sleep(20 * time.Second)
		wantKind("exhausted false, open false, closed true")
	})
}

// Example 1: Basic Resilience for Generative AI Calls.

func TestTollerExampleGenerativeAI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := promiseThrottle(t, pipeline.Config{
			Rate: &pipeline.Rate{PerSecond: 1, Burst: 5},
			Retry: &pipeline.Retry{
				MaxAttempts: 3,
				Backoff:     pipeline.Exponential,
				BaseDelay:   time.Second,
				Multiplier:  2,
				Retryable: func(err error) bool {
					return errors.Is(err, errPromiseRateLimit) || errors.Is(err, errPromiseServer)
				},
			},
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 20 * time.Second, Counts: promiseExhausted},
			Policy:  pipeline.Static{},
		})
		limited, down := pipeline.Transient(errPromiseRateLimit), pipeline.Transient(errPromiseServer)
		answers := []error{
			nil,          // a story
			limited, nil, // async programming, which succeeds when tried again
			pipeline.Fatal(errPromiseInput),
			nil, // another valid prompt
			down, down, down,
			down, down, down,
			nil, // after recovery
		}
		server := promiseServerOf(200*time.Millisecond, func(call int) error { return answers[call] })
		complete := pipeline.Wrap(th, server.work)

		succeeds := func(err error) bool { return err == nil }
		isFatal := func(err error) bool { return errors.Is(err, errPromiseInput) && !promiseExhausted(err) }
		isExhausted := func(err error) bool { return promiseExhausted(err) && errors.Is(err, errPromiseServer) }
		for _, step := range []struct {
			prompt string
			want   func(error) bool
			calls  int // that have reached the service after this prompt
			pause  time.Duration
		}{
			{"Tell me a story about a brave duck.", succeeds, 1, 300 * time.Millisecond},
			{"Explain async programming.", succeeds, 3, 300 * time.Millisecond},
			{"Shrt", isFatal, 4, 300 * time.Millisecond},
			{"Another valid prompt after fatal.", succeeds, 5, 300 * time.Millisecond},
			{"Prompt to trigger server errors 1", isExhausted, 8, 300 * time.Millisecond},
			{"Prompt to trigger server errors 2", isExhausted, 11, 300 * time.Millisecond},
			{"Prompt after CB should open", promiseIsCircuitOpen, 11, 21 * time.Second},
			{"Prompt after recovery", succeeds, 12, 0},
		} {
			if _, err := complete(promiseContext(t), step.prompt); !step.want(err) {
				t.Errorf("%s: got %v", step.prompt, err)
			}
			if got := server.calls(); got != step.calls {
				t.Fatalf("%s: %d calls have reached the service, want %d", step.prompt, got, step.calls)
			}
			time.Sleep(step.pause)
		}
		starts := server.startedAt()
		for _, first := range []int{5, 8} {
			one, two := starts[first+1]-starts[first], starts[first+2]-starts[first+1]
			if one != 1200*time.Millisecond || two != 2200*time.Millisecond {
				t.Errorf("retried %v and %v after an attempt of 200ms started, want 1.2s and 2.2s", one, two)
			}
		}
	})
}

// Example 2: Shared Rate Limiter for Multiple Related API Calls.

func TestTollerExampleSharedRateLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := promiseThrottle(t, pipeline.Config{
			Rate:   &pipeline.Rate{PerSecond: 2, Burst: 2},
			Policy: pipeline.Static{},
		})
		server := promiseServerOf(100*time.Millisecond, nil)
		endpoint := func(name string) pipeline.Work[int, string] {
			return pipeline.Wrap(shared, func(ctx context.Context, item int) (string, error) {
				_, err := server.call(ctx)
				return fmt.Sprintf("%s %d done", name, item), err
			})
		}
		a, b := endpoint("A"), endpoint("B")
		results := make([]string, 4)
		promiseTogether(4, func(i int) {
			call := a
			if i%2 == 1 {
				call = b
			}
			results[i], _ = call(promiseContext(t), i/2+1)
		})
		if want := []string{"A 1 done", "B 1 done", "A 2 done", "B 2 done"}; !slices.Equal(results, want) {
			t.Errorf("results %v, want %v", results, want)
		}
		server.wantStartsAbout(t, 0, 0, 500*time.Millisecond, time.Second)
	})
}

func TestTollerPipelinesShareOneRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := promiseThrottle(t, pipeline.Config{
			Rate:   &pipeline.Rate{PerSecond: 2, Burst: 2},
			Policy: pipeline.Static{},
		})
		server := promiseServerOf(100*time.Millisecond, nil)
		promiseTogether(2, func(int) {
			done := 0
			for result := range pipeline.Attach(shared, server.work).Each(promiseContext(t), slices.Values([]string{"1", "2"})) {
				if done++; result.Err != nil {
					t.Errorf("%s: %v", result.In, result.Err)
				}
			}
			if done != 2 {
				t.Errorf("%d results, want 2", done)
			}
		})
		server.wantStartsAbout(t, 0, 0, 500*time.Millisecond, time.Second)
	})
}

func TestTollerThrottlesOfTheirOwnShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := promiseServerOf(0, nil)
		for range 3 {
			th := promiseThrottle(t, pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1, Burst: 1}, Policy: pipeline.Static{}})
			pipeline.Execute(promiseContext(t), th, server.call)
		}
		server.wantStarts(t, 0, 0, 0)
	})
}
