package pipeline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A watchedClock counts how often anybody looks at it or sets a timer.
type watchedClock struct {
	clock.Clock
	looks atomic.Int64
}

func (c *watchedClock) Now() time.Time {
	c.looks.Add(1)
	return c.Clock.Now()
}

func (c *watchedClock) Since(t time.Time) time.Duration {
	c.looks.Add(1)
	return c.Clock.Since(t)
}

func (c *watchedClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.looks.Add(1)
	return c.Clock.AfterFunc(d, f)
}

// TestIdlePipelineDoesNothing: if it did something, it would look at the clock,
// at least to wait.
func TestIdlePipelineDoesNothing(t *testing.T) {
	for name, ordered := range map[string]bool{"ordered": true, "unordered": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watched := &watchedClock{Clock: clock.Real()}
				cfg := everything()
				cfg.Clock = watched
				cfg.MinDispatchInterval = time.Millisecond
				p := newLine(t, always(answer{}), cfg)
				if ordered {
					p.Ordered()
				}
				ctx, cancel := context.WithCancel(t.Context())
				jobs := make(chan int)
				results := p.Run(ctx, jobs)
				for job := range 100 {
					jobs <- job
					<-results
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				before := watched.looks.Load()
				time.Sleep(1000 * time.Hour)
				synctest.Wait()
				if looks := watched.looks.Load() - before; looks != 0 {
					t.Errorf("%d looks at the clock in idleness", looks)
				}
				cancel()
				collect(results)
			})
		})
	}
}

// TestWaitingPipelineDoesNothing while a circuit is open or a budget empty.
func TestWaitingPipelineDoesNothing(t *testing.T) {
	for name, cfg := range map[string]pipeline.Config{
		"circuit": {Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 1000 * time.Hour}},
		"budget":  {Budgets: []pipeline.Budget{{Tokens: 1, Window: 1000 * time.Hour}}},
		"backoff": {Retry: &pipeline.Retry{BaseDelay: 1000 * time.Hour, Backoff: pipeline.Fixed, MaxDelay: 1000 * time.Hour}},
		"pace":    {MinDispatchInterval: 1000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watched := &watchedClock{Clock: clock.Real()}
				cfg.Clock = watched
				p := newLine(t, always(answer{ending: fails, tokens: 1}), cfg)
				ctx, cancel := context.WithCancel(t.Context())
				results := p.Run(ctx, feed(100))
				for range 10 {
					select {
					case <-results:
					case <-time.After(time.Minute):
					}
				}
				before := watched.looks.Load()
				time.Sleep(900 * time.Hour)
				synctest.Wait()
				if looks := watched.looks.Load() - before; looks != 0 {
					t.Errorf("%d looks at the clock while waiting", looks)
				}
				cancel()
				collect(results)
			})
		})
	}
}
