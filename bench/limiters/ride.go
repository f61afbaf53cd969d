package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A ride is so many jobs of a client, through a limiter.
type ride struct {
	limiter limiter
	client  client
	jobs    int
	window  time.Duration
}

// An outcome is what came of a ride.
type outcome struct {
	ride
	done, failed int64 // jobs
	sent, wasted int64 // attempts; wasted are those without a 200
	took         time.Duration
	err          error
}

// goodput is what was done, as a share of what a client that knows the algorithm does in the same time.
func (o outcome) goodput() float64 {
	best := max(o.limiter.bestFor(o.jobs, o.window), time.Millisecond)
	return float64(o.done) / float64(o.jobs) * min(best.Seconds()/o.took.Seconds(), 1)
}

// waste is the share of attempts that came to nothing.
func (o outcome) waste() float64 { return float64(o.wasted) / max(float64(o.sent), 1) }

func (o outcome) score() float64 { return o.goodput() * (1 - o.waste()) }

func (o outcome) cell() string {
	if o.err != nil {
		return "error"
	}
	text := fmt.Sprintf("%.0f%%, %.1f%%", 100*o.goodput(), 100*o.waste())
	if o.failed > 0 {
		text += fmt.Sprintf(", %d", o.failed)
	}
	return text
}

// patience is how many times the best time a ride may take, and shortest how long at least.
const (
	patience = 2
	shortest = 20 * time.Second
)

// run starts the limiter and has callers do the jobs.
func (r ride) run(ctx context.Context, h *house) outcome {
	o := outcome{ride: r}
	s, err := r.limiter.start(ctx, h, order{r.limiter.name, r.window, r.limiter.work})
	if err != nil {
		o.err = err
		return o
	}
	defer s.stop()
	limit := max(patience*r.limiter.bestFor(r.jobs, r.window), shortest)
	timed, cancel := context.WithCancel(ctx) // no deadline: clients must not know when the ride is over
	defer cancel()
	defer time.AfterFunc(limit, cancel).Stop()
	base := &http.Transport{MaxIdleConnsPerHost: callers}
	defer base.CloseIdleConnections()
	counted := &counter{base: base, ctx: timed, trace: h.trace, name: r.limiter.name + ", " + r.client.name, begin: time.Now()}
	c := &http.Client{Transport: r.client.wrap(counted, r.limiter.told(r.window))}
	var next, done, failed atomic.Int64
	begin := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for next.Add(1) <= int64(r.jobs) {
				good := get(timed, c, s.url)
				if timed.Err() != nil {
					return // what the end has broken off is nobody's failure
				}
				if good {
					done.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	o.took = time.Since(begin)
	o.done, o.failed, o.sent, o.wasted = done.Load(), failed.Load(), counted.sent.Load(), counted.wasted.Load()
	o.err = ctx.Err()
	return o
}

// get does one job.
func get(ctx context.Context, c *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := c.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}

// A counter counts what is sent while the ride lasts.
type counter struct {
	base         http.RoundTripper
	ctx          context.Context // of the ride
	trace        bool            // print each attempt
	name         string
	begin        time.Time
	sent, wasted atomic.Int64
}

func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.base.RoundTrip(req)
	if c.ctx.Err() != nil {
		return res, err
	}
	c.sent.Add(1)
	if c.trace {
		c.print(time.Since(c.begin), res, err)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		c.wasted.Add(1)
	}
	return res, err
}

func (c *counter) print(at time.Duration, res *http.Response, err error) {
	if err != nil {
		fmt.Printf("%s: %7.3f s: %v\n", c.name, at.Seconds(), err)
		return
	}
	fmt.Printf("%s: %7.3f s: %s\n", c.name, at.Seconds(), says(res))
}
