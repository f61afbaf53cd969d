package main

import (
	"context"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/fallback"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

type (
	answer   = service.Answer
	executor = failsafe.Executor[answer]
	cities   = pipeline.Pipeline[data.City, answer]
)

// guarded puts an executor around calls, each of which has a context of its own.
func guarded(e executor, call pipeline.Work[data.City, answer]) pipeline.Work[data.City, answer] {
	return func(ctx context.Context, c data.City) (answer, error) {
		return e.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[answer]) (answer, error) { return call(e.Context(), c) })
	}
}

// hedge starts a second call beside one that takes long. The first that succeeds is
// taken; that one fails is no reason to give up the other.
func (s settings) hedge(c *client) hedgepolicy.HedgePolicy[answer] {
	return hedgepolicy.NewBuilderWithDelayQuantile[answer](s.quantile, 200, 50).
		CancelIf(func(_ answer, err error) bool { return err == nil }).
		OnHedge(func(failsafe.ExecutionEvent[answer]) { c.hedges.Add(1) }).
		Build()
}

func (s settings) limit() timeout.Timeout[answer] { return timeout.New[answer](s.timeout) }

// estimate is what is said of a place that the service has no answer for.
var estimate = fallback.NewWithResult(answer{Geohash: "unknown", DayMinutes: 12 * 60})

// plain has nothing but a timeout around the call.
func (s settings) plain(c *client) (*cities, *pipeline.Throttle, error) {
	p, err := pipeline.New(guarded(failsafe.With(s.limit()), c.ask), throttle(inFlight))
	if err != nil {
		return nil, nil, err
	}
	return p, p.Throttle(), nil
}

// inside has the hedge in the work: both calls are one attempt. It is right where the service minds its own load. Where it has a limit, leave
// it room for the hedges: here they are a tenth of the calls.
func (s settings) inside(c *client) (*cities, *pipeline.Throttle, error) {
	p, err := pipeline.New(guarded(failsafe.With(s.hedge(c), s.limit()), c.ask), throttle(inFlight))
	if err != nil {
		return nil, nil, err
	}
	return p, p.Throttle(), nil
}

// gates has paceline's own hedge: the second call passes the gates of the throttle, as the first
// has, and goes before jobs that wait. It is the least to write, and no call is unknown.
func (s settings) gates(c *client) (*cities, *pipeline.Throttle, error) {
	work := pipeline.Hedged(guarded(failsafe.With(s.limit()), c.ask), pipeline.Hedge{Quantile: s.quantile, MaxShare: 1.2 * (1 - s.quantile)})
	p, err := pipeline.New(work, throttle(inFlight))
	if err != nil {
		return nil, nil, err
	}
	return p, p.Throttle(), nil
}

// around has the hedge around Execute: each call is an attempt of its own, with
// slot, pace and budget. The jobs come through a pipeline whose own throttle only
// says how many there are at once; one and the same would wait for itself. The
// fallback is outermost, so that the throttle hears of what fails. A call that is
// cancelled gives its slot back before the service has noticed; at the very limit,
// that may cost a refusal now and then.
func (s settings) around(c *client) (*cities, *pipeline.Throttle, error) {
	calls, err := pipeline.NewThrottle(throttle(atOnce))
	if err != nil {
		return nil, nil, err
	}
	call := pipeline.Wrap(calls, guarded(failsafe.With(s.limit()), c.ask))
	p, err := pipeline.New(guarded(failsafe.With(estimate, s.hedge(c)), call), pipeline.Config{
		MaxConcurrency: inFlight, Policy: pipeline.Static{},
	})
	return p, calls, err
}
