package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

var (
	errLeft    = errors.New("the caller left")
	errStalled = errors.New("the run stalled")
)

const never = time.Duration(-1)

// A visit is one run on a throttle, as some caller would have it.
type visit struct {
	jobs     int
	first    int  // number of its first job
	each     bool // Each instead of Run
	ordered  bool
	arrives  time.Duration
	unclosed bool          // the jobs channel is never closed
	gap      time.Duration // between two jobs; 0: all are there at once
	slow     time.Duration // the reader takes for each result
	sleepy   time.Duration // until the reader begins
	cancelAt time.Duration // or never
	breaks   int           // leaves the loop of Each after that many results; 0: never
	seqPanic int           // jobs of Each panics after that many; 0: never
	cost     costing
	resource string // of its jobs
}

// costing is how well a caller knows what his jobs cost.
type costing int

const (
	noCost costing = iota
	rightCost
	wrongCost
	tooDear
	negative
	panicking
)

func drawVisit(t *rapid.T, first int) visit {
	v := visit{
		first:    first,
		jobs:     rapid.IntRange(0, 24).Draw(t, "jobs"),
		each:     rapid.Bool().Draw(t, "each"),
		ordered:  rapid.Bool().Draw(t, "ordered"),
		gap:      rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 30 * time.Millisecond}).Draw(t, "gap"),
		slow:     rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 50 * time.Millisecond}).Draw(t, "slow"),
		sleepy:   rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second}).Draw(t, "sleepy"),
		arrives:  max(drawMoment(t, "arrives"), 0),
		cancelAt: drawMoment(t, "cancelAt"),
		cost:     costing(rapid.IntRange(0, int(panicking)).Draw(t, "cost")),
		resource: rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "resource"),
	}
	if v.each {
		v.breaks = rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "breaks")
		v.seqPanic = rapid.SampledFrom([]int{0, 0, 0, 1, 7}).Draw(t, "seqPanic")
	} else {
		v.unclosed = rapid.IntRange(0, 3).Draw(t, "unclosed") == 0
	}
	if v.unclosed && v.cancelAt == never {
		v.cancelAt = 10 * time.Second
	}
	return v
}

// drawMoment draws a moment of a schedule: often none, and often the very one
// at which something else happens.
func drawMoment(t *rapid.T, label string) time.Duration {
	return rapid.OneOf(
		rapid.Just(never),
		rapid.SampledFrom([]time.Duration{0, time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 30 * time.Millisecond}),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, label))
		}),
	).Draw(t, label)
}

func drawConfig(t *rapid.T) pipeline.Config {
	cfg := pipeline.Config{
		MaxConcurrency:      rapid.IntRange(1, 6).Draw(t, "maxConcurrency"),
		MinDispatchInterval: rapid.SampledFrom([]time.Duration{0, 0, 200 * time.Microsecond, 10 * time.Millisecond}).Draw(t, "interval"),
		Jitter:              rapid.SampledFrom([]float64{0, 0, 0.5, 1}).Draw(t, "jitter"),
		AttemptTimeout:      rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond}).Draw(t, "timeout"),
		TotalJobs:           rapid.SampledFrom([]int{0, 10}).Draw(t, "total"),
		Seed:                1,
	}
	cfg.InitialConcurrency = rapid.IntRange(1, cfg.MaxConcurrency).Draw(t, "initial")
	if rapid.Bool().Draw(t, "static") {
		cfg.Policy = pipeline.Static{}
	} else {
		cfg.Policy = pipeline.AIMD{FailureThreshold: 2, CoolingPeriod: 50 * time.Millisecond}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "budgets") {
		cfg.Budgets = append(cfg.Budgets, pipeline.Budget{
			Name:   fmt.Sprint("budget", i),
			Tokens: rapid.Int64Range(10, 60).Draw(t, "tokens"),
			Window: rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second}).Draw(t, "window"),
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "rated") == 0 {
		cfg.Rate = &pipeline.Rate{PerSecond: 100, Burst: 3}
	}
	if rapid.Bool().Draw(t, "breakable") {
		cfg.Breaker = &pipeline.Breaker{
			Failures: rapid.IntRange(1, 4).Draw(t, "failures"),
			OpenFor:  100 * time.Millisecond,
			Probes:   rapid.IntRange(1, 3).Draw(t, "probes"),
		}
	}
	if rapid.Bool().Draw(t, "retries") {
		cfg.Retry = &pipeline.Retry{
			MaxAttempts: rapid.IntRange(1, 4).Draw(t, "maxAttempts"),
			Backoff:     pipeline.Backoff(rapid.IntRange(1, 3).Draw(t, "backoff")),
			BaseDelay:   10 * time.Millisecond,
			Park:        rapid.Bool().Draw(t, "park"),
			GiveUpAfter: rapid.SampledFrom([]time.Duration{-1, 50 * time.Millisecond, time.Second}).Draw(t, "giveUpAfter"),
		}
	}
	return cfg
}

