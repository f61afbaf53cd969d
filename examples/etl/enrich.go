package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// midsummer is the date that the service is asked about.
var midsummer = time.Date(2026, time.June, 21, 0, 0, 0, 0, time.UTC)

// enricher asks the service about records.
type enricher struct {
	url   string
	http  *http.Client
	tally tally
}

// tally counts what the attempts met. They run side by side, so it is atomic.
type tally struct {
	attempts atomic.Int64
	answered atomic.Int64
	refused  atomic.Int64 // 429
	down     atomic.Int64 // 503
	rejected atomic.Int64 // any other 4xx
	failed   atomic.Int64 // anything else: 500, a broken connection, no answer in time
	letGo    atomic.Int64 // we left before the answer
	tokens   atomic.Int64
}

// lose counts an attempt without a whole answer.
func (t *tally) lose(err error) {
	if errors.Is(err, context.Canceled) {
		t.letGo.Add(1)
	} else {
		t.failed.Add(1)
	}
}

func newEnricher(url string, concurrency int) *enricher {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = concurrency // a connection for each call in flight, kept for the next
	transport.MaxIdleConns = concurrency
	return &enricher{url: strings.TrimSuffix(url, "/"), http: &http.Client{Transport: transport}}
}

func (e *enricher) close() { e.http.CloseIdleConnections() }

// cost is what a record is expected to cost: 4 tokens and one for each four
// characters of the question. What it really cost comes with the answer.
func cost(rec record) int64 {
	return 4 + int64(len(service.Query(rec.lat, rec.lon, midsummer))+3)/4
}

// enrich is one attempt. Its errors tell the throttle what to make of them: an
// overload is waited for, a fault of ours is not repeated, all else is retried.
func (e *enricher) enrich(ctx context.Context, rec record) (service.Answer, error) {
	e.tally.attempts.Add(1)
	answer, err := e.ask(ctx, rec)
	if err != nil {
		return service.Answer{}, err
	}
	e.tally.answered.Add(1)
	e.tally.tokens.Add(answer.Tokens)
	pipeline.SlotFrom(ctx).RecordTokens(answer.Tokens)
	return answer, nil
}

func (e *enricher) ask(ctx context.Context, rec record) (service.Answer, error) {
	url := e.url + service.Path + "?" + service.Query(rec.lat, rec.lon, midsummer)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return service.Answer{}, pipeline.Fatal(err)
	}
	res, err := e.http.Do(req)
	if err != nil {
		e.tally.lose(err)
		return service.Answer{}, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 400 {
		return service.Answer{}, e.refusal(res)
	}
	var answer service.Answer
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		e.tally.lose(err)
		return service.Answer{}, fmt.Errorf("answer: %w", err)
	}
	return answer, nil
}

// refusal counts an answer other than 200, and says what it means. A Retry-After
// of 1 is not passed on: it counts in seconds, so that is what a service says which
// means a few milliseconds, and the throttle stands still for as long as it is told
// to.
func (e *enricher) refusal(res *http.Response) error {
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests:
		e.tally.refused.Add(1)
	case code == http.StatusServiceUnavailable:
		e.tally.down.Add(1)
	case code >= 400 && code < 500:
		e.tally.rejected.Add(1)
	default:
		e.tally.failed.Add(1)
	}
	if res.Header.Get("Retry-After") == "1" {
		res.Header.Del("Retry-After")
	}
	return pacehttp.Check(res)
}

// broken says whether the service did not work: it was not merely asked too
// often, or something wrong.
func broken(err error) bool {
	var status *pacehttp.StatusError
	return !errors.As(err, &status) || status.StatusCode >= 500
}
