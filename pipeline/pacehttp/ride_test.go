package pacehttp_test

import (
	"flag"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A ride is what came of 400 jobs of 16 callers at a plant, by a Transport with defaults.
type riding struct {
	done, failed  int
	sent, refused int
	took          time.Duration
	at            []time.Duration // of each request
	ok            []bool
}

const rideJobs = 400

// goodput is the share of what who knows the plant does in the time.
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
		throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 16, Retry: &pipeline.Retry{}, Seed: 7})
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
			r.at, r.ok = append(r.at, now.Sub(begin)), append(r.ok, res.StatusCode == http.StatusOK)
			if res.StatusCode != http.StatusOK {
				r.refused++
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
	})
	return r
}

func TestRides(t *testing.T) {
	const fixed, even = 35 * time.Second, 40 * time.Second
	fixedWindow := func(tell func(http.Header, time.Time, int, int, time.Time, bool)) func() plant {
		return func() plant { return &window{limit: plantLimit, length: plantWindow, tell: tell} }
	}
	short := func(tell func(http.Header, time.Time, int, int, time.Time, bool)) plant {
		return &window{limit: 20, length: time.Second, tell: tell}
	}
	for _, row := range []struct {
		name string
		of   func() plant
		best time.Duration
	}{
		{"draft 6", fixedWindow(sayDraft6), fixed},
		{"epoch, rounded up", fixedWindow(sayEpoch), fixed},
		{"epoch, rounded down", fixedWindow(sayEpochDown), fixed},
		{"milliseconds", fixedWindow(sayMilliseconds), fixed},
		{"two, draft 6", func() plant { return two{short(sayDraft6), fixedWindow(sayDraft6)()} }, 37 * time.Second},
		{"receding", func() plant { return &receding{} }, fixed},
		{"httprate", func() plant { return &sliding{} }, even},
		{"fiber sliding", func() plant { return &sliding{fiber: true} }, 47 * time.Second},
		{"tollbooth", func() plant { return &constants{} }, fixed},
		{"nest", func() plant { return &throttler{limit: plantLimit, length: plantWindow} }, fixed},
		{"nest, named", func() plant {
			return two{&throttler{name: "-short", limit: 20, length: time.Second}, &throttler{name: "-long", limit: plantLimit, length: plantWindow}}
		}, 37 * time.Second},
		{"log in Redis", func() plant { return &redisLog{} }, fixed},
		{"bursty", func() plant { return newBursty() }, 22500 * time.Millisecond},
		{"slow down", func() plant { return delaying{} }, time.Second},
		{"haproxy", func() plant { return &estimate{} }, even},
		{"haproxy uncounted", func() plant { return &estimate{uncounted: true} }, even},
		{"haproxy 429", func() plant { return &estimate{retryAfter: "5"} }, even},
	} {
		for _, skew := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond} {
			r := rideOn(t, row.of(), row.best, skew)
			t.Logf("%20s, %5v: %5.1f%%, wasted %4.1f%%, failed %d", row.name, skew, 100*r.goodput(row.best), 100*r.wasted(), r.failed)
			if *film == row.name && skew == *filmSkew {
				for i, at := range r.at {
					if i == 0 || at-r.at[i-1] > 100*time.Millisecond || r.ok[i] != r.ok[i-1] {
						t.Log(i, at, r.ok[i])
					}
				}
			}
		}
	}
}

var film, filmSkew = flag.String("film", "", ""), flag.Duration("skew", 300*time.Millisecond, "")
