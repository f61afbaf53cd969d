package pacegrpc_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a real gRPC server that does as a test says. calls counts those that
// reached it.
type service struct {
	pb.UnimplementedTestServiceServer
	calls  atomic.Int64
	unary  func(ctx context.Context, call int) error
	output func(pb.TestService_StreamingOutputCallServer) error
	input  func(pb.TestService_StreamingInputCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if err := s.unary(ctx, int(s.calls.Add(1))); err != nil {
		return nil, err
	}
	return &pb.SimpleResponse{Username: "served"}, nil
}

func (s *service) StreamingOutputCall(_ *pb.StreamingOutputCallRequest, to pb.TestService_StreamingOutputCallServer) error {
	s.calls.Add(1)
	return s.output(to)
}

func (s *service) StreamingInputCall(from pb.TestService_StreamingInputCallServer) error {
	s.calls.Add(1)
	return s.input(from)
}

// client starts the service and returns a client of it whose calls go through t.
func (s *service) client(t *testing.T, through *pipeline.Throttle, idempotent func(string) bool, opts ...grpc.DialOption) pb.TestServiceClient {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, s)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	}()
	opts = append(opts,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(pacegrpc.Unary(through, idempotent)),
		grpc.WithStreamInterceptor(pacegrpc.Stream(through)))
	conn, err := grpc.NewClient("passthrough:///service", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		<-stopped
	})
	return pb.NewTestServiceClient(conn)
}

func throttle(t *testing.T, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	if cfg.Policy == nil {
		cfg.Policy = pipeline.Static{}
	}
	if cfg.Spread == 0 {
		cfg.Spread = -1 // so that pauses end when they are to
	}
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// patient retries three times, after a second each time.
func patient() pipeline.Config {
	return pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 3, Backoff: pipeline.Fixed, BaseDelay: time.Second}}
}

func always(string) bool { return true }
func never(string) bool  { return false }

// refusal is a status with a RetryInfo.
func refusal(code codes.Code, wait time.Duration) error {
	s, err := status.New(code, "too much").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

// pushback sets the trailer by which a server says when to come again.
func pushback(ctx context.Context, values ...string) {
	if err := grpc.SetTrailer(ctx, metadata.MD{"grpc-retry-pushback-ms": values}); err != nil {
		panic(err)
	}
}