// drawClassify sometimes draws a verdict on what fails; two of them are none.
func drawClassify(t *rapid.T, cfg *pipeline.Config) {
	verdict := pipeline.Verdict(rapid.IntRange(0, 9).Draw(t, "verdict"))
	if verdict >= 6 {
		return
	}
	cfg.Classify = func(err error) pipeline.Verdict {
		if err == errService {
			return verdict
		}
		return pipeline.Classify(err)
	}
}

// drawAnswers draws the answers to the first attempts of each job. Those to
// later ones are successes.
func drawAnswers(t *rapid.T, cfg pipeline.Config, jobs int) func(job, number int) answer {
	last := timesOut
	if cfg.AttemptTimeout > 0 {
		last = hangs
	}
	one := rapid.Custom(func(t *rapid.T) answer {
		a := answer{
			takes:  rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond}).Draw(t, "takes"),
			tokens: rapid.SampledFrom([]int64{0, 0, 3, 20}).Draw(t, "tokens"),
			deaf:   rapid.Bool().Draw(t, "deaf"),
		}
		if rapid.Bool().Draw(t, "bad") {
			a.ending = ending(rapid.IntRange(1, int(last)).Draw(t, "ending"))
			a.after = rapid.SampledFrom([]time.Duration{0, 5 * time.Millisecond, 200 * time.Millisecond}).Draw(t, "after")
		}
		return a
	})
	script := rapid.SliceOfN(rapid.SliceOfN(one, 1, 5), max(jobs, 1), max(jobs, 1)).Draw(t, "script")
	return func(job, number int) answer {
		if number < len(script[job]) {
			return script[job][number]
		}
		return answer{}
	}
}

// TestOneJobOneResult plays random schedules, each in a synctest bubble of its
// own (attack sees to that), in which sleeping takes no time.
func TestOneJobOneResult(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		drawClassify(rt, &cfg)
		var visits []visit
		jobs := 0
		for range rapid.IntRange(1, 3).Draw(rt, "visits") {
			v := drawVisit(rt, jobs)
			jobs += v.jobs
			visits = append(visits, v)
		}
		shared := rapid.Bool().Draw(rt, "shared") // one pipeline for all alike
		closeAt := drawMoment(rt, "closeAt")
		drainAt := drawMoment(rt, "drainAt")
		asks := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 10 * time.Millisecond}).Draw(rt, "asks")
		answers := drawAnswers(rt, cfg, jobs)
		spends := rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "", "a", "b"}), 7, 7).Draw(rt, "spends")
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer {
				a := answers(job, number)
				a.spends = spends[(job+number)%len(spends)]
				return a
			}}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			common := pipeline.Attach(throttle, s.work)
			var all sync.WaitGroup
			for _, v := range visits {
				p := common
				if !shared || v.ordered || v.cost != noCost {
					p = v.pipeline(throttle, s)
				}
				all.Go(func() { v.pay(f, p, s, cfg) })
			}
			ended := make(chan struct{})
			at(closeAt, ended, throttle.Close)
			at(drainAt, ended, func() {
				if err := throttle.Drain(context.Background()); err != nil {
					f.add("Drain: %v", err)
				}
				f.check(throttle.Snapshot().State == pipeline.Closed, "drained, but %v", throttle.Snapshot().State)
			})
			at(asks, ended, func() {
				for i := 0; asks > 0 && i < 200; i++ {
					throttle.Snapshot()
					time.Sleep(asks)
				}
			})
			all.Wait()
			close(ended)
			time.Sleep(time.Minute) // until those who asked are gone
			if s := throttle.Snapshot(); s.InFlight != 0 {
				f.add("%d in flight after all", s.InFlight)
			}
		}
	})
}

