package pacegrpc_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

// busy refuses the first call, and asks for 20 ms of silence.
type busy struct {
	grpc_health_v1.UnimplementedHealthServer
	calls int
}

func (b *busy) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if b.calls++; b.calls == 1 {
		return nil, refusal(codes.ResourceExhausted, 20*time.Millisecond)
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// One option makes a client behave.
func ExampleUnary() {
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, new(busy))
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///busy",
		grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle, nil)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	res, err := grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(res.GetStatus(), err)
	fmt.Println(throttle.Snapshot().Attempts.Overloaded, "refused")
	// Output:
	// SERVING <nil>
	// 1 refused
}

// A server that is busy says for how long.
func ExampleServer() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 200, Policy: pipeline.Vegas{}})
	if err != nil {
		log.Fatal(err)
	}
	gate := pacegrpc.Server{Throttle: throttle}
	server := grpc.NewServer(grpc.UnaryInterceptor(gate.Unary()), grpc.StreamInterceptor(gate.Stream()))
	defer server.Stop()

	slot, err := throttle.Acquire(context.Background()) // it works on one call, and begins with no more
	if err != nil {
		log.Fatal(err)
	}
	defer slot.Release(nil)
	gate.MaxWait = -1
	_, err = gate.Unary()(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/shop/Order"}, nil)
	fmt.Println(status.Code(err))
	// Output:
	// ResourceExhausted
}
