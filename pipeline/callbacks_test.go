package pipeline_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// misbehaviors are what a callback may do to us. Their argument is closed at
// the end of the test.
var misbehaviors = map[string]func(end <-chan struct{}){
	"panics":          func(<-chan struct{}) { panic("callback") },
	"blocks":          func(end <-chan struct{}) { <-end },
	"exits":           func(<-chan struct{}) { runtime.Goexit() },
	"panics with nil": func(<-chan struct{}) { panic(nil) },
}

// badHandler is a log handler that misbehaves.
type badHandler struct{ do func() }

func (h badHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (h badHandler) Handle(context.Context, slog.Record) error { h.do(); return nil }
func (h badHandler) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h badHandler) WithGroup(string) slog.Handler             { return h }

// Those who are told of something are on a goroutine of their own.
func TestObserversCannotWedgeARun(t *testing.T) {
	for name, misbehave := range misbehaviors {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				defer close(end)
				do := func() { misbehave(end) }
				s := &service{answer: func(job, number int) answer {
					return answer{ending: ending(job % 3 * number % 2), takes: time.Millisecond}
				}}
				cfg := everything()
				cfg.TotalJobs = 100
				cfg.Policy = pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: time.Millisecond}
				cfg.OnEvent = func(pipeline.Event) { do() }
				cfg.OnProgress = func(pipeline.Snapshot) { do() }
				cfg.Logger = slog.New(badHandler{do})
				begin := time.Now()
				p := newLine(t, s, cfg)
				if n := len(collect(p.Run(t.Context(), feed(100)))); n != 100 {
					t.Errorf("%d results of 100", n)
				}
				if err := p.Throttle().Drain(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > time.Minute {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// Those who are asked about a job's error can spoil that job alone.
func TestJudgesCannotWedgeARun(t *testing.T) {
	for name, misbehave := range misbehaviors {
		for _, who := range []string{"Classify", "Counts", "Retryable"} {
			t.Run(who+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					end := make(chan struct{})
					cfg := everything()
					cfg.Policy = pipeline.Static{}
					asked := false
					do := func() {
						if !asked {
							asked = true
							misbehave(end)
						}
					}
					switch who {
					case "Classify":
						cfg.Classify = func(error) pipeline.Verdict { do(); return pipeline.Failed }
					case "Counts":
						cfg.Breaker.Counts = func(error) bool { do(); return true }
					case "Retryable":
						cfg.Retry.Retryable = func(error) bool { do(); return true }
					}
					s := &service{answer: func(job, number int) answer {
						if job == 5 && number == 0 {
							return answer{ending: fails}
						}
						return answer{takes: time.Millisecond}
					}}
					time.AfterFunc(time.Hour, func() { close(end) })
					begin, n := time.Now(), 0
					for r := range newLine(t, s, cfg).Run(t.Context(), feed(50)) {
						n++
						switch {
						case r.In != 5 && (r.Err != nil || time.Since(begin) > time.Minute):
							t.Errorf("job %d after %v: %v", r.In, time.Since(begin), r.Err)
						case r.In == 5 && name == "panics" && !errors.As(r.Err, new(*pipeline.PanicError)):
							t.Errorf("job that was judged: %v", r.Err)
						}
					}
					if n != 50 {
						t.Errorf("%d results of 50", n)
					}
					time.Sleep(time.Hour)
				})
			})
		}
	}
}

// An evilError panics whenever it is asked something.
type evilError struct{}

func (evilError) Error() string             { panic("Error") }
func (evilError) Is(error) bool             { panic("Is") }
func (evilError) As(any) bool               { panic("As") }
func (evilError) RetryAfter() time.Duration { panic("RetryAfter") }

func TestErrorsThatPanicCannotWedgeARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := everything()
		cfg.AttemptTimeout = time.Second
		cfg.Logger = slog.New(slog.DiscardHandler)
		p, err := pipeline.New(func(context.Context, int) (int, error) { return 0, evilError{} }, cfg)
		if err != nil {
			t.Fatal(err)
		}
		all := collect(p.Run(t.Context(), feed(20)))
		for _, r := range all {
			if r.Err == nil || r.Attempts == 0 {
				t.Errorf("job %d: %d attempts", r.In, r.Attempts)
			}
		}
		if len(all) != 20 {
			t.Errorf("%d results of 20", len(all))
		}
	})
}

// A madPolicy panics on each outcome.
type madPolicy struct{ pipeline.Static }

func (madPolicy) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	return madPolicy{}, pipeline.Setting{Limit: b.InitialLimit}
}
func (madPolicy) Next(time.Time, pipeline.Outcome) pipeline.Setting { panic("policy") }
func (madPolicy) Failures(time.Time) int                            { panic("policy") }

func TestPolicyThatPanicsLeavesTheSetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		s := &service{answer: func(job, _ int) answer { return answer{ending: ending(job % 2), takes: time.Second} }}
		p := newLine(t, s, pipeline.Config{
			MaxConcurrency: 8, InitialConcurrency: 3, Policy: madPolicy{},
			Logger: slog.New(badHandler{func() { <-end }}),
		})
		if n := len(collect(p.Run(t.Context(), feed(50)))); n != 50 {
			t.Errorf("%d results of 50", n)
		}
		if snap := p.Throttle().Snapshot(); s.most != 3 || snap.Concurrency != 3 {
			t.Errorf("%d in flight, limit %d, want 3", s.most, snap.Concurrency)
		}
	})
}

func TestCallbacksMayCallTheThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var throttle *pipeline.Throttle
		call := func() { throttle.Snapshot() }
		cfg := everything()
		cfg.OnEvent = func(e pipeline.Event) {
			call()
			throttle.Close()
			if e.Kind == pipeline.EventClosed {
				if err := throttle.Drain(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
		cfg.OnProgress = func(pipeline.Snapshot) { call() }
		cfg.Classify = func(error) pipeline.Verdict { call(); return pipeline.Failed }
		cfg.Breaker.Counts = func(error) bool { call(); return true }
		cfg.Retry.Retryable = func(error) bool { call(); return true }
		throttle = newThrottle(t, cfg)
		s := &service{answer: func(job, number int) answer { return answer{ending: ending((job + number) % 2)} }}
		p := pipeline.Attach(throttle, func(ctx context.Context, job int) (int, error) {
			call()
			return s.work(ctx, job)
		}).Cost(func(int) int64 { call(); return 1 })
		jobs := make(chan int, 100)
		for job := range 100 {
			jobs <- job
		}
		close(jobs)
		n := len(collect(p.Run(t.Context(), jobs)))
		if n+len(jobs) != 100 {
			t.Errorf("%d results, %d jobs not taken, of 100", n, len(jobs))
		}
	})
}
