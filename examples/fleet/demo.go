package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// options are the command line of the program by itself.
type options struct {
	jobs, workers int
	rate          float64
	kill          time.Duration
}

// demo runs all there is in one place, and counts in the end.
func demo(args []string, stdout, stderr io.Writer) int {
	var o options
	f := flag.NewFlagSet("fleet", flag.ContinueOnError)
	f.IntVar(&o.jobs, "n", 12000, "jobs")
	f.IntVar(&o.workers, "workers", 4, "worker processes")
	f.Float64Var(&o.rate, "rate", 400, "requests per second that the service allows; nobody else knows it")
	f.DurationVar(&o.kill, "kill", 4*time.Second, "how often a worker is killed, every other time the leader; 0: never")
	if err := parse(f, args, stderr); err != nil {
		return command.Usage(err)
	}
	if o.jobs < 1 || o.workers < 1 || o.rate < 1 || o.kill < 0 {
		fmt.Fprintf(stderr, "fleet: got -n %d, -workers %d, -rate %v, -kill %v, want at least 1, and no negative time\n", o.jobs, o.workers, o.rate, o.kill)
		return 2
	}
	ctx, stop := command.Context(stdout)
	defer stop()
	ok, err := o.run(pipeline.Interruption(ctx), stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "fleet:", err)
	}
	if !ok || err != nil {
		return command.Status(ctx, 1)
	}
	return command.Status(ctx, 0)
}

func (o options) run(interrupt context.Context, stdout, stderr io.Writer) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "paceline-fleet-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	server, err := pacenats.Serve(dir, "127.0.0.1:0")
	if err != nil {
		return false, err
	}
	defer server.Close()
	svc, err := service.Start(service.Config{
		Latency: 30 * time.Millisecond, Spread: 0.4, Seed: 1,
		Limits: service.Limits{PerSecond: o.rate, Burst: o.rate / 10},
	})
	if err != nil {
		return false, err
	}
	defer svc.Close()

	b := broker{url: server.URL(), queue: "sun"}
	conn, q, err := b.open(interrupt)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := q.Submit(interrupt, places(o.jobs)); err != nil {
		return false, err
	}
	fmt.Fprintf(stdout, "%d jobs, %d worker processes, a service that allows %.0f calls a second, which nobody knows\n", o.jobs, o.workers, o.rate)
	c := crew{url: server.URL(), service: svc.URL(), stdout: stdout, stderr: stderr}
	for range o.workers {
		if err := c.start(); err != nil {
			return false, errors.Join(err, c.stop())
		}
	}
	begin := time.Now()
	kills, watched := o.watch(interrupt, q, svc, &c, stdout)
	err = errors.Join(watched, c.stop())
	took := time.Since(begin)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	t, counted := count(ctx, q)
	if err = errors.Join(err, counted); err != nil {
		return false, err
	}
	return o.verdict(stdout, t, svc.Stats(), kills, took, interrupt.Err() != nil), nil
}

// watch shows how it goes, and kills, until nothing is left.
func (o options) watch(interrupt context.Context, q *queue, svc *service.Server, c *crew, out io.Writer) (kills int, err error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	before, next := svc.Stats(), time.Now().Add(o.kill)
	for {
		select {
		case <-interrupt.Done():
			return kills, nil
		case <-ticker.C:
		}
		s, err := q.Status(context.WithoutCancel(interrupt))
		if err != nil {
			return kills, err
		}
		now := svc.Stats()
		fmt.Fprintf(out, "%6d of %d left  %4d calls a second  %3d refused  %d workers, leader %s\n",
			s.Left, o.jobs, now.Served-before.Served, now.Refused()-before.Refused(), c.alive(), c.leader())
		before = now
		if s.Left == 0 {
			return kills, nil
		}
		if o.kill > 0 && time.Now().After(next) {
			next = time.Now().Add(o.kill)
			what, err := c.kill(kills%2 == 1)
			if err != nil {
				return kills, err
			}
			kills++
			fmt.Fprintf(out, "       killed %s, and started another\n", what)
		}
	}
}

// verdict counts on both sides.
func (o options) verdict(out io.Writer, t tally, s service.Stats, kills int, took time.Duration, stopped bool) bool {
	complete := t.done == o.jobs && t.twice == 0
	switch {
	case complete:
		fmt.Fprintf(out, "\nOK: each of %d jobs has exactly one result", o.jobs)
	case stopped && t.twice == 0:
		fmt.Fprintf(out, "\nSTOPPED: %d of %d jobs have a result, each exactly one; the others are in the queue", t.done, o.jobs)
	default:
		fmt.Fprintf(out, "\nNOT COMPLETE: %d of %d jobs have a result, %d have failed, %d have two", t.done, o.jobs, t.failed, t.twice)
	}
	refused := 100 * float64(s.Refused()) / float64(max(s.Requests, 1))
	fmt.Fprintf(out, ", after %d kills in %.0f s.\nThe service was called %d times, %.1f%% of what it allows in that time; it refused %.1f%%. %d jobs were begun more than once.\n",
		kills, took.Seconds(), s.Requests, 100*float64(s.Requests-s.Refused())/(o.rate*took.Seconds()), refused, t.again)
	return complete
}

// lines calls heard with each line.
func lines(r io.Reader, heard func(string)) {
	for s := bufio.NewScanner(r); s.Scan(); {
		heard(s.Text())
	}
}

// pick returns one of n at random.
func pick(n int) int { return rand.N(n) }