// at calls f after a while, unless all has ended before.
func at(moment time.Duration, ended <-chan struct{}, f func()) {
	if moment == never {
		return
	}
	go func() {
		select {
		case <-time.After(moment):
			f()
		case <-ended:
		}
	}()
}

// pipeline returns the visitor's own one.
func (v visit) pipeline(throttle *pipeline.Throttle, s *service) *line {
	p := pipeline.Attach(throttle, s.work)
	if v.ordered {
		p.Ordered()
	}
	if v.cost != noCost {
		p.Cost(v.estimate)
	}
	return p
}

func (v visit) estimate(job int) int64 {
	switch {
	case v.cost == wrongCost:
		return 1
	case v.cost == tooDear && job%3 == 0:
		return 1000
	case v.cost == negative && job%3 == 0:
		return -1
	case v.cost == panicking && job%3 == 0:
		panic("no idea")
	}
	return 5
}

// pay makes the visit and checks that each job that was taken came back once.
func (v visit) pay(f *faults, p *line, s *service, cfg pipeline.Config) {
	time.Sleep(v.arrives)
	ctx, cancel := context.WithCancelCause(pipeline.WithResource(context.Background(), v.resource))
	defer cancel(nil)
	ended := make(chan struct{})
	at(v.cancelAt, ended, func() { cancel(errLeft) })
	at(24*time.Hour, ended, func() {
		f.add("nothing has happened for a day: %+v", p.Throttle().Snapshot())
		cancel(errStalled)
	})
	var sent, got []int
	take := func(r result) {
		got = append(got, r.In)
		v.judge(f, r, s, cfg)
		time.Sleep(v.slow)
	}
	if v.each {
		sent = v.payEach(f, p, ctx, take)
	} else {
		sent = v.payRun(p, ctx, take)
	}
	close(ended)
	if v.ordered && !slices.IsSorted(got) {
		f.add("results out of order: %v", got)
	}
	slices.Sort(got)
	if v.breaks > 0 && len(got) >= v.breaks {
		f.check(len(got) == v.breaks, "%d results after leaving at %d", len(got), v.breaks)
		f.check(len(slices.Compact(got)) == v.breaks, "a job came back twice: %v", got)
		return
	}
	f.check(slices.Equal(sent, got), "taken %v, came back %v", sent, got)
}

// payRun runs the jobs and returns those that were taken from the channel.
func (v visit) payRun(p *line, ctx context.Context, take func(result)) (sent []int) {
	size := v.jobs
	if v.gap > 0 {
		size = 0
	}
	jobs := make(chan int, size)
	ended := make(chan struct{})
	var feeder sync.WaitGroup
	feeder.Go(func() {
		for job := v.first; job < v.first+v.jobs; job++ {
			time.Sleep(v.gap)
			select {
			case jobs <- job:
				sent = append(sent, job)
			case <-ended:
				return
			}
		}
		if !v.unclosed {
			close(jobs)
		}
	})
	if v.gap == 0 {
		feeder.Wait()
	}
	results := p.Run(ctx, jobs)
	time.Sleep(v.sleepy)
	for r := range results {
		take(r)
	}
	close(ended)
	feeder.Wait()
	return sent[:len(sent)-len(jobs)]
}

