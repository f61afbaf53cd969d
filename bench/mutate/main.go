// Command mutate tells which changes of a package its tests notice: it makes small mistakes in the source, one at a
// time, and runs the tests.
//
//	go run ./bench/mutate -survivors                 from the root: all of controller, and what was not noticed
//	go run ./bench/mutate -files seek.go,pacer.go    some files
//	go run ./bench/mutate -sample 200 -seed 7        some mutants at random
//
// All mutants are compiled into one test binary, each behind a switch ("mutant schemata", Untch, Offutt and Harrold,
// ISSTA 1993), so that there is nothing to compile for each. For each mutant, only the tests that reach it run, the
// quickest first, until one fails. A crash counts as noticed, and so does a test that takes 20 times as many steps as
// it should. Tests that fail without a mutant are left out, and so are those that take long. Property tests make 20
// checks with a fixed seed.
//
// Functions are changed, but neither what is declared outside of them, nor those that only make texts, nor what goes
// into a text. A mutant that behaves as the original does cannot be told from one that no test notices.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w, progress io.Writer, args []string) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	pattern := flags.String("package", "./controller", "the `package` to change")
	files := flags.String("files", "", "change only these `files`, separated by commas")
	survivors := flags.Bool("survivors", false, "list the mutants that were not noticed")
	sample := flags.Int("sample", 0, "only `n` mutants, chosen at random; 0: all")
	seed := flags.Uint64("seed", 1, "chooses another sample")
	longest := flags.Int64("longest", 10_000_000, "leave out tests that take more `steps`; 0: none")
	atOnce := flags.Int("parallel", 2, "`processes` at a time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	started := time.Now()
	folder, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s, err := load(ctx, *pattern)
	if err != nil {
		return err
	}
	binary, mutants, err := s.build(ctx, folder)
	if err != nil {
		return err
	}
	if mutants, err = only(mutants, *files); err != nil {
		return err
	}
	mutants = drawn(mutants, *sample, *seed)
	j := &judge{binary: binary, atOnce: max(*atOnce, 1), longest: *longest, progress: progress}
	failing, long, err := j.prepare(ctx)
	if err != nil {
		return err
	}
	if len(failing) > 0 {
		fmt.Fprintf(w, "Left out, since they fail without a mutant: %s\n\n", strings.Join(failing, ", "))
	}
	if len(long) > 0 {
		fmt.Fprintf(w, "Left out, since they take long: %s\n\n", strings.Join(long, ", "))
	}
	fmt.Fprintf(progress, "%d mutants, %d tests; ready after %s\n",
		len(mutants), len(j.tests), time.Since(started).Round(time.Second))
	all, err := j.all(ctx, mutants)
	if err != nil {
		return err
	}
	report(w, all, *survivors, time.Since(started))
	return nil
}

// only returns the mutants in some files.
func only(mutants []mutant, files string) ([]mutant, error) {
	if files == "" {
		return mutants, nil
	}
	var chosen []mutant
	for _, name := range strings.Split(files, ",") {
		before := len(chosen)
		for _, m := range mutants {
			if m.file == name {
				chosen = append(chosen, m)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("-files: got %q, in which nothing can be changed", name)
		}
	}
	return chosen, nil
}

// drawn returns n of the mutants, in their order.
func drawn(mutants []mutant, n int, seed uint64) []mutant {
	if n <= 0 || n >= len(mutants) {
		return mutants
	}
	chosen := slices.Clone(mutants)
	chance := rand.New(rand.NewPCG(seed, 0))
	chance.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	chosen = chosen[:n]
	slices.SortFunc(chosen, func(a, b mutant) int { return cmp.Compare(a.id, b.id) })
	return chosen
}
