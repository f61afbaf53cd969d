package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A prompt is what a language model is asked. Both providers' prices here are made up.
type prompt struct {
	text      string
	maxTokens int64 // of the answer, at most
}

// A completion is the answer, and what it says that it has used.
type completion struct {
	text          string
	input, output int64 // tokens
}

// complete stands for the call of an SDK.
func complete(_ context.Context, p prompt) (completion, error) {
	return completion{text: "Yes.", input: int64(len(p.text)) / 4, output: 2}, nil
}

func showBudgets(t *pipeline.Throttle) {
	for _, b := range t.Snapshot().Budgets {
		fmt.Printf("%s: %d used, %d left\n", b.Name, b.Used, b.Remaining)
	}
}

// OpenAI has one quota of tokens a minute. A request counts for the larger of max_tokens and an
// estimate of its text, when it comes ("Rate limits", "Error mitigation",
// platform.openai.com/docs/guides/rate-limits, as quoted in October 2024). Nothing is said of a
// part that comes back when the answer is shorter. So the cost is what the quota keeps, and only
// money is settled.
func ExamplePipeline_Costs_openAI() {
	const inputPrice, outputPrice = 2, 8 // microdollars a token
	p, err := pipeline.New(func(ctx context.Context, in prompt) (string, error) {
		c, err := complete(ctx, in)
		if err == nil {
			pipeline.SlotFrom(ctx).RecordUsage("microdollars", c.input*inputPrice+c.output*outputPrice)
		}
		return c.text, err
	}, pipeline.Config{
		MaxConcurrency: 10,
		Budgets: []pipeline.Budget{ // named as the headers name them
			{Name: "requests", Tokens: 500, Window: time.Minute, Requests: true},
			{Name: "tokens", Tokens: 30_000, Window: time.Minute},
			{Name: "money", Counts: "microdollars", Tokens: 5_000_000, Window: 24 * time.Hour},
		},
	})
	if err != nil {
		panic(err)
	}
	p.Costs(func(in prompt) pipeline.Amounts {
		text := int64(len(in.text)+3) / 4
		return pipeline.Amounts{
			"":             max(in.maxTokens, text),
			"microdollars": text*inputPrice + in.maxTokens*outputPrice,
		}
	})
	for r := range p.Each(context.Background(), slices.Values([]prompt{{"Is water wet?...", 100}, {"Is fire hot?....", 200}})) {
		if r.Err != nil {
			fmt.Println(r.Err)
		}
	}
	showBudgets(p.Throttle())
	// Output:
	// requests: 2 used, 498 left
	// tokens: 300 used, 29700 left
	// money: 48 used, 4999952 left
}

// Anthropic has a quota of input tokens and one of output tokens. Output is estimated by max_tokens
// at the beginning of a request, and set right at its end ("Rate limits",
// docs.anthropic.com/en/api/rate-limits, as of 2025). So both are reserved, and both are settled.
// What was cached does not count as input, but for older models.
func ExamplePipeline_Costs_anthropic() {
	p, err := pipeline.New(func(ctx context.Context, in prompt) (string, error) {
		c, err := complete(ctx, in)
		if err == nil {
			slot := pipeline.SlotFrom(ctx)
			slot.RecordUsage("input", c.input)
			slot.RecordUsage("output", c.output)
		}
		return c.text, err
	}, pipeline.Config{
		MaxConcurrency: 10,
		Budgets: []pipeline.Budget{ // named as the headers name them
			{Name: "requests", Tokens: 50, Window: time.Minute, Requests: true},
			{Name: "input-tokens", Counts: "input", Tokens: 30_000, Window: time.Minute},
			{Name: "output-tokens", Counts: "output", Tokens: 8_000, Window: time.Minute},
		},
	})
	if err != nil {
		panic(err)
	}
	p.Costs(func(in prompt) pipeline.Amounts {
		return pipeline.Amounts{"input": int64(len(in.text)+3) / 4, "output": in.maxTokens}
	})
	for r := range p.Each(context.Background(), slices.Values([]prompt{{"Is water wet?...", 4000}, {"Is fire hot?....", 4000}, {"Why?", 9000}})) {
		if r.Err != nil {
			fmt.Println(r.Err)
		}
	}
	showBudgets(p.Throttle())
	// Output:
	// paceline: cost in output: got 9000, want at most 8000, all of budget "output-tokens"
	// requests: 2 used, 48 left
	// input-tokens: 8 used, 29992 left
	// output-tokens: 4 used, 7996 left
}

// Money for a whole run does not come back. When it is spent, the jobs that are left come back too.
func ExampleForever() {
	p, err := pipeline.New(func(ctx context.Context, in prompt) (string, error) {
		c, err := complete(ctx, in)
		pipeline.SlotFrom(ctx).RecordUsage("microdollars", 400)
		return c.text, err
	}, pipeline.Config{
		MaxConcurrency: 1,
		Budgets:        []pipeline.Budget{{Name: "money", Counts: "microdollars", Tokens: 1000, Window: pipeline.Forever}},
	})
	if err != nil {
		panic(err)
	}
	p.Costs(func(prompt) pipeline.Amounts { return pipeline.Amounts{"microdollars": 500} })
	for r := range p.Each(context.Background(), slices.Values(make([]prompt, 4))) {
		var spent *pipeline.CostError
		fmt.Println(r.Out, r.Err, errors.As(r.Err, &spent) && spent.Spent)
	}
	// Output:
	// Yes. <nil> false
	// Yes. <nil> false
	//  paceline: cost in microdollars: got 500, want at most 200, what is left of budget "money" true
	//  paceline: cost in microdollars: got 500, want at most 200, what is left of budget "money" true
}
