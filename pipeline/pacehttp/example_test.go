package pacehttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// weather answers what it is asked for, but every third time it is too busy.
func weather() *httptest.Server {
	var requests atomic.Int64
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%3 == 1 {
			w.Header().Set("Retry-After-Ms", "20")
			http.Error(w, "too busy", http.StatusTooManyRequests)
			return
		}
		fmt.Fprintf(w, `{"city": %q, "celsius": %d}`, r.URL.Path[1:], len(r.URL.Path))
	}))
}

type report struct {
	City    string
	Celsius int
}

func readReport(res *http.Response) (r report, err error) {
	err = json.NewDecoder(res.Body).Decode(&r)
	return r, err
}

// One line makes a client behave. Its timeout is for each attempt.
func ExampleNewClient() {
	server := weather()
	defer server.Close()
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}

	client := pacehttp.NewClient(throttle, &http.Client{Timeout: 10 * time.Second})

	res, err := client.Get(server.URL + "/Oslo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.Status, string(body), err)
	fmt.Printf("%+v\n", throttle.Snapshot().Attempts)
	// Output:
	// 200 OK {"city": "Oslo", "celsius": 5} <nil>
	// {Succeeded:1 Failed:0 Overloaded:1 Ignored:0}
}

// A Transport is for the client of an SDK, which has its own ways to be given one.
func ExampleTransport() {
	server := weather()
	defer server.Close()
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}

	client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Timeout: 10 * time.Second}}

	res, err := client.Get(server.URL + "/Oslo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.Status, string(body), err)
	fmt.Printf("%+v\n", throttle.Snapshot().Attempts)
	// Output:
	// 200 OK {"city": "Oslo", "celsius": 5} <nil>
	// {Succeeded:1 Failed:0 Overloaded:1 Ignored:0}
}

// Do has the reading of the response in the attempt: if the body breaks off, the call is
// made again.
func ExampleDo() {
	server := weather()
	defer server.Close()
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequest(http.MethodGet, server.URL+"/Lima", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := pacehttp.Do(throttle, http.DefaultClient, req, readReport)
	fmt.Println(report, err)
	// Output: {Lima 5} <nil>
}

// Attempt is what the work of a pipeline does.
func ExampleAttempt() {
	server := weather()
	defer server.Close()

	ask := func(ctx context.Context, city string) (report, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/"+city, nil)
		if err != nil {
			return report{}, pipeline.Fatal(err)
		}
		return pacehttp.Attempt(http.DefaultClient, req, readReport)
	}
	p, err := pipeline.New(ask, pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	cities := make(chan string, 4)
	for _, city := range []string{"Oslo", "Lima", "Nairobi", "Ushuaia"} {
		cities <- city
	}
	close(cities)
	for r := range p.Ordered().Run(context.Background(), cities) {
		fmt.Println(r.Out.City, r.Out.Celsius, r.Err)
	}
	// Output:
	// Oslo 5 <nil>
	// Lima 5 <nil>
	// Nairobi 8 <nil>
	// Ushuaia 8 <nil>
}

// A Judge reads a server that reports its limit with 200, and waits for no longer than a minute.
func ExampleJudge() {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			io.WriteString(w, `{"errors": [{"message": "Throttled"}]}`)
			return
		}
		io.WriteString(w, `{"data": 42}`)
	}))
	defer server.Close()
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	judge := func(res *http.Response, head func() []byte, usual pacehttp.Meaning) pacehttp.Meaning {
		if bytes.Contains(head(), []byte(`"Throttled"`)) {
			usual.Kind, usual.Undone = pacehttp.OverQuota, true
		}
		usual.Pause = min(usual.Pause, time.Minute)
		return usual
	}

	client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Judge: judge}}
	res, err := client.Post(server.URL, "application/json", strings.NewReader(`{"query": "answer"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)
	// Output: {"data": 42} <nil>
}

// nginx's limit_req and limit_conn refuse with a 503 that has no Retry-After. So might a proxy
// whose connection broke when the request was under way, so a POST is not sent again unless a Judge
// says that such a 503 means that nothing was done.
func ExampleJudge_nginx() {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= 2 {
			http.Error(w, "<center><h1>503 Service Temporarily Unavailable</h1></center>", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	limited := func(res *http.Response, _ func() []byte, usual pacehttp.Meaning) pacehttp.Meaning {
		usual.Undone = usual.Undone || res.StatusCode == http.StatusServiceUnavailable
		return usual
	}
	for _, judge := range []pacehttp.Judge{nil, limited} {
		requests.Store(0)
		client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Judge: judge}}
		res, err := client.Post(server.URL, "text/plain", strings.NewReader("a row"))
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(res.StatusCode, "after", requests.Load())
	}
	// Output:
	// 503 after 1
	// 201 after 3
}

// An SDK has an error of its own, from which its response can be had. Mark says what it
// means; a Transport without a Throttle, under the SDK, tells the slot what the server
// says of its limits. The SDK's own retries are off.
func ExampleMark() {
	server := weather()
	defer server.Close()

	sdk := &client{http.Client{Transport: &pacehttp.Transport{}}, server.URL}
	ask := func(ctx context.Context) (string, error) {
		text, err := sdk.Forecast(ctx, "Oslo")
		var failure *sdkError
		if errors.As(err, &failure) {
			return "", pacehttp.Mark(err, failure.Response)
		}
		return text, pacehttp.Mark(err, nil)
	}
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pipeline.Execute(context.Background(), throttle, ask))
	// Output: {"city": "Oslo", "celsius": 5} <nil>
}

// client is somebody's SDK, and sdkError its error.
type client struct {
	http http.Client
	url  string
}

type sdkError struct{ Response *http.Response }

func (e *sdkError) Error() string { return "sdk: " + e.Response.Status }

func (c *client) Forecast(ctx context.Context, city string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/"+city, nil)
	if err != nil {
		return "", err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", &sdkError{res}
	}
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// Hints shows what a header comes to. A Transport, Do and Attempt do this by themselves.
func ExampleHints() {
	res := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{
		"Retry-After":                    {"2"},
		"X-Ratelimit-Limit-Requests":     {"60"},
		"X-Ratelimit-Remaining-Requests": {"12"},
		"X-Ratelimit-Reset-Requests":     {"48s"},
		"X-Ratelimit-Limit-Tokens":       {"150000"},
		"X-Ratelimit-Remaining-Tokens":   {"0"},
		"X-Ratelimit-Reset-Tokens":       {"1m0s"},
	}}
	for _, h := range pacehttp.Hints(res, time.Now(), 0) {
		fmt.Println(strings.TrimSpace(fmt.Sprint(h.Budget, " ", h.RetryAfter, " ", h.Remaining, " of ", h.Limit, " for ", h.Reset)))
	}
	// Output:
	// 2s 0 of 0 for 0s
	// requests 0s 12 of 60 for 48s
	// tokens 0s 0 of 150000 for 1m0s
}
