package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestNestedCallOfOneThrottleIsAnErrorAtOnce(t *testing.T) {
	for name, nested := range map[string]func(ctx context.Context, t, other *pipeline.Throttle) error{
		"Execute": func(ctx context.Context, t, _ *pipeline.Throttle) error {
			_, err := pipeline.Execute(ctx, t, func(context.Context) (int, error) { return 1, nil })
			return err
		},
		"Wrap, by way of another throttle": func(ctx context.Context, t, other *pipeline.Throttle) error {
			inner := pipeline.Wrap(t, func(context.Context, int) (int, error) { return 1, nil })
			_, err := pipeline.Execute(ctx, other, func(ctx context.Context) (int, error) { return inner(ctx, 1) })
			return err
		},
		"with a context of its own": func(ctx context.Context, t, _ *pipeline.Throttle) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			_, err := pipeline.Execute(ctx, t, func(context.Context) (int, error) { return 1, nil })
			return err
		},
		"Acquire": func(ctx context.Context, t, _ *pipeline.Throttle) error {
			slot, err := t.Acquire(ctx)
			if slot != nil {
				slot.Release(nil)
			}
			return err
		},
		"Run": func(ctx context.Context, t, _ *pipeline.Throttle) error {
			var errs []error
			for _, r := range collect(pipeline.Attach(t, square).Run(ctx, feed(30))) {
				errs = append(errs, r.Err)
			}
			if len(errs) != 30 || slices.Contains(errs, nil) {
				return errors.New("not each of 30 jobs has come back with an error")
			}
			return errors.Join(errs...)
		},
		"Each": func(ctx context.Context, t, _ *pipeline.Throttle) (err error) {
			for r := range pipeline.Attach(t, square).Each(ctx, slices.Values([]int{1, 2, 3})) {
				err = r.Err
			}
			return err
		},
		"Drain": func(ctx context.Context, t, _ *pipeline.Throttle) error { return t.Drain(ctx) },
	} {
		for _, timeout := range []time.Duration{0, time.Hour} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := pipeline.Config{
						MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{}, AttemptTimeout: timeout,
					}
					throttle, other := newThrottle(t, cfg), newThrottle(t, cfg)
					begin := time.Now()
					_, err := pipeline.Execute(within(t, time.Minute), throttle, func(ctx context.Context) (int, error) {
						return 0, nested(ctx, throttle, other)
					})
					if !errors.Is(err, pipeline.ErrNested) || time.Since(begin) != 0 {
						t.Errorf("%v after %v, want that it is nested at once, and tried once", err, time.Since(begin))
					}
				})
			})
		}
	}
}

func TestCallOfAnotherThrottleIsNotNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}
		outer, inner := newThrottle(t, cfg), newThrottle(t, cfg)
		call := func(ctx context.Context, t *pipeline.Throttle, fn func(context.Context) (int, error)) error {
			_, err := pipeline.Execute(ctx, t, fn)
			return err
		}
		err := call(t.Context(), outer, func(ctx context.Context) (int, error) {
			return 0, call(ctx, inner, func(context.Context) (int, error) { return 0, nil })
		})
		if err != nil {
			t.Error(err)
		}
		slot := mustAcquire(t, outer) // ctx is for the waiting only
		slot.Release(nil)
		if err := call(t.Context(), outer, func(context.Context) (int, error) { return 0, nil }); err != nil {
			t.Error(err)
		}
	})
}
