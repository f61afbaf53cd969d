package main

import (
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// Dice are one goroutine's source of chance.
type dice struct {
	*rand.Rand
	scale float64 // of durations
}

// dice returns those of a goroutine, or of an attempt, which depend on nothing
// but the seed and its numbers.
func (s *soak) dice(numbers ...int) *dice {
	stream := uint64(0)
	for _, n := range numbers {
		stream = (stream ^ uint64(n+1)) * 0x9e3779b97f4a7c15
	}
	return &dice{rand.New(rand.NewPCG(s.seed, stream)), s.scale}
}

func (d *dice) oneIn(n int) bool { return d.IntN(n) == 0 }

// from returns a number from low to high, both included.
func (d *dice) from(low, high int) int { return low + d.IntN(high-low+1) }

// between returns a duration of any magnitude from low to high.
func (d *dice) between(low, high time.Duration) time.Duration {
	magnitude := d.Float64() * math.Log(float64(high)/float64(low))
	return time.Duration(d.scale * float64(low) * math.Exp(magnitude))
}

// around returns a duration of half to twice the mean, which has its scale.
func (d *dice) around(mean time.Duration) time.Duration {
	return time.Duration(float64(mean) * (0.5 + 1.5*d.Float64()))
}

func pick[T any](d *dice, of ...T) T { return of[d.IntN(len(of))] }

// mostAtOnce is the highest MaxConcurrency of a configuration.
const mostAtOnce = 32

// config makes up a configuration that is valid, and lets work through.
func (d *dice) config() pipeline.Config {
	most := d.from(1, mostAtOnce)
	cfg := pipeline.Config{
		MaxConcurrency:      most,
		InitialConcurrency:  d.from(0, most),
		MaxDispatchInterval: d.between(50*time.Millisecond, 2*time.Second),
		Jitter:              pick(d, 0, 0.2, 1),
		Budgets:             d.budgets(),
		Policy:              d.policy(),
		Classify:            pick(d, nil, nil, nil, touchyClassify),
		Seed:                d.Uint64(),
	}
	if d.oneIn(3) {
		cfg.MinDispatchInterval = d.between(time.Millisecond, 50*time.Millisecond)
	}
	if d.oneIn(2) {
		cfg.AttemptTimeout = d.between(100*time.Millisecond, 20*time.Second)
	}
	if d.oneIn(2) {
		cfg.TotalJobs = d.from(1, 100_000)
	}
	if d.oneIn(3) {
		cfg.Rate = &pipeline.Rate{PerSecond: float64(d.from(20, 500)) / d.scale, Burst: float64(d.from(2, 20))}
	}
	if d.oneIn(2) {
		cfg.Breaker = d.breaker()
	}
	if !d.oneIn(6) {
		cfg.Retry = d.retry()
	}
	if d.oneIn(4) {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return cfg
}

// mostCost is what a job costs at most.
const mostCost = 100

func (d *dice) budgets() (budgets []pipeline.Budget) {
	add := func(name string, low, high int, windows ...time.Duration) {
		window := time.Duration(d.scale * float64(pick(d, windows...)))
		budgets = append(budgets, pipeline.Budget{Name: name, Tokens: int64(d.from(low, high)), Window: window})
	}
	if d.oneIn(2) {
		add("fine", mostCost-30, 20*mostCost, time.Second, 3*time.Second)
	}
	if d.oneIn(2) {
		add("coarse", 50*mostCost, 1000*mostCost, 10*time.Second, time.Minute)
	}
	if d.oneIn(3) {
		add("calls", 5, 1000, time.Second, 5*time.Second)
		budgets[len(budgets)-1].Requests = true
	}
	return budgets
}

func (d *dice) policy() pipeline.Policy {
	aimd := pipeline.AIMD{
		FailureThreshold: d.from(0, 20),
		FailureWindow:    d.between(time.Second, time.Minute),
		CoolingPeriod:    d.between(time.Second, 20*time.Second),
		SafeCeilingDecay: float64(d.from(1, 10)) / 2,
	}
	return pick[pipeline.Policy](d, aimd, aimd, aimd, aimd, aimd, pipeline.Static{}, touchy{aimd}, pipeline.AIMD{})
}

func (d *dice) breaker() *pipeline.Breaker {
	return &pipeline.Breaker{
		Failures: d.from(1, 30),
		OpenFor:  d.between(100*time.Millisecond, 20*time.Second),
		Probes:   d.from(1, 5),
		Counts:   pick(d, nil, nil, touchyJudge),
		Wait:     d.oneIn(2),
	}
}

func (d *dice) retry() *pipeline.Retry {
	base := d.between(10*time.Millisecond, time.Second)
	return &pipeline.Retry{
		MaxAttempts: d.from(1, 6),
		Backoff:     pipeline.Backoff(d.from(0, int(pipeline.ExponentialJitter))),
		BaseDelay:   base,
		MaxDelay:    base + d.between(10*time.Millisecond, 10*time.Second),
		Retryable:   pick(d, nil, nil, touchyRetryable),
		Park:        d.oneIn(2),
		Budget:      pick(d, 0, 0, 0.1, 0.5),
		GiveUpAfter: pick(d, -1, d.between(time.Second, 2*time.Minute)),
	}
}

// touchyJudge says yes to most errors, and panics at some.
func touchyJudge(err error) bool {
	switch rand.IntN(50) {
	case 0:
		panic("a judge panicked")
	case 1:
		return false
	}
	return true
}

// touchyRetryable is a touchyJudge that ends its goroutine, too.
func touchyRetryable(err error) bool {
	if rand.IntN(50) == 0 {
		runtime.Goexit()
	}
	return touchyJudge(err)
}

// touchyClassify is the default, but panics now and then.
func touchyClassify(err error) pipeline.Verdict {
	if rand.IntN(50) == 0 {
		panic("Classify panicked")
	}
	return stage.Classify(err)
}

// touchy is an AIMD that panics, or ends its goroutine, now and then.
type touchy struct{ pipeline.AIMD }

func (t touchy) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	law, setting := t.AIMD.Start(b)
	return touchyLaw{law}, setting
}

type touchyLaw struct{ pipeline.Law }

func (t touchyLaw) Next(now time.Time, o pipeline.Outcome) pipeline.Setting {
	switch rand.IntN(200) {
	case 0:
		panic("the policy panicked")
	case 1:
		runtime.Goexit()
	}
	return t.Law.Next(now, o)
}
