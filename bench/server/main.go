// Command server measures what stands in front of a server that is asked for more than it can do: how much of what it can do
// it still does, how much longer that takes than without load, and who is served. It is in virtual time.
//
//	go run ./bench/server            from the root: two tables, a minute or so
//	go run ./bench/server -quick     little of it, to see that everything runs
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

func main() {
	testing.Init()
	quick := flag.Bool("quick", false, "measure little: shows that everything runs, its figures mean nothing")
	seeds := flag.Int("seeds", 3, "floods of each kind")
	flag.Parse()
	length := 2 * time.Minute
	if *quick {
		*seeds, length = 1, 10*time.Second
	}
	code := 0
	testing.Main(func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "server", F: func(t *testing.T) { run(t, os.Stdout, *seeds, length) }}}, nil, nil)
	os.Exit(code)
}

func run(t *testing.T, out io.Writer, seeds int, length time.Duration) {
	fmt.Fprintln(out, "A server does 8 requests of 100 ms at once; three times as many come, and one of ten is urgent.")
	fmt.Fprintln(out, "Clients leave after a second. Goodput is of what it can do, p99 in that without load.")
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| what a request takes | in front of the server | told | goodput | p99 | urgent served | others served | done for nobody |")
	fmt.Fprintln(out, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, spread := range []float64{0, 0.3, 0.7} {
		for _, d := range doors() {
			var all tally
			good, slow := 0.0, 0.0
			for seed := range seeds {
				f := flood{places: 8, mean: 100 * time.Millisecond, spread: spread, load: 3, urgent: 0.1, leaves: time.Second,
					warmUp: length / 4, length: length, seed: uint64(seed)}
				one := f.pour(t, d)
				good, slow = good+one.goodput()/float64(seeds), max(slow, one.slowdown())
				all.came, all.served, all.wasted = all.came+one.came, all.served+one.served, all.wasted+one.wasted
				all.urgentCame, all.urgentServed = all.urgentCame+one.urgentCame, all.urgentServed+one.urgentServed
			}
			others := float64(all.served-all.urgentServed) / float64(max(all.came-all.urgentCame, 1))
			fmt.Fprintf(out, "| sigma %v | %s | %s | %.1f%% | %.2f× | %.1f%% | %.1f%% | %d |\n",
				spread, d.name, d.told, 100*good, slow, 100*all.urgent(), 100*others, all.wasted)
		}
	}
}
