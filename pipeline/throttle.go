package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

// A Throttle keeps a service from being pressed too hard: by the number of
// attempts in flight, by the gaps between them, by budgets, a rate and a
// circuit breaker. Every attempt that goes through it, whichever pipeline it
// comes from, passes all of them.
//
// A throttle that nothing goes through runs nothing, so it need not be closed.
// Its methods may be called from any goroutine; but Snapshot called by a Policy
// would wait for itself. Make one with
// NewThrottle, or let New make it.
type Throttle struct {
	cfg        atomic.Pointer[Config] // the one in force, with its defaults
	given      atomic.Pointer[Config] // the same as it was given
	dispatcher *stage.Dispatcher
}

// NewThrottle returns a throttle. Its error is that of Config.Validate. It logs Config.Warnings.
func NewThrottle(cfg Config) (*Throttle, error) {
	t, err := newThrottle(cfg, nil)
	if err == nil {
		cfg.warn()
	}
	return t, err
}

func newThrottle(cfg Config, commons *stage.Commons) (*Throttle, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := new(Throttle)
	t.give(cfg)
	cfg = cfg.withDefaults()
	staged := cfg.staged()
	staged.Commons, staged.Owner = commons, t
	t.dispatcher = stage.NewDispatcher(staged)
	t.cfg.Store(&cfg)
	return t, nil
}

func (t *Throttle) give(cfg Config) {
	cfg = cfg.clone()
	t.given.Store(&cfg)
}

// Config returns a copy of the configuration in force, as it was given: a zero field stands
// for its default. Change what is to be changed and give it to Update.
func (t *Throttle) Config() Config { return t.given.Load().clone() }

// staged returns the configuration of the stages. c must have its defaults.
func (c Config) staged() stage.Config {
	return stage.Config{
		Clock: c.Clock,
		Controller: controller.Config{
			Policy: c.Policy,
			Bounds: controller.Bounds{
				InitialLimit: c.InitialConcurrency,
				MaxLimit:     c.MaxConcurrency,
				MinInterval:  c.MinDispatchInterval,
				MaxInterval:  c.MaxDispatchInterval,
			},
			TotalJobs:  c.TotalJobs,
			OnEvent:    c.OnEvent,
			OnProgress: c.OnProgress,
			Logger:     c.Logger,
		},
		Budgets:        c.Budgets,
		Rate:           c.Rate,
		Breaker:        c.Breaker,
		Retry:          c.Retry,
		Jitter:         c.Jitter,
		Spread:         max(c.Spread, 0),
		AttemptTimeout: c.AttemptTimeout,
		MaxPause:       max(c.MaxPause, 0),
		Classify:       c.Classify,
		Seed:           c.Seed,
	}
}

// most returns the highest limit there may be.
func (t *Throttle) most() int { return t.cfg.Load().MaxConcurrency }

// Update replaces the configuration while work goes through. No job is lost, and
// when Update returns, nothing starts any more that the new one does not allow;
// attempts that have begun end under the old one. A zero field takes its default,
// not what it was before; to change one field and keep the others, begin with Config:
//
//	cfg := t.Config()
//	cfg.MaxConcurrency = 20
//	err := t.Update(cfg)
//
// What was learned stays: Seek goes on from where it is, AIMD from its limit,
// interval and ceiling unless nothing had cut them. What was used of a budget that
// keeps its name stays used; if the window's length changes, as if used just now.
// Circuit and rate stay in the state that they are in. A pause that a server asked for
// is lifted. A job that backs off keeps
// its next attempt; but one that a smaller budget will never have room for ends
// with a *CostError, and one that is too heavy for a smaller burst with a
// *WeightError.
//
// The Seed stays what it was, and so does the Clock. Update's error lists every
// fault of cfg, each a *ConfigError; another Clock is one.
func (t *Throttle) Update(cfg Config) error {
	cfg, err := cfg.inPlaceOf(*t.cfg.Load())
	if err != nil {
		return err
	}
	given := cfg
	cfg = cfg.withDefaults()
	t.dispatcher.Update(cfg.staged(), func() {
		t.cfg.Store(&cfg)
		t.give(given)
	})
	return nil
}

// inPlaceOf returns c with what it must have in common with the configuration
// that it replaces.
func (c Config) inPlaceOf(old Config) (Config, error) {
	err := c.Validate()
	if c.Clock != nil && !sameClock(c.Clock, old.Clock) {
		err = errors.Join(err, &ConfigError{
			Field: "clock", Value: fmt.Sprintf("%T", c.Clock), Reason: "want nil, or the one that is replaced",
		})
	}
	c.Clock, c.Seed = old.Clock, old.Seed
	return c, err
}

// sameClock compares clocks, of which some cannot be compared.
func sameClock(a, b clock.Clock) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// Snapshot returns the throttle's state at this moment.
func (t *Throttle) Snapshot() Snapshot { return t.dispatcher.Snapshot() }

// Watch calls fn with each event, from now on until stop is called. Events come in order, after
// OnEvent of the configuration, on a goroutine of their own: fn may still run when stop returns.
// fn should be quick: while it blocks, others are not told, and events are dropped when 1,024 of
// them wait. There may be any number
// of watchers. It panics if fn is nil.
func (t *Throttle) Watch(fn func(Event)) (stop func()) {
	mustHave("Watch", fn != nil, "function")
	return t.dispatcher.Watch(fn)
}

// Close takes no new work from now on: runs stop their intake and leave what
// they have not taken in the jobs channel. What was taken is finished, and its
// results have to be read. Code that sends to such a channel has to look at Done. A second call
// does nothing.
func (t *Throttle) Close() { t.dispatcher.Close() }

// Done is closed when the throttle is, for those who send jobs and would
// otherwise wait for ever to be heard.
func (t *Throttle) Done() <-chan struct{} { return t.dispatcher.Closing() }

// Drain closes the throttle and waits until every job that was taken is done
// with: those in flight, those that wait for a first attempt, and those that
// back off. It does not wait for results to be read, nor for callbacks. If ctx
// is done before, it returns the cause; what was taken is finished all the same,
// unless you cancel the runs. With the context of work that goes through t it closes
// and returns ErrNested, since it would wait for that work.
func (t *Throttle) Drain(ctx context.Context) error { return t.dispatcher.Drain(ctx) }
