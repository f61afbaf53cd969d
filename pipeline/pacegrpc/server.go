package pacegrpc

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// Server lets a gRPC server take as many calls as it can, and refuses others before any work is
// done for them, as pacehttp.Handler does for HTTP:
//
//	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 200, Policy: pipeline.Vegas{}})
//	…
//	gate := pacegrpc.Server{Throttle: throttle}
//	server := grpc.NewServer(grpc.UnaryInterceptor(gate.Unary()), grpc.StreamInterceptor(gate.Stream()))
//
// A call that is refused ends with ResourceExhausted, a google.rpc.RetryInfo and the trailer
// grpc-retry-pushback-ms; when the throttle is closed, or its circuit open, with Unavailable. Of the
// handler's own errors Unavailable and ResourceExhausted say that it has too much to do, Internal,
// Unknown, DataLoss and DeadlineExceeded that it failed, others nothing. A stream holds its place
// until it ends. A call whose client has gone is not worked for.
type Server struct {
	// Throttle is what calls pass.
	Throttle *pipeline.Throttle

	// MaxWait is how long a call waits for its turn at most, unless Context says it; 0: 100ms;
	// negative: it starts at once or not at all.
	MaxWait time.Duration

	// Context returns the context in which a call of a method waits for its turn: ctx, with what
	// pipeline.WithShare, WithMaxWait and so on say of it; nil: ctx itself.
	Context func(ctx context.Context, method string) context.Context

	// Exempt says which methods go past the throttle; nil: those of grpc.health.v1.Health and of
	// server reflection.
	Exempt func(method string) bool
}

// defaultMaxWait is that of a Server.
const defaultMaxWait = 100 * time.Millisecond

// Unary returns the interceptor of unary calls. It panics if s has no Throttle.
func (s Server) Unary() grpc.UnaryServerInterceptor {
	s.check()
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (res any, err error) {
		err = s.admit(ctx, info.FullMethod, func() (err error) {
			res, err = handle(ctx, req)
			return err
		}, func(trailer metadata.MD) { _ = grpc.SetTrailer(ctx, trailer) })
		return res, err
	}
}

// Stream returns the interceptor of streams. It panics if s has no Throttle.
func (s Server) Stream() grpc.StreamServerInterceptor {
	s.check()
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		return s.admit(stream.Context(), info.FullMethod, func() error { return handle(srv, stream) }, stream.SetTrailer)
	}
}

func (s Server) check() {
	if s.Throttle == nil {
		panic("pacegrpc: Server: throttle is nil")
	}
}

// admit has a call handled when it has its turn.
func (s Server) admit(ctx context.Context, method string, handle func() error, trail func(metadata.MD)) (err error) {
	if s.exempt(method) {
		return handle()
	}
	slot, err := s.Throttle.Acquire(s.waiting(ctx, method))
	if err != nil {
		return refusal(err, trail)
	}
	returned := false
	defer func() {
		said := answered(ctx, err)
		if !returned {
			said = errPanicked
		}
		slot.Release(said)
	}()
	err = handle()
	returned = true
	return err
}

var errPanicked = errors.New("pacegrpc: the handler panicked")

func (s Server) waiting(ctx context.Context, method string) context.Context {
	if s.Context != nil {
		ctx = s.Context(ctx, method)
	}
	if stage.AskedOf(ctx).Bounded {
		return ctx
	}
	return pipeline.WithMaxWait(ctx, cmp.Or(s.MaxWait, defaultMaxWait))
}

func (s Server) exempt(method string) bool {
	if s.Exempt != nil {
		return s.Exempt(method)
	}
	return strings.HasPrefix(method, "/grpc.health.v1.Health/") || strings.HasPrefix(method, "/grpc.reflection.")
}

// answered returns what the end of a call tells of the handler: nil if it did what it was asked for.
func answered(ctx context.Context, err error) error {
	if ctx.Err() != nil { // nobody wants it any more
		return context.Canceled
	}
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Unavailable, codes.ResourceExhausted:
		return pipeline.Overloaded(err, 0)
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.DeadlineExceeded:
		return err
	}
	return pipeline.Fatal(err)
}

// refusal returns the error of a call that was not let through.
func refusal(err error, trail func(metadata.MD)) error {
	var (
		wait   *pipeline.WaitError
		open   *pipeline.CircuitOpenError
		cost   *pipeline.CostError
		weight *pipeline.WeightError
	)
	switch {
	case errors.As(err, &wait):
		return later(codes.ResourceExhausted, err, wait.Expected, trail)
	case errors.As(err, &open):
		return later(codes.Unavailable, err, open.RetryAfter, trail)
	case errors.Is(err, pipeline.ErrClosed):
		return status.Error(codes.Unavailable, err.Error())
	case errors.As(err, &cost), errors.As(err, &weight): // it will never be let through
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return status.Error(codes.Canceled, err.Error())
}

// later is the error of a call that may come again after a while.
func later(code codes.Code, err error, after time.Duration, trail func(metadata.MD)) error {
	after = max(after, time.Millisecond)
	trail(metadata.Pairs("grpc-retry-pushback-ms", strconv.FormatInt((after+time.Millisecond-1).Milliseconds(), 10)))
	s, detailErr := status.New(code, err.Error()).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if detailErr != nil {
		return status.Error(code, err.Error())
	}
	return s.Err()
}
