package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/llm/server"
	"github.com/paceline-go/paceline/pipeline"
)

// options are the command line.
type options struct {
	provider    string
	baseURL     string // "": the embedded server
	key         string
	model       string
	stream      bool
	prompts     string
	batch       string        // a file of requests, in the place of prompts; "": none
	errors      string        // the file for those of the batch that failed
	single      time.Duration // between single prompts ahead of the bulk; 0: none
	samples     int
	limit       int
	maxTokens   int64
	out         string
	fresh       bool
	rpm, tpm    int64
	itpm, otpm  int64   // 0: tpm for both together
	dollars     float64 // that the run may cost; 0: no bound
	prices      prices
	budgets     bool
	overloaded  float64
	minute      time.Duration
	concurrency int
	retries     int
	seed        uint64
}

const (
	openAI     = "openai"
	anthropics = "anthropic"
)

// providers are those whose protocol can be spoken.
var providers = map[string]struct{ model, key string }{
	openAI:     {"gpt-4o-mini", "OPENAI_API_KEY"},
	anthropics: {"claude-haiku-4-5", "ANTHROPIC_API_KEY"},
}

// listPrices are those of July 2024 (openai.com) and of October 2025 (anthropic.com). They are an example: -prices sets others.
var listPrices = map[string]prices{
	"gpt-4o-mini":      {0.15, 0.60},
	"claude-haiku-4-5": {1, 5},
}

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

// complete checks the options and fills in what follows from others.
func (o *options) complete(rest []string) error {
	p, known := providers[o.provider]
	switch {
	case len(rest) > 0:
		return fmt.Errorf("arguments: got %q, want flags alone", rest)
	case !known:
		return fmt.Errorf("-provider: got %q, want openai or anthropic", o.provider)
	case o.batch != "" && o.provider != openAI:
		return fmt.Errorf("-provider: got %q beside -batch, want openai: the file's requests are in its form", o.provider)
	case o.batch != "" && o.prompts != "":
		return fmt.Errorf("-prompts: got %q beside -batch, want one of the two", o.prompts)
	case o.batch != "" && o.stream:
		return fmt.Errorf("-stream: got true beside -batch, want false: a Batch file has whole answers")
	case o.batch == "" && o.errors != "":
		return fmt.Errorf("-errors: got %q without -batch, want both", o.errors)
	case o.batch != "" && o.dollars > 0 && o.prices == (prices{}):
		return fmt.Errorf("-prices: got none beside -batch and -dollars, want those of the models that the file names, or the highest of them")
	case o.single < 0:
		return fmt.Errorf("-single: got %v, want at least 0", o.single)
	case o.samples < 1:
		return fmt.Errorf("-samples: got %d, want at least 1", o.samples)
	case o.limit < 0:
		return fmt.Errorf("-n: got %d, want at least 0", o.limit)
	case o.maxTokens < 1:
		return fmt.Errorf("-max-tokens: got %d, want at least 1", o.maxTokens)
	case o.rpm < 1:
		return fmt.Errorf("-rpm: got %d, want at least 1", o.rpm)
	case o.tpm < 1:
		return fmt.Errorf("-tpm: got %d, want at least 1", o.tpm)
	case o.itpm < 0 || o.otpm < 0 || (o.itpm == 0) != (o.otpm == 0):
		return fmt.Errorf("-itpm: got %d beside -otpm %d, want both at least 1, or both 0", o.itpm, o.otpm)
	case !(o.dollars >= 0 && o.dollars <= 1e6):
		return fmt.Errorf("-dollars: got %v, want 0 to 1e6", o.dollars)
	case !(o.overloaded >= 0 && o.overloaded < 1):
		return fmt.Errorf("-overloaded: got %v, want 0 to less than 1", o.overloaded)
	case o.minute < time.Millisecond || o.minute > time.Minute:
		return fmt.Errorf("-minute: got %v, want 1ms to 1m0s", o.minute)
	case o.concurrency < 1:
		return fmt.Errorf("-concurrency: got %d, want at least 1", o.concurrency)
	case o.retries < 1:
		return fmt.Errorf("-retries: got %d, want at least 1", o.retries)
	}
	o.model = cmp.Or(o.model, p.model)
	if o.prices == (prices{}) {
		o.prices = listPrices[o.model]
	}
	if o.dollars > 0 && o.prices == (prices{}) {
		return fmt.Errorf("-prices: got none, and those of %s are not known; want them, since -dollars is set", o.model)
	}
	if o.out == "" {
		o.out = filepath.Join(os.TempDir(), "paceline-llm-"+o.batchName()+strings.NewReplacer("/", "-", " ", "-").Replace(o.name())+".jsonl")
	}
	if o.batch != "" {
		o.samples = 1
		o.errors = cmp.Or(o.errors, strings.TrimSuffix(o.out, ".jsonl")+"-errors.jsonl")
	}
	if o.embedded() {
		o.key = "embedded"
		return nil
	}
	if err := command.CheckURL("-url", o.baseURL); err != nil {
		return err
	}
	o.minute = time.Minute // as everywhere
	if o.key = cmp.Or(o.key, os.Getenv(p.key)); o.key == "" {
		return fmt.Errorf("-key: got nothing, and %s is not set; a server that asks for none takes any", p.key)
	}
	return nil
}

// batchName is what a Batch file adds to the name of the output.
func (o options) batchName() string {
	switch o.batch {
	case "":
		return ""
	case "-":
		return "stdin-"
	}
	return strings.TrimSuffix(filepath.Base(o.batch), ".jsonl") + "-"
}

func (o options) embedded() bool { return o.baseURL == "" }

// name is that of the model, as answers have it: those of the embedded server are not to be taken for real ones.
func (o options) name() string {
	if o.embedded() {
		return "embedded " + o.model
	}
	return o.model
}

// scale turns time of the server's into time on the wall.
func (o options) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(o.minute) / float64(time.Minute))
}

// throttleConfig is how the pipeline is told about the service: its quotas, not how fast it is.
func (o options) throttleConfig() pipeline.Config {
	// The server counts from a request's arrival, and not every one takes equally long to get there: in a window that is a little
	// longer than its minute, none arrives before those of a minute ago have left its count.
	window := o.minute + o.minute/100
	cfg := pipeline.Config{
		MaxConcurrency: o.concurrency,
		AttemptTimeout: o.scale(5 * time.Minute),
		Retry:          &pipeline.Retry{MaxAttempts: o.retries, BaseDelay: o.scale(time.Second), Park: true},
		Seed:           o.seed,
		Logger:         slog.New(slog.DiscardHandler), // what matters is said above the bar
	}
	cfg.Budgets = o.budgetsOf(window)
	return cfg
}

// serverConfig is how the embedded server behaves. It now and then fails, as real ones do.
func (o options) serverConfig() server.Config {
	return server.Config{Requests: o.rpm, Tokens: o.tpm, InputTokens: o.itpm, OutputTokens: o.otpm, Minute: o.minute, FailShare: 0.01, OverloadShare: o.overloaded, Seed: o.seed}
}
