package pipeline_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/paceline-go/paceline/pipeline"
)

// TestWatchersHearWhatOnEventDoes: all of it, in the same order, from when they
// came until they leave, whatever configuration is in force.
func TestWatchersHearWhatOnEventDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var configured, first, second eventLog
		cfg := pipeline.Config{
			Policy: pipeline.AIMD{FailureThreshold: 2}, Retry: &pipeline.Retry{MaxAttempts: 2}, OnEvent: configured.add,
		}
		p := newLine(t, always(answer{ending: fails}), cfg)
		throttle := p.Throttle()
		stopFirst := throttle.Watch(first.add)
		collect(p.Run(t.Context(), feed(4)))
		synctest.Wait()
		if configured.String() == "" || first.String() != configured.String() {
			t.Errorf("heard %q, OnEvent %q", first.String(), configured.String())
		}

		stopSecond := throttle.Watch(second.add)
		before := len(first.events)
		cfg.OnEvent = nil
		if err := throttle.Update(cfg); err != nil {
			t.Fatal(err)
		}
		collect(p.Run(t.Context(), feed(4)))
		synctest.Wait()
		if len(first.events) == before || fmt.Sprint(first.events[before:]) != fmt.Sprint(second.events) {
			t.Errorf("one heard %v, the other %v", first.events[before:], second.events)
		}

		stopFirst()
		before = len(first.events)
		throttle.Close()
		synctest.Wait()
		if n := len(second.of(pipeline.EventClosed)); n != 1 || len(first.events) != before {
			t.Errorf("closed was told %d times, and %d events to one who had left", n, len(first.events)-before)
		}
		stopSecond()
		stopSecond()
	})
}

func TestWatcherThatPanicsDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		p := newLine(t, always(answer{ending: fails}), pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 2}})
		defer p.Throttle().Watch(func(pipeline.Event) { panic("watcher") })()
		defer p.Throttle().Watch(log.add)()
		if n := len(collect(p.Run(t.Context(), feed(3)))); n != 3 {
			t.Errorf("%d results of 3", n)
		}
		synctest.Wait()
		if log.String() != "retry retry retry" {
			t.Errorf("heard %q", log.String())
		}
	})
}

// TestWhoComesLaterHearsNothingOfBefore: an event is kept for nobody.
func TestWhoComesLaterHearsNothingOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		p := newLine(t, always(answer{ending: fails}), pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{MaxAttempts: 2}})
		collect(p.Run(t.Context(), feed(3)))
		synctest.Wait()
		defer p.Throttle().Watch(log.add)()
		p.Throttle().Close()
		synctest.Wait()
		if log.String() != "closed drained" {
			t.Errorf("heard %q", log.String())
		}
	})
}
