package main

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A place in degrees.
type place struct {
	name     string
	lat, lon float64
}

var places = []place{
	{"Reykjavík", 64.15, -21.94}, {"Berlin", 52.52, 13.41}, {"Tokyo", 35.68, 139.69}, {"Cairo", 30.04, 31.24},
	{"Quito", -0.18, -78.47}, {"Nairobi", -1.29, 36.82}, {"Sydney", -33.87, 151.21}, {"Ushuaia", -54.80, -68.30},
}

// A day at a place, with the span that it has from its intake to its result.
type day struct {
	at   place
	date time.Time
	span trace.Span
}

func (d day) spanContext() trace.SpanContext { return d.span.SpanContext() }

// each goes through the year, all places a day.
func (o options) each(tracer trace.Tracer) iter.Seq[day] {
	return func(yield func(day) bool) {
		for n := range o.days {
			date := time.Date(2026, time.January, 1+n, 0, 0, 0, 0, time.UTC)
			for _, at := range places {
				_, span := tracer.Start(context.Background(), "day", trace.WithAttributes(
					attribute.String("place", at.name), attribute.String("date", date.Format(time.DateOnly))))
				if !yield(day{at, date, span}) {
					return
				}
			}
		}
	}
}

// asker returns one attempt at a day. What the service's answer means for the
// throttle, pacehttp tells it.
func asker(url string, client *http.Client) pipeline.Work[day, service.Answer] {
	return func(ctx context.Context, d day) (answer service.Answer, err error) {
		address := url + service.Path + "?" + service.Query(d.at.lat, d.at.lon, d.date)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return answer, pipeline.Fatal(err)
		}
		return pacehttp.Attempt(client, req, func(res *http.Response) (answer service.Answer, err error) {
			err = json.NewDecoder(res.Body).Decode(&answer)
			pipeline.SlotFrom(ctx).RecordTokens(answer.Tokens)
			return answer, err
		})
	}
}

// The embedded service allows so many tokens in each window, which the throttle
// knows; and it is down for a while, which it does not know.
const (
	quota  = 20_000
	window = 5 * time.Second
)

func (o options) service() service.Config {
	limits := service.Limits{Tokens: quota, Window: window}
	return service.Config{
		Latency: 25 * time.Millisecond, Spread: 0.3, FailShare: 0.01, Seed: o.seed,
		Limits: limits,
		Phases: []service.Phase{{At: 3 * time.Second, Down: true, Limits: limits}, {At: 4 * time.Second, Limits: limits}},
	}
}

func (o options) throttle() pipeline.Config {
	cfg := pipeline.Config{
		MaxConcurrency: o.concurrency,
		AttemptTimeout: 10 * time.Second,
		TotalJobs:      o.days * len(places),
		Retry:          &pipeline.Retry{MaxAttempts: 8, BaseDelay: 50 * time.Millisecond, MaxDelay: 2 * time.Second, Park: true},
		Breaker:        &pipeline.Breaker{Failures: 3, OpenFor: 500 * time.Millisecond},
	}
	if o.url == "" {
		cfg.Budgets = []pipeline.Budget{{Name: "tokens", Tokens: quota, Window: window}}
	}
	return cfg
}
