package main

import (
	"context"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/priority"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A door is what stands in front of a server.
type door struct {
	name string
	told string // of the server's capacity; empty: nothing
	open func(ctx context.Context, p *plant) http.Handler
}

// urgentField is the header of requests that go first.
const urgentField = "X-Urgent"

// A request waits in a door for half of what it takes, where that can be said; an urgent one, where that can be said,
// for four fifths of it.
func patience(p *plant) time.Duration { return p.mean / 2 }

func doors() []door {
	return []door{
		{"nothing", "", func(_ context.Context, p *plant) http.Handler { return p }},
		{"chi Throttle", "8 at once", func(_ context.Context, p *plant) http.Handler {
			places := cap(p.places)
			return middleware.ThrottleBacklog(places, places, patience(p))(p)
		}},
		{"chi Throttle", "64 at once", func(_ context.Context, p *plant) http.Handler {
			return middleware.ThrottleBacklog(64, 64, patience(p))(p)
		}},
		{"failsafe-go, adaptive", "", func(_ context.Context, p *plant) http.Handler {
			return failsafeDoor(p, adaptivelimiter.NewBuilder[*http.Response]().WithMaxWaitTime(patience(p)).Build())
		}},
		{"failsafe-go, prioritized", "", func(ctx context.Context, p *plant) http.Handler {
			prioritizer := adaptivelimiter.NewPrioritizer()
			prioritizer.ScheduleCalibrations(ctx, time.Second)
			return failsafeDoor(p, adaptivelimiter.NewBuilder[*http.Response]().WithMaxWaitTime(p.mean*4/5).BuildPrioritized(prioritizer))
		}},
		{"paceline, Seek", "", func(_ context.Context, p *plant) http.Handler {
			h, _ := ours(p, pipeline.Seek{}, patience(p))
			return h
		}},
		{"paceline, Vegas", "", func(_ context.Context, p *plant) http.Handler {
			h, _ := ours(p, pipeline.Vegas{}, patience(p))
			return h
		}},
	}
}

// ours is a Handler in front of the plant, and its throttle.
func ours(p *plant, policy pipeline.Policy, wait time.Duration) (http.Handler, *pipeline.Throttle) {
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 200, Policy: policy})
	if err != nil {
		panic(err)
	}
	return &pacehttp.Handler{
		Throttle: throttle, Next: p, MaxWait: wait,
		Context: func(r *http.Request) context.Context {
			if r.Header.Get(urgentField) == "" {
				return r.Context()
			}
			return pipeline.WithShare(pipeline.WithMaxWait(r.Context(), p.mean*4/5), pipeline.Share{Priority: 1})
		},
	}, throttle
}

// failsafeDoor gives each request an executor with its context, which alone tells the limiter of its priority and of a
// client who has gone: that of failsafehttp.NewHandler has none.
func failsafeDoor(p *plant, limiter failsafe.Policy[*http.Response]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		level := priority.Low
		if r.Header.Get(urgentField) != "" {
			level = priority.VeryHigh
		}
		r = r.WithContext(level.AddTo(r.Context()))
		failsafehttp.NewHandlerWithExecutor(p, failsafe.With(limiter).WithContext(r.Context())).ServeHTTP(w, r)
	})
}
