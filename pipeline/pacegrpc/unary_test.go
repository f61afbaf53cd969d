package pacegrpc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

func TestWhatIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name       string
		err        error    // of the first call
		pushback   []string // with it
		idempotent bool
		calls      int           // that the server gets
		after      time.Duration // when the last of them came
		verdict    pipeline.AttemptCounts
	}{
		{name: "success", calls: 1},
		{name: "refused", err: refusal(codes.ResourceExhausted, 5*time.Second), calls: 2, after: 5 * time.Second, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "refused without a delay", err: status.Error(codes.ResourceExhausted, "quota"), calls: 2, after: time.Second, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "refused by a trailer", err: status.Error(codes.ResourceExhausted, "quota"), pushback: []string{"7000"}, calls: 2, after: 7 * time.Second, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "refused twice over", err: refusal(codes.ResourceExhausted, 5*time.Second), pushback: []string{"2000"}, calls: 2, after: 5 * time.Second, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "refused for good", err: status.Error(codes.ResourceExhausted, "quota"), pushback: []string{"-1"}, idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "refused in a way that nobody understands", err: status.Error(codes.ResourceExhausted, "quota"), pushback: []string{"soon"}, idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "refused in two ways", err: status.Error(codes.ResourceExhausted, "quota"), pushback: []string{"1", "2"}, idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "larger than allowed", err: status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Ignored: 1}},
		{name: "unavailable", err: status.Error(codes.Unavailable, "down"), idempotent: true, calls: 2, after: time.Second, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "unavailable, not idempotent", err: status.Error(codes.Unavailable, "down"), calls: 1, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "unavailable for a while", err: refusal(codes.Unavailable, 3*time.Second), idempotent: true, calls: 2, after: 3 * time.Second, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "unavailable for a while, not idempotent", err: refusal(codes.Unavailable, 3*time.Second), calls: 1, verdict: pipeline.AttemptCounts{Overloaded: 1}},
		{name: "a plain error of the handler", err: errors.New("nil map"), idempotent: true, calls: 2, after: time.Second, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "internal", err: status.Error(codes.Internal, "bug"), idempotent: true, calls: 2, after: time.Second, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "internal, not idempotent", err: status.Error(codes.Internal, "bug"), calls: 1, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "the server's own deadline", err: status.Error(codes.DeadlineExceeded, "database"), idempotent: true, calls: 2, after: time.Second, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "data loss", err: status.Error(codes.DataLoss, "disk"), idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Failed: 1}},
		{name: "aborted", err: status.Error(codes.Aborted, "conflict"), idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Ignored: 1}},
		{name: "not found", err: status.Error(codes.NotFound, "nobody"), idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Ignored: 1}},
		{name: "cancelled by the server", err: status.Error(codes.Canceled, "restart"), idempotent: true, calls: 1, verdict: pipeline.AttemptCounts{Ignored: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var after time.Duration
				s := &service{unary: func(ctx context.Context, call int) error {
					after = time.Since(began)
					if call > 1 {
						return nil
					}
					if c.pushback != nil {
						pushback(ctx, c.pushback...)
					}
					return c.err
				}}
				gate := throttle(t, patient())
				res, err := s.client(t, gate, func(string) bool { return c.idempotent }).UnaryCall(t.Context(), &pb.SimpleRequest{})
				if int(s.calls.Load()) != c.calls || after != c.after {
					t.Errorf("the server got %d calls, the last after %v; want %d and %v", s.calls.Load(), after, c.calls, c.after)
				}
				if succeeds := c.err == nil || c.calls > 1; succeeds {
					c.verdict.Succeeded = 1
					if err != nil || res.Username != "served" {
						t.Errorf("got %v, %v, want an answer", res, err)
					}
				} else if got, want := status.Convert(err), status.Convert(c.err); got.Code() != want.Code() || got.Message() != want.Message() {
					t.Errorf("got %v, want the server's status, %v", got, want)
				}
				if got := gate.Snapshot().Attempts; got != c.verdict {
					t.Errorf("the throttle counts %+v, want %+v", got, c.verdict)
				}
			})
		})
	}
}

func TestADelayHoldsForAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &service{unary: func(_ context.Context, call int) error {
			if call == 1 {
				return refusal(codes.ResourceExhausted, time.Minute)
			}
			return nil
		}}
		client := s.client(t, throttle(t, patient()), nil)
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				if _, err := client.UnaryCall(t.Context(), &pb.SimpleRequest{}); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != time.Minute {
					t.Errorf("a call was through after %v, want a minute", took)
				}
			})
			synctest.Wait()
		}
		calls.Wait()
	})
}

func TestTheLastAttemptsStatusComesBackWithItsDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{unary: func(context.Context, int) error { return refusal(codes.Unavailable, 0) }}
		var trailer, header metadata.MD
		_, err := s.client(t, throttle(t, patient()), always).UnaryCall(t.Context(), &pb.SimpleRequest{}, grpc.Trailer(&trailer), grpc.Header(&header))
		got := status.Convert(err)
		if got.Code() != codes.Unavailable || got.Message() != "too much" || len(got.Details()) != 1 {
			t.Errorf("got %v with the details %v", got, got.Details())
		}
		if _, ok := got.Details()[0].(*errdetails.RetryInfo); !ok {
			t.Errorf("got details of type %T", got.Details()[0])
		}
		var exhausted *pipeline.RetriesExhaustedError
		if !errors.As(err, &exhausted) || exhausted.Attempts != 3 || s.calls.Load() != 3 {
			t.Errorf("got %v after %d calls, want three attempts", err, s.calls.Load())
		}
		if trailer == nil {
			t.Error("the caller's own call options were lost")
		}
	})
}

func TestTheCallersDeadlineHoldsForAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &service{unary: func(ctx context.Context, _ int) error {
			deadline, ok := ctx.Deadline()
			if left := deadline.Sub(began); !ok || left < 9*time.Second || left > 10*time.Second {
				t.Errorf("the server sees the deadline after %v (%v)", left, ok)
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		gate := throttle(t, patient())
		_, err := s.client(t, gate, always).UnaryCall(ctx, &pb.SimpleRequest{})
		if status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) || s.calls.Load() != 1 {
			t.Errorf("got %v after %d calls", err, s.calls.Load())
		}
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Ignored: 1}) {
			t.Errorf("the throttle counts %+v, want the caller's impatience ignored", got)
		}
	})
}

func TestAnAttemptTimeoutIsASignOfOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{unary: func(ctx context.Context, call int) error {
			if call == 1 {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		cfg := patient()
		cfg.AttemptTimeout = time.Second
		gate := throttle(t, cfg)
		if _, err := s.client(t, gate, always).UnaryCall(t.Context(), &pb.SimpleRequest{}); err != nil {
			t.Error(err)
		}
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Overloaded: 1, Succeeded: 1}) {
			t.Errorf("the throttle counts %+v", got)
		}
	})
}

func TestWhatTheThrottleSaysHasAStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{unary: func(context.Context, int) error { return status.Error(codes.Unavailable, "down") }}
		gate := throttle(t, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}})
		client := s.client(t, gate, never)
		call := func(ctx context.Context) error {
			_, err := client.UnaryCall(ctx, &pb.SimpleRequest{})
			return err
		}
		_ = call(t.Context())
		var open *pipeline.CircuitOpenError
		if err := call(t.Context()); status.Code(err) != codes.Unavailable || !errors.As(err, &open) || s.calls.Load() != 1 {
			t.Errorf("open circuit: got %v after %d calls", err, s.calls.Load())
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := call(cancelled); status.Code(err) != codes.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v", err)
		}
		gate.Close()
		if err := call(t.Context()); status.Code(err) != codes.Unavailable || !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("closed: got %v", err)
		}
	})
}

func TestCancelledWhileWaitingToBeTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{unary: func(context.Context, int) error { return refusal(codes.ResourceExhausted, time.Hour) }}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(time.Minute, cancel)
		_, err := s.client(t, throttle(t, patient()), nil).UnaryCall(ctx, &pb.SimpleRequest{})
		if status.Code(err) != codes.Canceled || s.calls.Load() != 1 {
			t.Errorf("got %v after %d calls", err, s.calls.Load())
		}
	})
}

func TestTheNumberInFlightIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		inFlight, most := 0, 0
		s := &service{unary: func(context.Context, int) error {
			mu.Lock()
			inFlight++
			most = max(most, inFlight)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			inFlight--
			mu.Unlock()
			return nil
		}}
		client := s.client(t, throttle(t, pipeline.Config{MaxConcurrency: 3}), nil)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := client.UnaryCall(t.Context(), &pb.SimpleRequest{}); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if most != 3 {
			t.Errorf("%d calls were in flight, want 3", most)
		}
	})
}

func TestMark(t *testing.T) {
	plain := errors.New("not of gRPC")
	if err := pacegrpc.Mark(plain); err != plain {
		t.Errorf("got %v", err)
	}
	if err := pacegrpc.Mark(nil); err != nil {
		t.Errorf("got %v", err)
	}
	for code, want := range map[codes.Code]pipeline.Verdict{
		codes.ResourceExhausted: pipeline.Overload, codes.Unavailable: pipeline.Failed, codes.DeadlineExceeded: pipeline.Failed,
		codes.Internal: pipeline.Failed, codes.Unknown: pipeline.Failed, codes.DataLoss: pipeline.Failed,
		codes.Canceled: pipeline.Ignored, codes.Aborted: pipeline.Ignored, codes.InvalidArgument: pipeline.Ignored, codes.Unauthenticated: pipeline.Ignored,
	} {
		err := pacegrpc.Mark(status.Error(code, "why"))
		if got := pipeline.Classify(err); got != want {
			t.Errorf("%v: got %v, want %v", code, got, want)
		}
		if status.Code(err) != code {
			t.Errorf("%v: the code is now %v", code, status.Code(err))
		}
	}
}

func TestErrorsAreNamedByTheirCode(t *testing.T) {
	var named interface{ ErrorType() string }
	if err := pacegrpc.Mark(status.Error(codes.ResourceExhausted, "quota")); !errors.As(err, &named) || named.ErrorType() != "RESOURCE_EXHAUSTED" {
		t.Errorf("got %v", named)
	}
}

func TestWhatIsMissingPanics(t *testing.T) {
	for name, call := range map[string]func(){
		"Unary":  func() { pacegrpc.Unary(nil, nil) },
		"Stream": func() { pacegrpc.Stream(nil) },
	} {
		func() {
			defer func() {
				if v := recover(); v != "pacegrpc: "+name+": throttle is nil" {
					t.Errorf("%s: panicked with %v", name, v)
				}
			}()
			call()
		}()
	}
}
