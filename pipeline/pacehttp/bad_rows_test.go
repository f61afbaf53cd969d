package pacehttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// TestBadRowsHardlyHoldUpTheOthersOverLoopback: five rows side by side, to which the server
// answers 500 whenever they come, are tried three times each, and the run takes hardly
// longer than with a limit that never changes. A busy machine may stretch either of the two
// runs, so the test allows three times as long.
func TestBadRowsHardlyHoldUpTheOthersOverLoopback(t *testing.T) {
	const rows, first, bad = 400, 200, 5
	var mu sync.Mutex
	var tries map[string]int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tries[r.URL.Path]++
		mu.Unlock()
		<-time.After(5 * time.Millisecond)
		var row int
		if fmt.Sscanf(r.URL.Path, "/rows/%d", &row); row >= first && row < first+bad {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "done")
	}))
	defer server.Close()

	run := func(policy pipeline.Policy) time.Duration {
		tries = map[string]int{}
		retry := &pipeline.Retry{BaseDelay: 100 * time.Millisecond, Backoff: pipeline.Fixed}
		throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 5, Retry: retry, Policy: policy, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := pipeline.Attach(throttle, func(ctx context.Context, row int) (string, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/rows/%d", server.URL, row), nil)
			if err != nil {
				return "", err
			}
			return pacehttp.Attempt(server.Client(), req, readAll)
		})
		jobs := make(chan int, rows)
		for row := range rows {
			jobs <- row
		}
		close(jobs)
		began, done, failed := time.Now(), 0, 0
		for r := range p.Run(t.Context(), jobs) {
			if r.Err != nil {
				failed++
			} else {
				done++
			}
		}
		took := time.Since(began)
		if done != rows-bad || failed != bad {
			t.Errorf("%T: %d rows done and %d failed, want %d and %d", policy, done, failed, rows-bad, bad)
		}
		for row, n := range tries {
			if n > 3 {
				t.Errorf("%T: %s was tried %d times, want at most 3", policy, row, n)
			}
		}
		return took
	}
	static, seek := run(pipeline.Static{}), run(pipeline.Seek{})
	t.Logf("%v with a limit that never changes, %v with Seek", static, seek)
	if seek > 3*static {
		t.Errorf("%v with Seek, %v with a limit that never changes: want at most three times as long", seek, static)
	}
}
