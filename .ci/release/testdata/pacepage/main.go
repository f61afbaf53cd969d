package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacepage"
)

func main() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mux := http.NewServeMux()
	mux.Handle("/pace/", pacepage.New(ctx, map[string]*pipeline.Throttle{"geocoder": throttle}))
	page := httptest.NewServer(mux)
	defer page.Close()
	res, err := http.Get(page.URL + "/pace/")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		log.Fatal(res.Status)
	}
	fmt.Println("it works")
}
