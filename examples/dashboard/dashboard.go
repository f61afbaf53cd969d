package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacepage"
	"github.com/sourcegraph/conc"
)

// dashboard asks for all regions side by side, and serves the page until interrupt
// is done. Then no further job is taken, and those that were are finished.
func (s settings) dashboard(interrupt context.Context, regions []region, out io.Writer) (*summary, error) {
	runs, err := s.start(regions)
	defer func() {
		for _, r := range runs {
			r.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	page, end := context.WithCancel(context.Background()) // it is there until all have drained
	defer end()
	throttles := make(map[string]*pipeline.Throttle)
	for _, r := range runs {
		throttles[r.region.name] = r.throttle
	}
	server := &http.Server{Handler: pacepage.New(page, throttles), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(out, "the page: http://%s/\nCtrl-C takes no further job, finishes those in flight, and ends; Ctrl-C again ends at once\n\n", listener.Addr())

	var all conc.WaitGroup
	all.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(out, "the page has ended:", err)
		}
	})
	var asking conc.WaitGroup
	for _, r := range runs {
		defer context.AfterFunc(interrupt, r.throttle.Close)()
		asking.Go(r.run)
	}
	asking.Wait()
	if interrupt.Err() == nil {
		fmt.Fprintln(out, "all is done; the page stays until Ctrl-C")
		<-interrupt.Done()
	}
	end()
	err = server.Close()
	all.Wait()
	return &summary{runs}, err
}

// A work is what is asked about one region. Only the goroutine that calls run touches its
// counts.
type work struct {
	region   region
	client   *client
	embedded *service.Server // nil: another one
	throttle *pipeline.Throttle
	pipe     *pipeline.Pipeline[job, service.Answer]

	done, failed, left, tokens int64
	longest                    service.Answer
	where                      job
}

func (s settings) start(regions []region) (runs []*work, err error) {
	for _, region := range regions {
		r := &work{region: region}
		url := s.url
		if url == "" {
			cfg := region.service
			cfg.Seed = s.seed
			if r.embedded, err = service.Start(cfg); err != nil {
				return runs, err
			}
			url = r.embedded.URL()
		}
		r.client = newClient(url, s.concurrency)
		runs = append(runs, r)
		if r.pipe, err = pipeline.New(r.client.ask, s.throttle(region)); err != nil {
			return runs, err
		}
		r.pipe.Cost(cost)
		r.throttle = r.pipe.Throttle()
	}
	return runs, nil
}

// throttle is how a pipeline is told about its service: how far it may go, never
// how fast the service is.
func (s settings) throttle(r region) pipeline.Config {
	cfg := pipeline.Config{
		MaxConcurrency: s.concurrency,
		Jitter:         0.1,
		AttemptTimeout: 10 * time.Second,
		TotalJobs:      r.total(),
		Retry:          &pipeline.Retry{MaxAttempts: 8, BaseDelay: 50 * time.Millisecond, MaxDelay: 2 * time.Second, Park: true},
		Breaker:        &pipeline.Breaker{Failures: 5, OpenFor: 2 * time.Second, Counts: broken},
	}
	if r.quota != nil {
		cfg.Budgets = []pipeline.Budget{*r.quota}
	}
	return cfg
}

func (r *work) run() {
	for result := range r.pipe.Each(context.Background(), r.region.jobs()) {
		switch {
		case result.Attempts == 0:
			r.left++ // the throttle was closed before its turn came
		case result.Err != nil:
			r.failed++
		default:
			r.done++
			r.tokens += result.Out.Tokens
			if result.Out.DayMinutes > r.longest.DayMinutes {
				r.longest, r.where = result.Out, result.In
			}
		}
	}
}

func (r *work) close() {
	r.client.close()
	if r.embedded != nil {
		_ = r.embedded.Close() // nobody asks it any more
	}
}

// summary is what is said at the end.
type summary struct{ runs []*work }

// complete says whether every job that the pipelines took came back, with an answer.
func (s *summary) complete() bool {
	return !slices.ContainsFunc(s.runs, func(r *work) bool {
		now := r.throttle.Snapshot()
		return r.failed > 0 || now.InFlight+now.Waiting > 0 || now.Completed != r.done
	})
}

func (s *summary) print(out io.Writer) {
	for _, r := range s.runs {
		now := r.throttle.Snapshot()
		fmt.Fprintf(out, "%-8s %7d of %d done, %d failed; %d attempts refused, %d failed; %d tokens\n",
			r.region.name, r.done, r.region.total(), r.failed, now.Attempts.Overloaded, now.Attempts.Failed, r.tokens)
		if r.done > 0 {
			fmt.Fprintf(out, "%-8s the longest day: %s, %.0f minutes at %d°, %d°\n", "", r.where.day.Format(time.DateOnly), r.longest.DayMinutes, r.where.lat, r.where.lon)
		}
	}
}
