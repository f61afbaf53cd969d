package paceotel_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
	"github.com/paceline-go/paceline/stage"
)

// twice retries once, after a second.
func twice() pipeline.Config {
	return pipeline.Config{
		Policy: pipeline.Static{},
		Retry:  &pipeline.Retry{MaxAttempts: 2, Backoff: pipeline.Fixed, BaseDelay: time.Second},
	}
}

// A message is a job that came from somewhere.
type message struct {
	text string
	from trace.SpanContext
}

func (m message) span() trace.SpanContext { return m.from }

// received returns a message that came with a span of its own, which has ended.
func (b *backend) received(text string) message {
	_, span := b.tracers.Tracer("test").Start(context.Background(), "receive "+text)
	span.End()
	return message{text, span.SpanContext()}
}

func (b *backend) attempts() (spans []sdktrace.ReadOnlySpan) {
	for _, s := range b.spans.Ended() {
		if strings.HasPrefix(s.Name(), "attempt ") {
			spans = append(spans, s)
		}
	}
	return spans
}

func one[In any](job In) <-chan In {
	jobs := make(chan In, 1)
	jobs <- job
	close(jobs)
	return jobs
}

func TestOneSpanAnAttemptLinkedToItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		work := func(ctx context.Context, m message) (string, error) {
			_, child := b.tracers.Tracer("client").Start(ctx, "GET")
			defer child.End()
			time.Sleep(40 * time.Millisecond)
			if pipeline.SlotFrom(ctx).Attempt() == 0 {
				return "", errBroken
			}
			pipeline.SlotFrom(ctx).RecordTokens(7)
			pipeline.SlotFrom(ctx).RecordUsage("output", 3)
			return m.text, nil
		}
		p, err := pipeline.New(paceotel.Work(b.config(), work, message.span), twice())
		if err != nil {
			t.Fatal(err)
		}
		job := b.received("hello")
		ctx, run := b.tracers.Tracer("test").Start(t.Context(), "run")
		for r := range p.Run(ctx, one(job)) {
			if r.Err != nil || r.Out != "hello" || r.Attempts != 2 {
				t.Errorf("got %+v", r)
			}
		}
		run.End()

		attempts := b.attempts()
		if len(attempts) != 2 {
			t.Fatalf("got %d spans of attempts, want 2", len(attempts))
		}
		want := []map[string]string{
			{"paceline.throttle.name": "geocoder", "paceline.attempt.number": "0", "paceline.attempt.outcome": "failed", "error.type": "*errors.errorString"},
			{"paceline.throttle.name": "geocoder", "paceline.attempt.number": "1", "paceline.attempt.outcome": "succeeded", "paceline.attempt.tokens": "7", "paceline.attempt.usage.output": "3"},
		}
		for i, s := range attempts {
			if s.Parent().SpanID() != run.SpanContext().SpanID() {
				t.Errorf("attempt %d: parent is %v, want the run's", i, s.Parent().SpanID())
			}
			if len(s.Links()) != 1 || !s.Links()[0].SpanContext.Equal(job.from) {
				t.Errorf("attempt %d: links are %v, want one to the job's", i, s.Links())
			}
			if got := attributes(s); fmt.Sprint(got) != fmt.Sprint(want[i]) {
				t.Errorf("attempt %d: attributes are %v, want %v", i, got, want[i])
			}
			if took := s.EndTime().Sub(s.StartTime()); took != 40*time.Millisecond {
				t.Errorf("attempt %d: took %v, want 40ms, without what it waited", i, took)
			}
		}
		if got := attempts[0].Status(); got != (sdktrace.Status{Code: codes.Error, Description: "broken"}) {
			t.Errorf("first attempt: status is %+v", got)
		}
		if got := attempts[1].Status(); got != (sdktrace.Status{}) {
			t.Errorf("second attempt: status is %+v, want none", got)
		}
		children := 0
		for _, s := range b.spans.Ended() {
			if s.Name() == "GET" && s.Parent().Equal(attempts[children].SpanContext()) {
				children++
			}
		}
		if children != 2 {
			t.Errorf("got %d children of attempts, want one each", children)
		}
	})
}

