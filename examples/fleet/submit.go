package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// submit adds jobs to the queue.
func submit(args []string, stdout, stderr io.Writer) int {
	var b broker
	f := flag.NewFlagSet("fleet submit", flag.ContinueOnError)
	b.flags(f)
	in := f.String("in", "", "CSV `file` whose header names id, lat and lon (default: -n places all over the world)")
	n := f.Int("n", 6000, "places, without -in")
	if err := parse(f, args, stderr); err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(io.Discard)
	defer stop()
	added, err := b.submit(pipeline.Interruption(ctx), *in, *n)
	if err != nil {
		fmt.Fprintln(stderr, "fleet submit:", err)
		return command.Status(ctx, 1)
	}
	fmt.Fprintf(stdout, "%d jobs added; those that were submitted in the last two minutes are not added again\n", added)
	return 0
}

func (b *broker) submit(ctx context.Context, in string, n int) (added int, err error) {
	conn, q, err := b.open(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if in == "" {
		return q.Submit(ctx, places(n))
	}
	var unreadable error
	added, err = q.Submit(ctx, readPlaces(in, &unreadable))
	if unreadable != nil {
		unreadable = fmt.Errorf("-in: got %q: %w", in, unreadable)
	}
	return added, errors.Join(err, unreadable)
}

// status tells how the queue is doing.
func status(args []string, stdout, stderr io.Writer) int {
	var b broker
	f := flag.NewFlagSet("fleet status", flag.ContinueOnError)
	b.flags(f)
	if err := parse(f, args, stderr); err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(io.Discard)
	defer stop()
	if err := b.status(pipeline.Interruption(ctx), stdout); err != nil {
		fmt.Fprintln(stderr, "fleet status:", err)
		return command.Status(ctx, 1)
	}
	return 0
}

func (b *broker) status(ctx context.Context, out io.Writer) error {
	conn, q, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := q.Status(ctx)
	if err != nil {
		return err
	}
	t, err := count(ctx, q)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d jobs left, %d of them in flight and %d put off; %d done, %d failed\n", s.Left, s.InFlight, s.Later, t.done, t.failed)
	return nil
}

// A tally is what the results are.
type tally struct{ done, failed, twice, again int }

// count reads all results.
func count(ctx context.Context, q *pacenats.Queue[Place, Day]) (t tally, err error) {
	seen := make(map[string]bool)
	for r, err := range q.Results(ctx) {
		if err != nil {
			return t, err
		}
		switch {
		case seen[r.Key]:
			t.twice++
		case r.Err != nil:
			t.failed++
		default:
			t.done++
		}
		if r.Starts > 1 {
			t.again++
		}
		seen[r.Key] = true
	}
	return t, nil
}
