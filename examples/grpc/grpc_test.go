package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// page is an output for several goroutines, which calls back when it says something.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
	cue  string
	then func()
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.then != nil && strings.Contains(string(b), p.cue) {
		p.then()
	}
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func TestTheInterceptorLosesNoCallToTheQuota(t *testing.T) {
	t.Parallel()
	out := new(page)
	sum, err := options{rate: 1500, concurrency: 50}.check(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	want := map[pb.HealthCheckResponse_ServingStatus]int{
		pb.HealthCheckResponse_SERVING: 988, pb.HealthCheckResponse_NOT_SERVING: 10, pb.HealthCheckResponse_SERVICE_UNKNOWN: 2,
	}
	for health, n := range want {
		if sum.statuses[health] != n {
			t.Errorf("%v: got %d, want %d", health, sum.statuses[health], n)
		}
	}
	s := sum.throttle.Snapshot()
	if !sum.complete() || s.Attempts.Overloaded != sum.server.refused.Load() || sum.server.served.Load() != 1000 {
		t.Errorf("got %+v; the server refused %d and served %d", s, sum.server.refused.Load(), sum.server.served.Load())
	}
}

func TestWithoutTheInterceptorMostCallsAreLost(t *testing.T) {
	t.Parallel()
	out := new(page)
	if status := run(t.Context(), []string{"-without", "-rate", "10"}, out, out); status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	if !strings.Contains(out.String(), "failed with "+codes.ResourceExhausted.String()) {
		t.Errorf("got\n%s", out)
	}
}

func TestAnInterruptWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	interrupt, cancel := context.WithCancel(t.Context())
	out := &page{cue: "asking", then: cancel}
	if status := run(interrupt, []string{"-rate", "1000"}, out, out); status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	if strings.Contains(out.String(), "failed with") {
		t.Errorf("calls were lost:\n%s", out)
	}
}

func TestAServerThatIsNotThereIsComplainedOf(t *testing.T) {
	t.Parallel()
	gone, err := startServer(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.close(); err != nil {
		t.Fatal(err)
	}
	interrupt, cancel := context.WithCancel(t.Context())
	out := &page{cue: "does not answer", then: cancel}
	if status := run(interrupt, []string{"-target", gone.address, "-grace", "1ms"}, out, out); status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	if n := strings.Count(out.String(), "does not answer"); n != 1 || !strings.Contains(out.String(), "0 of 1000 known") {
		t.Errorf("got\n%s", out)
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"now":            "flags alone",
		"-rate 0":        "want above 0",
		"-concurrency 0": "want at least 1",
		"-tls":           "needs -target",
		"-nonsense":      "not defined",
	} {
		out := new(page)
		if status := run(t.Context(), strings.Fields(args), out, out); status != 2 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: got status %d, %q", args, status, out)
		}
	}
}
