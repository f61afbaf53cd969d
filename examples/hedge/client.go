package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

var midsummer = time.Date(2026, time.June, 21, 0, 0, 0, 0, time.UTC)

// A client asks the service, and counts.
type client struct {
	url     string
	http    http.Client
	calls   atomic.Int64
	hedges  atomic.Int64
	refused atomic.Int64
}

func newClient(url string) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4 * inFlight
	return &client{url: strings.TrimSuffix(url, "/"), http: http.Client{Transport: transport}}
}

// ask makes one call.
func (c *client) ask(ctx context.Context, city data.City) (a service.Answer, err error) {
	c.calls.Add(1)
	url := c.url + service.Path + "?" + service.Query(city.Lat, city.Lon, midsummer)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, pipeline.Fatal(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		err = json.NewDecoder(res.Body).Decode(&a)
		return a, err
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	err = fmt.Errorf("service answered %d: %s", res.StatusCode, strings.TrimSpace(string(text)))
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		c.refused.Add(1)
		return a, pipeline.Overloaded(err, 0)
	case res.StatusCode < 500:
		return a, pipeline.Fatal(err)
	}
	return a, err
}
