package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// What one pipeline makes of a job is a job of the next. The results are those of
// the whole chain: who failed on the way is known by what the first was given.
func ExampleThen() {
	fetch := func(_ context.Context, page string) ([]byte, error) { return []byte("the text of " + page), nil }
	parse := func(_ context.Context, text []byte) ([]string, error) { return strings.Fields(string(text)), nil }
	store := func(_ context.Context, words []string) (int, error) {
		if slices.Contains(words, "bad.html") {
			return 0, pipeline.Fatal(errors.New("store: no such word"))
		}
		return len(words), nil
	}
	fetching, err := pipeline.New(fetch, pipeline.Config{MaxConcurrency: 64, Retry: &pipeline.Retry{}})
	if err != nil {
		panic(err)
	}
	parsing, err := pipeline.New(parse, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
	if err != nil {
		panic(err)
	}
	storing, err := pipeline.New(store, pipeline.Config{MaxConcurrency: 8, Retry: &pipeline.Retry{}})
	if err != nil {
		panic(err)
	}
	chain := pipeline.Then(pipeline.Then(fetching, parsing), storing)

	var dead []string // to be tried again some other day
	for r := range chain.Each(context.Background(), slices.Values([]string{"a.html", "bad.html", "c.html"})) {
		if r.Err != nil {
			fmt.Println(r.In, r.Err)
			dead = append(dead, r.In)
		}
	}
	fmt.Println(dead)
	// Output:
	// bad.html store: no such word
	// [bad.html]
}

// A service that takes many jobs in one call is asked for many, and each gets its
// own result.
func ExampleBatch() {
	lengths := func(_ context.Context, words []string) ([]int, error) {
		fmt.Println("a call of", len(words))
		outs := make([]int, len(words))
		for i, word := range words {
			outs[i] = len(word)
		}
		return outs, nil
	}
	p, err := pipeline.New(lengths, pipeline.Config{MaxConcurrency: 1})
	if err != nil {
		panic(err)
	}
	words := slices.Values([]string{"one", "two", "three", "four", "five"})
	for r := range pipeline.Batch(p.Ordered(), 3, time.Minute).Each(context.Background(), words) {
		fmt.Println(r.In, r.Out)
	}
	// Unordered output:
	// a call of 3
	// one 3
	// two 3
	// three 5
	// a call of 2
	// four 4
	// five 4
}

// When some jobs of a call fail, the next attempt is of those alone.
func ExamplePartial() {
	attempt := 0
	insert := func(_ context.Context, rows []int) ([]string, error) {
		attempt++
		fmt.Println("attempt", attempt, rows)
		outs, errs := make([]string, len(rows)), make([]error, len(rows))
		for i, row := range rows {
			switch {
			case row < 0:
				errs[i] = pipeline.Fatal(errors.New("below 0"))
			case row > 100 && attempt == 1:
				errs[i] = pipeline.Overloaded(errors.New("not now"), time.Millisecond)
			default:
				outs[i] = "stored"
			}
		}
		return outs, pipeline.Partial(errs)
	}
	p, err := pipeline.New(insert, pipeline.Config{Retry: &pipeline.Retry{BaseDelay: time.Millisecond}})
	if err != nil {
		panic(err)
	}
	rows := slices.Values([]int{7, -1, 101, 102})
	for r := range pipeline.Batch(p, 4, time.Minute).Each(context.Background(), rows) {
		fmt.Println(r.In, r.Out, r.Err, r.Attempts)
	}
	// Output:
	// attempt 1 [7 -1 101 102]
	// attempt 2 [101 102]
	// 7 stored <nil> 1
	// -1  below 0 1
	// 101 stored <nil> 2
	// 102 stored <nil> 2
}
