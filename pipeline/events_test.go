package pipeline_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// An eventLog is what OnEvent was told.
type eventLog struct {
	mu     sync.Mutex
	events []pipeline.Event
}

func (l *eventLog) add(e pipeline.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// of returns the events of one kind.
func (l *eventLog) of(kind pipeline.EventKind) (events []pipeline.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

func (l *eventLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []string
	for _, e := range l.events {
		kinds = append(kinds, e.Kind.String())
	}
	return strings.Join(kinds, " ")
}

// TestEventsComeInOrderOneAtATime and each change starts from where the last
// one ended.
func TestEventsComeInOrderOneAtATime(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		v := drawVisit(rt, 0)
		answers := drawAnswers(rt, cfg, v.jobs)
		slow := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond}).Draw(rt, "slow callback")
		return func(f *faults) {
			var log eventLog
			var inside atomic.Int32
			cfg.OnEvent = func(e pipeline.Event) {
				f.check(inside.Add(1) == 1, "two callbacks at once")
				time.Sleep(slow)
				log.add(e)
				inside.Add(-1)
			}
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			v.pay(f, v.pipeline(throttle, s), s, cfg)
			retries := int(throttle.Snapshot().Retries)
			throttle.Close()
			time.Sleep(time.Hour)
			synctest.Wait()
			var last time.Time
			circuit := pipeline.EventCircuitClosed
			for _, e := range log.events {
				f.check(!e.At.Before(last), "%v at %v after an event at %v", e.Kind, e.At, last)
				last = e.At
				switch e.Kind {
				case pipeline.EventCircuitOpened:
					f.check(circuit != e.Kind, "%v twice", e.Kind)
					circuit = e.Kind
					for _, a := range s.log {
						inside := a.start.After(e.At) && a.start.Before(e.At.Add(e.Wait))
						f.check(!inside, "an attempt %v after the circuit opened for %v", a.start.Sub(e.At), e.Wait)
					}
				case pipeline.EventCircuitHalfOpen:
					f.check(circuit == pipeline.EventCircuitOpened, "%v after %v", e.Kind, circuit)
					circuit = e.Kind
				case pipeline.EventCircuitClosed:
					f.check(circuit == pipeline.EventCircuitHalfOpen, "%v after %v", e.Kind, circuit)
					circuit = e.Kind
				}
			}
			end := log.String()
			f.check(strings.HasSuffix(end, "closed drained"), "ends with %v", end)
			f.check(len(log.of(pipeline.EventRetry)) >= retries, "%d retries told, %d made", len(log.of(pipeline.EventRetry)), retries)
		}
	})
}

func TestEventsThatNobodyTakesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 1500 // an event each
		var log eventLog
		gate := make(chan struct{})
		p := newLine(t, always(answer{ending: fails}), pipeline.Config{
			Policy: pipeline.Static{},
			Retry:  &pipeline.Retry{MaxAttempts: 2},
			OnEvent: func(e pipeline.Event) {
				<-gate
				log.add(e)
			},
		})
		if n := len(collect(p.Run(t.Context(), feed(jobs)))); n != jobs {
			t.Errorf("%d results of %d", n, jobs)
		}
		dropped := p.Throttle().Snapshot().DroppedEvents
		close(gate)
		synctest.Wait()
		if told := len(log.events); told < 100 || dropped == 0 || told+int(dropped) != jobs+1 { // and that nothing has succeeded
			t.Errorf("%d events told, %d dropped, of %d", told, dropped, jobs)
		}
		p.Throttle().Close()
		synctest.Wait()
		if !strings.HasSuffix(log.String(), "retry closed drained") {
			t.Error("no more is told")
		}
	})
}

func TestProgressIsToldAtEachPercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []float64
		p := newLine(t, always(answer{takes: time.Second}), pipeline.Config{
			MaxConcurrency: 1, TotalJobs: 200,
			OnProgress: func(s pipeline.Snapshot) { told = append(told, s.Percentage) },
		})
		collect(p.Run(t.Context(), feed(200)))
		synctest.Wait()
		if len(told) != 100 || told[0] != 1 || told[99] != 100 {
			t.Errorf("told %v", told)
		}
	})
}

// At the start, one attempt after another says how long they take; then more may be in flight,
// with an interval between them that is much shorter than that.
func TestAGrowingLimitInTheStartupIsToldAsAnAcceleration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		p := newLine(t, always(answer{takes: 180 * time.Millisecond}), pipeline.Config{MaxConcurrency: 64, OnEvent: log.add})
		collect(p.Run(t.Context(), feed(200)))
		synctest.Wait()
		faster := log.of(pipeline.EventReaccelerated)
		if len(faster) == 0 || faster[0].From.Limit != 1 || faster[0].To.Limit <= 1 || faster[0].To.Interval == 0 {
			t.Errorf("got %v, want that more may be in flight, at an interval", faster)
		}
		if slower := log.of(pipeline.EventDecelerated); len(slower) > 0 {
			t.Errorf("got %v, want none, since nothing was refused", slower)
		}
	})
}
