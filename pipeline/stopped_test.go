package pipeline_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// Whatever keeps a job from another attempt, its error first says what the last one failed
// with, then why there is no other.
func TestErrorOfAJobThatIsNotTriedAgainBeginsWithItsLastAttempt(t *testing.T) {
	retry := &pipeline.Retry{MaxAttempts: 9, Backoff: pipeline.Fixed, BaseDelay: time.Minute}
	budget := func(tokens int64) []pipeline.Budget {
		return []pipeline.Budget{{Name: "day", Tokens: tokens, Window: time.Hour}}
	}
	shrink := func(t *pipeline.Throttle) { _ = t.Update(pipeline.Config{Retry: retry, Budgets: budget(1)}) }
	for _, test := range []struct {
		name string
		cfg  pipeline.Config
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		stop func(t *pipeline.Throttle, cancel func()) // 30 s after the job has come, which takes 20 s or a minute
		long bool
		why  string
	}{
		{name: "cancelled while it backs off", stop: func(_ *pipeline.Throttle, cancel func()) { cancel() }, why: "context canceled"},
		{name: "cancelled in flight", long: true, stop: func(_ *pipeline.Throttle, cancel func()) { cancel() }, why: ""},
		{name: "no time", ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, why: "paceline: no attempt can end"},
		{name: "circuit is open", cfg: pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}}, why: "paceline: circuit is open"},
		{name: "too dear after an update while it backs off", stop: func(t *pipeline.Throttle, _ func()) { shrink(t) }, why: "paceline: cost: got 50, want at most 1"},
		{name: "too dear after an update in flight", long: true, stop: func(t *pipeline.Throttle, _ func()) { shrink(t) }, why: "paceline: cost: got 50, want at most 1"},
		{name: "Classify panics", cfg: pipeline.Config{Classify: func(error) pipeline.Verdict { panic("oh") }}, why: "paceline: panic: oh"},
		{name: "Classify exits", cfg: pipeline.Config{Classify: func(error) pipeline.Verdict { runtime.Goexit(); return 0 }}, why: "paceline: runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := test.cfg
				cfg.Retry, cfg.Budgets, cfg.Policy = retry, budget(100), pipeline.Static{}
				throttle := newThrottle(t, cfg)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.ctx != nil {
					ctx, cancel = test.ctx(ctx)
					defer cancel()
				}
				takes := 20 * time.Second
				if test.long {
					takes = time.Minute
				}
				if test.stop != nil {
					time.AfterFunc(30*time.Second, func() { test.stop(throttle, cancel) })
				}
				err := make(chan error)
				go func() { // which Classify may end
					defer close(err)
					_, e := pipeline.Execute(pipeline.WithCost(ctx, 50), throttle, func(context.Context) (int, error) {
						time.Sleep(takes)
						return 0, errService
					})
					err <- e
				}()
				got, returned := <-err
				if !returned {
					return // the exit is the caller's own
				}
				want := errService.Error()
				if test.why != "" {
					want += "; not tried again: " + test.why
				}
				if !errors.Is(got, errService) || !strings.HasPrefix(got.Error(), want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

func TestABatchThatBacksOffKeepsTheCostErrorOfAnUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Minute}
		budget := func(tokens int64) []pipeline.Budget {
			return []pipeline.Budget{{Name: "day", Tokens: tokens, Window: time.Hour}}
		}
		own := []error{errors.New("first"), errors.New("second")}
		p := newPipeline(t, func(_ context.Context, in []int) ([]int, error) { return in, pipeline.Partial(own) },
			pipeline.Config{Budgets: budget(100), Retry: retry}).Cost(func([]int) int64 { return 50 })
		time.AfterFunc(30*time.Second, func() {
			if err := p.Throttle().Update(pipeline.Config{Budgets: budget(1), Retry: retry}); err != nil {
				t.Error(err)
			}
		})
		for r := range pipeline.Batch(p, 2, time.Second).Run(t.Context(), feed(2)) {
			var cost *pipeline.CostError
			if !errors.As(r.Err, &cost) || cost.Cost != 50 || !errors.Is(r.Err, own[r.In]) || errors.Is(r.Err, own[1-r.In]) {
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
	})
}

func newPipeline[In, Out any](t *testing.T, work pipeline.Work[In, Out], cfg pipeline.Config) *pipeline.Pipeline[In, Out] {
	t.Helper()
	p, err := pipeline.New(work, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
