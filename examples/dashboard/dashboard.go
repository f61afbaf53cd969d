package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacepage"
	"github.com/sourcegraph/conc"
)

// dashboard asks for all regions side by side, and serves the page until interrupt
// is done. Then no further job is taken, and those that were are finished.
func (s settings) dashboard(ctx context.Context, regions []region, out io.Writer) (*summary, error) {
	surveys, err := s.start(regions)
	defer func() {
		for _, r := range surveys {
			r.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	listener, err := command.Listen("-addr", s.addr)
	if err != nil {
		return nil, err
	}
	page, end := context.WithCancel(context.Background()) // it is there until all have drained
	defer end()
	throttles := make(map[string]*pipeline.Throttle)
	for _, r := range surveys {
		throttles[r.region.name] = r.throttle
	}
	server := &http.Server{Handler: pacepage.New(page, throttles), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(out, "the page: http://%s/\nCtrl-C takes no further job, finishes those in flight within a minute, and ends; Ctrl-C again ends at once\n\n", listener.Addr())

	var all conc.WaitGroup
	all.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(out, "the page has ended:", err)
		}
	})
	var asking conc.WaitGroup
	for _, r := range surveys {
		asking.Go(func() { r.run(ctx) })
	}
	asking.Wait()
	if pipeline.Interrupted(ctx) == nil {
		fmt.Fprintln(out, "all is done; the page stays until Ctrl-C")
		<-pipeline.Interruption(ctx).Done()
	}
	end()
	err = server.Close()
	all.Wait()
	return &summary{surveys}, err
}

// A survey is what is asked about one region. Only the goroutine that calls run
// touches its counts.
type survey struct {
	region   region
	client   *client
	embedded *service.Server // nil: another one
	throttle *pipeline.Throttle
	pipe     *pipeline.Pipeline[job, service.Answer]

	done, failed, left, tokens int64
	longest                    service.Answer
	where                      job
}

func (s settings) start(regions []region) (surveys []*survey, err error) {
	for _, region := range regions {
		r := &survey{region: region}
		url := s.url
		if url == "" {
			cfg := region.service
			cfg.Seed = s.seed
			if r.embedded, err = service.Start(cfg); err != nil {
				return surveys, err
			}
			url = r.embedded.URL()
		}
		r.client = newClient(url, s.concurrency)
		surveys = append(surveys, r)
		if r.pipe, err = pipeline.New(r.client.ask, s.throttle(region)); err != nil {
			return surveys, err
		}
		r.pipe.Cost(cost)
		r.throttle = r.pipe.Throttle()
	}
	return surveys, nil
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

func (r *survey) run(ctx context.Context) {
	for result := range r.pipe.Each(ctx, r.region.jobs()) {
		switch {
		case result.Attempts == 0, errors.Is(result.Err, context.Canceled):
			r.left++ // the throttle was closed before its turn came, or there was no more time for it
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

func (r *survey) close() {
	r.client.close()
	if r.embedded != nil {
		_ = r.embedded.Close() // nobody asks it any more
	}
}

// summary is what is said at the end.
type summary struct{ surveys []*survey }

// complete says whether every job that the pipelines took came back, with an answer.
func (s *summary) complete() bool {
	return !slices.ContainsFunc(s.surveys, func(r *survey) bool {
		now := r.throttle.Snapshot()
		return r.failed > 0 || now.InFlight+now.Waiting > 0 || now.Completed != r.done
	})
}

func (s *summary) print(out io.Writer) {
	for _, r := range s.surveys {
		now := r.throttle.Snapshot()
		fmt.Fprintf(out, "%-8s %s of %s done, %s failed; %s attempts refused, %s failed; %s tokens\n",
			r.region.name, thousands(r.done), thousands(int64(r.region.total())), thousands(r.failed),
			thousands(now.Attempts.Overloaded), thousands(now.Attempts.Failed), thousands(r.tokens))
		if r.done > 0 {
			fmt.Fprintf(out, "%-8s the longest day so far: %v, on %s at latitude %d\n",
				"", minutes(r.longest.DayMinutes), r.where.day.Format("2 January"), r.where.lat)
		}
	}
}

func thousands(n int64) string { return humanize.Comma(n) }

func minutes(n float64) string { return fmt.Sprintf("%.0f h %02d min", math.Floor(n/60), int(n)%60) }
