package pacegrpc_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/paceline-go/paceline/pipeline"
)

// watch opens a stream from the server.
func watch(t *testing.T, ctx context.Context, client pb.TestServiceClient) pb.TestService_StreamingOutputCallClient {
	t.Helper()
	stream, err := client.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func inFlight(t *testing.T, gate *pipeline.Throttle, want int, when string) {
	t.Helper()
	synctest.Wait()
	if got := gate.Snapshot().InFlight; got != want {
		t.Errorf("%s: %d slots are held, want %d", when, got, want)
	}
}

func TestAStreamHoldsItsSlotUntilTheServerAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{MaxConcurrency: 1})
		s := &service{output: func(to pb.TestService_StreamingOutputCallServer) error {
			time.Sleep(time.Second)
			for range 3 {
				if err := to.Send(&pb.StreamingOutputCallResponse{}); err != nil {
					return err
				}
				time.Sleep(time.Hour)
			}
			return nil
		}}
		client := s.client(t, gate, nil)
		first := watch(t, t.Context(), client)
		inFlight(t, gate, 1, "before the answer")

		began := time.Now()
		opened := make(chan pb.TestService_StreamingOutputCallClient)
		go func() { opened <- watch(t, t.Context(), client) }()
		if _, err := first.Recv(); err != nil {
			t.Fatal(err)
		}
		second := <-opened
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("the second stream waited %v, want the second that the first one's answer took", waited)
		}
		for _, stream := range []pb.TestService_StreamingOutputCallClient{first, second} {
			var err error
			for err == nil {
				_, err = stream.Recv()
			}
			if err != io.EOF {
				t.Errorf("got %v, want the end of the stream", err)
			}
		}
		inFlight(t, gate, 0, "after the streams")
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Succeeded: 2}) {
			t.Errorf("the throttle counts %+v", got)
		}
	})
}

func TestHeadersAreAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		s := &service{output: func(to pb.TestService_StreamingOutputCallServer) error {
			if err := to.SendHeader(nil); err != nil {
				return err
			}
			<-to.Context().Done()
			return to.Context().Err()
		}}
		ctx, cancel := context.WithCancel(t.Context())
		stream := watch(t, ctx, s.client(t, gate, nil))
		received := make(chan error)
		go func() { _, err := stream.Recv(); received <- err }()
		inFlight(t, gate, 0, "after the headers, before any message")
		cancel()
		if err := <-received; status.Code(err) != codes.Canceled {
			t.Errorf("got %v", err)
		}
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Succeeded: 1}) {
			t.Errorf("the throttle counts %+v", got)
		}
	})
}

func TestARefusedStreamHoldsUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		gate := throttle(t, pipeline.Config{})
		s := &service{}
		s.output = func(to pb.TestService_StreamingOutputCallServer) error {
			if s.calls.Load() == 1 {
				return refusal(codes.ResourceExhausted, time.Minute)
			}
			return nil
		}
		client := s.client(t, gate, nil)
		if _, err := watch(t, t.Context(), client).Recv(); status.Convert(err).Message() != "too much" {
			t.Errorf("got %v, want the server's refusal as it is", err)
		}
		if _, err := watch(t, t.Context(), client).Recv(); err != io.EOF {
			t.Errorf("got %v, want the end of the stream", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %v, want the minute that the server asked for", took)
		}
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Succeeded: 1, Overloaded: 1}) {
			t.Errorf("the throttle counts %+v", got)
		}
	})
}

func TestADelayInTheMiddleOfAStreamCountsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		s := &service{output: func(to pb.TestService_StreamingOutputCallServer) error {
			if err := to.Send(&pb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			return refusal(codes.ResourceExhausted, time.Minute)
		}}
		stream := watch(t, t.Context(), s.client(t, gate, nil))
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("got %v", err)
		}
		if got := gate.Snapshot().PausedFor; got != time.Minute {
			t.Errorf("paused for %v, want a minute", got)
		}
	})
}

func TestAnUploadHoldsItsSlotUntilTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		s := &service{input: func(from pb.TestService_StreamingInputCallServer) error {
			for {
				if _, err := from.Recv(); err != nil {
					return from.SendAndClose(&pb.StreamingInputCallResponse{})
				}
			}
		}}
		stream, err := s.client(t, gate, nil).StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := stream.Send(&pb.StreamingInputCallRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		inFlight(t, gate, 1, "while uploading")
		if _, err := stream.CloseAndRecv(); err != nil {
			t.Fatal(err)
		}
		inFlight(t, gate, 0, "after the answer")
	})
}

func TestAStreamThatNobodyReadsLosesItsSlotWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		s := &service{output: func(to pb.TestService_StreamingOutputCallServer) error { return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		watch(t, ctx, s.client(t, gate, nil))
		inFlight(t, gate, 1, "unread")
		cancel()
		inFlight(t, gate, 0, "cancelled")
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Ignored: 1}) {
			t.Errorf("the throttle counts %+v, want what the caller did ignored", got)
		}
	})
}

func TestTheCallersDeadlineEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		s := &service{output: func(to pb.TestService_StreamingOutputCallServer) error {
			<-to.Context().Done()
			return to.Context().Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := watch(t, ctx, s.client(t, gate, nil)).Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		inFlight(t, gate, 0, "after the deadline")
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Ignored: 1}) {
			t.Errorf("the throttle counts %+v, want the caller's impatience ignored", got)
		}
	})
}

func TestAStreamThatDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		broken := grpc.WithChainStreamInterceptor(func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
			return nil, status.Error(codes.Unavailable, "no connection")
		})
		client := new(service).client(t, gate, nil, broken)
		if _, err := client.StreamingOutputCall(t.Context(), nil); status.Convert(err).Message() != "no connection" {
			t.Errorf("got %v", err)
		}
		inFlight(t, gate, 0, "not opened")
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Failed: 1}) {
			t.Errorf("the throttle counts %+v", got)
		}

		gate.Close()
		_, err := client.StreamingOutputCall(t.Context(), nil)
		if status.Code(err) != codes.Unavailable || !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("got %v of a closed throttle", err)
		}
	})
}

func TestAPanicWhileOpeningGivesTheSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := throttle(t, pipeline.Config{})
		broken := grpc.WithChainStreamInterceptor(func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
			panic("broken")
		})
		client := new(service).client(t, gate, nil, broken)
		func() {
			defer func() { _ = recover() }()
			_, _ = client.StreamingOutputCall(t.Context(), nil)
		}()
		inFlight(t, gate, 0, "after the panic")
		if got := gate.Snapshot().Attempts; got != (pipeline.AttemptCounts{Ignored: 1}) {
			t.Errorf("the throttle counts %+v", got)
		}
	})
}
