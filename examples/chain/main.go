// Command chain sends cities through three pipelines, one behind the other, each with
// a throttle of its own. The slowest sets the pace, and memory stays flat. What fails
// on the way goes into a file of dead letters, from which it can be sent again.
//
//	ids ──► fetch ──► enrich ──► Batch: load ──► results ──► dead letters
//	       catalogue   service       SQLite         ▲             │
//	        600/s       250/s                       └── -replay ──┘
//
// Run it from the root of the repo:
//
//	go run ./examples/chain
//	go run ./examples/chain -replay
//	go run ./examples/chain -h
//
// The three lines that matter:
//
//	load, err3 := pipeline.New(db.load, throttle(1)) // SQLite has one writer
//	chain := pipeline.Then(pipeline.Then(fetch, enrich), pipeline.Batch(load, 100, time.Second/4))
//	for r := range chain.Each(ctx, jobs.each) {
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/paceline-go/paceline/examples/command"
)

// settings are the command line, and what tests make quicker.
type settings struct {
	cities             int
	catalogue, service string
	db, dead           string
	replay             bool
	speed              float64 // of the embedded services
}

func main() { command.Main(run) }

// run returns the exit status: 0 if each city is in the database or a dead letter, 1
// if one is not, 2 for a wrong command line, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return command.Usage(err)
	}
	ctx, stop := command.Context(stderr)
	defer stop()
	sum, err := s.chain(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "chain:", err)
		return command.Status(ctx, 1)
	}
	status := command.Verdict(ctx, stdout, sum.complete())
	sum.print(stdout)
	return status
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{speed: 1}
	f := flag.NewFlagSet("chain", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&s.cities, "cities", 2000, "cities to send through, 1 to 8000")
	f.StringVar(&s.catalogue, "catalogue", "", "a service that answers GET /cities/{id} with a city (default: one that is embedded)")
	f.StringVar(&s.service, "service", "", "a service that answers as examples/serve does (default: one that is embedded)")
	f.StringVar(&s.db, "db", filepath.Join(os.TempDir(), "paceline-chain.db"), "SQLite `file` to load into")
	f.StringVar(&s.dead, "dead", filepath.Join(os.TempDir(), "paceline-dead.jsonl"),
		"`file` of dead letters, one JSON object a line; a run replaces it when it is over")
	f.BoolVar(&s.replay, "replay", false, "send the dead letters again, instead of the cities; what fails again stays dead")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	err := s.validate(f.Args())
	if err != nil {
		fmt.Fprintln(stderr, "chain:", err)
	}
	return s, err
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case s.cities < 1 || s.cities > 8000:
		return fmt.Errorf("-cities: got %d, want 1 to 8000", s.cities)
	}
	return errors.Join(command.CheckURL("-catalogue", s.catalogue), command.CheckURL("-service", s.service))
}
