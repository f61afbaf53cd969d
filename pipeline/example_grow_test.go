package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/paceline-go/paceline/pipeline"
)

// A site is crawled: each page once, breadth-first.
func ExampleGrow() {
	site := map[string]string{"/": "/a /b", "/a": "/b /c /", "/b": "/a", "/c": ""}
	p, err := pipeline.New(func(_ context.Context, page string) ([]string, error) {
		return strings.Fields(site[page]), nil // the links of a page
	}, pipeline.Config{MaxConcurrency: 1})
	if err != nil {
		panic(err)
	}
	pages, err := pipeline.NewFrontier(pipeline.FrontierConfig[string]{Key: func(page string) string { return page }})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for r := range pipeline.Grow(ctx, p, pages, slices.Values([]string{"/"})) {
		fmt.Println(r.In, r.Out)
		if err := pages.Submit(ctx, r.Out...); err != nil {
			panic(err)
		}
	}
	// Output:
	// / [/a /b]
	// /a [/b /c /]
	// /b [/a]
	// /c []
}

// Work submits the next page of a listing. The second attempt at page 2 submits page 3 again, which is done once, since the
// first attempt has failed.
func ExampleFrontier_Submit() {
	pages, err := pipeline.NewFrontier(pipeline.FrontierConfig[int]{})
	if err != nil {
		panic(err)
	}
	p, err := pipeline.New(func(ctx context.Context, page int) (string, error) {
		if page < 3 {
			if err := pages.Submit(ctx, page+1); err != nil {
				return "", err
			}
		}
		if page == 2 && pipeline.SlotFrom(ctx).Attempt() == 0 {
			return "", errors.New("connection reset")
		}
		return fmt.Sprintf("rows of page %d", page), nil
	}, pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{BaseDelay: 1}})
	if err != nil {
		panic(err)
	}
	for r := range pipeline.Grow(context.Background(), p, pages, slices.Values([]int{1})) {
		fmt.Println(r.Out, "after attempts:", r.Attempts)
	}
	// Output:
	// rows of page 1 after attempts: 1
	// rows of page 2 after attempts: 2
	// rows of page 3 after attempts: 1
}

// One job has many results, and its second attempt goes on where the first has stopped.
func ExampleEmitter_Resume() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{BaseDelay: 1}})
	if err != nil {
		panic(err)
	}
	letters := pipeline.FlatMap(throttle, func(ctx context.Context, word string, out *pipeline.Emitter[string, string]) error {
		from := out.Resume()
		for i, letter := range word[from:] {
			if from == 0 && i == 2 {
				return errors.New("connection reset")
			}
			if err := out.Emit(string(letter)); err != nil {
				return err
			}
		}
		return nil
	})
	for r := range letters.Each(context.Background(), slices.Values([]string{"pace"})) {
		if r.End {
			fmt.Println(r.Index, "letters after attempts:", r.Attempts)
			continue
		}
		fmt.Println(r.Out)
	}
	// Output:
	// p
	// a
	// c
	// e
	// 4 letters after attempts: 2
}
