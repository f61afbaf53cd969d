// Command server measures what stands in front of a server that is asked for more than it can do: how much of what it can do
// it still does, how much longer that takes than without load, and who is served. It is in virtual time, and nobody is told
// the server's capacity, unless the table says so.
//
//	go run ./bench/server            from the root: two tables, two minutes or so
//	go run ./bench/server -quick     little of it, to see that everything runs
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A plan is how much to measure.
type plan struct {
	seeds  int
	length time.Duration
}

var spreads = []float64{0, 0.3, 0.7}

func main() {
	testing.Init()
	quick := flag.Bool("quick", false, "measure little: shows that everything runs, its figures mean nothing")
	seeds := flag.Int("seeds", 3, "times that each is measured")
	flag.Parse()
	p := plan{*seeds, 2 * time.Minute}
	if *quick {
		p = plan{1, 10 * time.Second}
	}
	match := func(string, string) (bool, error) { return true, nil }
	testing.Main(match, []testing.InternalTest{{Name: "server", F: func(t *testing.T) { // only a test can start a bubble
		p.floods(t, os.Stdout)
		p.meetings(t, os.Stdout)
		os.Exit(0)
	}}}, nil, nil)
}

func (p plan) flood(spread float64, seed int) flood {
	return flood{
		places: 8, mean: 100 * time.Millisecond, spread: spread, load: 3, urgent: 0.1, leaves: time.Second,
		warmUp: p.length / 4, length: p.length, seed: uint64(seed),
	}
}

func (p plan) floods(t *testing.T, out io.Writer) {
	fmt.Fprintln(out, "A server does 8 requests of 100 ms at once. Three times as many come as it can do, one of ten is urgent, and clients leave")
	fmt.Fprintln(out, "after a second. Goodput is of what it can do; p99 is of what was served, in the p99 without load, the worst of all runs.")
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| sigma of what a request takes | in front of the server | told | goodput | p99 | urgent served | others served | done for nobody |")
	fmt.Fprintln(out, "| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, spread := range spreads {
		for _, d := range doors() {
			var all tally
			for seed := range p.seeds {
				all.add(p.flood(spread, seed).pour(t, d))
			}
			fmt.Fprintf(out, "| %v | %s | %s | %.1f%% | %s | %.1f%% | %.1f%% | %d |\n",
				spread, d.name, d.told, 100*all.goodput(), times(all.slowest), 100*all.urgent(), 100*all.others(), all.wasted)
		}
	}
}

func times(x float64) string {
	if x == 0 {
		return "—"
	}
	return fmt.Sprintf("%.2f×", x)
}

func (p plan) meeting(spread float64, clients int, policy pipeline.Policy, seed int) meeting {
	return meeting{
		clients: clients, places: 8, mean: 100 * time.Millisecond, spread: spread, wait: time.Second, policy: policy,
		warmUp: p.length / 2, length: p.length, seed: uint64(seed),
	}
}

func (p plan) meetings(t *testing.T, out io.Writer) {
	fmt.Fprintln(out)
	fmt.Fprintln(out, "The same server with paceline at both ends: Vegas in front of it, where a request waits for a second at most, and in each")
	fmt.Fprintln(out, "client, which may have 100 in flight and has endless jobs. Refused is the worst of all runs; slack are seconds in which less")
	fmt.Fprintln(out, "than three quarters of the capacity was done.")
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| sigma of what a request takes | clients | their policy | goodput | refused | jobs lost | slack | limit of the server |")
	fmt.Fprintln(out, "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, spread := range spreads {
		for _, clients := range []int{1, 3, 10} {
			for _, policy := range []pipeline.Policy{pipeline.Vegas{}, pipeline.Seek{}} {
				var all course
				for seed := range p.seeds {
					all.add(p.meeting(spread, clients, policy, seed).hold(t))
				}
				fmt.Fprintf(out, "| %v | %d | %s | %.1f%% | %.2f%% | %d | %.1f%% | %d–%d |\n", spread, clients, fmt.Sprintf("%T", policy)[len("controller."):],
					100*all.goodput(), 100*all.refusals, all.lost, 100*float64(all.slack)/float64(all.seconds), all.server.least, all.server.most)
			}
		}
	}
}
