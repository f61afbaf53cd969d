package pipeline_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A quitter is a policy that ends its goroutine on each outcome.
type quitter struct{}

func (quitter) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	return quitter{}, pipeline.Setting{Limit: b.InitialLimit}
}

func (quitter) Next(time.Time, pipeline.Outcome) pipeline.Setting {
	runtime.Goexit()
	return pipeline.Setting{}
}

// exiting is a run of jobs, some of which make somebody end his goroutine.
type exiting struct {
	cfg     pipeline.Config
	bad     func(job int) bool // fails at its first attempt
	work    func(job int)
	cost    func(job int) int64
	spoiled bool // what comes of the bad ones
	started bool // and whether their work was called before
}

var exitings = map[string]func() exiting{
	"work": func() exiting {
		return exiting{bad: fewJobs, spoiled: true, started: true, work: func(job int) {
			if fewJobs(job) {
				runtime.Goexit()
			}
		}}
	},
	"Classify": func() exiting {
		return exiting{bad: fewJobs, spoiled: true, started: true, cfg: pipeline.Config{
			Classify: func(error) pipeline.Verdict { runtime.Goexit(); return pipeline.Failed },
		}}
	},
	"Retryable": func() exiting {
		return exiting{bad: fewJobs, spoiled: true, started: true, cfg: pipeline.Config{
			Retry: &pipeline.Retry{Retryable: func(error) bool { runtime.Goexit(); return true }},
		}}
	},
	"Counts": func() exiting {
		return exiting{bad: fewJobs, spoiled: true, started: true, cfg: pipeline.Config{
			Breaker: &pipeline.Breaker{Failures: 3, Counts: func(error) bool { runtime.Goexit(); return true }},
		}}
	},
	"Cost": func() exiting {
		return exiting{bad: fewJobs, spoiled: true, cost: func(job int) int64 {
			if fewJobs(job) {
				runtime.Goexit()
			}
			return 1
		}}
	},
	"Next": func() exiting {
		return exiting{bad: noJob, cfg: pipeline.Config{Policy: quitter{}}}
	},
	"OnEvent": func() exiting {
		return exiting{bad: func(job int) bool { return job == 5 }, cfg: pipeline.Config{
			OnEvent: func(pipeline.Event) { runtime.Goexit() },
			Retry:   &pipeline.Retry{BaseDelay: time.Millisecond},
		}}
	},
}

func fewJobs(job int) bool { return job >= 5 && job < 10 }
func noJob(int) bool       { return false }

// TestGoexitSpoilsOneJobAtMost: a function that ends the goroutine it was
// called on ends nothing else, and that is no sign of overload.
func TestGoexitSpoilsOneJobAtMost(t *testing.T) {
	for who, scene := range exitings {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := scene()
				e.cfg.MaxConcurrency = 3
				if e.cfg.Policy == nil {
					e.cfg.Policy = pipeline.AIMD{FailureThreshold: 1}
				}
				if e.cfg.Breaker == nil {
					e.cfg.Breaker = &pipeline.Breaker{Failures: 3}
				}
				throttle := newThrottle(t, e.cfg)
				for range 3 {
					e.run(t, throttle)
				}
				snap := throttle.Snapshot()
				if snap.Concurrency != 3 || snap.FailureCount != 0 || snap.Circuit != pipeline.BreakerClosed || snap.InFlight != 0 {
					t.Errorf("afterwards: %+v", snap)
				}
				for _, stack := range ours() {
					t.Errorf("still there:\n%s", stack)
				}
			})
		})
	}
}

// run runs the jobs and checks what comes of them.
func (e *exiting) run(t *testing.T, throttle *pipeline.Throttle) {
	t.Helper()
	s := &service{answer: func(job, number int) answer {
		if e.bad(job) && number == 0 {
			return answer{ending: fails}
		}
		return answer{}
	}}
	p := pipeline.Attach(throttle, func(ctx context.Context, job int) (int, error) {
		if e.work != nil {
			e.work(job)
		}
		return s.work(ctx, job)
	})
	if e.cost != nil {
		p.Cost(e.cost)
	}
	begin := time.Now()
	back := make(map[int]bool)
	for r := range p.Run(t.Context(), feed(30)) {
		if back[r.In] {
			t.Errorf("job %d came back twice", r.In)
		}
		back[r.In] = true
		switch {
		case !e.spoiled || !e.bad(r.In):
			if r.Err != nil {
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		case r.Err == nil || !strings.Contains(r.Err.Error(), "runtime.Goexit was called") || (r.Attempts == 1) != e.started:
			t.Errorf("spoiled job %d: %d attempts, %v", r.In, r.Attempts, r.Err)
		case len(s.of(r.In)) > 0 && !errors.Is(r.Err, errService):
			t.Errorf("spoiled job %d hides what it failed with: %v", r.In, r.Err)
		}
	}
	if took := time.Since(begin); len(back) != 30 || took > time.Second {
		t.Errorf("%d results of 30 after %v", len(back), took)
	}
}

// An exitingError ends the goroutine that asks it the question.
type exitingError struct{ question string }

func (e exitingError) exitAt(question string) {
	if e.question == question {
		runtime.Goexit()
	}
}

func (e exitingError) Error() string             { e.exitAt("Error"); return "exits" }
func (e exitingError) Is(error) bool             { e.exitAt("Is"); return false }
func (e exitingError) As(any) bool               { e.exitAt("As"); return false }
func (e exitingError) RetryAfter() time.Duration { e.exitAt("RetryAfter"); return 0 }

func TestErrorsThatExitSpoilTheirJobsAlone(t *testing.T) {
	for _, question := range []string{"Error", "Is", "As", "RetryAfter"} {
		t.Run(question, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := pipeline.New(func(_ context.Context, job int) (int, error) {
					if fewJobs(job) {
						return 0, exitingError{question}
					}
					return 0, nil
				}, pipeline.Config{
					AttemptTimeout: time.Second,
					Classify: func(err error) pipeline.Verdict {
						_ = err.Error()
						_ = errors.Is(err, errService)
						_ = errors.As(err, new(*pipeline.PanicError))
						return pipeline.Ignored
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for r := range p.Run(t.Context(), feed(30)) {
					n++
					if (r.Err != nil) != fewJobs(r.In) {
						t.Errorf("job %d: spoiled %v", r.In, r.Err != nil)
					}
				}
				if n != 30 {
					t.Errorf("%d results of 30", n)
				}
				for _, stack := range ours() {
					t.Errorf("still there:\n%s", stack)
				}
			})
		})
	}
}

// An iterator that ends its goroutine half-way ends that of the loop, too: or nobody would
// know that not all jobs have come.
func TestGoexitOfTheJobsOfEachComesOut(t *testing.T) {
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stage(t, time.Millisecond, pipeline.Config{})
				jobs := func(yield func(int) bool) {
					for job := range 500 {
						if !yield(job) {
							return
						}
					}
					runtime.Goexit()
				}
				results, ended := 0, make(chan bool, 1)
				go func() {
					returned := false
					defer func() { ended <- returned }()
					for range s.Each(t.Context(), jobs) {
						results++
					}
					returned = true
				}()
				if <-ended || results != 500 {
					t.Errorf("the loop ended as if all had come, after %d of 1,000 results", results)
				}
				if stacks := ours(); len(stacks) > 0 {
					t.Errorf("%d goroutines are left, the first:\n%s", len(stacks), stacks[0])
				}
			})
		})
	}
}
