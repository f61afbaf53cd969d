package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"golang.org/x/time/rate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// server is a real gRPC server with grpc-go's own health service, and a quota.
type server struct {
	grpc    *grpc.Server
	address string
	quota   *rate.Limiter
	stopped chan error

	served, refused atomic.Int64
}

// burst is how many calls at once the quota allows after a pause.
const burst = 20

func startServer(perSecond float64) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: listener.Addr().String(), quota: rate.NewLimiter(rate.Limit(perSecond), burst), stopped: make(chan error, 1)}
	s.grpc = grpc.NewServer(grpc.UnaryInterceptor(s.admit))
	known := health.NewServer()
	for i, name := range services() {
		switch {
		case i%100 == 42:
			known.SetServingStatus(name, pb.HealthCheckResponse_NOT_SERVING)
		case i%500 == 7: // this one it does not know
		default:
			known.SetServingStatus(name, pb.HealthCheckResponse_SERVING)
		}
	}
	pb.RegisterHealthServer(s.grpc, known)
	go func() { s.stopped <- s.grpc.Serve(listener) }()
	return s, nil
}

// admit refuses what is beyond the quota, and says when to come again, as Google's
// APIs do (AIP-193).
func (s *server) admit(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if turn := s.quota.Reserve(); turn.Delay() > 0 {
		wait := turn.Delay()
		turn.Cancel()
		s.refused.Add(1)
		refusal, err := status.New(codes.ResourceExhausted, "quota of calls exceeded").
			WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
		if err != nil {
			return nil, err
		}
		return nil, refusal.Err()
	}
	s.served.Add(1)
	return handle(ctx, req)
}

func (s *server) close() error {
	s.grpc.Stop()
	if err := <-s.stopped; !errors.Is(err, grpc.ErrServerStopped) { // which it is if it had not begun yet
		return err
	}
	return nil
}
