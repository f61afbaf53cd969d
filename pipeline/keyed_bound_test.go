package pipeline_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// soon is until for what is not to be hoped for: it collects garbage a few times only.
func soon(ok func() bool) bool {
	for range 5 {
		if runtime.GC(); ok() {
			return true
		}
	}
	return false
}

// A key that is blocked stays so whatever other keys are used, until it is over.
func TestABlockedKeyIsNotForgotten(t *testing.T) {
	hint := func(h pipeline.Hint) func(context.Context) error {
		return func(ctx context.Context) error { pipeline.SlotFrom(ctx).Hint(h); return nil }
	}
	fail := func(context.Context) error { return errService }
	for _, test := range []struct {
		name  string
		cfg   pipeline.Config
		work  func(context.Context) error // of the key's only call
		keeps bool
	}{
		{name: "paused by an error", work: func(context.Context) error { return pipeline.Overloaded(errService, time.Hour) }, keeps: true},
		{name: "paused by a hint", work: hint(pipeline.Hint{RetryAfter: time.Hour}), keeps: true},
		{name: "quota told of", work: hint(pipeline.Hint{Limit: 10, Remaining: 3, Reset: time.Hour}), keeps: true},
		{name: "quota told of for a month", work: hint(pipeline.Hint{Limit: 10, Reset: month}), keeps: true}, // it is asked again after MaxPause
		{name: "circuit open", cfg: pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}}, work: fail, keeps: true},
		{name: "circuit closed", cfg: pipeline.Config{Breaker: &pipeline.Breaker{Failures: 2, OpenFor: time.Hour}}, work: fail},
		{name: "budget used", cfg: pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 5, Window: time.Hour, Requests: true}}}, work: fail, keeps: true},
		{name: "rate used", cfg: pipeline.Config{Rate: &pipeline.Rate{PerSecond: 1 / 3600., Burst: 2}}, work: fail, keeps: true},
		{name: "nothing", work: fail},
	} {
		t.Run(test.name, func(t *testing.T) {
			mock := clock.NewMock()
			test.cfg.Clock = mock
			k := newKeyed(t, pipeline.KeyedConfig[int]{Each: test.cfg, Keep: 2})
			_, err := pipeline.Execute(t.Context(), k.Throttle(0), func(ctx context.Context) (int, error) { return 0, test.work(ctx) })
			throttle := weak.Make(k.Throttle(0))
			throttle.Value().Snapshot() // so that the call is in the books
			windUp()                    // and the throttle is in use no more
			gone := func() bool { return throttle.Value() == nil }
			kept := func() bool {
				if test.keeps {
					return !soon(gone)
				}
				return !until(gone)
			}
			others := func(first int) {
				for key := first; key < first+5; key++ {
					k.Throttle(key)
				}
				windUp()
			}
			others(1)
			if got := kept(); got != test.keeps {
				t.Fatalf("after five other keys: kept %v, want %v; the call ended with %v", got, test.keeps, err)
			}
			mock.Add(59 * time.Minute)
			others(10)
			if got := kept(); got != test.keeps {
				t.Errorf("59 minutes later: kept %v, want %v", got, test.keeps)
			}
			mock.Add(2 * time.Hour)
			others(20)
			if !until(gone) {
				t.Error("kept for ever")
			}
			runtime.KeepAlive(k) // or all its throttles would be gone
		})
	}
}

func TestBlockedKeysDoNotPileUpWhenTheyAreFree(t *testing.T) {
	mock := clock.NewMock()
	k := newKeyed(t, pipeline.KeyedConfig[int]{Keep: 2, Each: pipeline.Config{
		Clock: mock, Budgets: []pipeline.Budget{{Tokens: 5, Window: time.Hour, Requests: true}},
	}})
	const keys = 50
	use := func(first int) {
		for key := first; key < first+keys; key++ {
			if _, err := pipeline.Execute(t.Context(), k.Throttle(key), func(context.Context) (int, error) { return 0, nil }); err != nil {
				t.Fatal(err)
			}
		}
		windUp()
	}
	use(0)
	if soon(func() bool { return count(k) < keys }) {
		t.Errorf("%d throttles are kept, want all %d whose budget is used", count(k), keys)
	}
	mock.Add(2 * time.Hour)
	use(keys)
	if !until(func() bool { return count(k) <= keys+2 }) {
		t.Errorf("%d throttles are kept, want the %d whose budget is used", count(k), keys)
	}
}
