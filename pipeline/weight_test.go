package pipeline_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// weightStarts returns when jobs start that weigh so much, one after the other.
func weightStarts(t *testing.T, rate pipeline.Rate, weights ...float64) []time.Duration {
	t.Helper()
	s := always(answer{})
	p := newLine(t, s, pipeline.Config{Rate: &rate, Policy: pipeline.Static{}})
	p.Weight(func(job int) float64 { return weights[job] })
	begin := time.Now()
	for r := range p.Run(t.Context(), feed(len(weights))) {
		if r.Err != nil {
			t.Errorf("job %d: %v", r.In, r.Err)
		}
	}
	return s.starts(begin)
}

func millis(n ...int) (all []time.Duration) {
	for _, n := range n {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	return all
}

func TestWeightsCountAgainstTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := pipeline.Rate{PerSecond: 2, Burst: 2}
		wantStarts(t, weightStarts(t, rate, 1, 1, 1, 1), millis(0, 0, 500, 1000))
		wantStarts(t, weightStarts(t, rate, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25), millis(0, 0, 0, 0, 250, 375, 500))
		wantStarts(t, weightStarts(t, rate, 2, 2, 1.5, 2), millis(0, 1000, 1750, 2750))
		wantStarts(t, weightStarts(t, rate, 2, 0, 0, 0, 0.25, 0), millis(0, 0, 0, 0, 125, 125))
		wantStarts(t, weightStarts(t, pipeline.Rate{PerSecond: 100, Burst: 50}, 50, 50, 0.5), millis(0, 500, 505))
	})
}

func TestWeightDoesNotMatterWithoutARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{})
		p := newLine(t, s, pipeline.Config{}).Weight(func(job int) float64 { return []float64{0, 1e300, math.Inf(1)}[job] })
		begin := time.Now()
		for r := range p.Run(t.Context(), feed(3)) {
			if r.Err != nil {
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
		wantStarts(t, s.starts(begin), seconds(0, 0, 0))
	})
}

func TestEachAttemptWeighs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails})
		p := newLine(t, s, pipeline.Config{
			Rate: &pipeline.Rate{PerSecond: 1, Burst: 5}, Policy: pipeline.Static{},
			Retry: &pipeline.Retry{MaxAttempts: 4, Backoff: pipeline.Fixed, BaseDelay: time.Second},
		}).Weight(func(int) float64 { return 2.5 })
		begin := time.Now()
		collect(p.Run(t.Context(), feed(1)))
		wantStarts(t, s.starts(begin), millis(0, 1000, 2500, 5000)) // 2.5, 1, then as it flows in
	})
}

func TestCallsWeighWhatTheirContextSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := &pipeline.Rate{PerSecond: 1, Burst: 4}
		outer := newThrottle(t, pipeline.Config{Rate: rate, Policy: pipeline.Static{}})
		inner := newThrottle(t, pipeline.Config{Rate: rate, Policy: pipeline.Static{}})
		s := always(answer{})
		begin := time.Now()
		heavy := pipeline.WithWeight(t.Context(), 4)
		light := pipeline.WithWeight(t.Context(), 1.5)
		nested := pipeline.Wrap(inner, s.work)
		for _, ctx := range []context.Context{heavy, light, t.Context(), pipeline.WithWeight(heavy, 0.25)} {
			pipeline.Execute(ctx, outer, func(ctx context.Context) (int, error) {
				s.work(ctx, 0)
				return nested(ctx, 1) // counts for one, whatever the outer call does
			})
		}
		slot, err := outer.Acquire(heavy)
		if err != nil {
			t.Fatal(err)
		}
		slot.Release(nil)
		s.work(t.Context(), 2)
		wantStarts(t, s.starts(begin), millis(0, 0, 1500, 1500, 2500, 2500, 2750, 2750, 6750))
	})
}

func TestWeightAndCostDoNotForgetEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ctx := range []context.Context{
			pipeline.WithWeight(pipeline.WithCost(t.Context(), 7), 2), pipeline.WithCost(pipeline.WithWeight(t.Context(), 2), 7),
		} {
			throttle := newThrottle(t, pipeline.Config{
				Rate: &pipeline.Rate{PerSecond: 1, Burst: 2}, Policy: pipeline.Static{},
				Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Hour}},
			})
			begin := time.Now()
			for range 2 {
				slot, err := throttle.Acquire(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer slot.Release(nil)
			}
			if used, took := throttle.Snapshot().TokensUsed, time.Since(begin); used != 14 || took != 2*time.Second {
				t.Errorf("%d tokens reserved after %v, want 14 after 2s", used, took)
			}
		}
	})
}

// TestWeightPerSecondHolds: in no span of time do attempts start that weigh more
// than the burst and what flows in meanwhile, whatever they weigh and whichever door
// they come through.
func TestWeightPerSecondHolds(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.Rate = &pipeline.Rate{
			PerSecond: rapid.Float64Range(1, 1000).Draw(rt, "perSecond"),
			Burst:     rapid.Float64Range(1, 10).Draw(rt, "burst"),
		}
		v := drawVisit(rt, 0)
		shares := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 0.01, 0.1, 1. / 3, 0.5, 0.99, 1}), 8, 8).Draw(rt, "shares")
		calls := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 0, 8).Draw(rt, "calls")
		answers := drawAnswers(rt, cfg, 24)
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer {
				if job >= 24 {
					return answer{}
				}
				return answers(job, number)
			}}
			weight := func(job int) float64 { return shares[job%8] * cfg.Rate.Burst }
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			all.Go(func() { v.pay(f, v.pipeline(throttle, s).Weight(weight), s, cfg) })
			for i, after := range calls {
				all.Go(func() {
					time.Sleep(time.Duration(after))
					pipeline.Wrap(throttle, s.work)(pipeline.WithWeight(context.Background(), weight(24+i)), 24+i)
				})
			}
			all.Wait()
			for i, first := range s.log {
				sum := 0.0
				for _, a := range s.log[i:] {
					sum += weight(a.job)
					span := a.start.Sub(first.start)
					most := cfg.Rate.Burst + cfg.Rate.PerSecond*span.Seconds() + 1e-3
					f.check(sum <= most, "a weight of %v within %v: %+v", sum, span, *cfg.Rate)
				}
			}
		}
	})
}

// wantTooHeavy checks the error of something that weighs too much.
func wantTooHeavy(t *testing.T, err error, weight, burst float64) {
	t.Helper()
	var heavy *pipeline.WeightError
	if !errors.As(err, &heavy) || heavy.Weight != weight && !(math.IsNaN(weight) && math.IsNaN(heavy.Weight)) || heavy.Burst != burst {
		t.Errorf("weight %v, burst %v: got %v", weight, burst, err)
	}
}

func TestJobThatIsTooHeavyEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []*pipeline.Rate{{PerSecond: 0.01, Burst: 2}, nil} {
			tooHeavy := []float64{-1, math.NaN(), math.Inf(-1)}
			burst := 0.0
			if rate != nil {
				tooHeavy, burst = append(tooHeavy, 2.001, math.Inf(1)), 2
			}
			s := always(answer{takes: time.Hour})
			throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 1, Rate: rate})
			p := pipeline.Attach(throttle, s.work).Weight(func(job int) float64 {
				if job == 0 {
					return burst // all there is, and the only slot
				}
				return tooHeavy[job-1]
			})
			begin := time.Now()
			results := p.Run(t.Context(), feed(1+len(tooHeavy)))
			for range tooHeavy {
				r := <-results
				wantTooHeavy(t, r.Err, tooHeavy[r.In-1], burst)
				if r.Attempts != 0 {
					t.Errorf("%d attempts", r.Attempts)
				}
			}
			for _, w := range tooHeavy {
				_, err := pipeline.Wrap(throttle, s.work)(pipeline.WithWeight(t.Context(), w), 0)
				wantTooHeavy(t, err, w, burst)
				slot, err := throttle.Acquire(pipeline.WithWeight(t.Context(), w))
				if wantTooHeavy(t, err, w, burst); slot != nil {
					t.Error("a slot beside the error")
				}
			}
			if took := time.Since(begin); took != 0 {
				t.Errorf("took %v", took)
			}
			collect(results)
			if snap := throttle.Snapshot(); snap.Completed != 1 || snap.Failed != int64(3*len(tooHeavy)) || s.count() != 1 {
				t.Errorf("%d completed, %d failed, %d attempts", snap.Completed, snap.Failed, s.count())
			}
		}
	})
}

