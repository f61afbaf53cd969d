package pipeline_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestSlotTellsWhatWasWaitedAndUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{Backoff: pipeline.Fixed},
		})
		if err != nil {
			t.Fatal(err)
		}
		slot, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(3 * time.Second)
			slot.Release(nil)
		}()
		attempts := 0
		if _, err := pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (int, error) {
			slot := pipeline.SlotFrom(ctx)
			if slot.Waited() != 3*time.Second || slot.Tokens() != 0 {
				t.Errorf("attempt %d: waited %v, %d tokens", slot.Attempt(), slot.Waited(), slot.Tokens())
			}
			slot.RecordTokens(7)
			slot.RecordTokens(4)
			if slot.Tokens() != 11 {
				t.Errorf("%d tokens, want 11", slot.Tokens())
			}
			if attempts++; attempts < 3 {
				return 0, errors.New("failed")
			}
			return 0, nil
		}); err != nil {
			t.Error(err)
		}
		if slot := pipeline.SlotFrom(t.Context()); slot.Waited() != 0 || slot.Tokens() != 0 {
			t.Error("outside an attempt there is something")
		}
	})
}

func TestTheVerdictIsTheThrottles(t *testing.T) {
	for name, c := range map[string]struct {
		work func() error
		want pipeline.Verdict
	}{
		"done":    {func() error { return nil }, pipeline.Succeeded},
		"fatal":   {func() error { return pipeline.Fatal(errors.New("wrong")) }, pipeline.Ignored},
		"late":    {func() error { time.Sleep(2 * time.Second); return context.DeadlineExceeded }, pipeline.Overload},
		"panic":   {func() error { panic("oh") }, pipeline.Ignored},
		"the end": {func() error { runtime.Goexit(); return nil }, pipeline.Ignored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []pipeline.Verdict
				var old *pipeline.Slot
				p, err := pipeline.New(func(ctx context.Context, _ int) (int, error) {
					old = pipeline.SlotFrom(ctx)
					old.OnVerdict(func(v pipeline.Verdict) { told = append(told, v) })
					old.OnVerdict(func(pipeline.Verdict) { panic("in a callback") })
					old.OnVerdict(func(v pipeline.Verdict) { told = append(told, v) })
					return 0, c.work()
				}, pipeline.Config{AttemptTimeout: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				for range p.Each(t.Context(), slices.Values([]int{1})) {
				}
				if !slices.Equal(told, []pipeline.Verdict{c.want, c.want}) {
					t.Errorf("got %v, want %v told twice", told, c.want)
				}
				if old.OnVerdict(func(pipeline.Verdict) {}) || pipeline.SlotFrom(t.Context()).OnVerdict(func(pipeline.Verdict) {}) {
					t.Error("got true after the attempt, or outside one")
				}
			})
		})
	}
}

func TestTheVerdictOfASlotThatIsHeldByHandIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{})
		if err != nil {
			t.Fatal(err)
		}
		slot, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told := pipeline.Succeeded
		slot.OnVerdict(func(v pipeline.Verdict) { told = v })
		if slot.Release(errors.New("broken")); told != pipeline.Failed {
			t.Errorf("got %v, want failed", told)
		}
	})
}

func TestACallbackThatEndsItsGoroutineWedgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pipeline.New(func(ctx context.Context, n int) (int, error) {
			pipeline.SlotFrom(ctx).OnVerdict(func(pipeline.Verdict) { runtime.Goexit() })
			if n == 1 {
				runtime.Goexit()
			}
			return n, nil
		}, pipeline.Config{MaxConcurrency: 1})
		if err != nil {
			t.Fatal(err)
		}
		results := 0
		for range p.Each(t.Context(), slices.Values([]int{0, 1, 2})) {
			results++
		}
		if results != 3 {
			t.Errorf("got %d results, want one for each of 3 jobs", results)
		}
	})
}
