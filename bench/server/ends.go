package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A meeting is clients with a throttle at a server with one, none of which is told anything.
type meeting struct {
	clients int
	places  int
	mean    time.Duration
	spread  float64
	wait    time.Duration   // for a turn at the server, at most
	policy  pipeline.Policy // of the clients
	warmUp  time.Duration
	length  time.Duration // after that
	seed    uint64
}

// A course is what has become of it after the warm-up.
type course struct {
	sent, refused, done int
	capacity            float64 // in the whole time
	refusals            float64 // share of what was sent
	lost                int     // jobs that came back with an error
	slack, seconds      int     // seconds in which less than three quarters of the capacity was done, and all
	server              swing   // of the limit
}

func (c *course) goodput() float64 { return float64(c.done) / c.capacity }

// add takes another course. Of the shares that were refused the larger one stays.
func (c *course) add(o course) {
	c.sent, c.refused, c.done, c.lost = c.sent+o.sent, c.refused+o.refused, c.done+o.done, c.lost+o.lost
	c.slack, c.seconds, c.capacity = c.slack+o.slack, c.seconds+o.seconds, c.capacity+o.capacity
	c.refusals = max(c.refusals, o.refusals)
	c.server.see(o.server.least)
	c.server.see(o.server.most)
}

// A swing is within what a limit has moved.
type swing struct{ least, most int }

func (s *swing) see(limit int) {
	if s.most == 0 {
		s.least = limit
	}
	s.least, s.most = min(s.least, limit), max(s.most, limit)
}

// inside brings requests to a handler of the same process.
type inside struct {
	handler http.Handler
	seen    func(status int)
}

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.handler.ServeHTTP(w, r)
	i.seen(w.Code)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

// hold lets clients with endless jobs meet the server.
func (m meeting) hold(t *testing.T) (sum course) {
	synctest.Test(t, func(*testing.T) {
		p := newPlant(m.places, m.mean, m.spread, m.seed)
		sum.capacity = p.capacity() * m.length.Seconds()
		handler, server := ours(p, pipeline.Vegas{}, m.wait)
		begin := time.Now()
		var mu sync.Mutex
		counts := func() bool { return time.Since(begin) >= m.warmUp }
		transport := inside{handler, func(status int) {
			mu.Lock()
			defer mu.Unlock()
			if !counts() {
				return
			}
			sum.sent++
			if status != http.StatusOK {
				sum.refused++
			} else {
				sum.done++
			}
		}}
		ctx, cancel := context.WithCancel(context.Background())
		random := rand.New(rand.NewPCG(m.seed, 3))
		var all sync.WaitGroup
		for range m.clients {
			client := &http.Client{Transport: transport}
			pipe, err := pipeline.New(func(ctx context.Context, _ int) (int, error) {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://inside/", nil)
				if err != nil {
					return 0, pipeline.Fatal(err)
				}
				return pacehttp.Attempt(client, req, func(res *http.Response) (int, error) {
					_, err := io.Copy(io.Discard, res.Body)
					return 0, err
				})
			}, pipeline.Config{MaxConcurrency: 100, Retry: &pipeline.Retry{}, Policy: m.policy})
			if err != nil {
				panic(err)
			}
			later := time.Duration(random.Float64() * float64(time.Second))
			all.Go(func() {
				time.Sleep(later)
				for r := range pipe.Each(ctx, endless) {
					if r.Err != nil && ctx.Err() == nil {
						mu.Lock()
						sum.lost++
						mu.Unlock()
					}
				}
			})
		}
		before := 0
		for time.Since(begin) < m.warmUp+m.length {
			time.Sleep(time.Second)
			if !counts() {
				continue
			}
			mu.Lock()
			if second := sum.done - before; float64(second) < 0.75*p.capacity() {
				sum.slack++
			}
			before = sum.done
			mu.Unlock()
			sum.seconds++
			sum.server.see(server.Snapshot().Concurrency)
		}
		cancel()
		all.Wait()
		sum.refusals = float64(sum.refused) / float64(max(sum.sent, 1))
	})
	return sum
}

func endless(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}
