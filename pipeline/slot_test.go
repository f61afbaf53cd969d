package pipeline_test

import (
	"context"
	"errors"
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
