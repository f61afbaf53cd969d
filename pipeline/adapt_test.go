package pipeline_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A phase is what the service answers until some time after the begin.
type phase struct {
	until  time.Duration
	answer answer
}

// phases is a service that goes through phases, the last of which is success.
func phases(takes time.Duration, phases ...phase) *service {
	begin := time.Now()
	return &service{answer: func(int, int) answer {
		for _, p := range phases {
			if time.Since(begin) < p.until {
				return p.answer
			}
		}
		return answer{takes: takes}
	}}
}

// limits returns the limits that the events of a kind led to.
func limits(events []pipeline.Event) (limits []int) {
	for _, e := range events {
		limits = append(limits, e.To.Limit)
	}
	return limits
}

func TestAIMDHalvesCoolsAndGrowsStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cooling = time.Minute
		var log eventLog
		s := &service{answer: func(job, _ int) answer {
			if job >= 100 && job < 103 {
				return answer{ending: fails, takes: 100 * time.Millisecond}
			}
			return answer{takes: 100 * time.Millisecond}
		}}
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 8, OnEvent: log.add,
			Policy: pipeline.AIMD{FailureThreshold: 3, CoolingPeriod: cooling},
		})
		results := p.Run(t.Context(), feed(3000))
		for range 110 {
			<-results
		}
		go collect(results)
		synctest.Wait()
		// 103 jobs at 8 in 100ms, the gap is 12.5ms. There was no interval, so
		// doubling starts from that.
		cuts := log.of(pipeline.EventDecelerated)
		if len(cuts) != 1 {
			t.Fatalf("%d cuts, want 1: %v", len(cuts), log.String())
		}
		cut := cuts[0]
		if cut.From.Limit != 8 || cut.To.Limit != 4 || cut.To.Ceiling != 8 {
			t.Errorf("cut from %v to %v", cut.From, cut.To)
		}
		if i := cut.To.Interval; i < 20*time.Millisecond || i > 30*time.Millisecond {
			t.Errorf("interval %v after the cut, want about 25ms", i)
		}
		snap := p.Throttle().Snapshot()
		if snap.State != pipeline.Cooling || snap.Concurrency != 4 || snap.SafeCeiling != 8 || snap.DispatchInterval != cut.To.Interval {
			t.Errorf("snapshot after the cut: %+v", snap)
		}
		if e := log.of(pipeline.EventCoolingStarted); len(e) != 1 || e[0].Wait != cooling {
			t.Errorf("cooling: %+v", e)
		}
		time.Sleep(time.Until(cut.At.Add(cooling - 1)))
		synctest.Wait()
		if n := len(log.of(pipeline.EventReaccelerated)); n != 0 {
			t.Errorf("%d steps of growth while cooling", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		steps := log.of(pipeline.EventReaccelerated)
		if got := limits(steps); !slices.Equal(got, []int{5, 6, 7, 8}) {
			t.Errorf("grew to %v", got)
		}
		for i := 1; i < len(steps); i++ {
			if pause := steps[i].At.Sub(steps[i-1].At); pause < 100*time.Millisecond {
				t.Errorf("two steps within %v, less than an attempt takes", pause)
			}
		}
		if snap := p.Throttle().Snapshot(); snap.State != pipeline.Running || snap.DispatchInterval != 0 {
			t.Errorf("snapshot after growth: %+v", snap)
		}
	})
}

func TestGrowthStopsAtTheSafeCeilingUntilThatDecays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		// Two cuts: at once from 8 to 4, and at 15s from 4 to 2.
		s := phases(100*time.Millisecond,
			phase{50 * time.Millisecond, answer{ending: fails, takes: 50 * time.Millisecond}},
			phase{15 * time.Second, answer{takes: 100 * time.Millisecond}},
			phase{15*time.Second + 150*time.Millisecond, answer{ending: fails, takes: 100 * time.Millisecond}},
		)
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 8, MaxDispatchInterval: time.Millisecond,
			Policy: pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: 20 * time.Second, SafeCeilingDecay: 4},
		})
		go collect(p.Run(t.Context(), feed(6000)))
		for _, test := range []struct {
			at             time.Duration
			limit, ceiling int
		}{
			{time.Second, 4, 8},
			{16 * time.Second, 2, 4},
			{35 * time.Second, 2, 4},
			{40 * time.Second, 4, 4},
			{90 * time.Second, 4, 4},
			{100 * time.Second, 8, 8},
		} {
			time.Sleep(time.Until(begin.Add(test.at)))
			snap := p.Throttle().Snapshot()
			if snap.Concurrency != test.limit || snap.SafeCeiling != test.ceiling {
				t.Errorf("after %v: limit %d, ceiling %d, want %d, %d",
					test.at, snap.Concurrency, snap.SafeCeiling, test.limit, test.ceiling)
			}
		}
		p.Throttle().Close()
	})
}

