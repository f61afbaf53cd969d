// Command goodput runs paceline and its peers against services drawn at random, of which they are told nothing, in
// virtual time from a cold start, and prints what each reached as Markdown tables.
//
//	go run ./bench/goodput                               from the root: all families, 200 services each, hours
//	go run ./bench/goodput -family rate -services 20     one family, minutes
//	go run ./bench/goodput -quick                        few services, a minute each: that everything runs
//	go run ./bench/goodput -family queue -each           a line for each service, worst first
//	go run ./bench/goodput -family queue -only 7         one service
//	go run ./bench/goodput -contestant paceline          ours only
//	go run ./bench/goodput -pictures DIR                 one service of each family over time, as SVG
//
// Services come from -seed; the same seed gives the same services to every contestant.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// workerFlag makes a worker of the process.
const workerFlag = "worker"

// A plan is what to measure.
type plan struct {
	seed        uint64
	services    int     // of each family
	from        int     // the number of the first one
	only        int     // the number of one service; -1: all
	busiest     float64 // services that can do more jobs in a run are left out; 0: none
	length      time.Duration
	families    []string
	contestants []contestant
	each        bool // print a line for each service
}

func main() {
	testing.Init()
	_ = flag.CommandLine.Parse(nil) // the arguments are for us, not for the package testing
	match := func(string, string) (bool, error) { return true, nil }
	testing.Main(match, []testing.InternalTest{{Name: "goodput", F: func(t *testing.T) { // only a test can start a bubble
		if err := run(t, os.Stdout, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "goodput:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}}}, nil, nil)
}

func run(t *testing.T, w io.Writer, args []string) error {
	flags := flag.NewFlagSet("goodput", flag.ExitOnError)
	p := plan{contestants: contestants()}
	flags.Uint64Var(&p.seed, "seed", 1, "`number` that the services are drawn from")
	flags.IntVar(&p.services, "services", 200, "services of each family")
	flags.IntVar(&p.from, "from", 0, "the `number` of the first service")
	flags.IntVar(&p.only, "only", -1, "the `number` of one service, to run that alone")
	family := flags.String("family", "all", "which `family` of services: "+strings.Join(families, "; "))
	name := flags.String("contestant", "", "only the contestant of this `name`, or all whose names contain it")
	minutes := flags.Float64("minutes", 10, "virtual minutes of each run")
	flags.BoolVar(&p.each, "each", false, "print a line for each service, worst first")
	small := flags.Bool("quick", false, "3 services of each family, one minute each: shows that everything runs")
	pictures := flags.String("pictures", "", "draw one service of each family into this `folder`, for the first contestant")
	patience := flags.Duration("timeout", 12*time.Hour, "give up, with all goroutines' stacks, after this `time`")
	isWorker := flags.Bool(workerFlag, false, "do what another process of this program asks for")
	_ = flags.Parse(args) // ExitOnError

	if *small {
		p.services, *minutes = 3, 1
	}
	p.length = time.Duration(*minutes * float64(time.Minute))
	if err := p.choose(*family, *name); err != nil {
		return err
	}
	if !*isWorker {
		*patience += time.Minute // if a worker hangs, its own stacks tell where
	}
	defer giveUpAfter(*patience).Stop()
	if *pictures != "" {
		return p.picture(t, w, *pictures)
	}
	if *isWorker {
		return p.serve(t, os.Stdin, w)
	}
	crew, err := startCrew(args)
	if err != nil {
		return err
	}
	defer crew.dismiss()
	return p.print(w, crew.workers)
}

// choose keeps the families and contestants that were asked for.
func (p *plan) choose(family, name string) error {
	for _, f := range families {
		if family == "all" || family == f {
			p.families = append(p.families, f)
		}
	}
	if len(p.families) == 0 {
		return fmt.Errorf("-family: got %q, want all or one of: %s", family, strings.Join(families, "; "))
	}
	var chosen []contestant
	for _, c := range p.contestants {
		if c.name == name {
			chosen = []contestant{c}
			break
		}
		if strings.Contains(c.name, name) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("-contestant: no name contains %q", name)
	}
	p.contestants = chosen
	if p.services < 1 {
		return fmt.Errorf("-services: got %d, want at least 1", p.services)
	}
	if p.length < time.Second {
		return fmt.Errorf("-minutes: got %v, want at least a second", p.length)
	}
	return nil
}

// giveUpAfter shows where a contestant hangs, instead of hanging with it.
func giveUpAfter(patience time.Duration) *time.Timer {
	return time.AfterFunc(patience, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("goodput: not done after %v", patience))
	})
}
