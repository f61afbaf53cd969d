package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// What the README and docs show stands here, so that it compiles; see readme_test.go.

type (
	Row    struct{ URL string }
	Answer struct {
		Text   string
		Tokens int64
	}
)

func save(Row, Answer, error) {}

func callAPI(ctx context.Context, row Row) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, row.URL, nil)
	if err != nil {
		return Answer{}, pipeline.Fatal(err) // never tried again
	}
	return pacehttp.Attempt(nil, req, func(res *http.Response) (answer Answer, err error) {
		err = json.NewDecoder(res.Body).Decode(&answer)
		pipeline.SlotFrom(ctx).RecordTokens(answer.Tokens) // settles the budget
		return answer, err
	})
}

func configured() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: 200, // never more attempts in flight; how many are right, it finds out
		AttemptTimeout: 30 * time.Second,
		Retry:          &pipeline.Retry{MaxAttempts: 5, Park: true}, // a job that waits holds no slot
		Breaker:        &pipeline.Breaker{Failures: 100, OpenFor: 5 * time.Second},
		Budgets: []pipeline.Budget{
			{Name: "requests", Tokens: 500, Window: time.Minute, Requests: true},
			{Name: "tokens", Tokens: 90_000, Window: time.Minute},
			{Name: "day", Tokens: 10_000_000, Window: 24 * time.Hour},
		},
		OnEvent: func(e pipeline.Event) { fmt.Println(e) },
	}
}

func sliceInSliceOut(ctx context.Context, p *pipeline.Pipeline[Row, Answer], rows []Row) []pipeline.Result[Row, Answer] {
	results := slices.Collect(p.Ordered().Each(ctx, slices.Values(rows)))
	return results
}

func shared(ctx context.Context, cfg pipeline.Config, rows, urgent <-chan Row) error {
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		return err
	}
	bulk := pipeline.Attach(throttle, callAPI).Cost(func(r Row) int64 { return int64(len(r.URL)) })
	first := pipeline.Attach(throttle, callAPI).Ordered()

	go func() {
		for r := range bulk.Run(ctx, rows) {
			save(r.In, r.Out, r.Err)
		}
	}()
	for r := range first.Run(ctx, urgent) {
		save(r.In, r.Out, r.Err)
	}
	return nil
}

func interruptible(ctx context.Context, p *pipeline.Pipeline[Row, Answer], rows <-chan Row) {
	ctx, stop := pipeline.Interruptible(ctx, time.Minute)
	defer stop()
	for r := range p.Run(ctx, rows) {
		save(r.In, r.Out, r.Err)
	}
	if interrupted := pipeline.Interrupted(ctx); interrupted != nil {
		os.Exit(interrupted.ExitCode()) // 130
	}
}

func single(ctx context.Context, throttle *pipeline.Throttle, row Row) error {
	answer, err := pipeline.Execute(ctx, throttle, func(ctx context.Context) (Answer, error) {
		return callAPI(ctx, row)
	})
	lookUp := pipeline.Wrap(throttle, callAPI) // the same signature, throttled

	save(row, answer, err)
	_, err = lookUp(ctx, row)
	return err
}

func anyClient() (*http.Client, error) {
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 20, Retry: &pipeline.Retry{}})
	if err != nil {
		return nil, err
	}
	client := pacehttp.NewClient(throttle, &http.Client{Timeout: 10 * time.Second})
	return client, nil
}

func costly(cfg pipeline.Config) error {
	p, err := pipeline.New(callAPI, cfg)
	if err != nil {
		return err
	}
	p.Cost(func(r Row) int64 { return int64(len(r.URL)) })
	return nil
}

func hedged(cfg pipeline.Config) error {
	p, err := pipeline.New(pipeline.Hedged(callAPI, pipeline.Hedge{}), cfg)
	_ = p
	return err
}

