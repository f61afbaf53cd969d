package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/command"
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
	pool        bool
	members     members // of a pool; none: there is one key
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
	if o.pool || len(o.members) > 0 {
		if err := o.completePool(); err != nil {
			return err
		}
	} else {
		o.model = cmp.Or(o.model, p.model)
	}
	if o.prices == (prices{}) {
		o.prices = listPrices[o.model]
	}
	if o.dollars > 0 && len(o.members) == 0 && o.prices == (prices{}) {
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
	o.minute = time.Minute // as everywhere
	if len(o.members) > 0 {
		return nil
	}
	if err := command.CheckURL("-url", o.baseURL); err != nil {
		return err
	}
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

func (o options) embedded() bool {
	return o.baseURL == "" && (len(o.members) == 0 || o.members[0].url == "")
}

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
