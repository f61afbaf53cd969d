package sdks_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/ratelimit"
	"github.com/sourcegraph/conc"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

// bucket is a limiter for go-grpc-middleware, which has none of its own.
type bucket struct {
	*rate.Limiter
	asked, refused atomic.Int64
}

func (b *bucket) Limit(context.Context) error {
	b.asked.Add(1)
	if !b.Allow() {
		b.refused.Add(1)
		return errors.New("too many")
	}
	return nil
}

// TestGoGRPCMiddlewareIsRidden: its refusals say no more than RESOURCE_EXHAUSTED. Every call gets its
// answer, and few are refused, where clients without a throttle have most of their calls refused.
func TestGoGRPCMiddlewareIsRidden(t *testing.T) {
	const calls, callers = 600, 16
	b := &bucket{Limiter: rate.NewLimiter(200, 20)}
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(ratelimit.UnaryServerInterceptor(b)))
	healthpb.RegisterHealthServer(server, health.NewServer())
	var owner conc.WaitGroup
	owner.Go(func() {
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	})
	defer owner.Wait()
	defer server.Stop()
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: callers, Retry: &pipeline.Retry{}})
	if err != nil {
		t.Fatal(err)
	}
	defer throttle.Close()
	conn, err := grpc.NewClient("passthrough:///service", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	var left atomic.Int64
	left.Store(calls)
	var all conc.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	asked, refused := b.asked.Load(), b.refused.Load()
	t.Logf("%d calls, %d attempts, %d refused", calls, asked, refused)
	if asked-refused != calls || refused == 0 || 5*refused > asked {
		t.Errorf("got %d attempts, %d of them refused, want %d accepted, and some, but less than a fifth, refused", asked, refused, calls)
	}
}
