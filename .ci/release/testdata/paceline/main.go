package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

func main() {
	service := httptest.NewServer(http.NotFoundHandler())
	defer service.Close()
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 2, Retry: &pipeline.Retry{}})
	if err != nil {
		log.Fatal(err)
	}
	client := pacehttp.NewClient(throttle, nil)
	p := pipeline.Attach(throttle, func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	for r := range p.Each(context.Background(), slices.Values([]int{1, 2, 3})) {
		if r.Err != nil || r.Out != 2*r.In {
			log.Fatal(r)
		}
	}
	res, err := client.Get(service.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		log.Fatal(res.Status)
	}
	fmt.Println("it works")
}
