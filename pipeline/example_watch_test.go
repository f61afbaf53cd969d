package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// OnProgress is called at each percent of TotalJobs.
func ExampleConfig_onProgress() {
	now := clock.NewMock()
	told := make(chan bool)
	t, err := pipeline.NewThrottle(pipeline.Config{
		TotalJobs: 4,
		OnProgress: func(s pipeline.Snapshot) {
			fmt.Printf("%.0f%% done, ETA %v\n", s.Percentage, s.ETA)
			told <- true
		},
		Clock: now,
	})
	if err != nil {
		panic(err)
	}
	for range 4 {
		now.Add(time.Second)
		t.RecordSuccess(time.Second, 0)
		<-told // before the clock goes on
	}
	// Output:
	// 25% done, ETA 3s
	// 50% done, ETA 2s
	// 75% done, ETA 1s
	// 100% done, ETA 0s
}

// A throttle's five states, each reached.
func ExampleState() {
	now := clock.NewMock()
	t, err := pipeline.NewThrottle(pipeline.Config{
		Policy:  pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: time.Minute},
		Breaker: &pipeline.Breaker{Failures: 2, OpenFor: time.Second},
		Clock:   now,
	})
	if err != nil {
		panic(err)
	}
	show := func() { fmt.Println(t.Snapshot().State) }
	show()
	t.RecordFailure(errors.New("503"))
	show()
	t.RecordFailure(errors.New("503"))
	show()
	now.Add(2 * time.Minute)
	t.RecordSuccess(0, 0) // as good as a probe
	show()
	slot, err := t.Acquire(context.Background())
	if err != nil {
		panic(err)
	}
	t.Close()
	show()
	slot.Release(nil)
	show()
	// Output:
	// running
	// cooling
	// circuit_open
	// running
	// draining
	// closed
}

// printed is standard output, and counts down the lines.
type printed struct{ sync.WaitGroup }

func (p *printed) Write(line []byte) (int, error) {
	defer p.Done()
	return os.Stdout.Write(line)
}

// Each transition is logged, with its fields.
func ExampleConfig_logger() {
	var logged printed
	logged.Add(2)
	handler := slog.NewTextHandler(&logged, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "at" {
				return slog.Attr{} // another one each time
			}
			return a
		},
	})
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency:      8,
		MinDispatchInterval: 10 * time.Millisecond,
		Policy:              pipeline.AIMD{FailureThreshold: 1},
		Logger:              slog.New(handler),
	})
	if err != nil {
		panic(err)
	}
	t.RecordFailure(errors.New("503"))
	logged.Wait()
	// Output:
	// level=INFO msg="paceline: decelerated" event.kind=decelerated event.limit_from=8 event.limit=4 event.interval_from=10ms event.interval=20ms event.ceiling=8
	// level=INFO msg="paceline: cooling_started" event.kind=cooling_started event.limit_from=8 event.limit=4 event.interval_from=10ms event.interval=20ms event.ceiling=8 event.wait=1m0s
}

// Limiter, retry and breaker can each be left out.
func ExampleConfig() {
	retry := &pipeline.Retry{BaseDelay: time.Microsecond}
	breaker := &pipeline.Breaker{Failures: 1}
	rate := &pipeline.Rate{PerSecond: 1000, Burst: 2}
	for _, cfg := range []pipeline.Config{
		{},
		{Retry: retry},
		{Breaker: breaker},
		{Rate: rate},
		{Retry: retry, Rate: rate},
	} {
		t, err := pipeline.NewThrottle(cfg)
		if err != nil {
			panic(err)
		}
		attempts := 0
		_, err = pipeline.Execute(context.Background(), t, func(context.Context) (int, error) {
			if attempts++; attempts == 1 {
				return 0, errors.New("503")
			}
			return 0, nil
		})
		fmt.Printf("%d attempts: %v, circuit %v\n", attempts, err, t.Snapshot().Circuit)
	}
	// Output:
	// 1 attempts: 503, circuit closed
	// 2 attempts: <nil>, circuit closed
	// 1 attempts: 503, circuit open
	// 1 attempts: 503, circuit closed
	// 2 attempts: <nil>, circuit closed
}

// A closed throttle takes no new work. What was taken is finished.
func ExampleThrottle_Close() {
	t, err := pipeline.NewThrottle(pipeline.Config{})
	if err != nil {
		panic(err)
	}
	slot, err := t.Acquire(context.Background())
	if err != nil {
		panic(err)
	}
	t.Close()
	_, err = pipeline.Execute(context.Background(), t, func(context.Context) (int, error) { return 0, nil })
	fmt.Println(errors.Is(err, pipeline.ErrClosed))

	slot.Release(nil)
	fmt.Println(t.Drain(context.Background()), t.Snapshot().Completed)
	// Output:
	// true
	// <nil> 1
}