func TestWithoutASpanOfTheRunTheJobsIsTheParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		work := func(_ context.Context, m message) (string, error) { return m.text, nil }
		p, err := pipeline.New(paceotel.Work(b.config(), work, message.span), pipeline.Config{})
		if err != nil {
			t.Fatal(err)
		}
		job := b.received("hello")
		for range p.Run(t.Context(), one(job)) {
		}
		for range p.Run(t.Context(), one(message{text: "out of nowhere"})) {
		}
		attempts := b.attempts()
		if len(attempts) != 2 {
			t.Fatalf("got %d spans of attempts, want 2", len(attempts))
		}
		if s := attempts[0]; !s.Parent().Equal(job.from) || len(s.Links()) > 0 {
			t.Errorf("parent is %v and links are %v, want the job's and none", s.Parent(), s.Links())
		}
		if s := attempts[1]; s.Parent().IsValid() || len(s.Links()) > 0 {
			t.Errorf("parent is %v and links are %v, want none", s.Parent(), s.Links())
		}
	})
}

func TestTheCallersSpanIsTheParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		work := paceotel.Work(b.config(), func(_ context.Context, n int) (int, error) { return n + 1, nil }, nil)
		gate := throttle(t, pipeline.Config{})
		ctx, caller := b.tracers.Tracer("test").Start(t.Context(), "caller")
		if n, err := pipeline.Wrap(gate, work)(ctx, 1); n != 2 || err != nil {
			t.Errorf("Wrap: got %d, %v", n, err)
		}
		n, err := pipeline.Execute(ctx, gate, func(ctx context.Context) (int, error) { return work(ctx, 2) })
		if n != 3 || err != nil {
			t.Errorf("Execute: got %d, %v", n, err)
		}
		caller.End()
		attempts := b.attempts()
		if len(attempts) != 2 {
			t.Fatalf("got %d spans of attempts, want 2", len(attempts))
		}
		for _, s := range attempts {
			if s.Parent().SpanID() != caller.SpanContext().SpanID() || len(s.Links()) > 0 {
				t.Errorf("parent is %v and links are %v, want the caller's and none", s.Parent(), s.Links())
			}
		}
	})
}

// outcomes counts the outcomes of the attempts' spans as Snapshot does.
func (b *backend) outcomes() (c pipeline.AttemptCounts) {
	for _, s := range b.attempts() {
		for v := pipeline.Ignored; v <= pipeline.Succeeded; v++ {
			if attributes(s)["paceline.attempt.outcome"] == v.String() {
				c.Add(v)
			}
		}
	}
	return c
}

func (b *backend) mustAgree(name string, t *pipeline.Throttle, want pipeline.AttemptCounts) {
	b.t.Helper()
	if got, counted := b.outcomes(), t.Snapshot().Attempts; got != counted || got != want {
		b.t.Errorf("%s: spans say %+v, the throttle %+v, want %+v of both", name, got, counted, want)
	}
}

func TestABatchThatFailedInPartIsWhatTheThrottleTakesItFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		work := func(_ context.Context, in []int) ([]int, error) {
			errs := make([]error, len(in))
			errs[0] = pipeline.Fatal(errBroken)
			return in, pipeline.Partial(errs)
		}
		p, err := pipeline.New(paceotel.Work(b.config(), work, nil), twice())
		if err != nil {
			t.Fatal(err)
		}
		for range pipeline.Batch(p, 3, time.Second).Run(t.Context(), numbers(3)) {
		}
		b.mustAgree("batch", p.Throttle(), pipeline.AttemptCounts{Succeeded: 1})
		for _, s := range b.attempts() {
			if got := attributes(s)["error.type"]; got != "*errors.errorString" {
				t.Errorf("error.type is %q, want that of the job's own error", got)
			}
		}
	})
}

func TestARunsOwnDeadlineIsNoOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		work := func(ctx context.Context, n int) (int, error) {
			<-ctx.Done()
			return n, ctx.Err()
		}
		p, err := pipeline.New(paceotel.Work(b.config(), work, nil), twice())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range p.Run(ctx, numbers(1)) {
		}
		b.mustAgree("deadline", p.Throttle(), pipeline.AttemptCounts{Ignored: 1})
	})
}

func TestTheThrottlesClassifyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		cfg := twice()
		cfg.Classify = func(error) pipeline.Verdict { return pipeline.Overload }
		cfg.Retry = nil
		p, err := pipeline.New(paceotel.Work(b.config(), func(context.Context, int) (int, error) { return 0, errBroken }, nil), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range p.Run(t.Context(), numbers(1)) {
		}
		b.mustAgree("classify", p.Throttle(), pipeline.AttemptCounts{Overloaded: 1})
	})
}

func TestOutcomesAreThoseThatTheThrottleCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		endings := []error{nil, nil, errBroken, pipeline.Overloaded(errBroken, 0), pipeline.Fatal(errBroken), context.Canceled, context.DeadlineExceeded}
		work := func(ctx context.Context, job int) (int, error) {
			if job < len(endings) {
				return job, endings[job]
			}
			<-ctx.Done()
			return job, fmt.Errorf("too slow: %w", ctx.Err())
		}
		p, err := pipeline.New(paceotel.Work(b.config(), work, nil), pipeline.Config{Policy: pipeline.Static{}, AttemptTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for range p.Run(t.Context(), numbers(len(endings)+1)) {
		}
		s := p.Throttle().Snapshot().Attempts
		b.expect(map[string]float64{
			"paceline.attempt.duration count succeeded":                              2,
			"paceline.attempt.duration count *errors.errorString failed":             1,
			"paceline.attempt.duration count *errors.errorString overload":           1,
			"paceline.attempt.duration count *errors.errorString ignored":            2, // one of them is context.Canceled
			"paceline.attempt.duration count context.deadlineExceededError failed":   1,
			"paceline.attempt.duration count context.deadlineExceededError overload": 1,
			"paceline.attempt.duration sum context.deadlineExceededError overload":   1,
			"paceline.job.wait_time count":                                           8,
		})
		if s.Succeeded != 2 || s.Failed != 2 || s.Overloaded != 2 || s.Ignored != 2 {
			t.Errorf("the throttle counts %+v", s)
		}
	})
}

func TestClassifyIsAskedOutsideAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		cfg := b.config()
		cfg.Classify = func(error) pipeline.Verdict { return pipeline.Ignored }
		work := paceotel.Work(cfg, func(context.Context, int) (int, error) { return 0, errBroken }, nil)
		_, _ = work(t.Context(), 0)
		_, _ = pipeline.Wrap(throttle(t, pipeline.Config{}), work)(t.Context(), 0)
		b.expect(map[string]float64{
			"paceline.attempt.duration count *errors.errorString ignored": 1,
			"paceline.attempt.duration count *errors.errorString failed":  1,
		})
	})
}

func TestWaitsAreFromTheIntakeToTheFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		cfg := twice()
		cfg.MaxConcurrency = 1
		work := func(ctx context.Context, job int) (int, error) {
			time.Sleep(time.Second)
			if pipeline.SlotFrom(ctx).Attempt() == 0 && job == 1 {
				return 0, errBroken
			}
			return job, nil
		}
		p, err := pipeline.New(paceotel.Work(b.config(), work, nil), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var waited time.Duration
		for r := range p.Run(t.Context(), numbers(2)) {
			waited += r.Waited
		}
		if waited < time.Second {
			t.Fatalf("waited %v in all, want a second at least", waited)
		}
		b.expect(map[string]float64{
			"paceline.job.wait_time count":              2,
			"paceline.job.wait_time sum":                waited.Seconds(),
			"paceline.attempt.duration sum succeeded":   2,
			"paceline.attempt.duration count succeeded": 2,
		})
	})
}

func TestDurationsAreThoseOfTheClock(t *testing.T) {
	b := newBackend(t)
	mock := clock.NewMock()
	cfg := b.config()
	cfg.Clock = mock
	began := mock.Now()
	work := paceotel.Work(cfg, func(context.Context, int) (int, error) { mock.Add(time.Hour); return 0, nil }, nil)
	if _, err := work(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	b.expect(map[string]float64{"paceline.attempt.duration sum succeeded": 3600})
	s := b.attempts()[0]
	if !s.StartTime().Equal(began) || s.EndTime().Sub(began) != time.Hour {
		t.Errorf("the span is from %v to %v, want an hour from %v", s.StartTime(), s.EndTime(), began)
	}
}

func explode(context.Context, int) (int, error) { panic(errBroken) }

func TestAPanicPassesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		p, err := pipeline.New(paceotel.Work(b.config(), explode, nil), twice())
		if err != nil {
			t.Fatal(err)
		}
		for r := range p.Run(t.Context(), one(1)) {
			var panicked *pipeline.PanicError
			if !errors.As(r.Err, &panicked) || panicked.Value != errBroken || !strings.Contains(string(panicked.Stack), "explode") {
				t.Errorf("got %v, want the panic with its stack", r.Err)
			}
		}
		b.endedAsPanic()
		if s := p.Throttle().Snapshot().Attempts; s.Ignored != 1 {
			t.Errorf("the throttle counts %+v, want one ignored, as the metric does", s)
		}
	})
}

func TestGoexitPassesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		work := paceotel.Work(b.config(), func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil }, nil)
		p, err := pipeline.New(work, pipeline.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for r := range p.Run(t.Context(), one(1)) {
			if r.Err == nil {
				t.Error("got no error")
			}
		}
		b.endedAsPanic()
	})
}

func (b *backend) endedAsPanic() {
	b.t.Helper()
	attempts := b.attempts()
	if len(attempts) != 1 || attempts[0].Status().Code != codes.Error || attributes(attempts[0])["error.type"] != "panic" {
		b.t.Errorf("got %d spans, want one that says panic", len(attempts))
	}
	b.expect(map[string]float64{"paceline.attempt.duration count panic ignored": 1})
}

type shortage struct{}

func (shortage) Error() string { return "too few" }

func TestErrorsAreToldApartByTheirOwnType(t *testing.T) {
	b := newBackend(t)
	errs := []error{
		shortage{},
		pipeline.Fatal(shortage{}),
		pipeline.Final(pipeline.Overloaded(fmt.Errorf("again: %w", shortage{}), time.Second)),
		fmt.Errorf("one more: %w", pipeline.Transient(shortage{})),
		pipeline.Split(shortage{}),
		stage.Busy(shortage{}, time.Second),
		pipeline.Final(stage.Partly(shortage{})),
	}
	work := paceotel.Work(b.config(), func(_ context.Context, i int) (int, error) { return 0, errs[i] }, nil)
	for i := range errs {
		_, _ = work(t.Context(), i)
	}
	for i, s := range b.attempts() {
		if got := attributes(s)["error.type"]; got != "github.com/paceline-go/paceline/pipeline/paceotel_test.shortage" {
			t.Errorf("%v: got %s", errs[i], got)
		}
	}
}

func TestWithoutProvidersWorkIsWork(t *testing.T) {
	quiet := paceotel.Config{Name: "geocoder", MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider()}
	for name, cfg := range map[string]paceotel.Config{"none": {}, "that do nothing": quiet} {
		work := paceotel.Work(cfg, func(_ context.Context, n int) (int, error) { return n + 1, errBroken }, nil)
		if n, err := work(t.Context(), 1); n != 2 || err != errBroken {
			t.Errorf("providers: %s: got %d, %v", name, n, err)
		}
	}
}

// What is not recorded must not be prepared: attributes, the error's text.
func TestProvidersThatDoNothingCostNextToNothing(t *testing.T) {
	cfg := paceotel.Config{MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider()}
	work := paceotel.Work(cfg, func(_ context.Context, n int) (int, error) { return n, nil }, nil)
	ctx := t.Context()
	if allocs := testing.AllocsPerRun(100, func() { _, _ = work(ctx, 1) }); allocs > 2 {
		t.Errorf("got %v allocations for each attempt, want 2 at most: the context, and outside of an attempt the slot", allocs)
	}
}

func TestWhatIsMissingPanics(t *testing.T) {
	for what, call := range map[string]func(){
		"work":     func() { paceotel.Work[int, int](paceotel.Config{}, nil, nil) },
		"throttle": func() { _, _ = paceotel.Observe(paceotel.Config{}, nil) },
		"keyed":    func() { _, _ = paceotel.ObserveKeyed(paceotel.Config{}, nil, func(int) string { return "" }) },
		"name":     func() { _, _ = paceotel.ObserveKeyed(paceotel.Config{}, new(pipeline.Keyed[int]), nil) },
	} {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.Contains(v, what+" is nil") {
					t.Errorf("%s: panicked with %q", what, v)
				}
			}()
			call()
		}()
	}
}