func severalThings() error {
	type prompt struct{ tokens, maxTokens int64 }
	complete := func(context.Context, prompt) (Answer, error) { return Answer{}, nil }
	p, err := pipeline.New(complete, pipeline.Config{Budgets: []pipeline.Budget{
		{Name: "requests", Tokens: 50, Window: time.Minute, Requests: true},
		{Name: "input-tokens", Counts: "input", Tokens: 30_000, Window: time.Minute},
		{Name: "output-tokens", Counts: "output", Tokens: 8_000, Window: time.Minute},
		{Name: "money", Counts: "microdollars", Tokens: 5_000_000, Window: 24 * time.Hour},
	}})
	if err != nil {
		return err
	}
	p.Costs(func(in prompt) pipeline.Amounts {
		return pipeline.Amounts{"input": in.tokens, "output": in.maxTokens, "microdollars": 2*in.tokens + 8*in.maxTokens}
	})
	return nil
}

func askAll(ctx context.Context, prompts iter.Seq[prompt]) error {
	p, err := pipeline.New(func(ctx context.Context, in prompt) (completion, error) {
		c, err := complete(ctx, in) // by an SDK, whose own retries are off
		if err == nil {
			pipeline.SlotFrom(ctx).RecordUsage("input", c.input)
			pipeline.SlotFrom(ctx).RecordUsage("output", c.output)
		}
		return c, err
	}, pipeline.Config{MaxConcurrency: 50, Retry: &pipeline.Retry{}, Budgets: []pipeline.Budget{
		{Name: "input-tokens", Counts: "input", Tokens: 30_000, Window: time.Minute},
		{Name: "output-tokens", Counts: "output", Tokens: 8_000, Window: time.Minute},
	}})
	if err != nil {
		return err
	}
	p.Costs(func(in prompt) pipeline.Amounts {
		return pipeline.Amounts{"input": int64(len(in.text)+3) / 4, "output": in.maxTokens}
	})
	for r := range p.Each(ctx, prompts) {
		fmt.Println(r.In.text, r.Out.text, r.Err)
	}
	showBudgets(p.Throttle())
	return nil
}

// A run through a language model with two quotas.
func Example_languageModel() {
	if err := askAll(context.Background(), slices.Values([]prompt{{"Is water wet?...", 4000}, {"Why?", 9000}})); err != nil {
		panic(err)
	}
	// Unordered output:
	// Is water wet?... Yes. <nil>
	// Why?  paceline: cost in output: got 9000, want at most 8000, all of budget "output-tokens"
	// input-tokens: 4 used, 29996 left
	// output-tokens: 2 used, 7998 left
}

func byKey(ctx context.Context, pages iter.Seq[string], hostOf func(page string) string, fetch pipeline.Work[string, int64]) error {
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{
		Each: pipeline.Config{
			MaxConcurrency: 4,
			Retry:          &pipeline.Retry{Park: true},
			Breaker:        &pipeline.Breaker{Failures: 3}, // while a host is down, its jobs wait
		},
		ConfigOf: func(host string, each pipeline.Config) pipeline.Config {
			if host == "archive.example" {
				each.MinDispatchInterval = 2 * time.Second
			}
			return each
		},
	})
	if err != nil {
		return err
	}
	crawl := pipeline.ByKey(hosts, hostOf, fetch)
	for r := range crawl.Each(ctx, pages) {
		fmt.Println(r.Key, r.In, r.Err)
	}
	return nil
}

type page struct {
	Title string
	Links []string
}

func growing(ctx context.Context, hosts *pipeline.Keyed[string], hostOf func(page string) string, fetch pipeline.Work[string, page], seeds []string) error {
	pages, err := pipeline.NewFrontier(pipeline.FrontierConfig[string]{
		Key:   strings.ToLower,   // each page once
		Spill: &pipeline.Spill{}, // what does not fit into memory waits in a file
	})
	if err != nil {
		return err
	}
	crawl := pipeline.ByKey(hosts, hostOf, fetch) // one throttle for each host
	for r := range pipeline.Grow(ctx, crawl, pages, slices.Values(seeds)) {
		fmt.Println(r.In, r.Out.Title, r.Err)
		if err := pages.Submit(ctx, r.Out.Links...); err != nil {
			return err
		}
	}
	return pages.Err()
}

func flat(ctx context.Context, throttle *pipeline.Throttle, queries iter.Seq[string], list func(context.Context, string, func(Row) error) error) {
	rows := pipeline.FlatMap(throttle, func(ctx context.Context, query string, out *pipeline.Emitter[string, Row]) error {
		return list(ctx, query, out.Emit)
	})
	for r := range rows.Each(ctx, queries) {
		if r.End { // of a query: how it ended, and how many rows there were
			fmt.Println(r.In, r.Index, r.Err)
			continue
		}
		fmt.Println(r.In, r.Out)
	}
}

