package pacegrpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/paceline-go/paceline/pipeline"
)

// callError is the error of a call, with the status that gRPC's users look for: that
// of the last attempt, or one that says what kept the call from having one.
type callError struct {
	error
	status *status.Status
}

func (e *callError) Unwrap() error              { return e.error }
func (e *callError) GRPCStatus() *status.Status { return e.status }

// withStatus returns an error of the throttle as one of a gRPC client.
func withStatus(err error) error {
	if err == nil {
		return nil
	}
	return &callError{err, statusOf(err)}
}

func statusOf(err error) *status.Status {
	var own interface{ GRPCStatus() *status.Status }
	code, found := codes.Unknown, errors.As(err, &own)
	var open *pipeline.CircuitOpenError
	var wait *pipeline.WaitError
	switch {
	case errors.As(err, &open), errors.As(err, &wait), errors.Is(err, pipeline.ErrClosed):
		code = codes.Unavailable
	case errors.Is(err, context.Canceled): // also while it waited to be tried again
		code = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case found:
		return own.GRPCStatus()
	}
	if found && own.GRPCStatus().Code() == code {
		return own.GRPCStatus()
	}
	return status.New(code, err.Error())
}
