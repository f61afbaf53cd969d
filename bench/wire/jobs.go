package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// most is how many attempts may be in flight.
const most = 32

// config is that of a throttle for a wire on which much goes wrong. There is no limit to
// be found: all may be in flight.
func config() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: most,
		Policy:         pipeline.Static{},
		AttemptTimeout: time.Second,
		Retry: &pipeline.Retry{MaxAttempts: 1_000, // on a busy machine an outage of 100 ms is many of them
			BaseDelay: 5 * time.Millisecond, MaxDelay: 100 * time.Millisecond},
	}
}

// newBase keeps a connection for each attempt in flight.
func newBase() *http.Transport { return &http.Transport{MaxIdleConnsPerHost: most} }

// newRequest asks for a job's content, or sends it: every other job.
func newRequest(ctx context.Context, url string, job, size int) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if job%2 == 1 {
		method, body = http.MethodPut, bytes.NewReader(content(job, size))
	}
	return http.NewRequestWithContext(ctx, method, fmt.Sprint(url, "/", job), body)
}

func readAll(res *http.Response) ([]byte, error) { return io.ReadAll(res.Body) }

// A result is what came back for a job.
type result struct {
	job  int
	body []byte
	err  error
}

// A door is a way in to a throttle. It does jobs and gives a result for each.
type door struct {
	name string
	do   func(ctx context.Context, t *pipeline.Throttle, url string, jobs, size int) <-chan result
}

var doors = []door{
	{"Transport", throughTransport},
	{"Do", throughDo},
	{"Attempt", throughPipeline},
}

// throughTransport uses a plain client that knows nothing of retries. A body that breaks
// is its own to deal with: it asks again.
func throughTransport(ctx context.Context, t *pipeline.Throttle, url string, jobs, size int) <-chan result {
	client := &http.Client{Transport: &pacehttp.Transport{Throttle: t, Base: newBase()}}
	return each(client, jobs, func(job int) ([]byte, error) {
		for {
			req, err := newRequest(ctx, url, job, size)
			if err != nil {
				return nil, err
			}
			res, err := client.Do(req)
			if err != nil {
				return nil, err
			}
			body, err := readAll(res)
			res.Body.Close()
			switch {
			case err != nil:
			case res.StatusCode != http.StatusOK:
				return nil, fmt.Errorf("%s: %s", res.Status, body)
			default:
				return body, nil
			}
		}
	})
}

// throughDo makes whole calls.
func throughDo(ctx context.Context, t *pipeline.Throttle, url string, jobs, size int) <-chan result {
	client := &http.Client{Transport: newBase()}
	return each(client, jobs, func(job int) ([]byte, error) {
		req, err := newRequest(ctx, url, job, size)
		if err != nil {
			return nil, err
		}
		return pacehttp.Do(t, client, req, readAll)
	})
}

// each does jobs side by side, each in a goroutine of its own.
func each(client *http.Client, jobs int, do func(job int) ([]byte, error)) <-chan result {
	results := make(chan result)
	var all sync.WaitGroup
	for job := range jobs {
		all.Go(func() {
			body, err := do(job)
			results <- result{job, body, err}
		})
	}
	go func() {
		all.Wait()
		client.CloseIdleConnections()
		close(results)
	}()
	return results
}

// throughPipeline has attempts as the work of a pipeline.
func throughPipeline(ctx context.Context, t *pipeline.Throttle, url string, jobs, size int) <-chan result {
	client := &http.Client{Transport: newBase()}
	p := pipeline.Attach(t, func(ctx context.Context, job int) ([]byte, error) {
		req, err := newRequest(ctx, url, job, size)
		if err != nil {
			return nil, pipeline.Fatal(err)
		}
		return pacehttp.Attempt(client, req, readAll)
	})
	results := make(chan result)
	go func() {
		defer close(results)
		defer client.CloseIdleConnections()
		for r := range p.Each(ctx, func(yield func(int) bool) {
			for job := 0; job < jobs && yield(job); job++ {
			}
		}) {
			results <- result{r.In, r.Out, r.Err}
		}
	}()
	return results
}
