package pipeline_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// A whim is a policy that changes its mind with each outcome, and remembers
// when.
type whim struct {
	limits    []int
	intervals []time.Duration

	mu      sync.Mutex
	bounds  pipeline.Bounds
	changes []change
}

type change struct {
	at       time.Time
	limit    int
	interval time.Duration
}

func (w *whim) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	w.bounds = b
	w.changes = []change{{limit: b.InitialLimit, interval: b.MinInterval}}
	return w, pipeline.Setting{Limit: b.InitialLimit}
}

func (w *whim) Next(now time.Time, _ pipeline.Outcome) pipeline.Setting {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.changes)
	s := pipeline.Setting{Limit: w.limits[n%len(w.limits)], Interval: w.intervals[n%len(w.intervals)]}
	w.changes = append(w.changes, change{
		at:       now,
		limit:    min(max(s.Limit, 1), w.bounds.MaxLimit),
		interval: min(max(s.Interval, w.bounds.MinInterval), w.bounds.MaxInterval),
	})
	return s
}

// inForce returns the highest limit and the shortest interval that were in
// force at some time of the moment t, at which they may have changed.
func (w *whim) inForce(t time.Time) (limit int, interval time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		switch {
		case c.at.Before(t):
			limit, interval = c.limit, c.interval
		case c.at.Equal(t):
			limit, interval = max(limit, c.limit), min(interval, c.interval)
		}
	}
	return limit, interval
}

func TestInFlightNeverStartsAboveTheLimit(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(1, 60).Draw(rt, "jobs")
		cfg := drawConfig(rt)
		cfg.Budgets, cfg.Rate, cfg.AttemptTimeout = nil, nil, 0
		cfg.MaxConcurrency = rapid.IntRange(cfg.InitialConcurrency, 12).Draw(rt, "max")
		w := &whim{
			limits:    rapid.SliceOfN(rapid.IntRange(-1, 15), 1, 20).Draw(rt, "limits"),
			intervals: rapid.SliceOfN(rapid.SampledFrom([]time.Duration{-1, 0, 0, 0, time.Millisecond}), 1, 5).Draw(rt, "intervals"),
		}
		cfg.Policy = w
		answers := drawAnswers(rt, cfg, jobs)
		odd := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Millisecond)), 16, 16).Draw(rt, "odd")
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer {
				a := answers(job, number)
				a.takes += time.Duration(odd[(job+number)%len(odd)])
				return a
			}}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			collect(p.Run(context.Background(), feed(jobs)))
			for _, a := range s.log {
				limit, _ := w.inForce(a.start)
				f.check(a.inFlight <= limit, "job %d started with %d in flight, limit %d", a.job, a.inFlight, limit)
			}
		}
	})
}

func TestNewIntervalHoldsFromTheNextGap(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(1, 60).Draw(rt, "jobs")
		cfg := drawConfig(rt)
		cfg.MinDispatchInterval, cfg.Budgets, cfg.AttemptTimeout = 0, nil, 0
		w := &whim{
			limits: []int{cfg.MaxConcurrency},
			intervals: rapid.SliceOfN(rapid.SampledFrom([]time.Duration{
				0, time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, time.Second, time.Hour,
			}), 1, 10).Draw(rt, "intervals"),
		}
		cfg.Policy = w
		answers := drawAnswers(rt, cfg, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			collect(p.Run(context.Background(), feed(jobs)))
			for i := 1; i < len(s.log); i++ {
				gap := s.log[i].start.Sub(s.log[i-1].start)
				_, interval := w.inForce(s.log[i].start)
				f.check(gap >= interval, "a gap of %v, interval %v", gap, interval)
			}
		}
	})
}

func TestNothingStartsAfterACutUntilFewerAreInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cutAt = 10 * time.Millisecond
		s := &service{answer: func(job, _ int) answer {
			if job == 20 {
				return answer{ending: fails, takes: cutAt}
			}
			return answer{takes: 20*time.Millisecond + time.Duration(job)*time.Microsecond}
		}}
		begin := time.Now()
		runAll(t, s, pipeline.Config{
			MaxConcurrency:      64,
			MaxDispatchInterval: time.Nanosecond,
			Policy:              pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: time.Hour},
		}, 1000)
		if s.most != 64 {
			t.Errorf("%d in flight at most, want 64", s.most)
		}
		first := time.Duration(0)
		for _, a := range s.log[64:] {
			if a.inFlight > 32 {
				t.Fatalf("job %d started after the cut with %d in flight", a.job, a.inFlight)
			}
			if first == 0 {
				first = a.start.Sub(begin)
			}
		}
		// Of 64 the one that failed and 32 others have to end before.
		if want := 20*time.Millisecond + 32*time.Microsecond; first < want || first > want+time.Microsecond {
			t.Errorf("first start after the cut at %v, want %v", first, want)
		}
	})
}

func TestLimitIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []int{1, 2, 7, 100} {
			s := always(answer{takes: time.Second})
			begin := time.Now()
			runAll(t, s, pipeline.Config{MaxConcurrency: limit, Policy: pipeline.Static{}}, 10*limit)
			if took := time.Since(begin); took != 10*time.Second || s.most != limit {
				t.Errorf("limit %d: %d in flight at most, all done after %v", limit, s.most, took)
			}
		}
	})
}
