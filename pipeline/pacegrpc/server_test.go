package pacegrpc_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

// gated starts a service behind a Server and returns a connection to it.
func gated(t *testing.T, s *service, gate pacegrpc.Server, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.UnaryInterceptor(gate.Unary()), grpc.StreamInterceptor(gate.Stream()))
	pb.RegisterTestServiceServer(server, s)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	}()
	conn, err := grpc.NewClient("passthrough:///gated", append(opts,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		<-stopped
	})
	return conn
}

// A place is of a server that works on one call at a time, until it is told to go on.
type place struct {
	service
	begun chan struct{}
	goOn  chan struct{}
}

func newPlace() *place {
	p := &place{begun: make(chan struct{}, 100), goOn: make(chan struct{})}
	p.unary = func(ctx context.Context, _ int) error {
		p.begun <- struct{}{}
		select {
		case <-p.goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p
}

func TestServerRefusesWhatWouldWaitForTooLong(t *testing.T) {
	p := newPlace()
	gate := pacegrpc.Server{Throttle: throttle(t, pipeline.Config{MaxConcurrency: 1}), MaxWait: -1}
	conn := gated(t, &p.service, gate)
	client := pb.NewTestServiceClient(conn)
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := client.UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
			t.Error(err)
		}
	})
	<-p.begun
	var trailer metadata.MD
	_, err := client.UnaryCall(t.Context(), &pb.SimpleRequest{}, grpc.Trailer(&trailer))
	s := status.Convert(err)
	if s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "held by limit") {
		t.Errorf("got %v", err)
	}
	if len(s.Details()) != 1 || s.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration() <= 0 || len(trailer.Get("grpc-retry-pushback-ms")) != 1 {
		t.Errorf("got details %v, trailer %v", s.Details(), trailer)
	}
	if err := pacegrpc.Mark(err); pipeline.Classify(err) != pipeline.Overload {
		t.Errorf("our client takes it for %v", pipeline.Classify(err))
	}
	stream, err := client.StreamingOutputCall(t.Context(), &pb.StreamingOutputCallRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("stream: got %v", err)
	}
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: got %v", err)
	}
	close(p.goOn)
	all.Wait()
	if p.calls.Load() != 1 {
		t.Errorf("%d calls were handled, want 1", p.calls.Load())
	}
}

// With paceline at both ends, what the server refuses is tried again when it says.
func TestOurClientComesAgainWhenTheServerSays(t *testing.T) {
	p := newPlace()
	gate := pacegrpc.Server{Throttle: throttle(t, pipeline.Config{MaxConcurrency: 1}), MaxWait: -1}
	refused := make(chan struct{}, 100)
	cfg := pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}, OnEvent: func(e pipeline.Event) {
		if e.Kind == pipeline.EventRetry {
			refused <- struct{}{}
		}
	}}
	client := pb.NewTestServiceClient(gated(t, &p.service, gate, grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle(t, cfg), never))))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := client.UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	<-p.begun
	<-refused // the other
	close(p.goOn)
	all.Wait()
}

func TestServerLetsCallsWaitAsTheirContextSays(t *testing.T) {
	p := newPlace()
	th := throttle(t, pipeline.Config{MaxConcurrency: 1})
	var mu sync.Mutex
	var methods []string
	gate := pacegrpc.Server{Throttle: th, Context: func(ctx context.Context, method string) context.Context {
		mu.Lock()
		defer mu.Unlock()
		methods = append(methods, method)
		return pipeline.WithMaxWait(ctx, time.Hour)
	}}
	client := pb.NewTestServiceClient(gated(t, &p.service, gate))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := client.UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	<-p.begun
	p.goOn <- struct{}{}
	<-p.begun
	close(p.goOn)
	all.Wait()
	if want := []string{"/grpc.testing.TestService/UnaryCall", "/grpc.testing.TestService/UnaryCall"}; !slices.Equal(methods, want) {
		t.Errorf("asked for %v", methods)
	}
}

