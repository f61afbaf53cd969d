package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestErrorsTellWhatToDo(t *testing.T) {
	for want, err := range map[string]error{
		"paceline: throttle is closed":                                      pipeline.ErrClosed,
		"paceline: circuit is open for another 3s":                          &pipeline.CircuitOpenError{RetryAfter: 3 * time.Second},
		"paceline: gave up after 3 attempts and 2 refusals: service failed": &pipeline.RetriesExhaustedError{Attempts: 5, Refusals: 2, Err: errService},
		"paceline: gave up after 1 attempt and 1 refusal: service failed":   &pipeline.RetriesExhaustedError{Attempts: 2, Refusals: 1, Err: errService},
		"paceline: gave up after 2 refusals: service failed":                &pipeline.RetriesExhaustedError{Attempts: 2, Refusals: 2, Err: errService},
		"paceline: gave up after 3 attempts: service failed":                &pipeline.RetriesExhaustedError{Attempts: 3, Err: errService},
		`paceline: cost: got 7, want at most 5, all of budget "tpm"`:        &pipeline.CostError{Cost: 7, Limit: 5, Budget: "tpm"},
		"paceline: cost: got -1, want at least 0":                           &pipeline.CostError{Cost: -1},
		"paceline: panic: oops":                                             &pipeline.PanicError{Value: "oops"},
		"jitter: got 2, want 0 to 1":                                        &pipeline.ConfigError{Field: "jitter", Value: 2, Reason: "want 0 to 1"},
		"service failed":                                                    pipeline.Fatal(errService),
		"initial_concurrency: got 9, want at most max_concurrency, 5":       invalid(pipeline.Config{InitialConcurrency: 9}),
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func invalid(cfg pipeline.Config) error {
	_, err := pipeline.NewThrottle(cfg)
	return err
}

func TestMarkedErrorsAreSeenThrough(t *testing.T) {
	for name, mark := range map[string]func(error) error{
		"Fatal":      pipeline.Fatal,
		"Transient":  pipeline.Transient,
		"Overloaded": func(err error) error { return pipeline.Overloaded(err, time.Second) },
	} {
		if err := mark(nil); err != nil {
			t.Errorf("%s(nil) is %v", name, err)
		}
		if err := mark(hintless{}); !errors.Is(err, hintless{}) || !errors.As(err, new(hintless)) {
			t.Errorf("%s hides the error", name)
		}
	}
}

// TestMarksAreFoundInsideWrappedErrors by what becomes of a job that fails with
// them once, where unmarked errors are not tried again.
func TestMarksAreFoundInsideWrappedErrors(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("call: %w", err) }
	refused := pipeline.Overloaded(errService, time.Minute)
	for name, test := range map[string]struct {
		err      error
		attempts int
		pause    time.Duration
	}{
		"fatal":                           {wrap(pipeline.Fatal(errService)), 1, 0},
		"transient":                       {wrap(pipeline.Transient(errService)), 2, time.Second},
		"fatal, and joined with others":   {errors.Join(hintless{}, pipeline.Fatal(errService)), 1, 0},
		"the outermost mark counts":       {pipeline.Transient(wrap(pipeline.Fatal(errService))), 2, time.Second},
		"fatal around a hint":             {pipeline.Fatal(hintError{time.Minute}), 1, 0},
		"transient around a hint":         {pipeline.Transient(hintError{time.Minute}), 2, time.Minute},
		"overloaded without its own hint": {pipeline.Overloaded(wrap(hintError{time.Minute}), 0), 2, time.Minute},
		"negative hint":                   {pipeline.Transient(hintError{-time.Minute}), 2, time.Second},
		"refused":                         {wrap(refused), 2, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				work := func(ctx context.Context, _ int) (int, error) {
					if pipeline.SlotFrom(ctx).Attempt() == 0 {
						return 0, test.err
					}
					return 0, nil
				}
				p, err := pipeline.New(work, pipeline.Config{Spread: -1, Retry: &pipeline.Retry{
					Backoff: pipeline.Fixed, Retryable: func(error) bool { return false },
				}})
				if err != nil {
					t.Fatal(err)
				}
				r := collect(p.Run(t.Context(), feed(1)))[0]
				if r.Attempts != test.attempts || time.Since(begin) != test.pause {
					t.Errorf("%d attempts in %v, want %d in %v", r.Attempts, time.Since(begin), test.attempts, test.pause)
				}
			})
		})
	}
}
