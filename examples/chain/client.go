package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
	"golang.org/x/time/rate"
)

var midsummer = time.Date(2026, time.June, 21, 0, 0, 0, 0, time.UTC)

// A client asks the catalogue and the service.
type client struct {
	catalogue, service string
	http               http.Client
}

// fetch is one attempt to get a city from the catalogue.
func (c *client) fetch(ctx context.Context, id int64) (data.City, error) {
	return get[data.City](ctx, c, fmt.Sprintf("%s/cities/%d", c.catalogue, id))
}

// enrich is one attempt to ask the service about a city.
func (c *client) enrich(ctx context.Context, city data.City) (place, error) {
	answer, err := get[service.Answer](ctx, c, c.service+service.Path+"?"+service.Query(city.Lat, city.Lon, midsummer))
	return place{city, answer}, err
}

// get makes one request. What a response means, pacehttp knows.
func get[T any](ctx context.Context, c *client, url string) (out T, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return out, err
	}
	return pacehttp.Attempt(&c.http, req, func(res *http.Response) (out T, err error) {
		err = json.NewDecoder(res.Body).Decode(&out)
		return out, err
	})
}

// connect returns a client of the services that were named, and of embedded ones
// where none was.
func (s settings) connect() (c *client, stop func(), err error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	c = &client{strings.TrimSuffix(s.catalogue, "/"), strings.TrimSuffix(s.service, "/"), http.Client{Transport: transport}}
	stop = c.http.CloseIdleConnections
	if c.service == "" {
		server, err := service.Start(service.Config{
			Latency: 20 * time.Millisecond, Spread: 0.3, FailShare: 0.01, Seed: 1,
			Limits: service.Limits{PerSecond: 250 * s.speed, Burst: 250 * s.speed}, // which it says in its answers
		})
		if err != nil {
			return nil, nil, err
		}
		c.service = server.URL()
		before := stop
		stop = func() { before(); server.Close() }
	}
	if c.catalogue == "" {
		url, end, err := startCatalogue(600*s.speed, !s.replay)
		if err != nil {
			stop()
			return nil, nil, err
		}
		c.catalogue = url
		before := stop
		stop = func() { before(); end() }
	}
	return c, stop, nil
}

// startCatalogue serves the cities, so many a second. Of a hundred it does not find
// one, and has one somewhere beyond the pole, as long as it is broken: by the time
// that dead letters are sent again, somebody has mended it.
func startCatalogue(perSecond float64, broken bool) (url string, stop func(), err error) {
	cities, err := data.Cities()
	if err != nil {
		return "", nil, err
	}
	byID := make(map[string]data.City)
	for i, city := range cities {
		switch {
		case broken && i%100 == 17:
			continue
		case broken && i%100 == 71:
			city.Lat += 180
		}
		byID[strconv.FormatInt(city.ID, 10)] = city
	}
	limit := rate.NewLimiter(rate.Limit(perSecond), 25)
	routes := http.NewServeMux()
	routes.HandleFunc("GET /cities/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !limit.Allow() {
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		city, ok := byID[r.PathValue("id")]
		if !ok {
			http.Error(w, "no such city", http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(city) // a caller who is gone by now learns nothing
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: routes}
	go server.Serve(listener) // until stop
	return "http://" + listener.Addr().String(), func() { server.Close() }, nil
}
