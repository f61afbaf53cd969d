package pipeline_test

import (
	"context"
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
