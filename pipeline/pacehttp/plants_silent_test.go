package pacehttp_test

import (
	"net/http"
	"slices"
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

// closed is the status of an answer that never comes: the connection is closed.
const closed = 0

// abrupt is a limiter that closes the connection, or fails, where another one refuses.
type abrupt struct {
	plant
	status int
}

func (a abrupt) take(now time.Time, say http.Header) int {
	if a.plant.take(now, say) == http.StatusOK {
		return http.StatusOK
	}
	clear(say)
	return a.status
}

func (a abrupt) work() time.Duration {
	if w, ok := a.plant.(worker); ok {
		return w.work()
	}
	return 0
}

func (a abrupt) leave() {
	if w, ok := a.plant.(worker); ok {
		w.leave()
	}
}

// fixedCount counts what comes in a window that begins with the first.
type fixedCount struct {
	began time.Time
	n     int
}

func (f *fixedCount) take(now time.Time, _ http.Header) int {
	if now.Sub(f.began) >= plantWindow {
		f.began, f.n = now, 0
	}
	f.n++
	if f.n > plantLimit {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// gone is a service whose connections break for a while, from a second and a half on.
type gone struct {
	begin time.Time
	lasts time.Duration
}

func (g *gone) take(now time.Time, _ http.Header) int {
	if g.begin.IsZero() {
		g.begin = now.Add(3 * time.Second / 2)
	}
	if !now.Before(g.begin) && now.Before(g.begin.Add(g.lasts)) {
		return closed
	}
	return http.StatusOK
}

func (g *gone) work() time.Duration { return placeWork }
func (g *gone) leave()              {}

// TestSilentLimitersAreRidden: these fall short of nine tenths, and what is asked of them is what the
// law does today. Where all that is heard of a limit is a closed connection or a 500, each uses up an attempt of a job, and few
// jobs are lost.
func TestSilentLimitersAreRidden(t *testing.T) {
	for _, row := range []struct {
		name   string
		of     func() plant
		best   time.Duration
		least  float64 // goodput
		wasted float64 // at most
		failed int     // jobs of 400 at most
	}{
		{"HAProxy, http_req_rate", func() plant { return &frequency{} }, 40 * time.Second, 0.45, 0.25, 0},                 // 52 to 60%, 9 to 18% wasted in 30 rides
		{"HAProxy, reject", func() plant { return abrupt{&frequency{}, closed} }, 40 * time.Second, 0.45, 0.6, 80},        // 62% in the mean of 90 rides and 51% at least, 32 to 52%, 37 failed in the mean
		{"mod_qos, events", func() plant { return abrupt{&fixedCount{}, 500} }, 35 * time.Second, 0.75, 0.4, 2},           // 84%, 32%, hardly any
		{"mod_qos, places", func() plant { return abrupt{&places{}, 500} }, rideJobs / places4 * placeWork, 0.7, 0.06, 0}, // 78%, 4%, none
		{"Kubernetes, requests in flight", func() plant { return &places{} }, rideJobs / places4 * placeWork, 0.57, 0.02, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			var goodput, wasted []float64
			var failed []int
			for _, later := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond} {
				r := rideOn(t, row.of(), row.best, later)
				t.Logf("begun at %v of a second: %.1f%%, %.1f%% wasted, %d failed", later, 100*r.goodput(row.best), 100*r.wasted(), r.failed)
				goodput, wasted, failed = append(goodput, r.goodput(row.best)), append(wasted, r.wasted()), append(failed, r.failed)
			}
			slices.Sort(goodput)
			slices.Sort(wasted)
			slices.Sort(failed)
			if goodput[1] < row.least || wasted[1] > row.wasted || failed[1] > row.failed {
				t.Errorf("in the median of three: %.1f%% of the best, %.1f%% wasted, %d failed, want %.0f%%, %.0f%% and at most %d",
					100*goodput[1], 100*wasted[1], failed[1], 100*row.least, 100*row.wasted, row.failed)
			}
		})
	}
}

// TestAnOutageCostsFewSingleCalls: sixteen callers with three attempts each, and no others to ask whether the service is back. With an attempt
// for each probe, as often as where jobs are many, 7, 12 and 19 of 400 were lost.
func TestAnOutageCostsFewSingleCalls(t *testing.T) {
	for lasts, most := range map[time.Duration]int{4 * time.Second: 0, 10 * time.Second: 2, 30 * time.Second: 4} {
		for _, later := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond} {
			r := rideOn(t, &gone{lasts: lasts}, 2*lasts+10*time.Second, later)
			if r.failed > most || r.done+r.failed != rideJobs {
				t.Errorf("gone for %v: %d of %d jobs done, %d lost, want at most %d", lasts, r.done, rideJobs, r.failed, most)
			}
		}
	}
}
