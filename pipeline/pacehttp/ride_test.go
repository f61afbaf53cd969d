package pacehttp_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// riding is what came of 400 jobs of 16 callers at a plant, by a Transport with defaults.
type riding struct {
	done, failed  int
	sent, refused int
	took          time.Duration
	known         string // of the limiters, at the end
	learned       int    // events that said something new of them
}

const rideJobs = 400

// goodput is a share of what a client that knows the plant does in the time.
func (r riding) goodput(best time.Duration) float64 {
	return float64(r.done) / rideJobs * min(best.Seconds()/r.took.Seconds(), 1)
}

func (r riding) wasted() float64 { return float64(r.refused) / float64(max(r.sent, 1)) }

// rideOn rides in a bubble, for twice the time that is needed at most. Virtual time begins at a whole second; skew is
// what the ride begins later.
func rideOn(t *testing.T, p plant, best, skew time.Duration) (r riding) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)) + skew) // seconds since 1970 have to look like today's
		var learned atomic.Int64
		throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 16, Retry: &pipeline.Retry{}, Seed: 7, OnEvent: func(e pipeline.Event) {
			if e.Kind == pipeline.EventLimiterLearned {
				learned.Add(1)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		begin := time.Now()
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			time.Sleep(300 * time.Microsecond)
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			res := &http.Response{Header: http.Header{}, Body: http.NoBody, Request: req}
			res.StatusCode = p.take(now, res.Header)
			res.Header.Set("Date", now.UTC().Format(http.TimeFormat))
			r.sent++
			if res.StatusCode == closed {
				r.refused++
				return nil, io.EOF
			}
			if res.StatusCode != http.StatusOK {
				r.refused++
				return res, nil
			}
			if w, ok := p.(worker); ok {
				mu.Unlock()
				time.Sleep(w.work())
				mu.Lock()
				w.leave()
			}
			return res, nil
		})
		client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Base: base}}
		var all sync.WaitGroup
		next := 0
		take := func() bool {
			mu.Lock()
			defer mu.Unlock()
			next++
			return next <= rideJobs && time.Since(begin) < 2*best
		}
		for range 16 {
			all.Go(func() {
				for take() {
					res, err := client.Get("http://service.test/")
					good := err == nil && res.StatusCode == http.StatusOK
					if err == nil {
						io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
					mu.Lock()
					if good {
						r.done++
					} else {
						r.failed++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		r.took = time.Since(begin)
		for _, l := range throttle.Snapshot().Limiters {
			r.known += l.String() + "; "
		}
		synctest.Wait()
		r.learned = int(learned.Load())
	})
	return r
}

// TestLimitersAreRidden: each plant is used up nearly as well as by a client that knows it, and hardly anything is refused. What
// falls short is said so by what is asked of it.
func TestLimitersAreRidden(t *testing.T) {
	const fixed, even, two37 = 35 * time.Second, 40 * time.Second, 37 * time.Second
	whole := func(tell teller) func() plant {
		return func() plant { return &window{limit: plantLimit, length: plantWindow, tell: tell} }
	}
	fifth := func(tell teller) plant { return &window{limit: 20, length: time.Second, tell: tell} }
	for _, row := range []struct {
		name   string
		of     func() plant
		best   time.Duration
		least  float64 // goodput
		wasted float64 // at most
		known  string  // that is said of it
	}{
		{"express-rate-limit, draft 6", whole(sayDraft6), fixed, 0.98, 0.005, "requests: a window of 5s with 50;"},
		{"seconds since 1970, rounded up", whole(sayEpoch), fixed, 0.95, 0.01, "requests: a window of 6s with 50;"},
		{"seconds since 1970, rounded down", whole(sayEpochDown), fixed, 0.98, 0.01, "requests: a window of 5s with 50;"},
		{"milliseconds since 1970", whole(sayMilliseconds), fixed, 0.98, 0.01, "s with 50;"},
		{"two, of which one speaks", func() plant { return two{fifth(sayDraft6), whole(sayDraft6)()} }, two37, 0.8, 0.15, ""}, // under one name: nothing is said
		{"gin-rate-limit", func() plant { return &receding{} }, fixed, 0.98, 0.01, "requests: a window of 5s with 50;"},
		{"httprate", func() plant { return &sliding{} }, even, 0.84, 0.03, "requests: a sliding window of 5s with 50;"}, // 5 s are its own Retry-After
		{"fiber, sliding", func() plant { return &sliding{fiber: true} }, 47 * time.Second, 0.8, 0.03, "requests: a sliding window of 5s with 50;"},
		{"tollbooth", func() plant { return &constants{} }, fixed, 0.95, 0.15, ""},
		{"@nestjs/throttler", func() plant { return &throttler{limit: plantLimit, length: plantWindow} }, fixed, 0.98, 0.01, "requests: a window of 5s with 50;"},
		{"@nestjs/throttler, named", func() plant {
			return two{&throttler{name: "-short", limit: 20, length: time.Second}, &throttler{name: "-long", limit: plantLimit, length: plantWindow}}
		}, two37, 0.9, 0.02, "short: a window of 1s with 20; long: a window of 5s with 50, each place free that long after it was taken;"},
		{"hapi-rate-limitor", func() plant { return &redisLog{} }, fixed, 0.87, 0.01, "requests: a window of 5s with 50, each place free that long after it was taken;"},
		{"express-slow-down", func() plant { return delaying{} }, time.Second, 0.9, 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, later := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond} {
				r := rideOn(t, row.of(), row.best, later)
				t.Logf("begun at %v of a second: %.1f%%, %.1f%% wasted; %s", later, 100*r.goodput(row.best), 100*r.wasted(), r.known)
				if got := r.goodput(row.best); got < row.least {
					t.Errorf("begun at %v of a second: %.1f%% of the best, want %.0f%%", later, 100*got, 100*row.least)
				}
				if !strings.Contains(r.known, row.known) || row.known != "" && (r.learned < 1 || r.learned > 4) {
					t.Errorf("begun at %v of a second: %q is known, said in %d events, want %q, in 1 to 4", later, r.known, r.learned, row.known)
				}
				if got := r.wasted(); got > row.wasted || r.failed > 0 {
					t.Errorf("begun at %v of a second: %.1f%% wasted, %d failed, want %.1f%% at most and none", later, 100*got, r.failed, 100*row.wasted)
				}
			}
		})
	}
}
