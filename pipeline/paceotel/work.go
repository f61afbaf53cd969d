package paceotel

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// Work returns work with a span around each attempt, and its duration measured.
// It goes where work went: to pipeline.New, Attach, Wrap, or into the function that
// Execute calls. Make it once, not for each call.
//
// The span is in the context that work is given, so that what an instrumented
// client does with that context is its child. Its parent is the span of the context
// that the run or the call had. job returns the span that a job belongs to, such as
// that of the request or the message it came from: the attempt's span is linked to
// that. If the run's context has no span, the job's is the parent. job may be nil.
//
// The outcome is the throttle's own verdict on the attempt, which Snapshot.Attempts
// counts. In work that is called outside an attempt, it is what Config.Classify says of
// the error. A panic, or the end of the goroutine, passes through; the span ends with
// error.type "panic".
//
// Work panics if work is nil. What the providers do not like goes to OpenTelemetry's
// error handler, and work works all the same.
func Work[In, Out any](cfg Config, work pipeline.Work[In, Out], job func(In) trace.SpanContext) pipeline.Work[In, Out] {
	if work == nil {
		panic("paceotel: Work: work is nil")
	}
	o := newObserver(cfg)
	return func(ctx context.Context, in In) (out Out, err error) {
		var from trace.SpanContext
		if job != nil {
			from = job(in)
		}
		a := o.begin(ctx, from)
		returned := false // stays so in a panic, which is not recovered: its stack is of use to others
		defer func() {
			if !returned {
				err = errPanic
			}
			a.end(err)
		}()
		out, err = work(a.ctx, in)
		returned = true
		return out, err
	}
}

// observer makes spans of attempts and measures them.
type observer struct {
	tracer   trace.Tracer
	name     string // of the spans
	start    []trace.SpanStartOption
	stamped  bool // spans go by our clock
	throttle attribute.KeyValue

	duration, wait    metric.Float64Histogram
	anyhow, succeeded []metric.RecordOption // made once, because most attempts need no other
	classify          func(error) pipeline.Verdict
	clock             clock.Clock
}

func newObserver(cfg Config) *observer {
	throttle, meter := throttleName.String(cfg.Name), cfg.meter()
	return &observer{
		tracer:    cfg.tracer(),
		name:      "attempt " + cfg.Name,
		start:     []trace.SpanStartOption{trace.WithAttributes(throttle)},
		stamped:   cfg.Clock != nil,
		throttle:  throttle,
		duration:  histogram(meter, "paceline.attempt.duration", "Duration of attempts."),
		wait:      histogram(meter, "paceline.job.wait_time", "Time from the intake of a job to its first attempt."),
		anyhow:    []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(throttle))},
		succeeded: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(throttle, outcome(pipeline.Succeeded)))},
		classify:  cfg.classify(),
		clock:     cfg.clock(),
	}
}

func histogram(meter metric.Meter, name, description string) metric.Float64Histogram {
	h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(boundaries...))
	if err != nil {
		otel.Handle(err)
	}
	return h
}

// boundaries of the histograms in seconds. They double from 5 ms, as those that
// semantic conventions advise for language models do, which reach from quick calls
// to slow ones.
var boundaries = []float64{0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}

// attempt is one that is being observed.
type attempt struct {
	*observer
	slot    *pipeline.Slot
	ctx     context.Context // with the span
	span    trace.Span
	started time.Time
}

func (o *observer) begin(ctx context.Context, job trace.SpanContext) attempt {
	a := attempt{observer: o, slot: pipeline.SlotFrom(ctx), started: o.clock.Now()}
	options := slices.Clip(o.start)
	if o.stamped {
		options = append(options, trace.WithTimestamp(a.started))
	}
	if job.IsValid() {
		if parent := trace.SpanContextFromContext(ctx); !parent.IsValid() {
			ctx = trace.ContextWithSpanContext(ctx, job)
		} else if !parent.Equal(job) {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: job}))
		}
	}
	a.ctx, a.span = o.tracer.Start(ctx, o.name, options...)
	if a.span.IsRecording() {
		a.span.SetAttributes(attemptNumber.Int(a.slot.Attempt()))
	}
	if a.slot.Attempt() == 0 && o.wait.Enabled(a.ctx) {
		o.wait.Record(a.ctx, a.slot.Waited().Seconds(), o.anyhow...)
	}
	return a
}