// payEach runs the jobs of an iterator and returns those that it yielded.
func (v visit) payEach(f *faults, p *line, ctx context.Context, take func(result)) (sent []int) {
	var jobs iter.Seq[int] = func(yield func(int) bool) {
		for job := v.first; job < v.first+v.jobs; job++ {
			time.Sleep(v.gap)
			if v.seqPanic > 0 && len(sent) == v.seqPanic {
				panic("jobs panicked")
			}
			sent = append(sent, job)
			if !yield(job) {
				return
			}
		}
	}
	defer func() {
		r := recover()
		f.check(r == nil || v.seqPanic > 0 && strings.Contains(fmt.Sprint(r), "jobs panicked"), "Each panicked: %v", r)
	}()
	n := 0
	for r := range p.Each(ctx, jobs) {
		take(r)
		if n++; n == v.breaks {
			break
		}
	}
	return sent
}

// judge checks that a result tells what the service knows of the job.
func (v visit) judge(f *faults, r result, s *service, cfg pipeline.Config) {
	log := s.of(r.In)
	f.check(len(log) == r.Attempts, "job %d: %d attempts, the service counts %d", r.In, r.Attempts, len(log))
	f.check(r.Refusals >= 0 && r.Refusals <= r.Attempts, "job %d: %d refusals of %d attempts", r.In, r.Refusals, r.Attempts)
	f.check(r.Waited >= 0, "job %d: waited %v", r.In, r.Waited)
	if len(log) == 0 {
		f.check(v.mayNotStart(r.Err), "job %d never started: %v", r.In, r.Err)
		return
	}
	last := log[len(log)-1]
	took := last.end.Sub(log[0].start)
	f.check(r.Took == took, "job %d: took %v, the service %v", r.In, r.Took, took)
	if (r.Err == nil) != (last.answer.ending == succeeds) {
		f.add("job %d: ended with %v, the service answered %+v", r.In, r.Err, last.answer)
		return
	}
	var panicked *pipeline.PanicError
	var exhausted *pipeline.RetriesExhaustedError
	switch {
	case r.Err == nil:
		f.check(r.Out == r.In*r.In, "job %d: got %d", r.In, r.Out)
	case last.answer.ending == panics:
		f.check(errors.As(r.Err, &panicked) && panicked.Value == "service panicked" && len(panicked.Stack) > 0,
			"job %d: panic became %v", r.In, r.Err)
	case last.answer.ending == exits:
		f.check(strings.Contains(r.Err.Error(), "Goexit"), "job %d: exit became %v", r.In, r.Err)
	case cfg.Retry == nil && cfg.Classify == nil:
		f.check(r.Err == last.err, "job %d: %v became %v", r.In, last.err, r.Err)
	default:
		f.check(errors.Is(r.Err, last.err), "job %d: cannot see %v through %v", r.In, last.err, r.Err)
		if errors.As(r.Err, &exhausted) {
			f.check(exhausted.Refusals == r.Refusals, "job %d: exhausted after %d refusals, not %d", r.In, exhausted.Refusals, r.Refusals)
			f.check(exhausted.Attempts == len(log), "job %d: exhausted after %d of %d", r.In, exhausted.Attempts, len(log))
		}
	}
}

// mayNotStart reports whether a job of the visit may end with err without
// having been started.
func (v visit) mayNotStart(err error) bool {
	var cost *pipeline.CostError
	var panicked *pipeline.PanicError
	switch {
	case errors.As(err, &cost):
		return v.cost == tooDear || v.cost == negative
	case errors.As(err, &panicked):
		return v.cost == panicking
	case err == errLeft:
		return v.cancelAt != never
	}
	return v.each && err == pipeline.ErrClosed
}
