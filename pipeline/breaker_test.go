package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestOpenTimeDoublesUpToFiveTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		s := always(answer{ending: fails})
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{}, OnEvent: log.add,
			Breaker: &pipeline.Breaker{Failures: 3, OpenFor: time.Second},
		})
		begin := time.Now()
		results := p.Run(t.Context(), feed(8))
		for range 8 {
			<-results
		}
		want := seconds(0, 0, 0, 1, 3, 7, 12, 17)
		if got := s.starts(begin); !slices.Equal(got, want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
		synctest.Wait()
		if got, want := log.String(), "circuit_opened"+strings.Repeat(" circuit_half_open circuit_opened", 5); got != want {
			t.Errorf("events %v, want %v", got, want)
		}
		if e := log.of(pipeline.EventCircuitOpened); e[0].Wait != time.Second || e[len(e)-1].Wait != 5*time.Second {
			t.Errorf("open for %v, then %v", e[0].Wait, e[5].Wait)
		}
	})
}

func TestProbesThatAllSucceedCloseTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		s := &service{answer: func(job, _ int) answer {
			if job < 2 || job == 5 || job >= 20 {
				return answer{ending: fails, takes: time.Second}
			}
			return answer{takes: time.Second}
		}}
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 10, InitialConcurrency: 10, Policy: pipeline.Static{}, OnEvent: log.add,
			Breaker: &pipeline.Breaker{Failures: 2, OpenFor: 10 * time.Second, Probes: 3},
		})
		jobs := make(chan int, 30)
		jobs <- 0
		jobs <- 1
		begin := time.Now()
		results := p.Run(t.Context(), jobs)
		for range 2 {
			<-results // open from 1s to 11s
		}
		for job := 3; job < 23; job++ {
			jobs <- job
		}
		close(jobs)
		collect(results)
		// 3, 4 and 5 probe, 5 fails; 6, 7 and 8 probe, and then the rest.
		got := s.starts(begin)
		want := seconds(0, 0, 11, 11, 11, 32, 32, 32, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33)
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
		synctest.Wait()
		if want := "circuit_opened circuit_half_open circuit_opened circuit_half_open circuit_closed"; !strings.HasPrefix(log.String(), want) {
			t.Errorf("events %v, want %v", log.String(), want)
		}
	})
}

func TestAttemptsFromBeforeTheCircuitOpenedDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		s := &service{answer: func(job, _ int) answer {
			switch job {
			case 0, 1, 2:
				return answer{ending: fails} // opens at 0s
			case 3:
				return answer{takes: 5 * time.Second} // must not close it
			case 4:
				return answer{ending: fails, takes: 15 * time.Second} // must not open it again
			}
			return answer{takes: 20 * time.Second} // the probe
		}}
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 10, Policy: pipeline.Static{}, OnEvent: log.add,
			Breaker: &pipeline.Breaker{Failures: 3, OpenFor: 10 * time.Second},
		})
		jobs := make(chan int, 10)
		for _, job := range []int{3, 4, 0, 1, 2} {
			jobs <- job
		}
		begin := time.Now()
		results := p.Run(t.Context(), jobs)
		for range 3 {
			<-results
		}
		jobs <- 5
		close(jobs)
		collect(results)
		if last := s.log[5]; last.job != 5 || last.start.Sub(begin) != 10*time.Second {
			t.Errorf("probe: job %d at %v", last.job, last.start.Sub(begin))
		}
		synctest.Wait()
		if want := "circuit_opened circuit_half_open circuit_closed"; log.String() != want {
			t.Errorf("events %v, want %v", log.String(), want)
		}
	})
}

func TestCountsChoosesWhatOpensTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			MaxConcurrency: 1, Policy: pipeline.Static{},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour, Counts: func(err error) bool {
				return !errors.Is(err, errService)
			}},
		}
		begin := time.Now()
		runAll(t, always(answer{ending: fails}), cfg, 50) // fewer than may lie unread: for a reader who lags, a run waits a nanosecond
		if took := time.Since(begin); took != 0 {
			t.Errorf("errors that do not count held a run up for %v", took)
		}
		s := always(answer{ending: hints})
		runAll(t, s, cfg, 2)
		if took := s.log[1].start.Sub(begin); took != time.Hour {
			t.Errorf("an error that counts held a run up for %v", took)
		}
	})
}

func TestCallersMistakesDoNotOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range []ending{failsFatally, panics, cancels} {
			begin := time.Now()
			runAll(t, always(answer{ending: e}), pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1}}, 20)
			if took := time.Since(begin); took != 0 {
				t.Errorf("ending %d held a run up for %v", e, took)
			}
		}
	})
}

func TestBreakerOpensWhenNearlyAllCallsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		throttle := newThrottle(t, pipeline.Config{
			MaxConcurrency: 10, Policy: pipeline.Static{}, OnEvent: log.add,
			Breaker: &pipeline.Breaker{OpenFor: time.Hour},
		})
		s := &service{answer: func(job, _ int) answer {
			if job%10 == 0 {
				return answer{}
			}
			return answer{ending: fails}
		}}
		tried := 0
		for job := range 10_000 {
			_, err := callService(t.Context(), throttle, s, job)
			if errors.As(err, new(*pipeline.CircuitOpenError)) {
				break
			}
			tried++
		}
		if tried != 100 {
			t.Errorf("%d calls were tried, want 100 until it is known that nine of ten fail", tried)
		}
		synctest.Wait()
		if got := log.String(); got != "circuit_opened nothing_succeeded" && got != "circuit_opened" {
			t.Errorf("events %v", got)
		}
	})
}

func TestProbeThatNeverEndsHoldsTheCircuitNoLongerThanItWasOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &service{answer: func(job, _ int) answer {
			switch job {
			case 0:
				return answer{ending: fails}
			case 1:
				return answer{takes: 1000 * time.Hour} // the probe
			}
			return answer{takes: time.Second}
		}}
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 3, InitialConcurrency: 3, Policy: pipeline.Static{},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute},
		})
		begin := time.Now()
		jobs := make(chan int, 6)
		jobs <- 0
		results := p.Run(ctx, jobs)
		<-results
		for job := 1; job < 6; job++ {
			jobs <- job
		}
		for range 4 {
			<-results
		}
		want := seconds(0, 60, 120, 121, 121, 122)
		if got := s.starts(begin); !slices.Equal(got, want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
		cancel()
		for range results {
		}
	})
}

func TestCallThatWaitsForAProbeIsNotSentHomeEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer {
			switch job {
			case 0:
				return answer{ending: fails}
			case 1:
				return answer{takes: 5 * time.Second} // the probe
			}
			return answer{takes: time.Second}
		}}
		throttle := newThrottle(t, pipeline.Config{
			Policy:  pipeline.Static{},
			Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Minute, Wait: true},
		})
		callService(t.Context(), throttle, s, 0)
		time.Sleep(time.Minute)
		go callService(t.Context(), throttle, s, 1)
		synctest.Wait()
		if _, err := callService(within(t, 10*time.Second), throttle, s, 2); err != nil {
			t.Errorf("the probe is back after 5s, the deadline is at 10s: %v", err)
		}
	})
}
