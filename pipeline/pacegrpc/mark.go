package pacegrpc

import (
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/paceline-go/paceline/pipeline"
)

// Mark tells a pipeline, or Execute, what to make of an error from gRPC: the package
// comment says what. It takes the call for one that may be made again; mark it as
// pipeline.Final otherwise. An error that is not of gRPC, and nil, it returns as it
// is.
func Mark(err error) error { return mark(err, nil, true) }

// mark marks what a call ended with, and the trailer that came with it.
func mark(err error, trailer metadata.MD, idempotent bool) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	_, forbidden := pushback(trailer)
	wait := delay(err, trailer)
	err = &failure{error: err, code: s.Code()}
	again := idempotent

	switch s.Code() {
	case codes.ResourceExhausted:
		if tooLarge(s) {
			return pipeline.Fatal(err)
		}
		err, again = pipeline.Overloaded(err, wait), true // it was refused, so nothing was done
	case codes.Unavailable:
		if wait > 0 {
			err = pipeline.Overloaded(err, wait)
		}
	case codes.Internal, codes.Unknown, codes.DeadlineExceeded:
	case codes.DataLoss:
		again = false
	case codes.Canceled:
		return err
	default:
		return pipeline.Fatal(err)
	}
	if forbidden || !again {
		return pipeline.Final(err)
	}
	return err
}

// delay returns how long a server asks to be left alone; 0 if it does not.
func delay(err error, trailer metadata.MD) time.Duration {
	longest, _ := pushback(trailer)
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			longest = max(longest, info.GetRetryDelay().AsDuration())
		}
	}
	return longest
}

// pushback returns what a trailer says of that, or that the call must not be tried
// again (gRFC A6, "Pushback").
func pushback(trailer metadata.MD) (delay time.Duration, forbidden bool) {
	values := trailer.Get("grpc-retry-pushback-ms")
	if len(values) == 0 {
		return 0, false
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	if len(values) > 1 || err != nil || ms < 0 {
		return 0, true
	}
	return time.Duration(ms) * time.Millisecond, false
}

// tooLarge tells a message above the limit of one of the sides from a quota that is
// used up: gRPC has one code for both, and only the text differs.
func tooLarge(s *status.Status) bool { return strings.Contains(s.Message(), "larger than max") }

// failure is an error from gRPC that errors.Is takes for the context's error that its
// code stands for, which gRPC's own errors do not say.
type failure struct {
	error
	code codes.Code
}

func (f *failure) Unwrap() error { return f.error }

func (f *failure) Is(target error) bool {
	return target == context.Canceled && f.code == codes.Canceled ||
		target == context.DeadlineExceeded && f.code == codes.DeadlineExceeded
}

// ErrorType names the error in telemetry as OpenTelemetry's conventions for RPC do:
// by its code.
func (f *failure) ErrorType() string { return code.Code(f.code).String() }