// Without a Policy, a run finds how many a service takes at once: it gets nearly all
// of that, hears few refusals, and still knows it after an update.
func TestRunFindsTheLimitWithoutBeingTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, takes = 8, 100 * time.Millisecond
		s := &service{}
		s.answer = func(int, int) answer {
			if s.inFlight > limit {
				return answer{ending: refuses, takes: 5 * time.Millisecond}
			}
			return answer{takes: takes}
		}
		cfg := pipeline.Config{MaxConcurrency: 64, Retry: &pipeline.Retry{Park: true}}
		p := newLine(t, s, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan []result)
		go func() { done <- collect(p.Run(ctx, endless(ctx, new(atomic.Int64)))) }()
		time.Sleep(5 * time.Minute)
		snap := p.Throttle().Snapshot()
		if most := limit * int64(5*time.Minute/takes); snap.Completed < most*95/100 {
			t.Errorf("%d jobs done of %d that the service could do", snap.Completed, most)
		}
		if snap.Failed > 0 || snap.Retries > snap.Completed/50 {
			t.Errorf("%d jobs failed, %d attempts were refused, for %d jobs done", snap.Failed, snap.Retries, snap.Completed)
		}
		cfg.MaxConcurrency = 48
		mustUpdate(t, p.Throttle(), cfg)
		if after := p.Throttle().Snapshot(); after.Concurrency != snap.Concurrency {
			t.Errorf("limit %d before an update, %d after it", snap.Concurrency, after.Concurrency)
		}
		cancel()
		<-done
	})
}

func TestStartBelowTheMaximumClimbsWithoutAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		s := always(answer{takes: time.Second})
		runAll(t, s, pipeline.Config{MaxConcurrency: 6, InitialConcurrency: 2, Policy: pipeline.AIMD{}, OnEvent: log.add}, 60)
		synctest.Wait()
		if got := limits(log.of(pipeline.EventReaccelerated)); !slices.Equal(got, []int{3, 4, 5, 6}) || s.most != 6 {
			t.Errorf("climbed to %v, %d in flight at most", got, s.most)
		}
	})
}

func TestFailuresOfOneBurstCutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		// All 64 that are in flight fail, which tells one thing, not twenty.
		s := phases(time.Second, phase{1, answer{ending: refuses, takes: time.Second}})
		runAll(t, s, pipeline.Config{MaxConcurrency: 64, Policy: pipeline.AIMD{}, OnEvent: log.add, Retry: &pipeline.Retry{}}, 200)
		synctest.Wait()
		if got := limits(log.of(pipeline.EventDecelerated)); !slices.Equal(got, []int{32}) {
			t.Errorf("cut to %v, want 32", got)
		}
	})
}

func TestLimitNeverFallsBelowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails, takes: time.Second})
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 8, MaxDispatchInterval: 4 * time.Second,
			Policy: pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: time.Second},
		})
		if n := len(collect(p.Run(t.Context(), feed(50)))); n != 50 {
			t.Errorf("%d results of 50", n)
		}
		if snap := p.Throttle().Snapshot(); snap.Concurrency != 1 || snap.DispatchInterval != 4*time.Second {
			t.Errorf("limit %d, interval %v", snap.Concurrency, snap.DispatchInterval)
		}
	})
}

func TestStaticStaysAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails, takes: time.Second})
		p := newLine(t, s, pipeline.Config{MaxConcurrency: 8, InitialConcurrency: 3, Policy: pipeline.Static{}})
		collect(p.Run(t.Context(), feed(50)))
		if snap := p.Throttle().Snapshot(); snap.Concurrency != 3 || snap.DispatchInterval != 0 || s.most != 3 {
			t.Errorf("limit %d, interval %v, %d in flight", snap.Concurrency, snap.DispatchInterval, s.most)
		}
	})
}
