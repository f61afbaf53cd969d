package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/paceline-go/paceline/pipeline"
)

// summary is what came of the calls.
type summary struct {
	mu       sync.Mutex // callers add to it
	statuses map[pb.HealthCheckResponse_ServingStatus]int
	failures map[codes.Code]int
	took     time.Duration

	without  bool
	throttle *pipeline.Throttle
	server   *server // nil: not ours
}

func newSummary(without bool) *summary {
	return &summary{without: without, statuses: make(map[pb.HealthCheckResponse_ServingStatus]int), failures: make(map[codes.Code]int)}
}

func (s *summary) add(health pb.HealthCheckResponse_ServingStatus, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch code := status.Code(err); code {
	case codes.OK:
		s.statuses[health]++
	case codes.NotFound: // so says the protocol of a service that it does not know
		s.statuses[pb.HealthCheckResponse_SERVICE_UNKNOWN]++
	default:
		s.failures[code]++
	}
}

func (s *summary) known() (n int) {
	for _, of := range s.statuses {
		n += of
	}
	return n
}

// complete says whether the health of every service is known.
func (s *summary) complete() bool { return s.known() == len(services()) }

func (s *summary) print(out io.Writer) {
	fmt.Fprintf(out, "\n%-11s%d of %d known after %.1fs", "services", s.known(), len(services()), s.took.Seconds())
	separator := ":"
	for _, health := range slices.Sorted(maps.Keys(s.statuses)) {
		fmt.Fprintf(out, "%s %d %v", separator, s.statuses[health], health)
		separator = ","
	}
	fmt.Fprintln(out)
	for _, code := range slices.Sorted(maps.Keys(s.failures)) {
		fmt.Fprintf(out, "%-11s%d failed with %v\n", "", s.failures[code], code)
	}
	if !s.without {
		t := s.throttle.Snapshot()
		fmt.Fprintf(out, "%-11s%d attempts, %d of them refused and made again; the throttle is at %d at once, %v apart\n",
			"attempts", t.Completed+t.Failed+t.Retries, t.Attempts.Overloaded, t.Concurrency, t.DispatchInterval.Round(10*time.Microsecond))
	}
	if s.server != nil {
		served, refused := s.server.served.Load(), s.server.refused.Load()
		fmt.Fprintf(out, "%-11s%d calls let through, %.0f/s; its quota allows %.0f/s after a burst of %d; %d refused\n",
			"server", served, float64(served)/s.took.Seconds(), float64(s.server.quota.Limit()), burst, refused)
	}
}