// end measures the attempt now, and tells of it when the throttle has judged it.
func (a attempt) end(err error) {
	if !a.duration.Enabled(a.ctx) && !a.span.IsRecording() {
		a.span.End()
		return
	}
	took := a.clock.Since(a.started)
	if !a.slot.OnVerdict(func(v pipeline.Verdict) { a.tell(took, err, v) }) {
		a.tell(took, err, a.verdict(err))
	}
}

func (a attempt) tell(took time.Duration, err error, verdict pipeline.Verdict) {
	a.endSpan(a.started.Add(took), err, verdict)
	switch {
	case !a.duration.Enabled(a.ctx):
	case err != nil:
		a.duration.Record(a.ctx, took.Seconds(), metric.WithAttributes(a.throttle, outcome(verdict), errorType(err)))
	case verdict == pipeline.Succeeded:
		a.duration.Record(a.ctx, took.Seconds(), a.succeeded...)
	default: // what is around the work made an error of it
		a.duration.Record(a.ctx, took.Seconds(), metric.WithAttributes(a.throttle, outcome(verdict)))
	}
}

func (a attempt) endSpan(at time.Time, err error, verdict pipeline.Verdict) {
	if a.span.IsRecording() {
		a.span.SetAttributes(outcome(verdict))
		if tokens := a.slot.Tokens(); tokens > 0 {
			a.span.SetAttributes(attemptTokens.Int64(tokens))
		}
		for name, n := range a.slot.Usage() {
			if name != "" {
				a.span.SetAttributes(attemptUsage(name).Int64(n))
			}
		}
		if err != nil {
			a.span.SetAttributes(errorType(err))
			a.span.SetStatus(codes.Error, err.Error())
		}
	}
	if a.stamped {
		a.span.End(trace.WithTimestamp(at))
	} else {
		a.span.End()
	}
}

// verdict is for work that is called outside an attempt.
func (a attempt) verdict(err error) pipeline.Verdict {
	switch {
	case err == nil:
		return pipeline.Succeeded
	case err == errPanic:
		return pipeline.Ignored
	}
	return a.classify(err)
}

func outcome(v pipeline.Verdict) attribute.KeyValue { return attemptOutcome.String(v.String()) }

// errPanic stands for what did not return.
var errPanic = panicked{}

type panicked struct{}

func (panicked) Error() string     { return "the work panicked, or ended its goroutine" }
func (panicked) ErrorType() string { return "panic" }

// errorType says of which type an error is, of what is inside marks and wrappers:
// how the work marks its errors is not what tells them apart. Of a batch it is the
// worst error.
func errorType(err error) attribute.KeyValue {
	for wrappers[reflect.TypeOf(err)] && errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return semconv.ErrorType(err)
}

var wrappers = map[reflect.Type]bool{
	reflect.TypeOf(pipeline.Fatal(errPanic)):                 true, // and Transient, Overloaded
	reflect.TypeOf(pipeline.Final(errPanic)):                 true,
	reflect.TypeOf(stage.Busy(errPanic, 0)):                  true, // of pacehttp, and so is the next
	reflect.TypeOf(stage.Partly(errPanic)):                   true,
	reflect.TypeOf(pipeline.Split(errPanic)):                 true,
	reflect.TypeOf(pipeline.Partial([]error{errPanic})):      true, // all of a batch failed
	reflect.TypeOf(pipeline.Partial([]error{errPanic, nil})): true, // some did
	reflect.TypeOf(fmt.Errorf("%w", errPanic)):               true,
}
