package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// GitHub's graphql being used up is no reason for calls of core to wait.
func TestAUsedUpResourceHoldsUpItsOwnCallsOnly(t *testing.T) {
	for _, test := range []struct {
		name     string
		resource string
		used     []string // up
		want     time.Duration
	}{
		{"its own is used up", "graphql", []string{"graphql"}, time.Minute},
		{"another one is", "core", []string{"graphql"}, 0},
		{"an unknown one, of one that was told of", "", []string{"graphql"}, time.Minute},
		{"an unknown one, of two", "", []string{"graphql", "core"}, time.Minute},
		{"its own, of two", "core", []string{"graphql", "core"}, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
				call := func(ctx context.Context, hint pipeline.Hint) {
					t.Helper()
					_, err := pipeline.Execute(ctx, throttle, func(ctx context.Context) (int, error) {
						pipeline.SlotFrom(ctx).Hint(hint)
						return 0, nil
					})
					if err != nil {
						t.Error(err)
					}
				}
				for _, resource := range test.used {
					ctx := pipeline.WithResource(t.Context(), resource)
					call(ctx, pipeline.Hint{Limit: 10, Reset: time.Minute, Budget: resource, Requests: true, Resource: resource})
				}
				begin := time.Now()
				ctx := t.Context()
				if test.resource != "" {
					ctx = pipeline.WithResource(ctx, test.resource)
				}
				call(ctx, pipeline.Hint{})
				if waited := time.Since(begin); waited != test.want {
					t.Errorf("waited %v, want %v", waited, test.want)
				}
			})
		})
	}
}

// As long as one resource has something left, a call of which nobody knows of which it is may
// be of that one; and a quota of all calls holds up each.
func TestACallOfAnUnknownResourceWaitsForTheLeastUsedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		tell := func(h pipeline.Hint) {
			slot, err := throttle.Acquire(pipeline.WithResource(t.Context(), "other"))
			if err != nil {
				t.Fatal(err)
			}
			slot.Hint(h)
			slot.Release(nil)
			time.Sleep(time.Second) // what starts with it is another volley
		}
		begin := time.Now()
		waited := func(want time.Duration) {
			t.Helper()
			if _, err := callService(t.Context(), throttle, always(answer{}), 0); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got != want {
				t.Errorf("started at %v, want %v", got, want)
			}
		}
		tell(pipeline.Hint{Limit: 10, Reset: time.Hour, Budget: "graphql", Requests: true, Resource: "graphql"})
		tell(pipeline.Hint{Limit: 10, Remaining: 1, Reset: time.Minute, Budget: "core", Requests: true, Resource: "core"})
		if p := throttle.Snapshot().PausedFor; p != 0 {
			t.Errorf("paused for %v, though core has something left", p)
		}
		waited(2 * time.Second)
		waited(time.Minute + time.Second) // core is whole again
		tell(pipeline.Hint{Limit: 10, Reset: time.Minute, Requests: true})
		waited(2*time.Minute + time.Second)
	})
}

// resourceCall makes a call of a resource and returns when it started, after begin.
func resourceCall(ctx context.Context, throttle *pipeline.Throttle, resource string, hint pipeline.Hint, outcome error) (started []time.Duration, err error) {
	begin := time.Now()
	_, err = pipeline.Execute(pipeline.WithResource(ctx, resource), throttle, func(ctx context.Context) (int, error) {
		started = append(started, time.Since(begin))
		if len(started) > 1 {
			return 0, nil
		}
		if outcome != nil {
			time.Sleep(time.Second)
		}
		pipeline.SlotFrom(ctx).Hint(hint)
		return 0, outcome
	})
	return started, err
}

func usedUp(resource string) pipeline.Hint {
	return pipeline.Hint{Limit: 10, Reset: time.Minute, Budget: resource, Requests: true, Resource: resource}
}

func TestACallOfAFreeResourceDoesNotWaitBehindOneOfAUsedUpOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		resourceCall(t.Context(), throttle, "graphql", usedUp("graphql"), nil)
		resourceCall(t.Context(), throttle, "core", pipeline.Hint{Limit: 10, Remaining: 9, Reset: time.Hour, Budget: "core", Requests: true, Resource: "core"}, nil)
		var calls sync.WaitGroup
		for _, test := range []struct {
			resource string
			want     time.Duration
		}{
			{"graphql", time.Minute}, {"core", 0}, {"graphql", time.Minute}, {"", 0}, {"search", 0},
		} {
			calls.Go(func() {
				started, err := resourceCall(t.Context(), throttle, test.resource, pipeline.Hint{}, nil)
				if err != nil || started[0] != test.want {
					t.Errorf("a call of %q started after %v, %v; want %v", test.resource, started, err, test.want)
				}
			})
			synctest.Wait()
		}
		if s := throttle.Snapshot(); s.HeldBy != pipeline.HeldByServer || s.InFlight != 0 || s.Waiting != 2 {
			t.Errorf("got %+v, want two that wait for the server", s)
		}
		calls.Wait()
	})
}

func TestJobsOfARunWaitForTheirResourceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		resourceCall(t.Context(), throttle, "graphql", usedUp("graphql"), nil)
		begin := time.Now()
		var runs sync.WaitGroup
		for resource, want := range map[string]time.Duration{"graphql": time.Minute, "core": 0} {
			runs.Go(func() {
				p := pipeline.Attach(throttle, func(context.Context, int) (time.Duration, error) { return time.Since(begin), nil })
				for r := range p.Run(pipeline.WithResource(t.Context(), resource), feed(20)) {
					if r.Err != nil || r.Out != want {
						t.Errorf("a job of %s started after %v, %v; want %v", resource, r.Out, r.Err, want)
					}
				}
				if took := time.Since(begin); took != want {
					t.Errorf("the run of %s took %v, want %v", resource, took, want)
				}
			})
		}
		runs.Wait()
	})
}

func TestCallsOfOneResourceKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
		for _, resource := range []string{"a", "b"} {
			resourceCall(t.Context(), throttle, resource, usedUp(resource), nil)
		}
		started := map[string][]int{}
		var calls sync.WaitGroup
		for i := range 30 {
			resource := string("abc"[i%3])
			calls.Go(func() {
				_, err := pipeline.Execute(pipeline.WithResource(t.Context(), resource), throttle, func(context.Context) (int, error) {
					time.Sleep(time.Second)
					started[resource] = append(started[resource], i) // there is one slot
					return 0, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		calls.Wait()
		for resource, order := range started {
			if len(order) != 10 || !slices.IsSorted(order) {
				t.Errorf("%s: got %v, want ten, in order", resource, order)
			}
		}
	})
}

// GitHub refuses a call of graphql with the time to wait, and says that graphql is used up.
func TestARefusalForAUsedUpResourceHoldsUpNoOther(t *testing.T) {
	for _, test := range []struct {
		name     string
		resource string // that the refused calls are said to be of
		want     map[string]time.Duration
	}{
		{"of that resource", "graphql", map[string]time.Duration{"core": 0, "": 0, "graphql": time.Minute}},
		{"of nobody knows which", "", map[string]time.Duration{"core": 0, "": time.Minute, "graphql": time.Minute}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, pipeline.Config{
					MaxConcurrency: 2, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second},
				})
				full := pipeline.Hint{Limit: 10, Remaining: 9, Reset: time.Hour, Budget: "core", Requests: true, Resource: "core"}
				resourceCall(t.Context(), throttle, "core", full, nil)
				var calls sync.WaitGroup
				refused := pipeline.Overloaded(errors.New("used up"), time.Minute)
				for range 2 { // as many as there are slots
					calls.Go(func() {
						started, err := resourceCall(t.Context(), throttle, test.resource, usedUp("graphql"), refused)
						if err != nil || len(started) != 2 || started[0] != 0 || started[1] != time.Minute+time.Second {
							t.Errorf("refused: attempts after %v, %v; want the second a minute after the refusal", started, err)
						}
					})
				}
				time.Sleep(time.Second)
				synctest.Wait()
				for resource, want := range test.want {
					calls.Go(func() {
						started, err := resourceCall(t.Context(), throttle, resource, pipeline.Hint{}, nil)
						if err != nil || started[0] != want {
							t.Errorf("a call of %q started after %v, %v; want %v", resource, started, err, want)
						}
					})
				}
				calls.Wait()
			})
		})
	}
}

func TestARetryThatWaitsForItsResourceKeepsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second},
		})
		slot, err := throttle.Acquire(pipeline.WithResource(t.Context(), "graphql"))
		if err != nil {
			t.Fatal(err)
		}
		slot.Release(nil)
		var failed sync.WaitGroup
		failed.Go(func() {
			started, err := resourceCall(t.Context(), throttle, "graphql", pipeline.Hint{}, errors.New("failed"))
			if err != nil || len(started) != 2 || started[1] != time.Minute+time.Second {
				t.Errorf("failed: attempts after %v, %v; want the second after a minute and a second", started, err)
			}
		})
		time.Sleep(time.Second)
		synctest.Wait() // it backs off with its slot
		slot.Hint(usedUp("graphql"))
		time.Sleep(2 * time.Second)
		started, err := resourceCall(t.Context(), throttle, "core", pipeline.Hint{}, nil)
		if err != nil || started[0] != 0 {
			t.Errorf("a call of core started after %v, %v; want at once", started, err)
		}
		failed.Wait()
	})
}

func TestACallThatCannotWaitForItsResourceIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}})
		slot, err := throttle.Acquire(pipeline.WithResource(t.Context(), "graphql"))
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		call := func() {
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				begin := time.Now()
				_, err := resourceCall(ctx, throttle, "graphql", pipeline.Hint{}, nil)
				if took := time.Since(begin); took != 0 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v after %v, want that the deadline is too soon, at once", err, took)
				}
			})
			synctest.Wait()
		}
		call()
		slot.Hint(usedUp("graphql"))
		slot.Release(nil)
		calls.Wait()
		resourceCall(t.Context(), throttle, "core", pipeline.Hint{}, nil)
		call()
		calls.Wait()
	})
}

func TestUpdateLiftsThePauseOfAResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{Policy: pipeline.Static{}}
		throttle := newThrottle(t, cfg)
		resourceCall(t.Context(), throttle, "graphql", pipeline.Hint{RetryAfter: time.Hour, Resource: "graphql"}, nil)
		started, err := resourceCall(t.Context(), throttle, "core", pipeline.Hint{}, nil)
		if err != nil || started[0] != 0 {
			t.Errorf("a call of core started after %v, %v; want at once", started, err)
		}
		var paused sync.WaitGroup
		paused.Go(func() {
			started, err := resourceCall(t.Context(), throttle, "graphql", pipeline.Hint{}, nil)
			if err != nil || started[0] != time.Minute {
				t.Errorf("started after %v, %v; want with the update, after a minute", started, err)
			}
		})
		time.Sleep(time.Minute)
		if err := throttle.Update(cfg); err != nil {
			t.Fatal(err)
		}
		paused.Wait()
	})
}
