package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// measure has all rides ridden, some side by side, and prints their table.
func (h *house) measure(ctx context.Context, w io.Writer, chosen []limiter, theClients []client, jobs int, window time.Duration, beside int) error {
	fmt.Fprintf(w, "%d jobs, %d callers at once, windows of %v, up to %d rides side by side; %d cores, %s.\n", jobs, callers, window, beside, runtime.NumCPU(), runtime.Version())
	fmt.Fprint(w, "Goodput as a share of the best, share of attempts wasted, jobs failed if any.\n\n")
	outcomes := make([][]outcome, len(chosen))
	var (
		all   sync.WaitGroup
		ended atomic.Int64
		turn  = make(chan struct{}, beside)
		total = len(chosen) * len(theClients)
	)
	for i, l := range chosen {
		outcomes[i] = make([]outcome, len(theClients))
		for k, c := range theClients {
			all.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				outcomes[i][k] = ride{l, c, jobs, window}.run(ctx, h)
				fmt.Fprintf(h.progress, "\r%d of %d rides", ended.Add(1), total)
			})
		}
	}
	all.Wait()
	fmt.Fprintln(h.progress)
	if err := ctx.Err(); err != nil {
		return err
	}
	return table(w, chosen, theClients, outcomes)
}

// table prints what came of rides. An error that is not about a missing program is one of ours.
func table(w io.Writer, chosen []limiter, theClients []client, outcomes [][]outcome) (err error) {
	fmt.Fprint(w, "| limiter | what it is | best |")
	for _, c := range theClients {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprint(w, "\n| --- | --- | ---: |")
	for range theClients {
		fmt.Fprint(w, " ---: |")
	}
	fmt.Fprintln(w)
	var notHere []string
	short := 0
	for i, l := range chosen {
		first := outcomes[i][0]
		var m *missing
		if errors.As(first.err, &m) {
			notHere = append(notHere, l.name+" "+m.Error())
			continue
		}
		fmt.Fprintf(w, "| %s | %s | %.0f s |", l.name, l.about, l.bestFor(first.jobs, first.window).Seconds())
		for _, o := range outcomes[i] {
			fmt.Fprintf(w, " %s |", o.cell())
			if o.err != nil {
				err = errors.Join(err, fmt.Errorf("%s, %s: %w", l.name, o.client.name, o.err))
			}
		}
		fmt.Fprintln(w)
		if first.client.name == ours && !reached(outcomes[i]) {
			short++
		}
	}
	fmt.Fprintln(w)
	if theClients[0].name == ours {
		fmt.Fprintf(w, "Of %d limiters, paceline falls short of the goal at %d: %.0f%% of the best, at most %.0f%% wasted, no job failed, and ahead of "+
			"failsafehttp and retryablehttp.\n", len(chosen)-len(notHere), short, 100*wantGoodput, 100*wantWaste)
	}
	for _, n := range notHere {
		fmt.Fprintf(w, "Not here: %s.\n", n)
	}
	return err
}

const (
	ours        = "paceline"
	wantGoodput = 0.90
	wantWaste   = 0.06
)

// reached reports whether ours, the first, has reached its goal, beside peers that are told nothing either.
func reached(row []outcome) bool {
	o := row[0]
	for _, peer := range row[1:] {
		if peer.client.name != "told" && peer.score() > o.score() {
			return false
		}
	}
	return o.goodput() >= wantGoodput && o.waste() <= wantWaste && o.failed == 0
}
