package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// A judge runs, for each mutant, the tests that reach it, until one fails.
type judge struct {
	*binary
	atOnce   int       // processes
	longest  int64     // steps that a test may take; 0: any number
	progress io.Writer // who waits wants to know
	tests    []test    // those that pass, quickest first
}

// judged is a mutant and what the tests say of it.
type judged struct {
	mutant
	reached bool
	verdict verdict
}

// prepare measures all tests. It returns the names of those that fail although nothing is changed, and of those that
// take too many steps. A mutant that is not noticed needs all tests that reach it, so a few long ones would take longer
// than all others together.
func (j *judge) prepare(ctx context.Context) (failing, long []string, err error) {
	names, err := j.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	tests, err := inParallel(ctx, j.atOnce, names, func(ctx context.Context, name string) (test, error) {
		return j.measure(ctx, name, j.longest)
	})
	if err != nil {
		return nil, nil, err
	}
	for _, t := range tests {
		switch {
		case t.long:
			long = append(long, t.name)
		case !t.passes:
			failing = append(failing, t.name)
		default:
			j.tests = append(j.tests, t)
		}
	}
	slices.SortStableFunc(j.tests, func(a, b test) int { return cmp.Compare(a.took, b.took) })
	return failing, long, nil
}

// all judges mutants.
func (j *judge) all(ctx context.Context, mutants []mutant) ([]judged, error) {
	const report = 100 // mutants
	reaching := make(map[int][]test)
	for _, t := range j.tests {
		for _, id := range t.reaches {
			reaching[id] = append(reaching[id], t)
		}
	}
	done := make(chan struct{}, len(mutants))
	return inParallel(ctx, j.atOnce, mutants, func(ctx context.Context, m mutant) (judged, error) {
		verdict, err := j.one(ctx, m, reaching[m.id])
		done <- struct{}{}
		if n := len(done); n%report == 0 {
			fmt.Fprintf(j.progress, "%d of %d mutants\n", n, len(mutants))
		}
		return judged{m, len(reaching[m.id]) > 0, verdict}, err
	})
}

// one judges a mutant. A test that takes 20 times as many steps as it should never ends. One that waits for ever takes
// none, so there is a limit by the clock too, so long that it says nothing of how busy the machine is.
func (j *judge) one(ctx context.Context, m mutant, tests []test) (verdict, error) {
	const (
		stepsLonger = 20
		fewSteps    = 5_000_000 // that take no time
		timeLonger  = 10
		shortTime   = 20 * time.Second
	)
	for _, batch := range batches(tests) {
		var names []string
		steps, limit := int64(fewSteps), shortTime
		for _, t := range batch {
			names = append(names, t.name)
			steps += stepsLonger * t.steps
			limit += timeLonger * t.took
		}
		verdict, err := j.run(ctx, names, limit, fmt.Sprint("MUTANT=", m.id), fmt.Sprint("MUTANT_STEPS=", steps))
		if err != nil || verdict != survived {
			return verdict, err
		}
	}
	return survived, nil
}

// batches puts tests together that can share a process, since starting one takes as long as some of them. The later
// ones take longer: most mutants do not get that far.
func batches(tests []test) [][]test {
	var all [][]test
	var batch []test
	size, sum := 100*time.Millisecond, time.Duration(0)
	for _, t := range tests {
		if len(batch) > 0 && sum+t.took > size {
			all, batch = append(all, batch), nil
			size, sum = 2*size, 0
		}
		batch = append(batch, t)
		sum += t.took
	}
	if len(batch) > 0 {
		all = append(all, batch)
	}
	return all
}

// inParallel calls a function for each element, some at a time, and returns the results in order.
func inParallel[T, R any](
	ctx context.Context, atOnce int, all []T, do func(context.Context, T) (R, error),
) ([]R, error) {
	results := make([]R, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, one := range all {
		group.Go(func() (err error) {
			results[i], err = do(ctx, one)
			return err
		})
	}
	return results, group.Wait()
}
