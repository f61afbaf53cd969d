package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// mostWorkers is how many attempts a contestant may have in flight: more than ten times what any case has room for.
const mostWorkers = 200

// newClient keeps a connection for each worker, so that none is closed and opened again.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: mostWorkers}}
}

// A refusal is an answer of 429 or 503: the proxy sheds load and the backend did no work.
type refusal struct {
	status int
	after  time.Duration // that the proxy asks to be left alone for; 0: it did not say
}

func (r *refusal) Error() string       { return fmt.Sprintf("refused: status %d", r.status) }
func (r *refusal) HTTPStatusCode() int { return r.status }

// A fault is any other answer that is no success.
type fault struct{ status int }

func (f *fault) Error() string       { return fmt.Sprintf("status %d", f.status) }
func (f *fault) HTTPStatusCode() int { return f.status }

// get is one attempt. Its error is a *refusal, a *fault, or what broke the connection.
func get(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // none, or no number: 0
		return &refusal{res.StatusCode, time.Duration(seconds) * time.Second}
	}
	return &fault{res.StatusCode}
}
