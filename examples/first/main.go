// Command first prints how large the pages are whose addresses come on standard input, one a
// line. It is the program of the README:
//
//	echo https://go.dev/ | go run ./examples/first
//
// The three lines that matter:
//
//	ctx, stop := pipeline.Interruptible(context.Background(), 0) // Ctrl-C: finish what is under way
//	p, err := pipeline.New(size, pipeline.Config{MaxConcurrency: 50, AttemptTimeout: time.Minute, Retry: &pipeline.Retry{}})
//	for r := range p.Each(ctx, urls) { // each URL comes back once, with a size or an error
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// size is the work: one attempt at one job.
func size(ctx context.Context, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, pipeline.Fatal(err) // this one is never tried again
	}
	return pacehttp.Attempt(nil, req, func(res *http.Response) (int64, error) { return res.ContentLength, nil })
}

// The addresses of pages come on standard input, one a line; how large they are is printed.
func main() {
	ctx, stop := pipeline.Interruptible(context.Background(), 0) // Ctrl-C: finish what is under way
	defer stop()
	p, err := pipeline.New(size, pipeline.Config{MaxConcurrency: 50, AttemptTimeout: time.Minute, Retry: &pipeline.Retry{}})
	if err != nil {
		panic(err)
	}
	urls := func(yield func(string) bool) {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan() && yield(lines.Text()); {
		}
	}
	for r := range p.Each(ctx, urls) { // each URL comes back once, with a size or an error
		fmt.Println(r.In, r.Out, r.Err)
	}
	fmt.Fprintln(os.Stderr, p.Throttle().Snapshot())
	if stopped := pipeline.Interrupted(ctx); stopped != nil {
		os.Exit(stopped.ExitCode()) // 130 after Ctrl-C
	}
}
