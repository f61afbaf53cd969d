package main

import (
	"flag"
	"fmt"
	"io"
	"time"
)

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("llm", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.provider, "provider", openAI, "whose protocol and SDK: openai or anthropic")
	f.StringVar(&o.baseURL, "url", "", "where the model is, such as https://api.openai.com/v1 (default: a server that is embedded)")
	f.StringVar(&o.key, "key", "", "of a real server (default: the environment's OPENAI_API_KEY or ANTHROPIC_API_KEY)")
	f.StringVar(&o.model, "model", "", "the model (default: gpt-4o-mini or claude-haiku-4-5)")
	f.BoolVar(&o.stream, "stream", false, "have answers streamed")
	f.StringVar(&o.prompts, "prompts", "", "JSONL `file` with an id and a prompt on each line (default: 84 prompts, embedded)")
	f.StringVar(&o.batch, "batch", "", "a `file` of OpenAI's Batch API with the requests to send, in the place of prompts; - is the standard input")
	f.StringVar(&o.errors, "errors", "", "error `file` of -batch (default: beside -out, its name with -errors)")
	f.DurationVar(&o.single, "single", 0, "ask a single prompt every so often while the bulk runs, ahead of it (default: none)")
	f.BoolVar(&o.pool, "pool", false, "ask three keys of two providers at the embedded server: the first has the quotas of -rpm and -tpm, the second half, the third three quarters")
	f.Var(&o.members, "member", "a key of a pool at real servers, as `provider,KEYVAR,URL,model,rpm,tpm`, such as openai,OPENAI_API_KEY,https://api.openai.com/v1,gpt-4o-mini,500,200000; may be repeated")
	f.IntVar(&o.samples, "samples", 8, "answers to each prompt")
	f.IntVar(&o.limit, "n", 0, "answers in all, at most (default: no limit)")
	f.Int64Var(&o.maxTokens, "max-tokens", 200, "tokens of an answer, at most; of -batch, what is reserved for a request that does not bound its answer")
	f.StringVar(&o.out, "out", "", "JSONL `file` for the answers, written at the end; a run goes on from the journal beside it "+
		"(default: one in the temporary directory, named after the model)")
	f.BoolVar(&o.fresh, "fresh", false, "forget the answers of earlier runs")
	f.Int64Var(&o.rpm, "rpm", 500, "quota of requests a minute, of the embedded server too")
	f.Int64Var(&o.tpm, "tpm", 30_000, "quota of tokens a minute, of the embedded server too")
	f.Int64Var(&o.itpm, "itpm", 0, "quota of input tokens a minute, as Anthropic has one, of the embedded server too (default: -tpm counts both)")
	f.Int64Var(&o.otpm, "otpm", 0, "quota of output tokens a minute, beside -itpm")
	f.Float64Var(&o.dollars, "dollars", 0, "what the run may cost, those before it included; what is left then is not sent (default: no bound)")
	f.Var(&o.prices, "prices", "of a million input and a million output tokens, in `dollars`, such as 0.15,0.60 (default: list prices of the default models, of 2024 and 2025; check yours)")
	f.BoolVar(&o.budgets, "budgets", true, "tell the throttle the quotas; without, it goes by what the server's headers say")
	f.Float64Var(&o.overloaded, "overloaded", 0, "share of requests that the embedded server refuses by chance: 529 overloaded_error, or 503")
	f.DurationVar(&o.minute, "minute", 6*time.Second, "how long the embedded server's minute lasts; it lives so much faster")
	f.IntVar(&o.concurrency, "concurrency", 64, "requests in flight, at most")
	f.IntVar(&o.retries, "retries", 8, "attempts at a prompt, refusals not counted, before it is given up")
	f.Uint64Var(&o.seed, "seed", 1, "of the embedded server's failures and of the throttle's backoff; 0: another each run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if err := o.complete(f.Args()); err != nil {
		fmt.Fprintln(stderr, "llm:", err)
		return o, err
	}
	return o, nil
}
