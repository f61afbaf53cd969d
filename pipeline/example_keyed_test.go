package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// One pipeline crawls several hosts. Each has a throttle of its own, so that one that is slow holds
// up no other: the pages of the fast host are all there before the second one of the slow host.
func ExampleByKey() {
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{
		Each: pipeline.Config{MaxConcurrency: 4, Retry: &pipeline.Retry{}},
		ConfigOf: func(host string, each pipeline.Config) pipeline.Config {
			if host == "slow.example" {
				each.MinDispatchInterval = 50 * time.Millisecond
			}
			return each
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	type page struct{ host, path string }
	var pages []page
	for i := range 3 {
		path := fmt.Sprint("/", i)
		pages = append(pages, page{"slow.example", path}, page{"fast.example", path})
	}
	fetch := func(_ context.Context, p page) (string, error) { return p.host + p.path, nil }

	crawl := pipeline.ByKey(hosts, func(p page) string { return p.host }, fetch)

	done := make(map[string]int)
	for r := range crawl.Each(context.Background(), slices.Values(pages)) {
		done[r.Key]++
		if r.Key == "slow.example" && r.In.path == "/1" {
			fmt.Println("fast.example is done:", done["fast.example"] == 3)
		}
	}
	fmt.Println(slices.Sorted(maps.Keys(done)), crawl.Snapshot().Completed)
	// Output:
	// fast.example is done: true
	// [fast.example slow.example] 6
}

// The changes of each account are made one after the other, in their order; accounts do not wait
// for one another.
func ExampleKeyedPipeline_OrderedByKey() {
	accounts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	type change struct {
		account string
		amount  int
	}
	balances := map[string]*int{"ann": new(int), "bob": new(int)}
	apply := func(_ context.Context, c change) (int, error) {
		*balances[c.account] += c.amount // no two changes of one account at once
		return *balances[c.account], nil
	}
	changes := []change{{"ann", 5}, {"bob", 1}, {"ann", -3}, {"bob", 1}, {"ann", 2}}

	p := pipeline.ByKey(accounts, func(c change) string { return c.account }, apply).OrderedByKey()

	history := make(map[string][]int)
	for r := range p.Each(context.Background(), slices.Values(changes)) {
		history[r.Key] = append(history[r.Key], r.Out)
	}
	fmt.Println(history)
	// Output:
	// map[ann:[5 2 4] bob:[1 2]]
}