func TestWeightErrorSaysWhatWasExpected(t *testing.T) {
	for want, e := range map[string]*pipeline.WeightError{
		"paceline: weight: got 2.5, want at most 2, the rate's burst": {Weight: 2.5, Burst: 2},
		"paceline: weight: got -1, want at least 0":                   {Weight: -1, Burst: 2},
		"paceline: weight: got NaN, want at least 0":                  {Weight: math.NaN()},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWeightThatPanicsIsTheJobsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{}), pipeline.Config{}).Weight(func(job int) float64 {
			if job == 1 {
				panic("no idea")
			}
			return 1
		})
		for r := range p.Run(t.Context(), feed(3)) {
			var panicked *pipeline.PanicError
			if errors.As(r.Err, &panicked) != (r.In == 1) {
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
	})
}

// A burst that shrinks sends home who will never have room: who waits, who backs
// off, and who is in flight when that ends.
func TestBurstThatShrinksSendsTheTooHeavyHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := pipeline.Config{
			MaxConcurrency: 2, Policy: pipeline.Static{}, Rate: &pipeline.Rate{PerSecond: 4, Burst: 4},
			Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: 10 * time.Second},
		}
		s := &service{answer: func(job, _ int) answer {
			return answer{ending: fails, takes: []time.Duration{time.Second, 5 * time.Second, 0, 0, 0, 0}[job]}
		}}
		p := newLine(t, s, cfg).Weight(func(job int) float64 { return []float64{2, 2, 3, 1, 3, 1}[job] })
		begin := time.Now()
		results := p.Run(t.Context(), feed(6))
		time.Sleep(2 * time.Second) // job 0 backs off, 1 is in flight, the others wait
		small := cfg
		small.Rate = &pipeline.Rate{PerSecond: 4, Burst: 1.5}
		if err := p.Throttle().Update(small); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			r := <-results
			at := time.Since(begin)
			switch r.In {
			case 0, 2, 4:
				wantTooHeavy(t, r.Err, []float64{2, 2, 3, 1, 3, 1}[r.In], 1.5)
				if at != 2*time.Second {
					t.Errorf("job %d after %v, want 2s", r.In, at)
				}
			case 1:
				wantTooHeavy(t, r.Err, 2, 1.5)
				if at != 5*time.Second || r.Attempts != 1 {
					t.Errorf("job 1 after %v and %d attempts, want 5s and 1", at, r.Attempts)
				}
			default:
				if r.Attempts != 3 {
					t.Errorf("job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
				}
			}
			if (r.In < 2) != errors.Is(r.Err, errService) && r.Attempts < 3 {
				t.Errorf("job %d does not say what it failed with: %v", r.In, r.Err)
			}
		}
	})
}

// A budget of requests counts each attempt by its weight, rounded up, however it
// ends.
func TestBudgetOfRequestsCountsWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, _ int) answer { return answer{ending: ending(job % 2), tokens: 99} }}
		p := newLine(t, s, pipeline.Config{
			Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Name: "calls", Tokens: 6, Window: time.Minute, Requests: true}},
		}).Weight(func(job int) float64 { return []float64{1, 0.5, 1.5, 2, 0, 0.1, 6, 7}[job] })
		begin := time.Now()
		results := p.Run(t.Context(), feed(8))
		r := <-results
		for r.In != 7 {
			r = <-results
		}
		var dear *pipeline.CostError
		if !errors.As(r.Err, &dear) || dear.Cost != 7 || dear.Limit != 6 || time.Since(begin) > time.Minute {
			t.Errorf("weight 7 after %v: %v", time.Since(begin), r.Err)
		}
		collect(results)
		wantStarts(t, s.starts(begin), seconds(0, 0, 0, 0, 0, 60, 120))
	})
}
