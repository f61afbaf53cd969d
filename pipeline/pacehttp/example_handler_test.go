package pacehttp_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A server that can do one thing at a time, and a client that comes while it does.
func ExampleHandler() {
	begun, goOn := make(chan struct{}), make(chan struct{})
	work := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-goOn
	})
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Vegas{}})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(&pacehttp.Handler{Throttle: throttle, Next: work, MaxWait: -1})
	defer server.Close()

	first := make(chan int)
	go func() {
		res, err := http.Get(server.URL)
		if err != nil {
			panic(err)
		}
		res.Body.Close()
		first <- res.StatusCode
	}()
	<-begun
	res, err := http.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	var refused *pacehttp.StatusError
	if err := pacehttp.Check(res); errors.As(err, &refused) {
		fmt.Println(refused.StatusCode, refused.Meaning.Kind, res.Header.Get("RateLimit-Policy"))
	}
	close(goOn)
	fmt.Println(<-first)
	// Output:
	// 429 over quota "inflight";q=1;qu="concurrent-requests"
	// 200
}
