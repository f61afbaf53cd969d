package pacegrpc

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// Unary returns an interceptor that passes unary calls through t by
// pipeline.Execute. The package comment says what is tried again.
//
// idempotent says of a method, such as "/grpc.health.v1.Health/Check", whether a call
// of it may be made again though the first one may have done its work: without that,
// only what was refused is tried again. If idempotent is nil, a method is if its proto
// file says so, by the option idempotency_level.
//
// The error of a call has the status of its last attempt, details included. If there
// was none, or no time for another, the status says why: Unavailable while the circuit is
// open, when the call was not to wait for so long, and when the throttle is closed,
// Canceled, DeadlineExceeded, or else Unknown.
// errors.Is and errors.As also find what Execute returned. The context's deadline
// holds for the call with all its attempts.
//
// Unary panics if t is nil.
func Unary(t *pipeline.Throttle, idempotent func(method string) bool) grpc.UnaryClientInterceptor {
	if t == nil {
		panic("pacegrpc: Unary: throttle is nil")
	}
	if idempotent == nil {
		idempotent = declared
	}
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		again := idempotent(method)
		_, err := pipeline.Execute(ctx, t, func(ctx context.Context) (struct{}, error) {
			var trailer metadata.MD
			err := call(ctx, method, req, reply, conn, append(slices.Clip(opts), grpc.Trailer(&trailer))...)
			settle(ctx, err)
			return struct{}{}, mark(err, trailer, again)
		})
		return withStatus(err)
	}
}

// settle waits for ctx to notice that its deadline is over, if gRPC has noticed that
// first: servers watch the deadline too, and their word may come a moment before the
// timer's. The throttle would take it for a failure of the server's own.
func settle(ctx context.Context, err error) {
	if status.Code(err) != codes.DeadlineExceeded {
		return
	}
	if deadline, ok := ctx.Deadline(); ok && !clock.Real().Now().Before(deadline) {
		<-ctx.Done()
	}
}

// declared reports whether the proto file of a method declares it idempotent.
func declared(method string) bool {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return false // the client was not made from a proto file that this program has
	}
	options, ok := found.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}
