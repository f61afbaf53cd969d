package pacehttp_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// gitHub is a server with a quota of five requests in ten minutes for graphql, each of which
// takes a second, and of many for core.
func gitHub(opened time.Time) reply {
	var mu sync.Mutex
	used := 0
	return func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.URL.Path == "/graphql" {
			defer time.Sleep(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		resource, limit, left := "core", 5000, 4000
		if r.URL.Path == "/graphql" {
			if time.Since(opened) >= 10*time.Minute {
				opened, used = opened.Add(10*time.Minute), 0
			}
			used++
			resource, limit, left = "graphql", 5, max(5-used, 0)
		}
		h := w.Header()
		h.Set("X-RateLimit-Resource", resource)
		h.Set("X-RateLimit-Limit", fmt.Sprint(limit))
		h.Set("X-RateLimit-Remaining", fmt.Sprint(left))
		h.Set("X-RateLimit-Reset", fmt.Sprint(opened.Add(10*time.Minute).Unix()))
		if resource == "graphql" && used > limit {
			w.WriteHeader(http.StatusForbidden)
		}
	}
}

func TestGraphqlUsedUpDoesNotStopCore(t *testing.T) {
	for name, first := range map[string]int{"told in time": 5, "refused": 8} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC))) // its seconds are those of a point in time
				s := newStandInMemory(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}, Retry: &pipeline.Retry{}}, gitHub(time.Now()))
				var begin time.Time
				var calls sync.WaitGroup
				get := func(resource string, took func(time.Duration)) {
					calls.Go(func() {
						req, err := http.NewRequestWithContext(pipeline.WithResource(t.Context(), resource), "GET", s.url+"/"+resource, nil)
						if err != nil {
							t.Error(err)
							return
						}
						res, err := s.Do(req)
						wantAnswer(t, res, err, 200, "")
						took(time.Since(begin))
					})
				}
				takes := func(want time.Duration) func(time.Duration) {
					return func(took time.Duration) {
						if took != want {
							t.Errorf("a call took %v, want %v", took, want)
						}
					}
				}
				for range first {
					get("graphql", func(time.Duration) {}) // which of them are refused is not said
				}
				time.Sleep(time.Second)
				synctest.Wait()
				begin = time.Now()
				get("graphql", takes(10*time.Minute))
				for range 20 {
					get("core", takes(0))
				}
				synctest.Wait()
				s.wantRequests(t, int64(first)+20)
				calls.Wait()
			})
		})
	}
}
