// Command wire sends requests through clients that try again, over a wire on which things go wrong (Toxiproxy, in this
// process), to a real nginx with a limit, in front of a net/http server.
//
//	go run ./bench/wire                      from the root: all cases, three or four minutes
//	go run ./bench/wire -fault resets        one fault; -limit: one limit; -client: one client
//	go run ./bench/wire -quick               few jobs: that everything runs, its figures mean nothing
//
// It prints a Markdown table for each limit. It needs the program nginx (Debian: apt-get install nginx-light), which it
// starts itself, on a free port, with a configuration of its own.
//
// What needs no nginx is a test: go test ./bench/wire. What the clients cost beyond sending is a benchmark:
// go test -bench . ./bench/wire.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/paceline-go/paceline/bench/internal/choice"
	"github.com/paceline-go/paceline/bench/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:], program.Dirs())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/wire:", err)
		os.Exit(1)
	}
}

func (l limit) ID() string  { return l.name }
func (f fault) ID() string  { return strings.ReplaceAll(f.name, " ", "-") }
func (c client) ID() string { return strings.ReplaceAll(c.name, " ", "-") }

// run looks for nginx in dirs.
func run(ctx context.Context, w io.Writer, args, dirs []string) error {
	flags := flag.NewFlagSet("wire", flag.ContinueOnError)
	jobs := flags.Int("jobs", 2000, "how many `jobs` each client does in each case")
	quick := flags.Bool("quick", false, "300 jobs: shows that everything runs, its figures mean nothing")
	limitName := flags.String("limit", "all", "which `limit` of nginx: "+choice.Names(limits))
	faultName := flags.String("fault", "none,resets,half-bodies,all", "which `faults`, separated by commas: "+choice.Names(faults))
	clientName := flags.String("client", "all", "which `clients`: "+choice.Names(clients))
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		*jobs = 300
	}
	if *jobs < 1 {
		return fmt.Errorf("-jobs: got %d, want at least 1", *jobs)
	}
	theLimits, err := choice.Of("limit", limits, *limitName)
	if err != nil {
		return err
	}
	theFaults, err := choice.Of("fault", faults, *faultName)
	if err != nil {
		return err
	}
	theClients, err := choice.Of("client", clients, *clientName)
	if err != nil {
		return err
	}
	program, err := findNginx(dirs)
	if err != nil {
		return err
	}
	for _, l := range theLimits {
		if err := measure(ctx, w, program, l, theFaults, theClients, *jobs); err != nil {
			return err
		}
	}
	return nil
}

// measure prints the table of a limit.
func measure(ctx context.Context, w io.Writer, program string, l limit, faults []fault, clients []client, jobs int) error {
	fmt.Fprintf(w, "%s: %d jobs, %d callers at once; a request takes the server 20 ms\n\n", l.about, jobs, callers)
	fmt.Fprintf(w, "| %-13s | %-18s | %8s | %7s | %6s | %11s | %5s | %7s | %6s |\n",
		"wire", "client", "requests", "refused", "broken", "failed jobs", "wrong", "time", "done/s")
	fmt.Fprintln(w, "| ------------- | ------------------ | -------: | ------: | -----: | ----------: | ----: | ------: | -----: |")
	for _, f := range faults {
		for _, c := range clients {
			o, err := try(ctx, program, l, f, c, jobs)
			if err != nil {
				return fmt.Errorf("%s, %s, %s: %w", l.name, f.name, c.name, err)
			}
			fmt.Fprintf(w, "| %-13s | %-18s | %8d | %7d | %6d | %11d | %5d | %5.1f s | %6.0f |\n", f.name, c.name,
				o.requests, o.refused, o.broken, o.failed, o.wrong, o.took.Seconds(), float64(o.done)/o.took.Seconds())
		}
	}
	fmt.Fprint(w, "\nBroken: without a response. A body that breaks off after its header fails the job, but for Do, which tries again.\n\n")
	return nil
}

// try has a client do its jobs against a server of its own, so that none finds the limit
// as another has left it.
func try(ctx context.Context, program string, l limit, f fault, c client, jobs int) (outcome, error) {
	o := newOrigin(size, 20*time.Millisecond)
	defer o.Close()
	n, err := startNginx(ctx, program, l, o.Listener.Addr().String())
	if err != nil {
		return outcome{}, err
	}
	defer n.stop()
	w, err := newWire(n.address, f)
	if err != nil {
		return outcome{}, err
	}
	defer w.close()
	return c.run(ctx, w.url(), jobs)
}
