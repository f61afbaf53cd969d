package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A client asks a service for chat completions.
type client struct {
	url, key, model string
	http            http.Client
	attempts        atomic.Int64
}

func newClient(url, key, model string) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = inFlight
	return &client{url: strings.TrimSuffix(url, "/") + path, key: key, model: model, http: http.Client{Transport: transport}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// ask is one attempt at a prompt. Its errors tell the throttle what to make of
// them: a refusal is waited for, a fault of ours is not repeated, all else is
// transient.
func (c *client) ask(ctx context.Context, prompt string) (string, error) {
	c.attempts.Add(1)
	body, err := json.Marshal(request{Model: c.model, Messages: []message{{"user", prompt}}})
	if err != nil {
		return "", pipeline.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return "", pipeline.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return "", pipeline.Transient(err)
	}
	defer res.Body.Close()
	return read(res)
}

func read(res *http.Response) (string, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", pipeline.Transient(err)
	}
	if res.StatusCode != http.StatusOK {
		return "", judge(res, body)
	}
	var answer response
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", pipeline.Transient(fmt.Errorf("answer: %w", err))
	}
	if len(answer.Choices) == 0 {
		return "", pipeline.Transient(errors.New("answer: no choices"))
	}
	return answer.Choices[0].Message.Content, nil
}

// judge makes an error of an answer other than 200.
func judge(res *http.Response, body []byte) error {
	var f failure
	_ = json.Unmarshal(body, &f) // a body of another form has no message
	err := &statusError{res.StatusCode, cmp.Or(f.Error.Message, http.StatusText(res.StatusCode))}
	switch {
	case err.code == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return pipeline.Overloaded(err, time.Duration(seconds)*time.Second)
	case err.code >= 500:
		return pipeline.Transient(err)
	}
	return pipeline.Fatal(err)
}

// statusError is an answer other than 200.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.text) }

// unavailable says whether the service does not work: it has said so, or nothing
// at all.
func unavailable(err error) bool {
	var status *statusError
	return !errors.As(err, &status) || status.code >= 500
}