func hostClient(hosts *pipeline.Keyed[string]) *http.Client {
	client := pacehttp.NewHostClient(hosts, &http.Client{Timeout: 10 * time.Second})
	return client
}

func askWithKey(ctx context.Context, key string, row Row) (Answer, error) { return callAPI(ctx, row) }

func byChoice(ctx context.Context, cfg pipeline.Config, rows iter.Seq[Row], row Row) error {
	pool, err := pipeline.NewPool(
		pipeline.Member[string]{Name: "first", Value: os.Getenv("KEY_1"), Config: cfg},
		pipeline.Member[string]{Name: "second", Value: os.Getenv("KEY_2"), Config: cfg, Weight: 2},
		pipeline.Member[string]{Name: "reserve", Value: os.Getenv("KEY_3"), Config: cfg, Fallback: 1},
	)
	if err != nil {
		return err
	}
	bulk := pipeline.ByChoice(pool, askWithKey)
	for r := range bulk.Each(ctx, rows) {
		fmt.Println(r.Key, r.In, r.Err) // the member that did it
	}
	answer, err := pipeline.ExecuteAny(ctx, pool, func(ctx context.Context, key string) (Answer, error) {
		return askWithKey(ctx, key, row)
	})
	save(row, answer, err)
	return nil
}

func chained(
	ctx context.Context, rows iter.Seq[Row],
	fetch *pipeline.Pipeline[Row, Answer], embed *pipeline.Pipeline[[]Answer, [][]float32], insert *pipeline.Pipeline[[]float32, int64],
) {
	vectors := pipeline.Batch(embed, 100, time.Second) // 100 answers a call, or what has come within a second
	chain := pipeline.Then(pipeline.Then(fetch, vectors), insert)
	for r := range chain.Each(ctx, rows) {
		fmt.Println(r.In, r.Err) // the row that went in, and what became of it, in whichever stage
	}
}

func inShares(ctx context.Context, throttle *pipeline.Throttle, rows <-chan Row, row Row) (Answer, error) {
	bulk := pipeline.Attach(throttle, callAPI).Share(pipeline.Share{Priority: -1}) // a run: what is left
	go func() {
		for r := range bulk.Run(ctx, rows) {
			save(r.In, r.Out, r.Err)
		}
	}()
	ctx = pipeline.WithShare(ctx, pipeline.Share{Name: "tenant-7", Weight: 3}) // calls: three parts to another's one
	return pipeline.Execute(ctx, throttle, func(ctx context.Context) (Answer, error) { return callAPI(ctx, row) })
}

func impatient(ctx context.Context, throttle *pipeline.Throttle, row Row) (Answer, error) {
	ctx = pipeline.WithMaxWait(ctx, 2*time.Second)
	answer, err := pipeline.Execute(ctx, throttle, func(ctx context.Context) (Answer, error) { return callAPI(ctx, row) })
	var wait *pipeline.WaitError
	if errors.As(err, &wait) {
		return Answer{Text: fmt.Sprintf("come again in %v", wait.Expected)}, nil
	}
	return answer, err
}

func serving(mux *http.ServeMux) error {
	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 200, Policy: pipeline.Vegas{}})
	if err != nil {
		return err
	}
	return http.ListenAndServe(":8080", &pacehttp.Handler{Throttle: throttle, Next: mux})
}

func urgentFirst(handler *pacehttp.Handler) {
	handler.Context = func(r *http.Request) context.Context {
		if r.Header.Get("X-Interactive") != "" {
			ctx := pipeline.WithShare(r.Context(), pipeline.Share{Priority: 1})
			return pipeline.WithMaxWait(ctx, time.Second) // longer than others
		}
		return pipeline.WithShare(r.Context(), pipeline.Share{Name: r.Header.Get("X-Tenant")}) // tenants take turns
	}
}

var _ = []any{inShares, impatient, serving, urgentFirst, configured, sliceInSliceOut, shared, interruptible, single, anyClient, costly, hedged, severalThings, byKey, hostClient, byChoice, chained, growing, flat}
