package pipeline

import (
	"context"
	"fmt"

	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// A Throttle keeps a service from being pressed too hard: by the number of
// attempts in flight, by the gaps between them, by budgets, a rate and a
// circuit breaker. Every attempt that goes through it, whichever pipeline it
// comes from, passes all of them.
//
// A throttle that nothing goes through runs nothing, so it need not be closed.
// Its methods may be called from any goroutine, also from callbacks.
type Throttle struct {
	cfg        Config
	dispatcher *stage.Dispatcher
}

// NewThrottle returns a throttle. Its error lists every fault of cfg, each a
// *ConfigError.
func NewThrottle(cfg Config) (*Throttle, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("paceline: invalid config: %w", err)
	}
	cfg = cfg.withDefaults()
	return &Throttle{
		cfg: cfg,
		dispatcher: stage.NewDispatcher(stage.Config{
			Clock: cfg.Clock,
			Controller: controller.Config{
				Policy: cfg.Policy,
				Bounds: controller.Bounds{
					InitialLimit: cfg.InitialConcurrency,
					MaxLimit:     cfg.MaxConcurrency,
					MinInterval:  cfg.MinDispatchInterval,
					MaxInterval:  cfg.MaxDispatchInterval,
				},
				TotalJobs:  cfg.TotalJobs,
				OnEvent:    cfg.OnEvent,
				OnProgress: cfg.OnProgress,
				Logger:     cfg.Logger,
			},
			Budgets:        cfg.Budgets,
			Rate:           cfg.Rate,
			Breaker:        cfg.Breaker,
			Retry:          cfg.Retry,
			Jitter:         cfg.Jitter,
			AttemptTimeout: cfg.AttemptTimeout,
			Classify:       cfg.Classify,
			Seed:           cfg.Seed,
		}),
	}, nil
}

// Snapshot returns the throttle's state at this moment.
func (t *Throttle) Snapshot() Snapshot { return t.dispatcher.Snapshot() }

// Close takes no new work from now on: runs stop their intake and leave what
// they have not taken in the jobs channel. What was taken is finished. A second
// call does nothing.
func (t *Throttle) Close() { t.dispatcher.Close() }

// Drain closes the throttle and waits until nothing is in flight, nor waiting
// to be, nor running. If ctx is done before, it returns the cause; what was
// taken is finished all the same.
func (t *Throttle) Drain(ctx context.Context) error { return t.dispatcher.Drain(ctx) }
