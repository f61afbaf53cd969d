// Command llm sends prompts to a language model, as fast as its quotas of requests and tokens a minute allow and no faster, and writes
// the answers into a file, in order. It loses and doubles none, whenever the program is stopped.
//
//	prompts ──► jobs ──► paceline: the official SDK ──► pacejournal ──► answers, in order
//	 JSONL                    │                           SQLite          JSONL
//	             embedded server, or a real one
//
// What a prompt will use is estimated before it is sent: its tokens, counted with the model's vocabulary, the longest answer
// that it may get, and what both cost. That much is reserved from the budgets of tokens and of money. What it did use, the answer
// tells, and that is what is booked. When the money is spent, no further prompt is sent.
//
// Run it from the root of the repo, stop it with Ctrl-C, run it again:
//
//	go run ./examples/llm
//	go run ./examples/llm -provider anthropic -stream -itpm 20000 -otpm 12000 -dollars 0.50
//	go run ./examples/llm -batch examples/llm/data/batch.jsonl   # a file of OpenAI's Batch API, in and out
//	go run ./examples/llm -pool   # three keys of two providers, each with quotas of its own
//	go run ./examples/llm -url https://api.openai.com/v1 -model gpt-4o-mini -rpm 500 -tpm 200000   # and OPENAI_API_KEY
//	go run ./examples/llm -h
//
// The three lines that matter:
//
//	client := &http.Client{Transport: &pacehttp.Transport{Base: base}}
//	return pacehttp.Mark(said, res)
//	for res := range r.answers.journal.Each(ctx, r.engine.stage(), slices.Values(r.jobs)) {
package main
