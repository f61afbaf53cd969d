package pacenats_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// Jobs are submitted, done under a limit that all workers share, and their results read. Each of
// the three may be in a process of its own; any number of them may work.
func Example() {
	dir, err := os.MkdirTemp("", "paceline")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	server, err := pacenats.Serve(dir, "127.0.0.1:0") // or a cluster of yours
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	conn, err := nats.Connect(server.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ctx := context.Background()
	word := func(s string) string { return s } // is its own key
	q, err := pacenats.OpenQueue[string, int](ctx, conn, "words", word, pacenats.QueueOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := q.Submit(ctx, slices.Values(strings.Fields("no job is lost"))); err != nil {
		fmt.Println(err)
		return
	}

	member, err := pacenats.Join(ctx, conn, "words", pipeline.Config{
		MaxConcurrency: 8, // of all workers together
		Budgets:        []pipeline.Budget{{Name: "calls", Tokens: 1000, Window: time.Second, Requests: true}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	work := func(_ context.Context, in string) (int, error) {
		if in == "lost" {
			defer member.Throttle().Close() // it is the last; what was taken is finished
		}
		return len(in), nil
	}
	if err := q.Work(ctx, member.Throttle(), work); err != nil {
		fmt.Println(err)
	}
	if err := member.Leave(ctx); err != nil {
		fmt.Println(err)
	}
	for r, err := range q.Results(ctx) {
		fmt.Println(r.In, r.Out, r.Err, err)
	}
	// Unordered output:
	// no 2 <nil> <nil>
	// job 3 <nil> <nil>
	// is 2 <nil> <nil>
	// lost 4 <nil> <nil>
}

// Row is a job, and Answer its result.
type (
	Row    struct{ ID string }
	Answer struct{ Text string }
)

func (r Row) Key() string { return r.ID }

func callAPI(_ context.Context, r Row) (Answer, error) { return Answer{r.ID}, nil }

// ExampleJoin_readme is the snippet of the README.
func ExampleJoin_readme() {
	run := func(ctx context.Context, conn *nats.Conn, cfg pipeline.Config) error {
		member, err := pacenats.Join(ctx, conn, "geocoder", cfg) // the same in each process
		if err != nil {
			return err
		}
		defer member.Leave(ctx)
		rows, err := pacenats.OpenQueue[Row, Answer](ctx, conn, "rows", Row.Key, pacenats.QueueOptions{})
		if err != nil {
			return err
		}
		return rows.Work(ctx, member.Throttle(), callAPI) // what others Submit; and anybody reads Results
	}
	_ = run
	// Output:
}