func TestWhatTheStatusesOfAServiceTell(t *testing.T) {
	one := func(v pipeline.Verdict) (c pipeline.AttemptCounts) { c.Add(v); return c }
	for code, want := range map[codes.Code]pipeline.AttemptCounts{
		codes.OK:                one(pipeline.Succeeded),
		codes.NotFound:          one(pipeline.Ignored),
		codes.Unavailable:       one(pipeline.Overload),
		codes.ResourceExhausted: one(pipeline.Overload),
		codes.Internal:          one(pipeline.Failed),
		codes.DeadlineExceeded:  one(pipeline.Failed),
	} {
		th := throttle(t, pipeline.Config{})
		s := &service{unary: func(context.Context, int) error { return status.Error(code, "said") }}
		_, err := pb.NewTestServiceClient(gated(t, s, pacegrpc.Server{Throttle: th})).UnaryCall(t.Context(), &pb.SimpleRequest{})
		if got := status.Code(err); got != code {
			t.Errorf("the client got %v, want %v", got, code)
		}
		if err := th.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := th.Snapshot().Attempts; got != want {
			t.Errorf("%v: got %+v, want %+v", code, got, want)
		}
	}
}

// A call whose client has gone is not worked for.
func TestServerDoesNotWorkForAClientWhoHasGone(t *testing.T) {
	p := newPlace()
	waiting := make(chan struct{}, 2)
	th := throttle(t, pipeline.Config{MaxConcurrency: 1})
	gate := pacegrpc.Server{Throttle: th, MaxWait: time.Hour, Context: func(ctx context.Context, _ string) context.Context {
		waiting <- struct{}{}
		return ctx
	}}
	client := pb.NewTestServiceClient(gated(t, &p.service, gate))
	var all sync.WaitGroup
	call := func() (leave context.CancelFunc) {
		ctx, leave := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != codes.Canceled {
				t.Errorf("got %v", err)
			}
		})
		<-waiting
		return leave
	}
	leaveWork := call()
	<-p.begun
	leaveLine := call()
	for th.Snapshot().Waiting != 1 {
	}
	leaveLine() // first, or it might have its turn before the server hears that it has gone
	for th.Snapshot().Waiting != 0 {
	}
	leaveWork()
	all.Wait()
	if err := th.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := th.Snapshot(); p.calls.Load() != 1 || s.Attempts.Succeeded != 0 || s.Attempts.Failed != 0 {
		t.Errorf("%d calls were handled, %+v", p.calls.Load(), s.Attempts)
	}
}

func TestServerThatIsClosedOrBroken(t *testing.T) {
	th := throttle(t, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}})
	s := &service{unary: func(context.Context, int) error { return status.Error(codes.Internal, "said") }}
	client := pb.NewTestServiceClient(gated(t, s, pacegrpc.Server{Throttle: th}))
	_, _ = client.UnaryCall(t.Context(), &pb.SimpleRequest{})
	th.Snapshot() // the circuit has heard of it
	_, err := client.UnaryCall(t.Context(), &pb.SimpleRequest{})
	if s := status.Convert(err); s.Code() != codes.Unavailable || len(s.Details()) != 1 {
		t.Errorf("open circuit: got %v", err)
	}
	th.Close()
	_, err = client.UnaryCall(t.Context(), &pb.SimpleRequest{})
	if s := status.Convert(err); s.Code() != codes.Unavailable || len(s.Details()) != 0 {
		t.Errorf("closed: got %v", err)
	}
}

func TestServerNeedsAThrottle(t *testing.T) {
	defer func() {
		if got := recover(); got != "pacegrpc: Server: throttle is nil" {
			t.Errorf("got %v", got)
		}
	}()
	pacegrpc.Server{}.Unary()
}

// A client that is not to wait for so long is told so with a status.
func TestClientThatIsNotToWait(t *testing.T) {
	s := &service{unary: func(context.Context, int) error { return nil }}
	th := throttle(t, pipeline.Config{MinDispatchInterval: time.Minute, MaxDispatchInterval: time.Minute})
	client := s.client(t, th, always)
	ctx := pipeline.WithMaxWait(t.Context(), time.Second)
	if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	_, err := client.UnaryCall(ctx, &pb.SimpleRequest{})
	var wait *pipeline.WaitError
	if !errors.As(err, &wait) || status.Code(err) != codes.Unavailable || s.calls.Load() != 1 {
		t.Errorf("got %v", err)
	}
}
