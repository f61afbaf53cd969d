// Command proxy measures paceline beside other libraries against real proxies, HAProxy and nginx, in real time: each
// stands on loopback, with a rate or connection limit, in front of a net/http server.
//
//	go run ./bench/proxy                        from the root: all cases, some half an hour
//	go run ./bench/proxy -case nginx-rate       one case
//	go run ./bench/proxy -contestant seek,aws   some contestants
//	go run ./bench/proxy -trace traces          writes what happened, every 250 ms, into a folder
//	go run ./bench/proxy -quick                 3 s each: that everything runs, its figures mean nothing
//
// It prints Markdown tables. It needs the programs haproxy and nginx (Debian: apt-get install haproxy nginx-light), which
// it starts itself, on free ports, with configurations of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/paceline-go/paceline/bench/internal/choice"
	"github.com/paceline-go/paceline/bench/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:], program.Dirs())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/proxy:", err)
		os.Exit(1)
	}
}

// run looks for the proxies' programs in dirs.
func run(ctx context.Context, w io.Writer, args, dirs []string) error {
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	length := flags.Duration("for", 20*time.Second, "how `long` each contestant runs in each case")
	quick := flags.Bool("quick", false, "3 s each: shows that everything runs, its figures mean nothing")
	only := flags.String("case", "all", "which `cases`, separated by commas: "+choice.Names(cases))
	who := flags.String("contestant", "all", "which `contestants`, separated by commas: "+choice.Names(contestants))
	traces := flags.String("trace", "", "a `folder` for what happened every 250 ms, a CSV file for each case and contestant")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		*length = 3 * time.Second
	}
	scenarios, err := choice.Of("case", cases, *only)
	if err != nil {
		return err
	}
	chosen, err := choice.Of("contestant", contestants, *who)
	if err != nil {
		return err
	}
	programs, err := findPrograms(scenarios, dirs)
	if err != nil {
		return err
	}
	if *traces != "" {
		if err := os.MkdirAll(*traces, 0o755); err != nil {
			return err
		}
	}
	r := runner{programs: programs, length: *length, traces: *traces}
	return r.measureAll(ctx, w, scenarios, chosen)
}
