package pacehttp_test

import (
	"net/http"
	"testing"
	"time"
)

// Plants that tell nothing but a Retry-After. The control law alone finds out how they limit.

// frequency is HAProxy's http_req_rate: what came in this window, and the part of the one before that
// is less than a window ago. Refused ones count. Its Retry-After is what the configuration says.
type frequency struct {
	began           time.Time
	before, current float64
}

func (f *frequency) take(now time.Time, say http.Header) int {
	switch passed := now.Sub(f.began); {
	case passed >= 2*plantWindow:
		f.before, f.current, f.began = 0, 0, now
	case passed >= plantWindow:
		f.before, f.current, f.began = f.current, 0, f.began.Add(plantWindow)
	}
	f.current++
	rest := 1 - now.Sub(f.began).Seconds()/plantWindow.Seconds()
	if f.current+f.before*rest > plantLimit {
		say.Set("Retry-After", "5")
		return http.StatusTooManyRequests
	}
	return http.StatusOK
}

// places is the Kubernetes API server's limit of requests in flight, of which each takes 100 ms: a second
// is asked for, however soon a place is free.
type places struct{ taken int }

const places4, placeWork = 4, 100 * time.Millisecond

func (p *places) take(_ time.Time, say http.Header) int {
	if p.taken == places4 {
		say.Set("Retry-After", "1")
		return http.StatusTooManyRequests
	}
	p.taken++
	return http.StatusOK
}

func (p *places) work() time.Duration { return placeWork }
func (p *places) leave()              { p.taken-- }

// TestSilentLimitersAreRidden: these fall short of nine tenths, and what is asked of them is what the
// law does today. All jobs are done, and little is wasted.
func TestSilentLimitersAreRidden(t *testing.T) {
	for _, row := range []struct {
		name   string
		of     func() plant
		best   time.Duration
		least  float64 // goodput
		wasted float64 // at most
	}{
		{"HAProxy, http_req_rate", func() plant { return &frequency{} }, 40 * time.Second, 0.45, 0.25}, // 52 to 60%, 9 to 18% wasted in 30 rides
		{"Kubernetes, requests in flight", func() plant { return &places{} }, rideJobs / places4 * placeWork, 0.57, 0.02},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, later := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond} {
				r := rideOn(t, row.of(), row.best, later)
				t.Logf("begun at %v of a second: %.1f%%, %.1f%% wasted", later, 100*r.goodput(row.best), 100*r.wasted())
				if r.goodput(row.best) < row.least || r.wasted() > row.wasted || r.failed > 0 {
					t.Errorf("begun at %v of a second: %.1f%% of the best, %.1f%% wasted, %d failed, want %.0f%%, %.0f%% and none",
						later, 100*r.goodput(row.best), 100*r.wasted(), r.failed, 100*row.least, 100*row.wasted)
				}
			}
		})
	}
}
