package pipeline

import (
	"context"

	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// A Throttle keeps a service from being pressed too hard: by the number of
// attempts in flight, by the gaps between them, by budgets, a rate and a
// circuit breaker. Every attempt that goes through it, whichever pipeline it
// comes from, passes all of them.
//
// A throttle that nothing goes through runs nothing, so it need not be closed.
// Its methods may be called from any goroutine; but Drain called by the work
// would wait for itself, and so would Snapshot called by a Policy. Make one with
// NewThrottle, or let New make it.
type Throttle struct {
	cfg        Config
	dispatcher *stage.Dispatcher
}

// NewThrottle returns a throttle. Its error is that of Config.Validate.
func NewThrottle(cfg Config) (*Throttle, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
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
// they have not taken in the jobs channel. What was taken is finished, and its
// results have to be read. A second call does nothing.
func (t *Throttle) Close() { t.dispatcher.Close() }

// Done is closed when the throttle is, for those who send jobs and would
// otherwise wait for ever to be heard.
func (t *Throttle) Done() <-chan struct{} { return t.dispatcher.Closing() }

func (t *Throttle) closed() bool {
	select {
	case <-t.Done():
		return true
	default:
		return false
	}
}

// Drain closes the throttle and waits until every job that was taken is done
// with: those in flight, those that wait for a first attempt, and those that
// back off. It does not wait for results to be read, nor for callbacks. If ctx
// is done before, it returns the cause; what was taken is finished all the same,
// unless you cancel the runs.
func (t *Throttle) Drain(ctx context.Context) error { return t.dispatcher.Drain(ctx) }
