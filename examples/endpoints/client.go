package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A client asks a service. Its methods are ordinary functions that know of no
// throttle.
type client struct {
	url  string
	http http.Client
}

func newClient(url string) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = inFlight
	return &client{url: strings.TrimSuffix(url, "/"), http: http.Client{Transport: transport}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// lookup asks what a code means.
func (c *client) lookup(ctx context.Context, code string) (string, error) {
	var s status
	err := c.get(ctx, "/v1/status/"+url.PathEscape(code), &s)
	return s.Text, err
}

// search asks which codes mean something with a word in it.
func (c *client) search(ctx context.Context, word string) (string, error) {
	var found []status
	err := c.get(ctx, "/v1/search?q="+url.QueryEscape(word), &found)
	codes := make([]string, len(found))
	for i, s := range found {
		codes[i] = fmt.Sprint(s.Code)
	}
	return strings.Join(codes, " "), err
}

func (c *client) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return &statusError{res.StatusCode}
	}
	return json.NewDecoder(res.Body).Decode(answer)
}

// statusError is an answer other than 200.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("%d %s", e.code, http.StatusText(e.code)) }
