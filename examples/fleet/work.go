package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacefleet"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// A worker is one process of the fleet.
type worker struct {
	broker
	service     string
	concurrency int
}

// work does jobs until Ctrl-C, or until nothing is left.
func work(args []string, stdout, stderr io.Writer) int {
	var w worker
	f := flag.NewFlagSet("fleet work", flag.ContinueOnError)
	w.flags(f)
	f.StringVar(&w.service, "service", "http://127.0.0.1:8080", "the service to ask, as examples/serve is one")
	f.IntVar(&w.concurrency, "concurrency", 64, "calls in flight of all workers together, at most; the same for each")
	if err := parse(f, args, stderr); err != nil {
		return command.Usage(err)
	}
	if err := command.CheckURL("-service", w.service); err != nil {
		fmt.Fprintln(stderr, "fleet work:", err)
		return 2
	}
	ctx, stop := command.Context(io.Discard)
	defer stop()
	if err := w.work(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "fleet work:", err)
		return command.Status(ctx, 1)
	}
	return command.Status(ctx, 0)
}

func (w *worker) work(ctx context.Context, stdout, stderr io.Writer) error {
	conn, q, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	member, err := pacenats.Join(ctx, conn, w.queue, pipeline.Config{ // the same in each worker
		MaxConcurrency: w.concurrency,
		AttemptTimeout: 10 * time.Second,
		Retry:          &pipeline.Retry{MaxAttempts: 5, Park: true},
		Logger:         slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer context.AfterFunc(pipeline.Interruption(ctx), member.Throttle().Close)() // what was taken is finished
	done := make(chan struct{})
	defer close(done)
	go w.tell(member, q, stdout, done)
	err = q.Work(ctx, member.Throttle(), w.ask)
	return errors.Join(err, member.Leave(ctx))
}

// ask is the work: one attempt at one job. A refusal is no reason to pause: this service says
// a second, which is the least that Retry-After can say, where it means milliseconds.
func (w *worker) ask(ctx context.Context, p Place) (day Day, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.service+service.Path+"?"+p.query(), nil)
	if err != nil {
		return day, pipeline.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return day, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusTooManyRequests {
		return day, pipeline.Overloaded(errors.New(res.Status), 0)
	}
	if err := pacehttp.Check(res); err != nil {
		return day, err
	}
	return day, json.NewDecoder(res.Body).Decode(&day)
}

// tell says each second how it goes, and ends the worker when nothing is left.
func (w *worker) tell(member *pacefleet.Member, q *queue, out io.Writer, done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		s, fleet := member.Throttle().Snapshot(), member.Status()
		role := "follows"
		switch {
		case fleet.Leads:
			role = leads
		case !fleet.Alone.IsZero():
			role = "alone"
		}
		fmt.Fprintf(out, "%s, one of %d: %d done, %d in flight of %d, refused %d\n",
			role, fleet.Members, s.Completed, s.InFlight, s.Concurrency, s.Attempts.Overloaded)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if left, err := q.Status(ctx); err == nil && left.Left == 0 {
			member.Throttle().Close()
		}
		cancel()
	}
}

// leads is how a line of the leader begins.
const leads = "leads"
