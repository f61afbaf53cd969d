package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

// A client asks a service about places.
type client struct {
	url  string
	http http.Client
}

func newClient(url string, concurrency int) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = concurrency
	return &client{url: strings.TrimSuffix(url, "/") + service.Path + "?", http: http.Client{Transport: transport}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

func query(j job) string { return service.Query(float64(j.lat), float64(j.lon), j.day) }

// cost is what a job is expected to cost: 4 tokens and one for each four characters
// of the question.
func cost(j job) int64 { return 4 + int64(len(query(j))+3)/4 }

// ask is one attempt. A refusal is waited for, a fault of ours is not repeated, all
// else is tried again.
func (c *client) ask(ctx context.Context, j job) (answer service.Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+query(j), nil)
	if err != nil {
		return answer, pipeline.Fatal(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return answer, judge(res)
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("answer: %w", err)
	}
	pipeline.SlotFrom(ctx).RecordTokens(answer.Tokens)
	return answer, nil
}

// judge makes an error of an answer other than 200.
func judge(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // also lets the connection be used again
	err := &statusError{res.StatusCode, strings.TrimSpace(string(text))}
	switch {
	case err.code == http.StatusTooManyRequests:
		// The field counts in seconds, so 1 is what a service says that means a few
		// milliseconds.
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		if seconds == 1 {
			seconds = 0
		}
		return pipeline.Overloaded(err, time.Duration(seconds)*time.Second)
	case err.code >= 500:
		return err
	}
	return pipeline.Fatal(err)
}

// statusError is an answer other than 200.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.text) }

// broken says whether the service does not work: it has said so, or nothing at all.
func broken(err error) bool {
	var status *statusError
	return !errors.As(err, &status) || status.code >= 500
}
