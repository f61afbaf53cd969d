package pipeline_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

func TestServiceSeesGapsOfAtLeastTheInterval(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.Policy = pipeline.Static{}
		cfg.MinDispatchInterval = rapid.SampledFrom([]time.Duration{
			time.Millisecond, 1500 * time.Microsecond, 10 * time.Millisecond, time.Second,
		}).Draw(rt, "minInterval")
		var visits []visit
		jobs := 0
		for range rapid.IntRange(1, 3).Draw(rt, "visits") {
			v := drawVisit(rt, jobs)
			v.breaks, v.seqPanic = 0, 0
			jobs += v.jobs
			visits = append(visits, v)
		}
		answers := drawAnswers(rt, cfg, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			for _, v := range visits {
				all.Go(func() { v.pay(f, v.pipeline(throttle, s), s, cfg) })
			}
			all.Wait()
			starts := s.starts(time.Now())
			for i := 1; i < len(starts); i++ {
				gap := starts[i] - starts[i-1]
				f.check(gap >= cfg.MinDispatchInterval, "a gap of %v, interval %v", gap, cfg.MinDispatchInterval)
			}
		}
	})
}

func TestPaceIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interval := range []time.Duration{
			10 * time.Microsecond, 333 * time.Microsecond, time.Millisecond, 7 * time.Millisecond, time.Second,
		} {
			s := always(answer{takes: interval / 2})
			runAll(t, s, pipeline.Config{MinDispatchInterval: interval, Policy: pipeline.Static{}}, 301)
			took := s.log[300].start.Sub(s.log[0].start)
			burst := time.Duration(0)
			if interval < time.Millisecond {
				burst = time.Millisecond // that a fresh throttle has in hand
			}
			if most := 300 * interval; took > most || took < most-burst {
				t.Errorf("interval %v: 300 gaps took %v", interval, took)
			}
		}
	})
}

func TestJitterOnlyLengthens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 10 * time.Millisecond
		s := always(answer{})
		begin := time.Now()
		runAll(t, s, pipeline.Config{MinDispatchInterval: interval, Jitter: 0.5, Seed: 1, Policy: pipeline.Static{}}, 200)
		var gaps []time.Duration
		starts := s.starts(begin)
		for i := 1; i < len(starts); i++ {
			gaps = append(gaps, starts[i]-starts[i-1])
		}
		shortest, longest := slices.Min(gaps), slices.Max(gaps)
		if shortest < interval || longest > interval*3/2 {
			t.Errorf("gaps from %v to %v, want %v to %v", shortest, longest, interval, interval*3/2)
		}
		if longest-shortest < interval/3 {
			t.Errorf("gaps from %v to %v: no jitter", shortest, longest)
		}
	})
}

func TestSameSeedSameJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func() []time.Duration {
			s := always(answer{})
			begin := time.Now()
			runAll(t, s, pipeline.Config{MinDispatchInterval: time.Second, Jitter: 1, Seed: 7, Policy: pipeline.Static{}}, 20)
			return s.starts(begin)
		}
		if one, other := run(), run(); !slices.Equal(one, other) {
			t.Errorf("starts at %v, then at %v", one, other)
		}
	})
}

// TestBelowAMillisecondTheMeanRateHolds after any idleness: in no span of time
// do more start than the interval allows in that and one millisecond.
func TestBelowAMillisecondTheMeanRateHolds(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		interval := rapid.SampledFrom([]time.Duration{
			10 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond, 999 * time.Microsecond,
		}).Draw(rt, "interval")
		pauses := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{
			0, 0, 0, 0, time.Microsecond, 500 * time.Microsecond, 2500 * time.Microsecond, time.Second,
		}), 1, 200).Draw(rt, "pauses")
		limit := rapid.IntRange(1, 100).Draw(rt, "limit")
		return func(f *faults) {
			s := always(answer{})
			p, err := pipeline.New(s.work, pipeline.Config{
				MaxConcurrency: limit, MinDispatchInterval: interval, Policy: pipeline.Static{},
			})
			if err != nil {
				f.add("%v", err)
				return
			}
			jobs := make(chan int, len(pauses))
			go func() {
				defer close(jobs)
				for i, pause := range pauses {
					time.Sleep(pause)
					jobs <- i
				}
			}()
			collect(p.Run(context.Background(), jobs))
			starts := s.starts(time.Now())
			for i := range starts {
				for k := i + 1; k < len(starts); k++ {
					least := time.Duration(k-i)*interval - time.Millisecond
					f.check(starts[k]-starts[i] >= least, "%d starts in %v, interval %v", k-i, starts[k]-starts[i], interval)
				}
			}
		}
	})
}

func TestRateIsNeverExceededByMoreThanItsBurst(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.Rate = &pipeline.Rate{
			PerSecond: rapid.Float64Range(1, 1000).Draw(rt, "perSecond"),
			Burst:     rapid.Float64Range(1, 10).Draw(rt, "burst"),
		}
		v := drawVisit(rt, 0)
		answers := drawAnswers(rt, cfg, v.jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			v.pay(f, v.pipeline(throttle, s), s, cfg)
			starts := s.starts(time.Now())
			for i := range starts {
				for k := i; k < len(starts); k++ {
					span := starts[k] - starts[i]
					most := cfg.Rate.Burst + cfg.Rate.PerSecond*span.Seconds() + 1e-3
					f.check(float64(k-i+1) <= most, "%d starts in %v: %+v", k-i+1, span, *cfg.Rate)
				}
			}
		}
	})
}

func TestRateHoldsWithItsBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{})
		p := newLine(t, s, pipeline.Config{Rate: &pipeline.Rate{PerSecond: 10, Burst: 3}})
		begin := time.Now()
		collect(p.Run(t.Context(), feed(6)))
		time.Sleep(time.Minute)
		collect(p.Run(t.Context(), feed(4)))
		want := []time.Duration{0, 0, 0, 100, 200, 300, 60300, 60300, 60300, 60400}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if got := s.starts(begin); !slices.Equal(got, want) {
			t.Errorf("starts at %v, want %v", got, want)
		}
	})
}
