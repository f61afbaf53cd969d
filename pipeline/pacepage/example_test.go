package pacepage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacepage"
)

// One line mounts the page. Its numbers can be had as JSON, too.
func ExampleNew() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 64, Policy: pipeline.Static{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	throttle.RecordSuccess(80*time.Millisecond, 12)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	mux := http.NewServeMux()
	mux.Handle("/pace/", pacepage.New(ctx, map[string]*pipeline.Throttle{"geocoder": throttle}))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/pace/data.json", nil))
	var told struct {
		Throttles []struct {
			Name     string
			Snapshot struct{ Completed, Concurrency int }
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", told.Throttles)
	// Output:
	// [{Name:geocoder Snapshot:{Completed:1 Concurrency:64}}]
}

// A page of throttles that come and go: one for each host that is asked.
func ExampleOf() {
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Each: pipeline.Config{MaxConcurrency: 8}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hosts.Throttle("example.com")
	hosts.Throttle("example.org")
	page := pacepage.Of(ctx, hosts.All)

	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/data.json?back=60", nil))
	var told struct{ Throttles []struct{ Name string } }
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(told.Throttles)
	// Output:
	// [{example.com} {example.org}]
}

// A page of keys, the ones that are held up first.
func ExampleKeys() {
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Each: pipeline.Config{MaxConcurrency: 8}})
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts.Throttle("a.example").RecordFailure(pipeline.Overloaded(errors.New("429"), time.Hour)) // come again in an hour
	hosts.Throttle("b.example")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mux := http.NewServeMux()
	mux.Handle("/hosts/", pacepage.Keys(ctx, hosts.Snapshot))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/hosts/data.json", nil))
	var told struct {
		Keys struct {
			Count int
			Rows  []struct {
				Key    string
				HeldUp bool `json:"held_up"`
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", told.Keys)
	// Output:
	// {Count:2 Rows:[{Key:a.example HeldUp:true} {Key:b.example HeldUp:false}]}
}
